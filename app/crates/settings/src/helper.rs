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

/// Serves the request at `request`, if there is one, and answers in the folder `answers`. Written files
/// survive a restart through the folder `kept` ([`base::kept`]). If the settings of the network change,
/// `network` puts them in force; if the helper is ended meanwhile, the next one does it.
///
/// # Errors
/// An error of the file system. A text that is refused is not an error.
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
    // An answer to an earlier request must not count for this one.
    drop(std::fs::remove_file(answers.join("answer.json")));
    // A request is served once, whether it succeeds or not. Otherwise the unit that watches for it would
    // start again without end.
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
    // Before the file: if the helper is ended from here on, the next helper sets up the network.
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
#[path = "helper_tests.rs"]
mod tests;
