#![allow(clippy::unwrap_used, clippy::panic)]
use base::secret::Secret;

use super::*;

fn roll(text: &str) -> RollNumber {
    RollNumber::parse(text).unwrap()
}

fn keys(key: &str) -> Keys {
    Keys::new("school", &Secret::new(key))
}

fn opened(folder: &Path, site: Option<&Keys>) -> Arc<Erasures> {
    Arc::new(Erasures::below(folder, site))
}

#[test]
fn an_archive_brings_nobody_back_who_was_erased_here_or_there() {
    let [here, there] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let both = ["7", "8"].map(roll);
    for (folder, roll) in [(&here, &both[0]), (&there, &both[1])] {
        let all = opened(folder.path(), None);
        all.ask(roll, "anna", 5).unwrap();
        all.finish().unwrap();
    }
    let lifted = opened(here.path(), None).ask(&roll("9"), "anna", 6).unwrap();
    opened(here.path(), None).lift(&lifted.to_string()).unwrap();
    for _ in 0..2 {
        join(here.path(), there.path()).unwrap();
        let joined = opened(there.path(), None);
        let to_do = joined.to_do().unwrap();
        assert!(both.iter().all(|roll| joined.is_erased(roll) && to_do.holds(roll)));
        assert!(!joined.is_erased(&roll("9")));
        assert_eq!(joined.list().len(), 3);
    }
}

#[test]
fn an_erasure_survives_a_restart_and_names_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let before = opened(folder.path(), None);
    let id = before.ask(&roll("2110001"), "anna (office)", 5).unwrap();
    assert!(before.is_erased(&roll("2110001")) && !before.is_erased(&roll("2110002")));
    let text = std::fs::read_to_string(folder.path().join("erasures/list.json")).unwrap();
    assert!(!text.contains("2110001"), "{text}");
    let after = opened(folder.path(), None);
    assert!(after.to_do().unwrap().is("2110001"));
    after.finish().unwrap();
    assert!(after.to_do().is_none() && after.erased().is("2110001"));
    assert_eq!(after.ask(&roll("2110001"), "anna", 6).unwrap(), id, "the same one, done once more");
    assert!(after.to_do().is_some());
    after.lift(&id.to_string()).unwrap();
    assert!(!opened(folder.path(), None).is_erased(&roll("2110001")));
    assert!(after.lift(&id.to_string()).is_err());
    assert_ne!(after.ask(&roll("2110001"), "anna", 7).unwrap(), id);
}

#[test]
fn it_holds_after_another_site_key_and_without_one() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) =
        (keys("0123456789abcdef0123456789abcdef"), keys("another key of 32 characters ..."));
    opened(folder.path(), Some(&first)).ask(&roll("7"), "", 5).unwrap();
    for site in [None, Some(&first), Some(&second)] {
        assert!(opened(folder.path(), site).is_erased(&roll("7")));
    }
    assert!(opened(folder.path(), Some(&first)).holds(first.student(&roll("7"))));
    assert_eq!(opened(folder.path(), Some(&second)).told(), [], "other doors could not tell whom it means");
}

#[test]
fn two_doors_know_the_same_whatever_comes_first() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let keys = keys("0123456789abcdef0123456789abcdef");
    let (here, there) = (opened(one.path(), Some(&keys)), opened(other.path(), Some(&keys)));
    let id = here.ask(&roll("7"), "anna", 5).unwrap();
    let [asked] = here.told()[..] else { panic!("one message") };
    let lifted = Told { lifted: true, ..asked };
    // The broker may give them in this order.
    assert!(!there.take(&lifted).unwrap(), "nothing to be removed for a lift");
    assert_eq!(there.list(), []);
    assert!(there.take(&asked).unwrap(), "it is still to be removed here");
    assert!(!there.take(&asked).unwrap(), "known");
    assert!(there.to_do().unwrap().is("7") && !there.is_erased(&roll("7")));
    assert_eq!(there.told(), [asked, lifted]);
    here.take(&lifted).unwrap();
    assert_eq!(here.list(), [Erasure { id, at: 5, by: "anna".to_owned(), done: false, lifted: true }]);
}

#[test]
fn a_damaged_list_is_said_and_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("erasures/list.json");
    std::fs::create_dir(folder.path().join("erasures")).unwrap();
    std::fs::write(&file, "{").unwrap();
    let list = opened(folder.path(), None);
    assert!(list.fault().is_some() && list.ask(&roll("7"), "", 5).is_err());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{");
}
