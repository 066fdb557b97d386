//! The helper that runs as root: it takes a text from the service, checks it again and replaces the
//! configuration file. It believes nothing that the service says.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

use super::edit;
use super::store::digest;
use super::writer::{Answer, Request};
use base::durable::{self, Access};
use base::failure::Fault;
use base::kept;
use config::{Config, MAX_BYTES};

/// Largest request: a text of the largest configuration, each character escaped.
const MAX_REQUEST: u64 = 1 << 20;
/// In the folder of the answers while a network is put in force: that of the file is not in force yet.
const UNFINISHED: &str = "unfinished";

/// Puts the settings of the network in force on this machine.
pub type Network<'a> = &'a dyn Fn(&Config) -> Result<(), Fault>;

/// Serves the request at `request`, if there is one, and answers in the folder `answers`. What is written
/// outlives a restart by the folder `kept` ([`base::kept`]). Where the settings of the network change, they
/// are put in force by `network`; a helper that was ended while it did so leaves that to the next one.
///
/// # Errors
/// What the file system says. A text that is refused is not an error.
pub fn serve(
    config: &Path,
    request: &Path,
    answers: &Path,
    kept: &Path,
    network: Network<'_>,
) -> io::Result<()> {
    finish(config, answers, network);
    // A request that is not a plain file is not looked at again and again.
    let read = read(request).inspect_err(|_| drop(std::fs::remove_file(request)));
    let Some(bytes) = read? else { return Ok(()) };
    // An answer to an earlier request is none to this one.
    drop(std::fs::remove_file(answers.join("answer.json")));
    // Whether it succeeds or not, it is served once: the unit that watches for it would start without end.
    std::fs::remove_file(request)?;
    let Ok(request) = serde_json::from_slice::<Request>(&bytes) else {
        log::warn!("the request for new settings cannot be read, and is ignored");
        return Ok(());
    };
    let refused = take(config, &request, kept, &answers.join(UNFINISHED), network).err();
    match &refused {
        None => log::info!("the settings were replaced"),
        Some(reason) => log::warn!("new settings are refused: {reason}"),
    }
    let answer = Answer { asked: digest(&request.text), refused };
    let answer = serde_json::to_vec(&answer).map_err(io::Error::other)?;
    // The answer names settings, and no value of a secret.
    durable::replace_for(Access::Everybody, &answers.join("answer.json"), &answer)
}

/// Goes on where an earlier helper was ended between the file and the network: the file counts.
fn finish(config: &Path, answers: &Path, network: Network<'_>) {
    // Only once: what ends this helper, too, would end every further one.
    if std::fs::remove_file(answers.join(UNFINISHED)).is_err() {
        return;
    }
    log::warn!(
        "an earlier change of the settings was ended in the middle: their network is put in force now"
    );
    let text = config::read(config).map_err(|error| Fault::new(error.to_string()));
    if let Err(fault) = text.and_then(|text| network(&config::examine(&text).0)) {
        log::error!("the network of the settings is not in force before the next start: {fault}");
    }
}

fn take(
    config: &Path,
    request: &Request,
    kept: &Path,
    unfinished: &Path,
    network: Network<'_>,
) -> Result<(), String> {
    let present = config::read(config).map_err(|error| error.to_string())?;
    if digest(&present) != request.base {
        return Err("the settings were changed by somebody else meanwhile; load the page again".to_owned());
    }
    let told = |wrong: &[config::Wrong]| wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    if request.text.len() as u64 > MAX_BYTES {
        return Err(format!("the settings have more than {MAX_BYTES} bytes; remove comments"));
    }
    // The text that was in force before goes back whatever this version says of it.
    let before_file = config.with_extension("before");
    let goes_back = config::read(&before_file).is_ok_and(|text| text == request.text);
    if !goes_back {
        edit::judged(&present, &request.text).map_err(|wrong| told(&wrong))?;
    }
    let forbidden = edit::forbidden(&present, &request.text);
    if !forbidden.is_empty() {
        return Err(told(&forbidden));
    }
    kept::replace(kept, Access::Owner, &before_file, present.as_bytes())
        .map_err(|error| format!("{} cannot be written: {error}", before_file.display()))?;
    let replace = |text: &str| {
        kept::replace(kept, Access::FolderGroup(0o640), config, text.as_bytes())
            .map_err(|error| format!("{} cannot be written: {error}", config.display()))
    };
    // As far as they can be read: the text that goes back may be of another version.
    let (before, after) = (config::examine(&present).0, config::examine(&request.text).0);
    if before.network == after.network {
        return replace(&request.text);
    }
    // Before the file: whoever is ended from here on leaves the network to the next helper.
    if let Err(error) = std::fs::write(unfinished, "") {
        log::warn!("{} cannot be written: {error}", unfinished.display());
    }
    let put_in_force = || {
        replace(&request.text)?;
        let Err(fault) = network(&after) else { return Ok(()) };
        if goes_back {
            // Never undone: the text in its place is the one that is to go. The next start uses this one.
            log::error!("the network of the settings that went back is not in force: {fault}");
            return Ok(());
        }
        // Settings that are not in force must not be kept by somebody who still reaches the page.
        let back = replace(&present).and_then(|()| network(&before).map_err(|fault| fault.to_string()));
        if let Err(error) = back {
            log::error!("the network before is not in force again: {error}");
        }
        Err(fault.to_string())
    };
    let done = put_in_force();
    if let Err(error) = std::fs::remove_file(unfinished) {
        log::warn!("{} cannot be removed: {error}", unfinished.display());
    }
    done
}

/// A plain file's bytes; no link is followed, for root could be led to a file of its own.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let opened: io::Result<File> = OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
        .open(path);
    let file = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other(format!("{} is not a plain file", path.display())));
    }
    let mut bytes = Vec::new();
    file.take(MAX_REQUEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_REQUEST {
        return Err(io::Error::other(format!("{} is too large", path.display())));
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
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
        let serve = |config: &Path, request: &Path, answers: &Path| {
            serve(config, request, answers, &kept, &|_| Ok(()))
        };
        assert!(serve(&config, &request, folder.path()).is_err());
        assert!(std::fs::symlink_metadata(&request).is_err() && other.exists(), "not looked at again");
        std::fs::create_dir(&request).unwrap();
        assert!(serve(&config, &request, folder.path()).is_err());
        std::fs::remove_dir(&request).unwrap();
        serve(&config, &request, folder.path()).unwrap();
        assert_eq!(std::fs::read_to_string(&config).unwrap(), OLD);
    }
}
