//! Requests as the service writes them, and as nobody should.
#![allow(clippy::unwrap_used)]
use super::*;

const OLD: &str = "[site]\nname = \"gate\"\n";
const NEW: &str = "[site]\nname = \"door\"\n";

/// What the file holds after a request, and the answer.
fn served(base: &str, text: &str) -> (String, Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    let [config, request] = ["attendance.toml", "request.json"].map(|name| folder.path().join(name));
    std::fs::write(&config, OLD).unwrap();
    let asked = Request { base: digest(base), text: text.to_owned() };
    std::fs::write(&request, serde_json::to_vec(&asked).unwrap()).unwrap();
    serve(&config, &request, folder.path(), &folder.path().join("kept"), &|_| Ok(())).unwrap();
    assert!(!request.exists());
    let answer = std::fs::read(folder.path().join("answer.json")).unwrap();
    let answer: Answer = serde_json::from_slice(&answer).unwrap();
    assert_eq!(answer.asked, digest(text));
    (std::fs::read_to_string(&config).unwrap(), answer.refused)
}

#[test]
fn valid_settings_replace_the_file_they_were_made_from() {
    assert_eq!(served(OLD, NEW), (NEW.to_owned(), None));
    let (file, refused) = served(NEW, NEW);
    assert!(file == OLD && refused.unwrap().contains("somebody else"));
}

#[test]
fn the_helper_checks_again() {
    for (text, words) in [
        ("[site]\nnmae = \"door\"\n", "name"),
        ("[webhook]\nbatch_rows = 0\n", "batch_rows"),
        ("[site]\ndata_dir = \"/root\"\n", "site.data_dir"),
        ("[camera]\nreplay = [\"/etc/shadow\"]\n", "camera.replay"),
        ("[page]\nkey_file = \"/none\"\ncertificate_file = \"/none\"\n", "certificate"),
    ] {
        let (file, refused) = served(OLD, text);
        let refused = refused.unwrap_or_default();
        assert!(file == OLD && refused.contains(words), "{text}: {refused}");
    }
}

#[test]
fn the_text_before_goes_back_whatever_is_wrong_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let [config, request] = ["attendance.toml", "request.json"].map(|name| folder.path().join(name));
    let wrong = "[site]\nname = \"gate\"\n[page]\nof_another_version = 1\n";
    std::fs::write(&config, wrong).unwrap();
    for (base, text) in [(wrong, OLD), (OLD, wrong)] {
        let asked = Request { base: digest(base), text: text.to_owned() };
        std::fs::write(&request, serde_json::to_vec(&asked).unwrap()).unwrap();
        serve(&config, &request, folder.path(), &folder.path().join("kept"), &|_| Ok(())).unwrap();
        assert_eq!(std::fs::read_to_string(&config).unwrap(), text);
    }
}

#[test]
fn network_is_put_in_force_when_it_changes_and_only_then() {
    let folder = tempfile::tempdir().unwrap();
    let [config, request] = ["attendance.toml", "request.json"].map(|name| folder.path().join(name));
    let fixed = "[network]\naddresses = [\"192.0.2.10/24\"]\n";
    let proxy = "[network]\naddresses = [\"192.0.2.10/24\"]\nproxy = \"http://proxy.example:3128\"\n";
    std::fs::write(&config, OLD).unwrap();
    let forced = std::cell::RefCell::new(Vec::new());
    for (base, text) in [(OLD, NEW), (NEW, fixed), (fixed, proxy), (proxy, OLD)] {
        let asked = Request { base: digest(base), text: text.to_owned() };
        std::fs::write(&request, serde_json::to_vec(&asked).unwrap()).unwrap();
        let network = |config: &Config| {
            forced.borrow_mut().push((config.network.addresses.len(), config.network.proxy.is_some()));
            Ok(())
        };
        serve(&config, &request, folder.path(), &folder.path().join("kept"), &network).unwrap();
        assert_eq!(std::fs::read_to_string(&config).unwrap(), text);
    }
    assert_eq!(forced.into_inner(), [(1, false), (1, true), (0, false)]);
}

