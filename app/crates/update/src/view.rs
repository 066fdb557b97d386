//! What the page shows about updates.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::attempt;
use super::attempt::Attempt;
use super::eeprom;
use super::history::TrialOutcome;
use super::newer::Present;
use super::record::{Content, Pending, System, TrialProgress};
use super::slot;
use super::slot::Slot;
use super::store::{Places, StoreError, read_history, read_record};
use super::trust;
use super::trust::Signers;
use base::durable;

/// The systems on the card and how the last update ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SystemsView {
    /// The slot that runs.
    pub slot: Slot,
    /// Whether it is on trial.
    pub on_trial: bool,
    /// The slot that starts after a power cut: the other one during a trial. (autoboot.txt, which decides, is
    /// root's to read. After a fallback of the firmware this is wrong until the health gate has committed the
    /// system that runs, some minutes.)
    pub committed: Slot,
    /// Slot A.
    pub a: SlotView,
    /// Slot B.
    pub b: SlotView,
    /// The slot of an installed system that waits for its trial.
    pub waits_for_trial: Option<Slot>,
    /// What came in last, installed or refused.
    pub attempt: Option<Attempt>,
    /// What was installed last.
    pub installed: Option<Attempt>,
    /// How the last update ended.
    pub last: Option<TrialOutcome>,
    /// The same in one sentence.
    pub sentence: Option<String>,
    /// Whether the last update was rolled back and nobody has said yet that they know.
    pub needs_acknowledgement: bool,
    /// Versions that are not installed automatically until somebody acknowledges: rolled back, or left by
    /// going back.
    pub not_wanted: Vec<String>,
    /// Who may sign updates for this image.
    pub signers: Signers,
    /// What is known of the settings in the board's EEPROM that updates lean on, and what to do about them.
    pub eeprom: String,
}

/// One slot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SlotView {
    /// What it holds.
    pub content: Content,
    /// The system in it, where it is known.
    pub system: Option<System>,
}

/// What there is to see, by a process that may read the data partition and nothing more. `kept`: the
/// appliance's own folder of updates, which holds what was acknowledged.
///
/// # Errors
/// [`StoreError`] where there are no slots, as at a desk, or the data partition cannot be read.
pub fn view(places: &Places, kept: &Path) -> Result<SystemsView, StoreError> {
    let booted = slot::booted(&places.bootloader, &places.found)?;
    let record = read_record(&places.state)?;
    let history = read_history(&places.state)?;
    let known = |slot| {
        let known = record.known(slot).clone();
        SlotView { content: known.content, system: known.system }
    };
    let last = history.last().cloned();
    let pending = record.pending.as_ref();
    let acknowledged = acknowledged(kept);
    let unread = history.unacknowledged(acknowledged).last();
    let on_trial = pending.is_some_and(|pending| pending.slot == booted.slot);
    Ok(SystemsView {
        slot: booted.slot,
        on_trial,
        committed: if on_trial { booted.slot.other() } else { booted.slot },
        a: known(Slot::A),
        b: known(Slot::B),
        waits_for_trial: pending
            .filter(|pending| pending.slot != booted.slot && pending.progress == TrialProgress::Installed)
            .map(|pending| pending.slot),
        needs_acknowledgement: unread.is_some_and(|outcome| !outcome.end.is_success()),
        not_wanted: history.not_wanted(acknowledged),
        signers: trust::signers(Path::new(trust::KEYRING)),
        eeprom: eeprom::sentence(
            Path::new(eeprom::MEMORIES),
            &eeprom::Firmware::read(Path::new(eeprom::CHOSEN)),
        ),
        attempt: attempt::last(kept),
        installed: attempt::installed(kept),
        sentence: last.as_ref().map(TrialOutcome::sentence),
        last,
    })
}

impl SystemsView {
    /// What is known of `slot`.
    pub fn known(&self, slot: Slot) -> &SlotView {
        match slot {
            Slot::A => &self.a,
            Slot::B => &self.b,
        }
    }
}

/// Whether the history knows how the last trial ended. The health gate notes it soon after the start; before
/// that nobody can say which version was rolled back, and nothing may be installed automatically.
///
/// # Errors
/// As for [`view`].
pub fn is_noted(places: &Places) -> Result<bool, StoreError> {
    let booted = slot::booted(&places.bootloader, &places.found)?;
    let record = read_record(&places.state)?;
    let open =
        |pending: &Pending| pending.slot != booted.slot && pending.progress != TrialProgress::Installed;
    Ok(!record.pending.as_ref().is_some_and(open))
}

