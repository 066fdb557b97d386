//! A small machine that plays card, firmware and RAUC, and loses its power at a given write.

use time::OffsetDateTime;

use crate::boot_flow::{Arrival, Flow, Healthy, Write};
use crate::history::{End, History};
use crate::record::{Before, Pending, Record, System, TrialProgress};
use crate::slot::{Booted, Slot};

/// Pieces in which the simulated RAUC writes a slot.
pub(super) const PIECES: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    /// Proves healthy.
    Healthy,
    /// Comes up and fails a check.
    Sick,
    /// Never comes up: kernel panic, broken command line, hang until the watchdog resets.
    Dead,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Image {
    Torn,
    Whole { version: &'static str, nature: Nature },
}

/// The power went.
#[derive(Debug)]
pub(super) struct Cut;

#[derive(Debug, Clone)]
pub(super) struct Machine {
    pub(super) committed: Slot,
    pub(super) record: Record,
    pub(super) history: History,
    pub(super) slots: [Image; 2],
    /// Writes until the power goes; `None`: it stays.
    pub(super) fuse: Option<usize>,
    pub(super) booted: Booted,
    /// Starts of the kernel so far.
    pub(super) starts: u32,
}

impl Machine {
    pub(super) fn new(slot: Slot) -> Self {
        let mut slots = [Image::Torn, Image::Torn];
        slots[slot as usize] = Image::Whole { version: "old", nature: Nature::Healthy };
        let booted = Booted { slot, tryboot: false };
        let mut machine = Self {
            committed: slot,
            record: Record::default(),
            history: History::default(),
            slots,
            fuse: None,
            booted,
            starts: 0,
        };
        machine.boot(false).unwrap();
        machine
    }

    pub(super) fn flow(&self) -> Flow {
        let start = Some(self.starts.to_string());
        Flow { committed: self.committed, booted: self.booted, record: self.record.clone(), start }
    }

    pub(super) fn system(&self, slot: Slot) -> System {
        match &self.slots[slot as usize] {
            Image::Whole { version, .. } => System { version: (*version).to_owned(), built: None },
            Image::Torn => System::default(),
        }
    }

    pub(super) fn version(&self) -> &'static str {
        match self.slots[self.booted.slot as usize] {
            Image::Whole { version, .. } => version,
            Image::Torn => "torn",
        }
    }

    pub(super) fn burn(&mut self) -> Result<(), Cut> {
        match &mut self.fuse {
            Some(0) => return Err(Cut),
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(())
    }

    pub(super) fn apply(&mut self, writes: Vec<Write>) -> Result<(), Cut> {
        for write in writes {
            self.burn()?;
            match write {
                Write::Commit(slot) => {
                    assert_eq!(slot, self.booted.slot, "only the running system is ever committed");
                    self.committed = slot;
                }
                Write::Record(record) => self.record = record,
                Write::Outcome(outcome) => self.history.add(outcome),
            }
            assert!(
                matches!(self.slots[self.committed as usize], Image::Whole { .. }),
                "committed to a torn system"
            );
        }
        Ok(())
    }

    /// RAUC installs into the slot that is not running.
    pub(super) fn install(&mut self, image: &Image) -> Result<(), Cut> {
        let target = self.booted.slot.other();
        let writes = self.flow().set_bad(target).expect("the target is not the committed slot");
        self.apply(writes)?;
        assert_ne!(target, self.committed, "the committed system is overwritten");
        for _ in 0..PIECES {
            self.burn()?;
            self.slots[target as usize] = Image::Torn;
        }
        self.burn()?;
        self.slots[target as usize] = image.clone();
        let writes = self.flow().set_primary(target).unwrap();
        assert_eq!(self.flow().primary(), self.committed);
        self.apply(writes)?;
        assert_eq!(self.flow().primary(), target);
        Ok(())
    }

    pub(super) fn begin_trial(&mut self) -> Result<(), Cut> {
        self.ask_for_restart()?;
        self.burn()?;
        self.boot(true)
    }

    pub(super) fn ask_for_restart(&mut self) -> Result<(), Cut> {
        let system = self.system(self.booted.slot);
        let before = Before { system, installed: Some("new".to_owned()), ..Before::default() };
        let writes = self.flow().begin_trial(before).unwrap();
        self.apply(writes)
    }

    /// systemd does not restart the machine.
    pub(super) fn begin_trial_in_vain(&mut self) -> Result<(), Cut> {
        self.ask_for_restart()?;
        let writes = self.flow().call_off_trial();
        assert_eq!(writes.len(), 1);
        self.apply(writes)?;
        assert_eq!(self.flow().primary(), self.booted.slot.other());
        Ok(())
    }

    /// The technician wants the other system back, where that is allowed.
    pub(super) fn go_back(&mut self) -> Result<(), Cut> {
        let Ok(writes) = self.flow().go_back() else { return Ok(()) };
        self.apply(writes)?;
        self.begin_trial()
    }

    /// The firmware starts a slot and its system does what its nature is, until it stays up.
    pub(super) fn boot(&mut self, flag: bool) -> Result<(), Cut> {
        let slot = if flag { self.committed.other() } else { self.committed };
        let now = OffsetDateTime::UNIX_EPOCH;
        self.booted = Booted { slot, tryboot: flag };
        self.starts += 1;
        match self.slots[slot as usize] {
            Image::Whole { nature: Nature::Dead, .. } | Image::Torn => {
                assert!(flag, "the committed system does not start: the door is bricked");
                self.boot(false)
            }
            Image::Whole { nature, .. } => {
                let writes = self.flow().arrive(self.system(slot), &self.history, now);
                self.apply(writes)?;
                if self.flow().arrival() == Arrival::Committed {
                    return Ok(());
                }
                let writes = if nature == Nature::Healthy {
                    self.flow().commit(&Healthy(()), now)
                } else {
                    self.flow().fail(End::failed("camera", "no frame", &[]), now)
                };
                self.apply(writes)?;
                if self.flow().arrival() == Arrival::Committed { Ok(()) } else { self.boot(false) }
            }
        }
    }

    /// The power comes back, perhaps to go once more after `fuse` writes.
    pub(super) fn power_on(&mut self, fuse: Option<usize>) {
        self.fuse = fuse;
        if self.boot(false).is_err() {
            self.fuse = None;
            self.boot(false).unwrap();
        }
        self.fuse = None;
    }

    pub(super) fn update(&mut self, image: &Image) -> Result<(), Cut> {
        self.install(image)?;
        self.begin_trial()
    }

    /// Whatever somebody has RAUC activate after a start: it is a whole system that was not found unfit.
    pub(super) fn activates_nothing_unfit(&self) {
        let other = self.booted.slot.other();
        if self.flow().set_primary(other).is_ok() {
            let image = &self.slots[other as usize];
            assert!(matches!(image, Image::Whole { .. }), "a torn system is activated");
            let was_tried = self.record.pending.is_none();
            let healthy = matches!(image, Image::Whole { nature: Nature::Healthy, .. });
            assert!(healthy || !was_tried, "a system that failed its trial is activated");
        }
    }

    /// What must hold whenever the machine is up and quiet.
    pub(super) fn is_sound(&self, image: &Image) {
        self.activates_nothing_unfit();
        let flow = self.flow();
        assert_eq!(flow.arrival(), Arrival::Committed);
        let Image::Whole { version, nature } = &image else { unreachable!() };
        assert!(self.version() == "old" || (self.version() == *version && *nature == Nature::Healthy));
        match &self.record.pending {
            None => assert_eq!(flow.primary(), self.committed),
            // Installed whole, and the trial still to come.
            Some(Pending { slot, progress: TrialProgress::Installed, .. }) => {
                assert_eq!(self.slots[*slot as usize], *image);
                assert_eq!(flow.primary(), *slot);
            }
            Some(pending) => panic!("a trial that is over is still pending: {pending:?}"),
        }
        let end = self.history.last().map(|outcome| &outcome.end);
        if self.version() == *version {
            assert_eq!(end, Some(&End::Committed));
        } else {
            assert!(
                end.is_none_or(|end| !end.is_success()),
                "the old version runs, and the history says {end:?}"
            );
        }
    }
}

/// The writes of the whole update, by an update whose power stays.
pub(super) fn writes_of(image: &Image) -> usize {
    let mut machine = Machine::new(Slot::A);
    machine.fuse = Some(usize::MAX);
    machine.update(image).unwrap();
    usize::MAX - machine.fuse.unwrap()
}

pub(super) fn image(nature: Nature) -> Image {
    Image::Whole { version: "new", nature }
}
