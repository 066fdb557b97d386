//! A board dies, and another one goes on with its archive.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use access::role::Role;
use archive::place::{Outcome, Place};
use attendance::transfer::arriving::{Arriving, Turns};
use attendance::transfer::export::export;
use attendance::transfer::import::stage;
use attendance::transfer::take_over::take_over;
use base::secret::Secret;
use settings::store::RealDisk;
use settings::trial::Keeper;
use view::Incoming;

use crate::door::{Door, demo, stored};

fn passphrase() -> Secret {
    Secret::new("correct horse battery staple")
}

/// Settings whose data folder is `folder`, beside it.
fn settings(folder: &Path, more: &str) -> PathBuf {
    let path = folder.join("attendance.toml");
    let text = format!(
        "{more}[site]\nname = \"gate\"\ntime_zone = \"Asia/Kolkata\"\ndata_dir = \"{}\"\n",
        folder.display()
    );
    fs::write(&path, text).unwrap();
    path
}

fn exported(folder: &Path) -> Vec<u8> {
    let mut archive = Vec::new();
    export(&settings(folder, ""), &passphrase(), &mut archive).unwrap();
    archive
}

/// What a start does, once the process that had the journal has gone.
fn start(config: &Path) -> Option<Outcome> {
    let keeper = Keeper::new(config, Arc::new(RealDisk));
    take_over(config, &keeper).unwrap()
}

#[tokio::test]
async fn a_new_board_delivers_what_the_old_one_had_not() {
    let (site, url) = demo(&["7", "8", "9"]).await;
    let old = Door::at(&url);
    old.see("7");
    assert_eq!(old.upload().await.created, 1);
    old.see("8");
    old.see("9");
    let archive = exported(old.folder.path());
    // The archive does not know that the old board still delivered 8 and 9.
    old.wait(60);
    assert_eq!(old.upload().await.created, 2);

    let new = Door::at(&url);
    let mut told = None;
    let new = new.restart_after(|folder| {
        let config = settings(folder, "");
        let staged = stage(&config, &*archive, &passphrase(), true, || true).unwrap();
        assert_eq!(staged.undelivered, 2, "{staged}");
        told = start(&config);
    });
    assert!(told.is_some_and(|outcome| outcome.taken));
    let report = new.upload().await;
    assert_eq!((report.created, report.duplicates, report.refused, report.backlog), (0, 2, 0, 0));
    assert!(new.records.ledger.needs_person().is_empty(), "known already means delivered");
    assert_eq!(stored(&site).len(), 3);
    // Its own rows are judged as ever: who left is recorded once.
    new.wait(7200);
    new.see("7");
    new.wait(86_400);
    new.tick();
    assert_eq!(new.upload().await.created, 1);
    assert!(stored(&site).iter().any(|row| row.starts_with("7,out")), "{:?}", stored(&site));
}

/// The rule for imported rows does not hold for rows that the new board records itself.
#[tokio::test]
async fn a_row_of_the_new_board_that_the_backend_had_before_is_a_conflict() {
    let (_site, url) = demo(&["7", "8"]).await;
    let old = Door::at(&url);
    old.see("7");
    let archive = exported(old.folder.path());
    let other = Door::at(&url);
    other.see("8");
    assert_eq!(other.upload().await.created, 1);
    let new = Door::at(&url).restart_after(|folder| {
        let config = settings(folder, "");
        stage(&config, &*archive, &passphrase(), true, || true).unwrap();
        start(&config).unwrap();
    });
    new.wait(60);
    new.see("8");
    let report = new.upload().await;
    assert_eq!((report.created, report.duplicates, report.refused), (1, 0, 1));
}

