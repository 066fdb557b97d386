//! The boot flow as a pure state machine.
//!
//! State: which slot autoboot.txt commits to, which slot runs, whether the tryboot flag started it, and the
//! [`Record`] with what is pending. Every question of RAUC and every step of a trial is answered with the
//! writes to make, in their order. Each [`Write`] is atomic on disk; the tests cut the power before every one
//! of them.
//!
//! What must always hold:
//! - autoboot.txt commits to a slot that holds a whole system; only [`Flow::commit`] changes it, and only
//!   towards the system that is running and proved healthy;
//! - the committed slot is never written to. While another slot runs, an installation would do just that, so
//!   it is refused;
//! - after the power comes back, one of the two whole systems starts, and what was pending is either still to
//!   be tried or reported as over.

mod arriving;

use super::history::TrialOutcome;
use super::record::{Before, Content, Pending, Record, TrialProgress};
use super::slot::{Booted, Slot};

/// One atomic change on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// autoboot.txt commits to this slot from now on.
    Commit(Slot),
    /// The record.
    Record(Record),
    /// An outcome for the history.
    Outcome(TrialOutcome),
}

/// How this boot came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// The committed system, as always.
    Committed,
    /// A trial: this system is to prove itself or go back.
    Trial,
    /// The committed system did not start and the firmware took the other one (`PARTITION_WALK`). There is
    /// nothing to go back to.
    Fallback,
}

/// The checks of [`super::health`] all passed. Only they make one, and only with one can be committed.
#[derive(Debug)]
pub struct Healthy(pub(super) ());

/// A request that would endanger a whole system, or makes no sense now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The slot is the committed one, and another runs.
    #[error(
        "slot {slot} holds the committed system, and this one in slot {booted} is not committed yet: wait for its health check, \
         or restart"
    )]
    CommittedElsewhere {
        /// The committed slot.
        slot: Slot,
        /// The slot that runs.
        booted: Slot,
    },
    /// Somebody else than the health gate wants to commit.
    #[error("slot {slot} is on trial; only its health check commits it (attendance health-gate)")]
    OnTrial {
        /// The slot.
        slot: Slot,
    },
    /// The running system cannot be given up from within.
    #[error("slot {slot} is the system that runs; make the other slot primary instead")]
    Running {
        /// The slot.
        slot: Slot,
    },
    /// Nobody knows that the slot holds a whole system.
    #[error("slot {slot} is not known to hold a whole system ({content:?}); install an update into it")]
    NotWhole {
        /// The slot.
        slot: Slot,
        /// What is known of it.
        content: Content,
    },
    /// The restart into the slot is under way.
    #[error(
        "the restart into slot {slot} is under way, so it must not be written to; if the appliance does not restart, \
         restart it"
    )]
    TrialBegun {
        /// The slot.
        slot: Slot,
    },
    /// There is nothing to try.
    #[error("no installed system waits for its trial; install an update first")]
    NothingPending,
}

/// The state of the boot flow, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// The slot that autoboot.txt commits to.
    pub committed: Slot,
    /// The slot that runs, and how it was started.
    pub booted: Booted,
    /// What is remembered.
    pub record: Record,
    /// Names this start of the kernel; none where it has no name.
    pub start: Option<String>,
}

impl Flow {
    /// How this boot came about.
    pub fn arrival(&self) -> Arrival {
        match (self.booted.slot == self.committed, self.booted.tryboot) {
            (true, _) => Arrival::Committed,
            (false, true) => Arrival::Trial,
            (false, false) => Arrival::Fallback,
        }
    }

    /// The slot whose turn is next: the pending one while its trial is still to come, else the committed one.
    pub fn primary(&self) -> Slot {
        match &self.record.pending {
            Some(pending)
                if pending.progress == TrialProgress::Installed && self.arrival() == Arrival::Committed =>
            {
                pending.slot
            }
            _ => self.committed,
        }
    }

    /// The slot into which a restart was asked for in this very start of the kernel. Its trial is still to
    /// come: that it has not been heard of says nothing.
    fn under_way(&self) -> Option<Slot> {
        let begun_now = self.record.begun_in.is_some() && self.record.begun_in == self.start;
        let pending =
            self.record.pending.as_ref().filter(|pending| pending.progress == TrialProgress::Begun)?;
        (begun_now && self.arrival() == Arrival::Committed).then_some(pending.slot)
    }

    /// Whether `slot` can be expected to boot.
    pub fn is_good(&self, slot: Slot) -> bool {
        slot == self.committed || self.record.known(slot).content == Content::Whole
    }

