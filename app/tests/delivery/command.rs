//! `attendance upload`, as a person calls it.

use std::process::{Command, Output};

use crate::door::{Door, KEY, demo, stored};

fn attendance(configuration: &std::path::Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_attendance"));
    command.args(["upload", "--config"]).arg(configuration).args(arguments).output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_delivered_and_what_needs_a_person_is_listed() {
    let (site, url) = demo(&["7"]).await;
    let door = Door::at(&url);
    door.see("7");
    door.see("9999999");
    let (folder, data) = (tempfile::tempdir().unwrap(), door.folder.path().to_owned());
    let configuration = folder.path().join("attendance.toml");
    let text = format!(
        "[site]\ndata_dir = {data:?}\ntime_zone = \"Asia/Kolkata\"\nclock = \"system\"\n[webhook]\nurl = \"{url}\"\nkey = \"{KEY}\"\n"
    );
    std::fs::write(&configuration, text).unwrap();
    let output = attendance(&configuration, &[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("in use by another process"), "{said}");
    // The appliance stops; its folder stays.
    let Door { folder: _data, records, uploader, .. } = door;
    drop((records, uploader));
    let output = attendance(&configuration, &[]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("row 2: 9999999 IN") && said.contains("Student not found"), "{said}");
    assert!(said.contains("Stored:    1") && said.contains("Waiting:   0"), "{said}");
    assert_eq!(stored(&site).len(), 1);
    assert_eq!(attendance(&configuration, &["--retry", "1"]).status.code(), Some(1));
    assert_eq!(attendance(&configuration, &["--retry", "2"]).status.code(), Some(3));
    assert_eq!(attendance(&configuration, &["--dismiss", "2"]).status.code(), Some(0));
    assert_eq!(attendance(&configuration, &[]).status.code(), Some(0));
}
