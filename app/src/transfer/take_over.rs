//! At a start, before anything opens the data folder: an archive that waits takes the place of the data.

use std::path::Path;

use archive::place::{Carried, Outcome, Place, RealFolders, carry_out};

use super::import::{counted, may_go, zone};
use base::failure::Fault;
use config::examine;
use journal::storage::JournalError;
use settings::trial::Keeper;

/// Takes over the archive that waits, if there is one. How that ended; none where there was nothing to do.
///
/// # Errors
/// An import that began cannot be completed. The next start goes on with it: nothing may be recorded before.
pub fn take_over(config: &Path, keeper: &Keeper) -> Result<Option<Outcome>, Fault> {
    let Ok(text) = config::read(config) else { return Ok(None) };
    let (own, _) = examine(&text);
    let place = Place::below(&own.site.data_dir);
    // Without this lock another process of ours may have the journal open.
    let opened = if place.waits() {
        match journal::storage::open(&own.site.data_dir.join("journal"), zone(&own), |_| {}) {
            Err(JournalError::InUse { .. }) => return Ok(None),
            opened => {
                Some(opened.map_err(|error| Fault::new(error.to_string())).and_then(|open| counted(&open)))
            }
        }
    } else {
        None
    };
    // Before the folder of the erasures changes its place; after that there is nothing to join any more.
    if let Some(arriving) = place.arriving().filter(|folder| folder.join("erasures").exists()) {
        site::erasure::join(&own.site.data_dir, &arriving)?;
    }
    // Rows may have come since the archive was put aside.
    let may = || opened.unwrap_or(Ok(0)).and_then(may_go);
    let settings = |text: &str| {
        let base = keeper.writer.present()?;
        if base == text { Ok(()) } else { keeper.writer.replace(&keeper.store, &base, text) }
    };
    let carried = carry_out(&RealFolders, &place, may, settings);
    if carried.is_ok() {
        sweep(&own.site.data_dir);
    }
    let outcome = match carried {
        Ok(Carried::Nothing) => return Ok(None),
        Ok(Carried::GivenUp(fault)) => {
            Outcome { taken: false, sentence: format!("The archive was not taken over: {fault}.") }
        }
        Ok(Carried::Done(None)) => Outcome {
            taken: true,
            sentence: "The archive was taken over: this device goes on where the other one ended.".to_owned(),
        },
        Ok(Carried::Done(Some(fault))) => Outcome {
            taken: true,
            sentence: format!(
                "The archive was taken over, but for its settings: {fault}. This device's settings stay in force."
            ),
        },
        Err(error) => {
            return Err(Fault::new(format!("an import cannot be completed: {error}"))
                .advise("free space on the card, or replace it; the next start goes on with it"));
        }
    };
    place.note(&outcome);
    Ok(Some(outcome))
}

/// Removes what an import replaced, also where the settings are wrong and the service does not start: it
/// takes the room of all the data.
fn sweep(data_dir: &Path) {
    let place = Place::below(data_dir);
    let swept = std::thread::Builder::new().name("sweep".to_owned()).spawn(move || place.sweep(&RealFolders));
    if let Err(error) = swept {
        log::warn!("what an import replaced stays until the next start: {error}");
    }
}