    /// RAUC activates `slot`, after it was written whole or because a technician wants it back (`rauc status
    /// mark-active`, which looks the same). Only a slot that is whole, or was begun to be written in this
    /// start of the kernel, can be meant: an installation does not outlive a start. (One that failed in this
    /// very start cannot be told from one that succeeded.)
    ///
    /// # Errors
    /// [`Refusal::OnTrial`] for a slot that is on trial, [`Refusal::NotWhole`] for one that cannot hold a
    /// whole system or failed its trial.
    pub fn set_primary(&self, slot: Slot) -> Result<Vec<Write>, Refusal> {
        let mut record = self.record.clone();
        if slot == self.committed {
            // During a trial `pending` says how far it came; it is not what was asked to be cancelled.
            if self.arrival() != Arrival::Committed || record.pending.take().is_none() {
                return Ok(Vec::new());
            }
        } else if slot == self.booted.slot {
            return Err(Refusal::OnTrial { slot });
        } else {
            let known = record.known_mut(slot);
            let was_written_now = known.writing.is_some() && known.writing == self.start;
            match known.content {
                Content::Whole => {}
                Content::Partial if was_written_now => {}
                content => return Err(Refusal::NotWhole { slot, content }),
            }
            // What was just written has not run yet.
            let went_back = known.content == Content::Whole && known.system.is_some();
            known.content = Content::Whole;
            known.writing = None;
            record.pending = Some(Pending {
                slot,
                progress: TrialProgress::Installed,
                trial: 0,
                went_back,
                before: Before::default(),
            });
        }
        Ok(vec![Write::Record(record)])
    }

    /// RAUC calls `slot` bad before it begins to write it.
    ///
    /// # Errors
    /// [`Refusal`] for the slot that runs, for the committed one, and for one into which the machine is about
    /// to restart.
    pub fn set_bad(&self, slot: Slot) -> Result<Vec<Write>, Refusal> {
        if slot == self.booted.slot {
            return Err(Refusal::Running { slot });
        }
        if slot == self.committed {
            return Err(Refusal::CommittedElsewhere { slot, booted: self.booted.slot });
        }
        if self.under_way() == Some(slot) {
            return Err(Refusal::TrialBegun { slot });
        }
        let mut record = self.record.clone();
        record.pending = None;
        let known = record.known_mut(slot);
        known.content = Content::Partial;
        known.system = None;
        known.writing.clone_from(&self.start);
        Ok(vec![Write::Record(record)])
    }

    /// RAUC, or a technician through it, calls `slot` good. Changes nothing: a slot is good by being
    /// installed whole or by passing its trial.
    ///
    /// # Errors
    /// [`Refusal`] when the slot is not good already.
    pub fn set_good(&self, slot: Slot) -> Result<Vec<Write>, Refusal> {
        if slot == self.booted.slot && slot != self.committed {
            return Err(Refusal::OnTrial { slot });
        }
        if self.is_good(slot) {
            return Ok(Vec::new());
        }
        Err(Refusal::NotWhole { slot, content: self.record.known(slot).content })
    }

    /// The technician wants the other system back.
    ///
    /// # Errors
    /// [`Refusal`] when it is not known to be whole, or a trial runs.
    pub fn go_back(&self) -> Result<Vec<Write>, Refusal> {
        let slot = self.booted.slot.other();
        if slot == self.committed {
            return Err(Refusal::CommittedElsewhere { slot, booted: self.booted.slot });
        }
        match self.record.known(slot).content {
            Content::Whole => self.set_primary(slot),
            // Half written, or being written at this moment.
            content => Err(Refusal::NotWhole { slot, content }),
        }
    }

    /// The reboot into the pending system is about to be asked for.
    ///
    /// # Errors
    /// [`Refusal`] when nothing waits for its trial.
    pub fn begin_trial(&self, before: Before) -> Result<Vec<Write>, Refusal> {
        let mut record = self.record.clone();
        let pending = match &mut record.pending {
            Some(pending)
                if pending.progress == TrialProgress::Installed
                    && pending.slot != self.committed
                    && self.arrival() == Arrival::Committed =>
            {
                pending
            }
            _ => return Err(Refusal::NothingPending),
        };
        record.trials += 1;
        record.begun_in.clone_from(&self.start);
        pending.progress = TrialProgress::Begun;
        pending.trial = record.trials;
        pending.before = before;
        Ok(vec![Write::Record(record)])
    }

    /// The restart into the pending system was refused: it waits for its trial again.
    pub fn call_off_trial(&self) -> Vec<Write> {
        let mut record = self.record.clone();
        match &mut record.pending {
            Some(pending)
                if pending.progress == TrialProgress::Begun && self.arrival() == Arrival::Committed =>
            {
                pending.progress = TrialProgress::Installed;
                vec![Write::Record(record)]
            }
            _ => Vec::new(),
        }
    }
}
