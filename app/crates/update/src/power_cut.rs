//! The boot flow with the power cut before every single write, and again before every write of what follows.
//!
//! A small machine plays card, firmware and RAUC. What each of them may do is their documentation's: the
//! firmware boots autoboot.txt's slot, or the other one once when the (volatile) tryboot flag is set; RAUC
//! calls the target bad, writes it piece by piece, and activates it. Somebody may have it activate any slot
//! at any other time, and systemd may refuse a restart.

#![allow(clippy::unwrap_used)]

mod machine;

use proptest::prelude::*;
use time::OffsetDateTime;

use self::machine::{Image, Machine, Nature, PIECES, image, writes_of};
use super::boot_flow::{Arrival, Healthy, Write};
use super::history::End;
use super::record::{Before, Content, Record, TrialProgress};
use super::slot::{Booted, Slot};

#[test]
fn two_power_cuts_before_any_write() {
    for nature in [Nature::Healthy, Nature::Sick, Nature::Dead] {
        let image = image(nature);
        let writes = writes_of(&image);
        assert!(writes >= PIECES + 4, "{writes}");
        for slot in [Slot::A, Slot::B] {
            for first in 0..=writes {
                for second in (0..=writes).map(Some).chain([None]) {
                    let mut machine = Machine::new(slot);
                    machine.fuse = Some(first);
                    let finished = machine.update(&image).is_ok();
                    machine.power_on(second);
                    machine.is_sound(&image);
                    if finished && nature == Nature::Healthy {
                        assert_eq!(machine.version(), "new");
                    }
                    // Whatever happened, the technician tries again and it works.
                    if machine.version() == "old" {
                        machine.update(&Image::Whole { version: "third", nature: Nature::Healthy }).unwrap();
                        assert_eq!(machine.version(), "third");
                    }
                }
            }
        }
    }
}

#[test]
fn refused_restart_keeps_the_update_waiting() {
    for nature in [Nature::Healthy, Nature::Sick, Nature::Dead] {
        let image = image(nature);
        let writes = writes_of(&image);
        for first in 0..=writes {
            for second in (0..=4).map(Some).chain([None]) {
                let mut machine = Machine::new(Slot::A);
                machine.fuse = Some(first);
                let finished = machine.install(&image).and_then(|()| machine.begin_trial_in_vain()).is_ok();
                machine.power_on(second);
                machine.is_sound(&image);
                assert_eq!(machine.version(), "old");
                if finished {
                    assert_eq!(machine.record.pending.as_ref().unwrap().progress, TrialProgress::Installed);
                    machine.begin_trial().unwrap();
                    machine.is_sound(&image);
                    assert_eq!(machine.version() == "new", nature == Nature::Healthy);
                }
            }
        }
    }
    // systemd restarts the machine all the same, later than it was waited for.
    let mut machine = Machine::new(Slot::A);
    machine.install(&image(Nature::Healthy)).unwrap();
    machine.begin_trial_in_vain().unwrap();
    machine.boot(true).unwrap();
    machine.is_sound(&image(Nature::Healthy));
    assert_eq!(machine.version(), "new");
    assert!(machine.flow().call_off_trial().is_empty());
}

#[test]
fn beginning_trial_protects_its_slot() {
    let mut machine = Machine::new(Slot::A);
    machine.install(&image(Nature::Healthy)).unwrap();
    machine.ask_for_restart().unwrap();
    // RAUC begins to write before the machine has restarted: the backend looks first whether a trial ended.
    let writes = machine.flow().arrive(machine.system(Slot::A), &machine.history, OffsetDateTime::UNIX_EPOCH);
    machine.apply(writes).unwrap();
    assert!(machine.history.last().is_none(), "a trial that has not been is noted as failed");
    assert_eq!(machine.record.known(Slot::B).content, Content::Whole);
    let refused = machine.flow().set_bad(Slot::B).unwrap_err().to_string();
    assert!(refused.contains("under way"), "{refused}");
    machine.boot(true).unwrap();
    machine.is_sound(&image(Nature::Healthy));
    assert_eq!(machine.version(), "new");
    // In the next start of the kernel it is over, and the slot may be written.
    let mut machine = Machine::new(Slot::A);
    machine.install(&image(Nature::Healthy)).unwrap();
    machine.ask_for_restart().unwrap();
    machine.boot(false).unwrap();
    assert_eq!(machine.history.last().unwrap().end, End::Silent { reached: TrialProgress::Begun });
    assert!(machine.flow().set_bad(Slot::B).is_ok());
}

