//! The same test against a real nginx, Python's http.server and the demo site.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::door::{Door, KEY, age, bmp, counts, jpeg, write};
use crate::site::Site;

/// A server's process, ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until something listens; `false` when the process ended instead.
async fn comes_up(running: &mut Running, port: u16) -> bool {
    for _ in 0..200 {
        if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return true;
        }
        if running.0.try_wait().unwrap().is_some() {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

/// New, unchanged, edited at the same size, and removed; names that need care; folders that are left out.
async fn tell_the_story(door: &Door, root: &Path) {
    write(root, "2110001/front.jpg", &jpeg(1));
    write(root, "2110001/Ünal & Söhne 100%.JPG", &jpeg(2));
    write(root, "2110001/a#1?.jpg", &jpeg(3));
    write(root, "2110002/old/b.bmp", &bmp(4));
    write(root, "2110003/it's \"quoted\".png", &jpeg(5));
    write(root, "2110004/c.jpeg", &jpeg(6));
    write(root, "2110001/notes.txt", b"no photo");
    write(root, "passport/p.jpg", &jpeg(7));
    write(root, "readme.html", b"<a href='2110009/x.jpg'>not followed</a>");
    for path in [
        "2110001/front.jpg",
        "2110001/Ünal & Söhne 100%.JPG",
        "2110001/a#1?.jpg",
        "2110002/old/b.bmp",
        "2110003/it's \"quoted\".png",
        "2110004/c.jpeg",
    ] {
        age(root, path, 100);
    }
    assert_eq!(counts(&door.sync().await), [6, 0, 0, 0, 0]);
    assert_eq!(
        door.paths(),
        [
            "2110001/a#1?.jpg",
            "2110001/front.jpg",
            "2110001/Ünal & Söhne 100%.JPG",
            "2110002/old/b.bmp",
            "2110003/it's \"quoted\".png",
            "2110004/c.jpeg"
        ]
    );
    assert_eq!(counts(&door.sync().await), [0, 0, 6, 0, 0]);

    write(root, "2110002/old/b.bmp", &bmp(8));
    age(root, "2110002/old/b.bmp", 50);
    assert_eq!(bmp(4).len(), bmp(8).len());
    assert_eq!(counts(&door.sync().await), [0, 1, 5, 0, 0]);
    assert_eq!(door.photos()["2110002/old/b.bmp"], bmp(8));
    // Replaced by an older file, of the same size.
    write(root, "2110002/old/b.bmp", &bmp(9));
    age(root, "2110002/old/b.bmp", 86_400);
    assert_eq!(counts(&door.sync().await), [0, 1, 5, 0, 0]);
    assert_eq!(door.photos()["2110002/old/b.bmp"], bmp(9));
    assert_eq!(counts(&door.sync().await), [0, 0, 6, 0, 0]);

    std::fs::remove_dir_all(root.join("2110004")).unwrap();
    assert_eq!(counts(&door.sync().await), [0, 0, 5, 1, 0]);
    assert_eq!(door.paths().len(), 5);
    let metadata = std::fs::read_to_string(door.mirror().join(".cache_metadata.json")).unwrap();
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    let fields: Vec<_> = metadata.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        fields,
        ["last_sync", "source_url", "total_images", "downloaded", "updated", "skipped", "removed", "failed"]
    );
    assert_eq!(
        (&metadata["total_images"], &metadata["skipped"], &metadata["removed"]),
        (&5.into(), &5.into(), &1.into())
    );
}

#[tokio::test]
async fn nginx() {
    let Some(program) =
        ["/usr/sbin/nginx", "/usr/local/sbin/nginx"].iter().find(|path| Path::new(path).exists())
    else {
        skipped::skipped("nginx (Debian package nginx-light)");
        return;
    };
    let (root, work, port) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), free_port());
    let prefix = work.path().display();
    let log = work.path().join("access.log");
    // As root, nginx's workers give up their rights and could not read the test's folder.
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    let config = format!(
        "daemon off; master_process off; {user} pid {prefix}/pid; error_log {prefix}/error.log; events {{}}
         http {{
           log_format sent '$request_method $status $body_bytes_sent $uri'; access_log {log} sent;
           client_body_temp_path {prefix}/b; proxy_temp_path {prefix}/p; fastcgi_temp_path {prefix}/f;
           uwsgi_temp_path {prefix}/u; scgi_temp_path {prefix}/s;
           server {{
             listen 127.0.0.1:{port};
             location /media/students {{ if ($arg_key != '{KEY}') {{ return 401; }} alias {root}; autoindex on; }}
           }}
         }}",
        log = log.display(),
        root = root.path().display(),
    );
    std::fs::write(work.path().join("nginx.conf"), config).unwrap();
    let child = Command::new(program)
        .arg("-c")
        .arg(work.path().join("nginx.conf"))
        .arg("-p")
        .arg(work.path())
        .spawn();
    let mut running = Running(child.unwrap());
    if !comes_up(&mut running, port).await {
        panic!("nginx did not start: {:?}", std::fs::read_to_string(work.path().join("error.log")));
    }
    let door = Door::new(&format!("http://127.0.0.1:{port}/media/students?key={KEY}"));
    tell_the_story(&door, root.path()).await;
    let log = std::fs::read_to_string(log).unwrap();
    let bodies =
        log.lines().filter(|line| line.starts_with("GET 200") && line.contains("/front.jpg")).count();
    let asked = log.lines().filter(|line| line.contains("/front.jpg")).count();
    assert_eq!((bodies, asked), (1, 6), "an unchanged photo costs no body:\n{log}");

    let mut door = Door::new(&format!("http://127.0.0.1:{port}/media/students?key=wrong"));
    assert!(door.try_sync().await.unwrap_err().needs_a_person());
    door.settings.photos.url =
        Some(base::secret::SecretUrl::parse(&format!("http://127.0.0.1:{port}/none?key={KEY}")).unwrap());
    assert!(door.try_sync().await.unwrap_err().to_string().contains("404"));
}

#[tokio::test]
async fn pythons_http_server() {
    let (root, port) = (tempfile::tempdir().unwrap(), free_port());
    let child = Command::new("python3")
        .args(["-m", "http.server", &port.to_string(), "--bind", "127.0.0.1"])
        .current_dir(root.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(child) = child else {
        skipped::skipped("python3");
        return;
    };
    let mut running = Running(child);
    assert!(comes_up(&mut running, port).await);
    let door = Door::new(&format!("http://127.0.0.1:{port}/?key={KEY}"));
    tell_the_story(&door, root.path()).await;
}

#[tokio::test]
async fn the_demo_site() {
    let root = tempfile::tempdir().unwrap();
    let site = Site::new(root.path(), KEY).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = crate::site::origin(&listener, false).unwrap();
    tokio::spawn(site.clone().serve(listener, None));
    let door = Door::new(&format!("{origin}/media/students?key={KEY}"));
    tell_the_story(&door, root.path()).await;
    for fault in ["500", "html", "empty", "reset", "gone"] {
        site.misbehave(Some(format!("{fault}/3").parse().unwrap()), None);
        let _ = door.try_sync().await;
        assert_eq!(door.paths().len(), 5, "{fault}");
    }
}
