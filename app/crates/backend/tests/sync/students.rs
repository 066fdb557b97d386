//! The students' list beside the photos on the server.

use std::os::unix::fs::MetadataExt as _;

use crate::door::{Door, KEY, age, counts, jpeg, write};
use crate::site;
use crate::site::Site;

#[tokio::test]
async fn the_students_list_comes_with_the_photos_and_goes_with_them() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "2110001/a.jpg", &jpeg(1));
    write(root.path(), "students.csv", b"roll,name\n2110001,Asha\n");
    age(root.path(), "students.csv", 100);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let door = Door::new(&format!("{}/media/students?key={KEY}", site::origin(&listener, false).unwrap()));
    tokio::spawn(Site::new(root.path(), KEY).unwrap().serve(listener, None));
    let here = door.mirror().join("students.csv");
    let text = || std::fs::read_to_string(&here).unwrap();

    assert_eq!(counts(&door.sync().await), [1, 0, 0, 0, 0], "it counts as no photo");
    assert_eq!(text(), "roll,name\n2110001,Asha\n");
    let inode = || std::fs::metadata(&here).unwrap().ino();
    let first = inode();
    door.sync().await;
    assert_eq!(inode(), first, "an unchanged list is not fetched again");
    std::fs::remove_file(&here).unwrap();
    door.sync().await;
    assert_eq!(text(), "roll,name\n2110001,Asha\n", "one that is lost here is fetched again");

    write(root.path(), "students.csv", b"roll,name\n2110001,Ben\n");
    age(root.path(), "students.csv", 50);
    door.sync().await;
    assert_eq!(text(), "roll,name\n2110001,Ben\n");

    write(root.path(), "students.csv", &vec![b'a'; (2 << 20) + 1]);
    let report = door.sync().await;
    assert_eq!(report.failed.len(), 1, "{report:?}");
    assert_eq!(report.failed[0].photo, "students.csv");
    assert_eq!(text(), "roll,name\n2110001,Ben\n", "the one that is here stays");

    std::fs::remove_file(root.path().join("students.csv")).unwrap();
    assert_eq!(counts(&door.sync().await), [0, 0, 1, 0, 0]);
    assert!(!here.exists(), "personal data goes when the server has it no more");
    assert_eq!(door.paths(), ["2110001/a.jpg"]);
}