#[test]
fn only_a_whole_slot_is_activated() {
    // RAUC was cut off in the middle; then somebody marks the slot active.
    let mut machine = Machine::new(Slot::A);
    machine.fuse = Some(2);
    assert!(machine.install(&image(Nature::Healthy)).is_err());
    assert_eq!(machine.record.known(Slot::B).content, Content::Partial);
    machine.power_on(None);
    assert!(machine.flow().set_primary(Slot::B).is_err(), "half written before this start");
    machine.update(&image(Nature::Sick)).unwrap();
    assert_eq!(machine.record.known(Slot::B).content, Content::Failed);
    assert!(machine.flow().set_primary(Slot::B).is_err(), "failed its trial");
    assert!(Machine::new(Slot::A).flow().set_primary(Slot::B).is_err(), "never written");

    // Where starts of the kernel have no name, nobody can tell.
    let mut nameless = Machine::new(Slot::A).flow();
    nameless.start = None;
    let Some(Write::Record(record)) = nameless.set_bad(Slot::B).unwrap().pop() else { unreachable!() };
    nameless.record = record;
    assert!(nameless.set_primary(Slot::B).is_err());
}

#[test]
fn rollback_says_how_far_the_trial_came() {
    let ends = |nature| {
        let mut machine = Machine::new(Slot::A);
        machine.update(&image(nature)).unwrap();
        assert_eq!(machine.version(), "old");
        assert_eq!(machine.flow().primary(), Slot::A, "the failed system is still called the next one");
        assert!(!machine.flow().is_good(Slot::B));
        let told = machine.history.last().unwrap().to.as_ref().unwrap();
        assert_eq!(told.version, "new", "also of a system that never came up to say it");
        machine.history.last().unwrap().end.clone()
    };
    assert_eq!(ends(Nature::Sick), End::failed("camera", "no frame", &[]));
    assert_eq!(ends(Nature::Dead), End::Silent { reached: TrialProgress::Begun });

    // Up, and then the power went before its checks were through: before the last two writes, outcome and
    // record.
    let mut machine = Machine::new(Slot::A);
    machine.fuse = Some(writes_of(&image(Nature::Sick)) - 2);
    assert!(machine.update(&image(Nature::Sick)).is_err());
    machine.power_on(None);
    assert_eq!(machine.history.last().unwrap().end, End::Silent { reached: TrialProgress::Up });
}

#[test]
fn trial_protects_the_committed_slot() {
    let mut machine = Machine::new(Slot::A);
    machine.install(&image(Nature::Healthy)).unwrap();
    machine.booted = Booted { slot: Slot::B, tryboot: true };
    let flow = machine.flow();
    assert_eq!(flow.arrival(), Arrival::Trial);
    assert_eq!(flow.primary(), Slot::A);
    assert!(flow.set_bad(Slot::A).is_err(), "an installation would overwrite the committed system");
    assert!(flow.set_bad(Slot::B).is_err());
    assert!(
        flow.set_primary(Slot::B).is_err() && flow.set_good(Slot::B).is_err(),
        "only the health gate commits"
    );
    assert_eq!(flow.set_primary(Slot::A).unwrap(), []);
    assert!(flow.begin_trial(Before::default()).is_err());
    assert!(flow.go_back().is_err());
}