/// What is on the card, for automatic updates.
pub fn present(view: &SystemsView, running: &str) -> Present {
    let waits = view.installed.iter().filter(|_| view.waits_for_trial.is_some());
    Present {
        running: running.to_owned(),
        waiting: waits.filter_map(|attempt| attempt.version.clone()).next(),
        not_wanted: view.not_wanted.clone(),
    }
}

/// A technician has read how a trial ended.
///
/// # Errors
/// An error of the file system.
pub fn acknowledge(kept: &Path, trial: u64) -> std::io::Result<()> {
    durable::replace(&acknowledgement(kept), trial.to_string().as_bytes())
}

fn acknowledged(kept: &Path) -> Option<u64> {
    let text = durable::read(&acknowledgement(kept)).ok()??;
    std::str::from_utf8(&text).ok()?.trim().parse().ok()
}

fn acknowledgement(kept: &Path) -> PathBuf {
    kept.join("acknowledged")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use time::OffsetDateTime;

    use super::*;
    use crate::attempt::Origin;
    use crate::record::Before;
    use crate::store::Store;
    use crate::store::tests::{card, start};

    #[test]
    fn rollback_is_shown_until_acknowledged() {
        let folder = tempfile::tempdir().unwrap();
        let places = card(folder.path(), Slot::A);
        let kept = folder.path().join("kept");
        let system = |version: &str| System { version: version.to_owned(), built: None };
        let store = Store::open(&places).unwrap();
        let arrive = |version| {
            let flow = store.flow().unwrap();
            let history = store.history().unwrap();
            store.apply(flow.arrive(system(version), &history, OffsetDateTime::UNIX_EPOCH)).unwrap();
        };
        arrive("1.0.0");
        assert!(!view(&places, &kept).unwrap().needs_acknowledgement);
        let install = || {
            store.change(|flow| flow.set_bad(Slot::B)).unwrap();
            store.change(|flow| flow.set_primary(Slot::B)).unwrap();
        };
        let tried_in_vain = || {
            install();
            assert_eq!(view(&places, &kept).unwrap().waits_for_trial, Some(Slot::B));
            store.change(|flow| flow.begin_trial(Before::default())).unwrap();
            start(&places, Slot::B, true);
            arrive("2.0.0");
            let shown = view(&places, &kept).unwrap();
            assert!(shown.on_trial);
            assert_eq!((shown.slot, shown.committed), (Slot::B, Slot::A));
            start(&places, Slot::A, false);
            assert!(!is_noted(&places).unwrap());
            arrive("1.0.0");
            assert!(is_noted(&places).unwrap());
        };
        tried_in_vain();
        let shown = view(&places, &kept).unwrap();
        assert!(shown.needs_acknowledgement && shown.not_wanted.is_empty(), "it may have been a power cut");
        tried_in_vain();

        let shown = view(&places, &kept).unwrap();
        assert!(shown.needs_acknowledgement && !shown.on_trial && shown.waits_for_trial.is_none());
        assert!(shown.sentence.as_ref().unwrap().contains("2.0.0"));
        assert_eq!((shown.b.content, &shown.not_wanted), (Content::Failed, &vec!["2.0.0".to_owned()]));
        acknowledge(&kept, shown.last.as_ref().unwrap().trial).unwrap();
        let shown = view(&places, &kept).unwrap();
        assert!(!shown.needs_acknowledgement && shown.not_wanted.is_empty());

        install();
        Attempt::now(Origin::Stick, Some("2.1.0"), &Ok::<_, &str>(())).note(&kept);
        let shown = view(&places, &kept).unwrap();
        assert_eq!(present(&shown, "1.0.0").waiting.as_deref(), Some("2.1.0"));
        Attempt::now(Origin::Stick, Some("0.1.0"), &Err("too old")).note(&kept);
        let shown = view(&places, &kept).unwrap();
        assert_eq!(present(&shown, "1.0.0").waiting.as_deref(), Some("2.1.0"), "a refusal changes nothing");
        assert_eq!(shown.attempt.unwrap().version.as_deref(), Some("0.1.0"));
    }
}