/// As it is when systemd's time for the unit is over, or the kernel ends it for its memory.
#[test]
fn helper_that_is_ended_leaves_the_network_to_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let [config, request] = ["attendance.toml", "request.json"].map(|name| folder.path().join(name));
    let kept = folder.path().join("kept");
    std::fs::write(&config, OLD).unwrap();
    let text = "[network]\naddresses = [\"192.0.2.10/24\"]\n";
    let asked = Request { base: digest(OLD), text: text.to_owned() };
    std::fs::write(&request, serde_json::to_vec(&asked).unwrap()).unwrap();
    let ended = std::panic::catch_unwind(|| {
        serve(&config, &request, folder.path(), &kept, &|_| panic!("ended in the middle"))
    });
    assert!(ended.is_err() && !request.exists());
    let forced = std::cell::RefCell::new(Vec::new());
    let network = |config: &Config| {
        forced.borrow_mut().push(config.network.addresses.len());
        Ok(())
    };
    // Once, by the next helper.
    for _ in 0..2 {
        serve(&config, &request, folder.path(), &kept, &network).unwrap();
        assert_eq!(*forced.borrow(), [1]);
    }
}

#[test]
fn network_that_cannot_be_put_in_force_is_refused_and_the_one_before_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let [config, request] = ["attendance.toml", "request.json"].map(|name| folder.path().join(name));
    std::fs::write(&config, OLD).unwrap();
    let text = "[network]\naddresses = [\"192.0.2.10/24\"]\n";
    let asked = Request { base: digest(OLD), text: text.to_owned() };
    std::fs::write(&request, serde_json::to_vec(&asked).unwrap()).unwrap();
    let forced = std::cell::RefCell::new(Vec::new());
    let network = |config: &Config| {
        forced.borrow_mut().push(config.network.addresses.len());
        if config.network.addresses.is_empty() { Ok(()) } else { Err(Fault::new("networkd is gone")) }
    };
    serve(&config, &request, folder.path(), &folder.path().join("kept"), &network).unwrap();
    assert_eq!(std::fs::read_to_string(&config).unwrap(), OLD);
    let answer: Answer =
        serde_json::from_slice(&std::fs::read(folder.path().join("answer.json")).unwrap()).unwrap();
    assert!(answer.refused.unwrap().contains("networkd is gone"));
    assert_eq!(forced.into_inner(), [1, 0]);
}

#[test]
fn text_that_goes_back_stays_though_its_network_cannot_be_put_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let [config, request] = ["attendance.toml", "request.json"].map(|name| folder.path().join(name));
    std::fs::write(&config, OLD).unwrap();
    let text = "[network]\naddresses = [\"192.0.2.10/24\"]\n";
    for (base, text, works) in [(OLD, text, true), (text, OLD, false)] {
        let asked = Request { base: digest(base), text: text.to_owned() };
        std::fs::write(&request, serde_json::to_vec(&asked).unwrap()).unwrap();
        let network = |_: &Config| if works { Ok(()) } else { Err(Fault::new("networkd is gone")) };
        serve(&config, &request, folder.path(), &folder.path().join("kept"), &network).unwrap();
        assert_eq!(std::fs::read_to_string(&config).unwrap(), text);
    }
    let answer: Answer =
        serde_json::from_slice(&std::fs::read(folder.path().join("answer.json")).unwrap()).unwrap();
    assert_eq!(answer.refused, None);
}

#[test]
fn links_and_folders_are_no_requests() {
    let folder = tempfile::tempdir().unwrap();
    let [config, request, other] =
        ["attendance.toml", "request.json", "other"].map(|name| folder.path().join(name));
    std::fs::write(&config, OLD).unwrap();
    std::fs::write(&other, "{}").unwrap();
    std::os::unix::fs::symlink(&other, &request).unwrap();
    let kept = folder.path().join("kept");
    let serve =
        |config: &Path, request: &Path, answers: &Path| serve(config, request, answers, &kept, &|_| Ok(()));
    assert!(serve(&config, &request, folder.path()).is_err());
    assert!(std::fs::symlink_metadata(&request).is_err() && other.exists(), "not looked at again");
    std::fs::create_dir(&request).unwrap();
    assert!(serve(&config, &request, folder.path()).is_err());
    std::fs::remove_dir(&request).unwrap();
    serve(&config, &request, folder.path()).unwrap();
    assert_eq!(std::fs::read_to_string(&config).unwrap(), OLD);
}
