//! Opens the journal: reads what the disk says, and begins to record.

use std::path::Path;
use std::sync::Arc;

use super::day_files::DayFiles;
use super::opening::Past;
use super::recorder::{Recorder, Records};
use crate::config::Settings;
use crate::storage as journal;
use crate::storage::{Folder, JournalError};
use base::event::Bus;
use base::moment::{Clock, SiteZone};

/// Opens the journal below `data_dir` (`journal/`, and `attendance/` for the days' CSV files).
///
/// # Errors
/// [`JournalError`]: another process has it, or its folder cannot be listed.
pub fn open(
    data_dir: &Path,
    settings: impl Into<Settings>,
    zone: SiteZone,
    clock: Arc<dyn Clock>,
    bus: Bus,
) -> Result<Records, JournalError> {
    let settings = settings.into();
    let mut past = Past::new(&settings, zone, clock.as_ref());
    let ledger = past.ledger(&settings);
    let opened = journal::open_into(&data_dir.join("journal"), ledger, |record| past.see(record))?;
    let days = DayFiles::new(
        Arc::new(Folder::new(data_dir.join("attendance"))),
        Arc::new(Folder::new(data_dir.join("journal"))),
    );
    Ok(Recorder::assemble(opened, past, days, &settings, clock, bus))
}