#[test]
fn fallback_slot_is_committed_when_healthy() {
    let mut machine = Machine::new(Slot::A);
    machine.update(&image(Nature::Healthy)).unwrap();
    assert_eq!(machine.committed, Slot::B);
    // PARTITION_WALK found boot_b unreadable and took boot_a.
    machine.slots[Slot::B as usize] = Image::Torn;
    machine.booted = Booted { slot: Slot::A, tryboot: false };
    let now = OffsetDateTime::UNIX_EPOCH;
    assert_eq!(machine.flow().arrival(), Arrival::Fallback);
    let writes = machine.flow().arrive(machine.system(Slot::A), &machine.history, now);
    for write in writes {
        if let Write::Record(record) = write {
            machine.record = record;
        }
    }
    assert!(machine.flow().set_bad(Slot::B).is_err());
    let writes = machine.flow().commit(&Healthy(()), now);
    assert_eq!(writes[0], Write::Commit(Slot::A));
    assert!(matches!(&writes[1], Write::Outcome(outcome) if outcome.end == End::Rescued));
}

#[test]
fn technician_can_return_to_a_whole_slot_only() {
    let mut machine = Machine::new(Slot::A);
    assert!(machine.flow().go_back().is_err(), "the other slot was never written");
    machine.update(&image(Nature::Healthy)).unwrap();
    let writes = machine.flow().go_back().unwrap();
    machine.apply(writes).unwrap();
    machine.begin_trial().unwrap();
    assert_eq!((machine.committed, machine.version()), (Slot::A, "old"));
    assert!(machine.history.last().unwrap().went_back);
    assert_eq!(
        machine.history.not_wanted(None),
        ["new"],
        "an abandoned version is not installed automatically"
    );

    let mut machine = Machine::new(Slot::A);
    machine.update(&image(Nature::Sick)).unwrap();
    assert!(machine.flow().go_back().is_err(), "a system that failed its trial is not offered again");
}

#[test]
fn lost_record_loses_no_slot() {
    for nature in [Nature::Healthy, Nature::Sick, Nature::Dead] {
        let mut machine = Machine::new(Slot::A);
        machine.install(&image(nature)).unwrap();
        machine.record = Record::default();
        assert_eq!(machine.flow().primary(), Slot::A);
        machine.boot(true).unwrap();
        let expected = if nature == Nature::Healthy { "new" } else { "old" };
        assert_eq!(machine.version(), expected);
        assert!(machine.record.pending.is_none());
    }
}

proptest! {
    /// Any sequence of updates, returns, refused restarts, lost records and cuts.
    #[test]
    fn the_door_always_opens(
        steps in proptest::collection::vec((0_u8..3, 0_u8..6, 0_usize..16, any::<bool>()), 1..12),
    ) {
        let mut machine = Machine::new(Slot::A);
        for (nature, deed, fuse, cut) in steps {
            let image = image([Nature::Healthy, Nature::Sick, Nature::Dead][nature as usize]);
            machine.fuse = cut.then_some(fuse);
            let _ = match deed {
                0 => machine.go_back(),
                1 => machine.install(&image).and_then(|()| machine.begin_trial_in_vain()),
                2 => {
                    machine.record = Record::default();
                    Ok(())
                }
                _ => machine.update(&image),
            };
            machine.power_on(cut.then_some(fuse / 2));
            let booted = &machine.slots[machine.booted.slot as usize];
            let healthy = matches!(booted, Image::Whole { nature: Nature::Healthy, .. });
            prop_assert!(healthy, "{:?}", booted);
            prop_assert_eq!(machine.booted.slot, machine.committed);
            let pending = machine.record.pending.as_ref().map(|pending| pending.progress);
            prop_assert!(pending.is_none_or(|progress| progress == TrialProgress::Installed));
            machine.activates_nothing_unfit();
        }
    }
}