/// An archive of before the erasure has the student's photos, and no list of who was erased.
#[test]
fn an_archive_brings_no_student_back_who_was_erased_here() {
    let old = Door::at("http://127.0.0.1:9/");
    let photo = old.folder.path().join("known_faces/7/a.jpg");
    fs::create_dir_all(photo.parent().unwrap()).unwrap();
    fs::write(&photo, "a face").unwrap();
    let archive = exported(old.folder.path());
    Door::at("http://127.0.0.1:9/").restart_after(|folder| {
        let config = settings(folder, "");
        stage(&config, &*archive, &passphrase(), true, || true).unwrap();
        // While the archive waits for a start.
        let roll = base::identity::RollNumber::parse("7").unwrap();
        let erasures = site::erasure::Erasures::below(folder, None);
        erasures.ask(&roll, "anna", 1).unwrap();
        erasures.finish().unwrap();
        assert!(start(&config).unwrap().taken && folder.join("known_faces/7/a.jpg").exists());
        let config = config::load(&config).unwrap();
        let known = attendance::erasing::known(&config);
        assert!(known.is_erased(&roll));
        attendance::erasing::do_what_is_open(&config, &known).unwrap();
        assert!(!folder.join("known_faces/7").exists());
    });
}

#[test]
fn what_was_broken_off_waits_for_no_start() {
    let archive = exported(Door::at("http://127.0.0.1:9/").folder.path());
    let folder = tempfile::tempdir().unwrap();
    let config = settings(folder.path(), "");
    let fault = stage(&config, &*archive, &passphrase(), true, || false).unwrap_err();
    assert!(fault.what.contains("broken off"), "{fault}");
    assert!(!Place::below(folder.path()).waits());
}

#[test]
fn a_device_with_rows_of_its_own_takes_no_archive() {
    let archive = exported(Door::at("http://127.0.0.1:9/").folder.path());
    let door = Door::at("http://127.0.0.1:9/");
    door.see("7");
    let config = settings(door.folder.path(), "");
    let fault = stage(&config, &*archive, &passphrase(), true, || true).unwrap_err();
    assert!(fault.what.contains("1 rows of its own"), "{fault}");
    // Rows that come between the check and the start count as well.
    let door = Door::at("http://127.0.0.1:9/");
    let config = settings(door.folder.path(), "");
    stage(&config, &*archive, &passphrase(), true, || true).unwrap();
    door.see("7");
    let door = door.restart_after(|_| {
        let outcome = start(&config).unwrap();
        assert!(!outcome.taken && outcome.sentence.contains("1 rows"), "{outcome:?}");
    });
    assert_eq!(door.records.ledger.summary().backlog, 1);
}

#[test]
fn a_running_appliance_keeps_its_data_until_it_ends() {
    let archive = exported(Door::at("http://127.0.0.1:9/").folder.path());
    let door = Door::at("http://127.0.0.1:9/");
    let config = settings(door.folder.path(), "");
    stage(&config, &*archive, &passphrase(), true, || true).unwrap();
    assert_eq!(start(&config), None, "the journal is in use");
    assert!(Place::below(door.folder.path()).waits());
}

#[test]
fn settings_photos_accounts_and_lists_go_along() {
    let old = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &[u8]| {
        let file = old.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    };
    write("known_faces/2110001/front.jpg", b"a photo");
    write("known_faces/2110001/notes.txt", b"no photo");
    write("office/students.json", b"{\"by\":\"ana\",\"students\":[]}");
    write("page/password", b"a hash");
    write("cached_faces/7/a.jpg", b"of the server");
    write("embeddings-sface.safetensors", b"made again");
    access::account::AccountFile::below(old.path()).add("ana", Role::Office).unwrap();
    let mut archive = Vec::new();
    let config = settings(old.path(), "# a comment of the site\n");
    let done = export(&config, &passphrase(), &mut archive).unwrap();
    assert!(done.left_out.iter().any(|what| what.contains("notes.txt")), "{done:?}");

    // The new board has the same data folder, as every card has.
    let text = fs::read_to_string(&config).unwrap();
    fs::remove_dir_all(old.path()).unwrap();
    fs::create_dir(old.path()).unwrap();
    write("page/password", b"the new board's");
    write("page/accounts.json", b"[]");
    write("cached_faces/8/b.jpg", b"stays");
    let config = settings(old.path(), "");
    stage(&config, &*archive, &passphrase(), false, || true).unwrap();
    assert_eq!(fs::read(old.path().join("page/password")).unwrap(), b"the new board's", "not before a start");
    assert!(start(&config).unwrap().taken);
    assert_eq!(fs::read_to_string(&config).unwrap(), text);
    assert_eq!(fs::read(old.path().join("known_faces/2110001/front.jpg")).unwrap(), b"a photo");
    assert_eq!(fs::read(old.path().join("page/password")).unwrap(), b"a hash");
    assert_eq!(fs::read(old.path().join("cached_faces/8/b.jpg")).unwrap(), b"stays");
    assert!(!old.path().join("embeddings-sface.safetensors").exists());
    let accounts = access::account::AccountFile::below(old.path()).list().unwrap();
    assert_eq!(accounts.len(), 1);
    assert!(Place::below(old.path()).outcome().unwrap().taken);
    assert_eq!(start(&config), None, "once");
}

