//! Checking an archive and putting it aside, for the next start to take over.

use std::fmt;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use archive::ArchiveError;
use archive::names::SETTINGS;
use archive::place::{Place, RealFolders};
use archive::read::{Contents, Limits, unpack};
use time::OffsetDateTime;

use access::account::AccountFile;
use access::token::TokenFile;
use base::failure::Fault;
use base::moment::SiteZone;
use base::secret::Secret;
use config::{Config, examine};
use journal::storage::{Delivery, Fate, Folder, Opened, open_on};
use settings::edit::{forbidden, judged};
use status::certificate;

/// Bytes behind an archive that are waited for.
const MOST_BEHIND: u64 = 1 << 20;

/// An archive that is whole and waits for the next start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// What it holds.
    pub contents: Contents,
    /// Its rows that the backend has not acknowledged.
    pub undelivered: usize,
}

impl fmt::Display for Staged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Contents { about, files, bytes } = &self.contents;
        write!(
            f,
            "the archive of {:?} of {}, made by version {}: {files} files with {bytes} bytes, {} rows not delivered",
            about.site, about.made, about.program, self.undelivered
        )
    }
}

/// Checks the archive in `input` and puts it aside. The settings at `config` say where the data folder is.
/// With `keep_settings` they stay, and those of the archive are dropped. `wanted` is asked once the input has
/// ended, before anything is put aside.
///
/// # Errors
/// What is wrong and what to do. Nothing is taken over then.
pub fn stage(
    config: &Path,
    mut input: impl Read,
    passphrase: &Secret,
    keep_settings: bool,
    wanted: impl FnOnce() -> bool,
) -> Result<Staged, Fault> {
    let text = config::read(config).map_err(|error| Fault::new(error.to_string()))?;
    let (own, _) = examine(&text);
    may_go(waiting(&own)?)?;
    let place = Place::below(&own.site.data_dir);
    let staged = place.begin(&RealFolders).map_err(Fault::from).and_then(|folder| {
        let contents = unpack(&mut input, passphrase, &folder, Limits::default())?;
        check_settings(&folder, &text, keep_settings)?;
        check_access(&folder)?;
        let undelivered = prepare_rows(&folder, &zone(&own)).map_err(|source| ArchiveError::Io {
            what: "the archive's rows cannot be prepared".to_owned(),
            source,
        })?;
        // The end comes last: an upload that broke off is not taken over at a start weeks later.
        let _ = io::copy(&mut input.by_ref().take(MOST_BEHIND), &mut io::sink());
        if !wanted() {
            return Err(Fault::new("the import was broken off").advise("send the archive again"));
        }
        place.stage(&RealFolders)?;
        Ok(Staged { contents, undelivered })
    });
    if staged.is_err() {
        place.give_up(&RealFolders);
    }
    staged
}

/// Rows of this device that nobody else has.
///
/// # Errors
/// The journal cannot be read: there may be some.
pub fn waiting(own: &Config) -> Result<usize, Fault> {
    let folder = Arc::new(Folder::new(own.site.data_dir.join("journal")));
    let opened = open_on(folder, zone(own), |_| {}).map_err(|error| not_counted(&error))?;
    counted(&opened)
}

/// The same of a journal that is open.
///
/// # Errors
/// Files of it cannot be read.
pub(super) fn counted(opened: &Opened) -> Result<usize, Fault> {
    match opened.unreadable {
        0 => Ok(rows_of(&opened.ledger)),
        files => Err(not_counted(&format!("{files} files"))),
    }
}

fn not_counted(error: &dyn fmt::Display) -> Fault {
    Fault::new(format!(
        "the journal of this device cannot be read ({error}), so nobody knows how many rows are on it only"
    ))
    .advise("copy the card; then flash it again, or use another one")
}

/// Whether the data of this device may be erased: it has `rows` rows that the backend does not have.
pub(super) fn may_go(rows: usize) -> Result<(), Fault> {
    if rows == 0 {
        return Ok(());
    }
    Err(Fault::new(format!(
        "this device has {rows} rows of its own that the backend does not have; an import would erase them"
    ))
    .advise(
        "let them be delivered first, or dismiss those that are refused; or import on a freshly flashed card",
    ))
}

pub(super) fn rows_of(ledger: &journal::storage::Ledger) -> usize {
    let summary = ledger.summary();
    summary.backlog + summary.needs_person
}

pub(super) fn zone(config: &Config) -> SiteZone {
    SiteZone::named(&config.site.time_zone).unwrap_or_default()
}

/// The archive's settings must work here, as any other change of the settings.
fn check_settings(folder: &Path, own: &str, keep: bool) -> Result<(), Fault> {
    let file = folder.join(SETTINGS);
    if keep {
        return match std::fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(ArchiveError::Io { what: "cannot drop the archive's settings".to_owned(), source: error }
                    .into())
            }
            _ => Ok(()),
        };
    }
    let text = config::read(&file).map_err(|error| Fault::new(format!("the archive's settings: {error}")))?;
    let wrong = judged(own, &text).err().unwrap_or_default();
    match wrong.iter().chain(&forbidden(own, &text)).next() {
        None => Ok(()),
        Some(first) => Err(Fault::new(format!("the archive's settings do not work on this device: {first}")).advise(
            "put the files that they name on the card first, or import without the settings (“Keep this device’s settings”, \
             --keep-settings)",
        )),
    }
}

/// Files with which nobody could log in any more are refused.
fn check_access(folder: &Path) -> Result<(), Fault> {
    let refused = |what: &str| {
        Fault::new(format!("the archive's {what} cannot be read"))
            .advise("nothing was taken over; export again on the old device")
    };
    AccountFile::below(folder).list().map_err(|_| refused("list of accounts"))?;
    TokenFile::below(folder).list().map_err(|_| refused("list of tokens"))?;
    let (chain, key) = (folder.join("tls/certificate.pem"), folder.join("tls/key.pem"));
    if chain.exists() || key.exists() {
        certificate::read(&chain, &key).map_err(|_| refused("certificate of the page"))?;
    }
    Ok(())
}

/// The device that wrote the archive may have run on, so it is not known whether the archive's open rows were
/// delivered. They are sent, and the answer "recorded already" means that they were delivered. The journal
/// notes from which row on its own notes about sent rows count: the first row that this device records
/// itself.
fn prepare_rows(folder: &Path, zone: &SiteZone) -> io::Result<usize> {
    let mut opened = open_on(Arc::new(Folder::new(folder.join("journal"))), zone.clone(), |_| {})?;
    let first =
        Delivery { id: opened.journal.next_id(), utc: OffsetDateTime::now_utc(), fate: Fate::Intents };
    opened.deliveries.append(&[first])?;
    Ok(rows_of(&opened.ledger))
}
