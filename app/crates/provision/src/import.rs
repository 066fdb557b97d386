//! Taking files over from the card.

mod keeping;
mod machine;
mod words;

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::card;
use super::card::{Accepted, CardFile};
use super::files::{remove, replace};
use super::network::state;
use super::parse::parse;
use base::kept;
use config::check_files;
use keeping::keep;
pub use machine::{keep_identity, name_machine};

/// Where things are taken from and where they go; on the appliance the defaults, in tests a folder each.
#[derive(Debug, Clone)]
pub struct Places {
    /// The card's first partition.
    pub card: PathBuf,
    /// `/etc`.
    pub etc: PathBuf,
    /// What of it outlives a restart ([`base::kept`]).
    pub kept: PathBuf,
    /// iwd's folder of known networks.
    pub iwd: PathBuf,
    /// The recorded words: a folder of root's that the service reads.
    pub words: PathBuf,
    /// What is handed from the import to the report; gone with the next start.
    pub run: PathBuf,
    /// The board's serial number in the device tree.
    pub serial: PathBuf,
    /// There when this start runs on memory (the initramfs says so), and nothing that is kept survives it.
    pub memory: PathBuf,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            card: "/boot/config".into(),
            etc: "/etc".into(),
            kept: kept::FOLDER.into(),
            iwd: "/var/lib/iwd".into(),
            words: "/var/lib/attendance-words".into(),
            run: "/run/attendance-provision".into(),
            serial: "/proc/device-tree/serial-number".into(),
            memory: view::on_memory::PATH.into(),
        }
    }
}

#[cfg(test)]
impl Places {
    /// Each in a folder of its own.
    pub(crate) fn below(folder: &Path) -> Self {
        Self {
            card: folder.join("card"),
            etc: folder.join("etc"),
            kept: folder.join("kept"),
            iwd: folder.join("iwd"),
            words: folder.join("attendance-words"),
            run: folder.join("run"),
            serial: folder.join("serial"),
            memory: folder.join("memory"),
        }
    }
}

/// The result of importing one file of the card.
#[derive(Debug, PartialEq, Eq)]
pub struct ImportedFile {
    /// Its name on the card.
    pub name: Cow<'static, str>,
    /// `None`: taken over. Otherwise what is wrong; nothing was changed.
    pub wrong: Option<String>,
    /// Whether it stays on the card although it was taken over.
    pub stays: bool,
    /// What was taken over and will surprise.
    pub remark: Option<String>,
}

/// Takes over every good file of the card. One wrong file does not keep the others back, and no fault of the
/// card's ends it: what cannot be done is said in the outcome.
pub fn import(places: &Places) -> Vec<ImportedFile> {
    let mut outcomes = Vec::new();
    let stays = places.memory.exists();
    for file in CardFile::ALL {
        let paths = found(&places.card, file.name());
        if paths.is_empty() {
            continue;
        }
        let (wrong, remark) = match take(places, file, &paths, stays) {
            Ok(remark) => (None, remark),
            Err(wrong) => (Some(wrong), None),
        };
        match (&wrong, &remark) {
            (None, None) => log::info!("{} was taken over from the card", file.name()),
            (None, Some(remark)) => log::warn!("{} was taken over from the card: {remark}", file.name()),
            (Some(reason), _) => {
                log::warn!("{} on the card: {reason}; the settings in force stay", file.name());
            }
        }
        outcomes.push(ImportedFile {
            name: file.name().into(),
            stays: stays && wrong.is_none(),
            wrong,
            remark,
        });
    }
    outcomes.extend(words::import(places, stays));
    if let Err(error) = follow_keys(&places.etc) {
        log::error!("the firewall does not follow the SSH keys: {error}");
    }
    outcomes
}

/// The technicians' SSH keys, below `/etc`.
const SSH_KEYS: &str = "attendance/ssh/authorized_keys";

/// The firewall lets SSH in where there are keys.
fn follow_keys(etc: &Path) -> io::Result<()> {
    let rule = etc.join("nftables.d/ssh.nft");
    if etc.join(SSH_KEYS).exists() {
        return replace(&rule, "add rule inet filter site tcp dport 22 ct state new accept\n", 0o644);
    }
    remove(&rule)
}

/// The file on the card, also under the name that Windows' Notepad gives it behind the user's back: there may
/// be both, one corrected and one not. A remainder that [`wipe`] left at a power cut does not count, and is
/// removed.
fn found(card: &Path, name: &str) -> Vec<PathBuf> {
    let names = [name.to_owned(), format!("{name}.txt")];
    let mut paths: Vec<_> = names.iter().map(|name| card.join(name)).filter(|path| path.is_file()).collect();
    let wiped = |bytes: Vec<u8>| !bytes.is_empty() && bytes.iter().all(|byte| *byte == 0);
    paths.retain(|path| {
        let is_wiped = read(path).is_ok_and(wiped);
        if is_wiped && let Err(error) = std::fs::remove_file(path) {
            log::warn!("what is left of {} cannot be removed from the card: {error}", path.display());
        }
        !is_wiped
    });
    paths
}

