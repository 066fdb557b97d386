//! What the first minutes of a system lead to: committed, on trial, or rolled back.

use time::OffsetDateTime;

use super::{Arrival, Flow, Healthy, Write};
use crate::history::{End, History, TrialOutcome};
use crate::record::{Before, Content, Pending, Record, System, TrialProgress};

impl Flow {
    /// The system has come up: gives what must be noted before anything else. `history` is what was noted
    /// before.
    pub fn arrive(&self, running: System, history: &History, at: OffsetDateTime) -> Vec<Write> {
        let mut record = self.record.clone();
        let mut writes = Vec::new();
        let booted = self.booted.slot;
        record.known_mut(booted).system = Some(running);
        match (self.arrival(), record.pending.take()) {
            (Arrival::Committed, Some(pending)) if pending.slot == booted => {
                // The power went between the commit and its note.
                writes.extend(self.note(&pending, &record, End::Committed, history, at));
            }
            (Arrival::Committed, Some(pending))
                if pending.progress == TrialProgress::Installed || self.under_way() == Some(pending.slot) =>
            {
                record.pending = Some(pending);
            }
            (Arrival::Committed, Some(pending)) => {
                let end = End::Silent { reached: pending.progress };
                writes.extend(self.note(&pending, &record, end, history, at));
                record.known_mut(pending.slot).content = Content::Failed;
            }
            (Arrival::Trial | Arrival::Fallback, Some(mut pending)) if pending.slot == booted => {
                if pending.progress == TrialProgress::Installed {
                    // It waited for its trial and the initramfs asked for it, because the committed one does
                    // not start: as below.
                    pending.before.camera_was_absent = true;
                }
                pending.progress = TrialProgress::Up;
                if pending.trial == 0 {
                    record.trials += 1;
                    pending.trial = record.trials;
                }
                record.pending = Some(pending);
            }
            (Arrival::Trial | Arrival::Fallback, _) => {
                // Not begun by us, or the record was lost: it is examined all the same. A trial has something
                // to go back to, so that what nobody remembers is expected of it: perhaps the new system
                // itself lost the data partition.
                let service_ran = self.arrival() == Arrival::Trial;
                // A system that was whole before is one that the initramfs asked for, because the committed
                // one does not start. Whether that had a camera nobody noted; a door that can be reached is
                // better than one that does not start.
                let camera_was_absent = self.record.known(booted).content == Content::Whole;
                record.trials += 1;
                record.pending = Some(Pending {
                    slot: booted,
                    progress: TrialProgress::Up,
                    trial: record.trials,
                    went_back: false,
                    before: Before { service_ran, camera_was_absent, ..Before::default() },
                });
            }
            (Arrival::Committed, None) => {}
        }
        if self.arrival() == Arrival::Committed {
            record.known_mut(booted).content = Content::Whole;
        }
        if record != self.record {
            writes.push(Write::Record(record));
        }
        writes
    }

    /// The running system proved healthy: it is the committed one from the first of these writes on.
    pub fn commit(&self, _healthy: &Healthy, at: OffsetDateTime) -> Vec<Write> {
        let booted = self.booted.slot;
        let end = match self.arrival() {
            Arrival::Committed => return Vec::new(),
            Arrival::Trial => End::Committed,
            Arrival::Fallback => End::Rescued,
        };
        let mut record = self.record.clone();
        let pending = record.pending.take();
        record.known_mut(booted).content = Content::Whole;
        let outcome = self.outcome(pending.as_ref(), &record, end, at);
        vec![Write::Commit(booted), Write::Outcome(outcome), Write::Record(record)]
    }

    /// The running system did not prove healthy. Nothing of the boot flow changes: the next start is the
    /// committed system's.
    pub fn fail(&self, end: End, at: OffsetDateTime) -> Vec<Write> {
        match self.arrival() {
            Arrival::Committed => Vec::new(),
            Arrival::Trial | Arrival::Fallback => {
                vec![Write::Outcome(self.outcome(self.record.pending.as_ref(), &self.record, end, at))]
            }
        }
    }

    /// The outcome of a trial that is over, unless the history has it.
    fn note(
        &self,
        pending: &Pending,
        record: &Record,
        end: End,
        history: &History,
        at: OffsetDateTime,
    ) -> Option<Write> {
        let known = history.of_trial(pending.trial).is_some();
        (!known && pending.progress != TrialProgress::Installed)
            .then(|| Write::Outcome(self.outcome(Some(pending), record, end, at)))
    }

    fn outcome(
        &self,
        pending: Option<&Pending>,
        record: &Record,
        end: End,
        at: OffsetDateTime,
    ) -> TrialOutcome {
        let slot = pending.map_or(self.booted.slot, |pending| pending.slot);
        let installed = pending.and_then(|pending| pending.before.installed.clone());
        let told = installed.map(|version| System { version, built: None });
        TrialOutcome {
            trial: pending.map_or(record.trials, |pending| pending.trial),
            slot,
            from: pending.map(|pending| pending.before.system.clone()).unwrap_or_default(),
            to: record.known(slot).system.clone().or(told),
            went_back: pending.is_some_and(|pending| pending.went_back),
            origin: pending.map(|pending| pending.before.origin).unwrap_or_default(),
            at,
            end,
        }
    }
}
