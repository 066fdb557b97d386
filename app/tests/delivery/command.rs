//! `attendance upload`, as a person calls it.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::door::{Door, KEY, demo, stored};

fn attendance(configuration: &std::path::Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_attendance"));
    command.args(["upload", "--config"]).arg(configuration).args(arguments).output().unwrap()
}

/// Everything below a folder.
fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { [vec![path.clone()], below(&path)].concat() } else { vec![path] })
        .collect()
}

#[test]
fn files_made_by_root_belong_to_the_service() {
    const SERVICE: u32 = 12_345;
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        skipped::skipped("root");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    chown(&data, Some(SERVICE), Some(SERVICE)).unwrap();
    let configuration = folder.path().join("attendance.toml");
    // Nobody listens there: what is made before the network is asked must be the service's already.
    let text = format!(
        "[site]\ndata_dir = {data:?}\nclock = \"system\"\n[photos]\nurl = \"http://127.0.0.1:1/photos\"\n[webhook]\n\
         url = \"http://127.0.0.1:1/hook\"\nkey = \"{KEY}\"\n"
    );
    std::fs::write(&configuration, text).unwrap();
    for arguments in [&["password"][..], &["token", "add", "monitoring"], &["sync"], &["upload"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_attendance"));
        let output = command.args(arguments).arg("--config").arg(&configuration).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            output.status.success(),
            !["sync", "upload"].contains(&arguments[0]),
            "{arguments:?}: {said}"
        );
    }
    let made = below(&data);
    for name in ["page/password", "page/tokens.json", "cached_faces", "journal"] {
        assert!(made.contains(&data.join(name)), "{name} is not among {made:?}");
    }
    for path in made {
        let meta = std::fs::metadata(&path).unwrap();
        assert_eq!((meta.uid(), meta.gid()), (SERVICE, SERVICE), "{}", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn upload_command_delivers_and_lists_refused_rows() {
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

/// On a terminal of its own, which `script` makes.
#[test]
fn ctrl_c_at_the_passphrase_gives_the_terminal_back() {
    if Command::new("script").arg("--version").output().is_err() {
        skipped::skipped("the program `script`");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (configuration, archive) = (folder.path().join("attendance.toml"), folder.path().join("archive"));
    std::fs::write(&configuration, format!("[site]\ndata_dir = {:?}\n", folder.path().join("data"))).unwrap();
    let program = env!("CARGO_BIN_EXE_attendance");
    for (typed, words) in [("\u{3}", "broken off"), ("zebra\n", "12")] {
        let export = format!("{program} export {} --config {}", archive.display(), configuration.display());
        let mut script = Command::new("script");
        script.args(["-qec", &format!("{export}; stty -a"), "/dev/null"]);
        let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut said = Vec::new();
        let mut piece = [0; 256];
        while !String::from_utf8_lossy(&said).contains("Passphrase: ") {
            let read = stdout.read(&mut piece).unwrap();
            assert!(read > 0, "no prompt: {}", String::from_utf8_lossy(&said));
            said.extend_from_slice(&piece[..read]);
        }
        stdin.write_all(typed.as_bytes()).unwrap();
        stdout.read_to_end(&mut said).unwrap();
        child.wait().unwrap();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(said.contains(words) && said.contains(" echo ") && said.contains("isig"), "{said}");
        assert!(!said.contains("-isig") && !said.contains("-echo ") && !said.contains("zebra"), "{said}");
        assert!(!archive.exists());
    }
}