/// The only port that the image's firewall lets in.
const OPEN_PORT: u16 = 8443;

/// What one of a file's names on the card holds.
struct Examined<'a> {
    path: &'a Path,
    result: Result<Accepted, String>,
}

impl<'a> Examined<'a> {
    fn of(file: CardFile, path: &'a Path) -> Self {
        let result = read(path)
            .map_err(|error| format!("cannot be read from the card: {error}"))
            .and_then(|bytes| parse(file, &bytes).map_err(|error| error.to_string()))
            .and_then(|accepted| match &accepted {
                Accepted::Settings(_, config) => {
                    check_files(config).map(|()| accepted).map_err(|error| error.to_string())
                }
                _ => Ok(accepted),
            });
        Self { path, result }
    }

    fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// A correct one comes before a wrong one, then the one that was saved last.
    fn rank(&self) -> (bool, Option<std::time::SystemTime>) {
        (self.result.is_ok(), std::fs::metadata(self.path).and_then(|about| about.modified()).ok())
    }
}

/// Takes one file over; returns what in it may surprise. `stays`: it is not removed from the card, for it
/// will be needed again.
///
/// If the file is there under two names, the better one counts, and both are removed from the card. Otherwise
/// the other one would be taken for newer settings at the next start.
fn take(places: &Places, file: CardFile, paths: &[PathBuf], stays: bool) -> Result<Option<String>, String> {
    let mut examined: Vec<_> = paths.iter().map(|path| Examined::of(file, path)).collect();
    // Stable: between equals the first name stays the first.
    examined.sort_by_key(|one| std::cmp::Reverse(one.rank()));
    let mut examined = examined.into_iter();
    let Some(best) = examined.next() else { return Ok(None) };
    let (name, other) = (best.name(), examined.next());
    let accepted = best.result.map_err(|wrong| match &other {
        Some(other) => {
            format!("{wrong} ({name}; there is also {}, and it is wrong too: remove one)", other.name())
        }
        None => wrong,
    })?;
    let mut remarks = Vec::new();
    if let Some(other) = &other {
        let why = match &other.result {
            Err(wrong) => format!("{} is wrong: {wrong}", other.name()),
            Ok(_) => format!("{name} was saved last"),
        };
        remarks
            .push(format!("there were two files, {name} and {}: {name} was taken, for {why}", other.name()));
    }
    if let Accepted::Settings(_, config) = &accepted {
        let port = config.page.listen.port();
        if port != OPEN_PORT {
            remarks.push(format!("page.listen has port {port}, which the firewall keeps closed: set it to {OPEN_PORT}, or the page cannot be \
                 reached"));
        }
    }
    if let Accepted::EapAuthority(text) | Accepted::EapCertificate(text) = &accepted
        && let Ok((_, ends)) = state::dates_of(text.as_bytes())
        && ends <= OffsetDateTime::now_utc()
    {
        remarks.push(format!(
            "its certificate has expired ({}): get a new one from whoever looks after the network",
            ends.date()
        ));
    }
    if let Accepted::Imager(imager) = &accepted {
        remarks.extend(imager.remarks.iter().cloned());
    }
    keep(places, &accepted).map_err(|error| format!("cannot be kept: {error}"))?;
    let remark = (!remarks.is_empty()).then(|| remarks.join("; "));
    if stays {
        return Ok(remark);
    }
    // Only now: should power fail before this, the next start takes the same file over again. The other one
    // goes first: alone, it would be taken then.
    for path in other.iter().map(|other| other.path).chain([best.path]) {
        wipe(path).map_err(|error| {
            format!("was taken over, but cannot be removed from the card ({error}); remove it by hand, it holds secrets")
        })?;
    }
    Ok(remark)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(card::MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > card::MAX_BYTES {
        return Err(io::Error::other(format!("it has more than {} bytes", card::MAX_BYTES)));
    }
    Ok(bytes)
}

/// Overwrites a file of the card before it is removed: FAT would leave its content in free clusters. (A card
/// may still keep the old cells; nobody can promise more.)
fn wipe(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let length = file.metadata()?.len();
    io::copy(&mut io::repeat(0).take(length), &mut file)?;
    file.sync_all()?;
    std::fs::remove_file(path)
}

#[cfg(test)]
#[path = "import_tests.rs"]
mod tests;