#[test]
fn settings_that_do_not_work_here_refuse_the_archive_and_can_be_left_out() {
    let old = tempfile::tempdir().unwrap();
    let archive = exported(old.path());
    let new = tempfile::tempdir().unwrap();
    let config = settings(new.path(), "");
    let before = fs::read_to_string(&config).unwrap();
    // It names another data folder.
    let fault = stage(&config, &*archive, &passphrase(), false, || true).unwrap_err();
    assert!(fault.what.contains("data_dir") && fault.to_string().contains("--keep-settings"), "{fault}");
    assert!(!Place::below(new.path()).waits());
    stage(&config, &*archive, &passphrase(), true, || true).unwrap();
    assert!(start(&config).unwrap().taken);
    assert_eq!(fs::read_to_string(&config).unwrap(), before);
}

#[test]
fn accounts_that_nobody_can_read_refuse_the_archive() {
    let old = tempfile::tempdir().unwrap();
    fs::create_dir(old.path().join("page")).unwrap();
    fs::write(old.path().join("page/accounts.json"), "{").unwrap();
    let archive = exported(old.path());
    let new = tempfile::tempdir().unwrap();
    let fault = stage(&settings(new.path(), ""), &*archive, &passphrase(), true, || true).unwrap_err();
    assert!(fault.what.contains("accounts"), "{fault}");
}

#[test]
fn an_archive_that_comes_by_the_page_is_checked_while_it_comes() {
    let old = tempfile::tempdir().unwrap();
    let archive = exported(old.path());
    let new = tempfile::tempdir().unwrap();
    let (config, turns) = (settings(new.path(), ""), Turns::default());
    let begin = |word: &str, announced: usize| {
        let since = Instant::now();
        loop {
            let begun =
                Arriving::begin(&turns, config.clone(), Secret::new(word), true, announced as u64, |_| ());
            // The turn of the one before ends with its thread.
            if begun.is_ok() || since.elapsed() > Duration::from_secs(20) {
                return Box::new(begun.unwrap());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let mut whole = begin(passphrase().expose(), archive.len());
    let other = Arriving::begin(&turns, config.clone(), passphrase(), true, 1, |_| ());
    assert!(other.is_err_and(|fault| fault.what.contains("under way")));
    for piece in archive.chunks(1000) {
        whole.take(piece).unwrap();
    }
    whole.finish().map(drop).unwrap();
    assert!(start(&config).unwrap().taken);
    let mut broken = begin(passphrase().expose(), archive.len());
    broken.take(&archive[..500]).unwrap();
    drop(broken);
    let mut short = begin(passphrase().expose(), archive.len());
    short.take(&archive[..500]).unwrap();
    let refused = short.finish().map(drop).unwrap_err();
    assert!(refused.message.contains("ended after 500 of"), "{refused:?}");
    let mut wrong = begin("another passphrase", archive.len());
    let taken = archive.chunks(1000).try_for_each(|piece| wrong.take(piece));
    let refused = taken.and_then(|()| wrong.finish().map(drop)).unwrap_err();
    assert!(refused.message.contains("passphrase"), "{refused:?}");
    assert!(!Place::below(new.path()).waits());
}
