//! A removal that waits for a person: asked for, and confirmed.

use std::path::Path;

use super::download::blocking;
use super::error::Error;
use super::mirror::{CONFIRMATION, Mirror, STATE};
use super::removal::Alarm;
use super::settings::Settings;
use super::state::State;

/// Confirms the removal that waits, so that the next synchronisation makes it; how many photos that are, or
/// `None` when no removal waits.
///
/// # Errors
/// [`Error`] when the mirror cannot be read or written, or is being synchronised.
pub fn confirm_removal(data_dir: &Path) -> Result<Option<usize>, Error> {
    let mirror = Mirror::open(data_dir)?;
    let Some(pending) = mirror.read::<State>(STATE).and_then(|state| state.pending) else { return Ok(None) };
    mirror.write(CONFIRMATION, &pending.digest)?;
    Ok(Some(pending.photos))
}

/// The removal that waits since an earlier synchronisation.
pub(super) async fn waiting(settings: &Settings) -> Option<Alarm> {
    let data_dir = settings.data_dir.clone();
    let state = blocking(move || Ok(Mirror::open(&data_dir)?.read::<State>(STATE)));
    // The process that holds the mirror reports for itself; a mirror that cannot be opened is told by the
    // synchronisation.
    state.await.ok()??.pending.map(|pending| pending.alarm(&settings.photos))
}
