//! What is done about a camera that gives no pictures: open it again, then restart the program, and as a
//! last resort the machine. Pure; what must survive a restart is in [`Record`].
//!
//! Dangers: a machine that restarts forever is worse than one without a camera, since nobody can look at its
//! page. So every step is counted and bounded, a restart of the machine is remembered on disk before it
//! happens, and after three without success there are no more. A camera that was not there when the machine
//! started, or that sees nothing but darkness, is not a reason to restart anything.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::error::CameraError;
use base::moment::Moment;

/// A fault that lasts so long is not a loose cable that somebody is about to plug in: the program is
/// restarted.
const REOPENING: Duration = Duration::from_secs(5 * 60);

/// Restarts of the program before the machine is restarted.
const RESTARTS: u32 = 3;

/// Least time between two restarts of the machine: a camera that fails every few minutes must not take the
/// page along each time.
const BETWEEN_REBOOTS: Duration = Duration::from_secs(6 * 3600);

/// Most restarts of the machine without a picture in between; after them only a person can help.
const IN_VAIN: u32 = 3;

/// A camera that worked for so long works.
pub const STEADY: Duration = Duration::from_secs(60);

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Open the camera again, after a moment.
    Reopen,
    /// End the program; systemd starts it again.
    RestartProgram,
    /// Restart the machine.
    Reboot,
}

/// What is remembered on disk.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// The run of the kernel in which the camera last worked.
    pub worked_in: String,
    /// Restarts of the program since the camera worked or the machine was restarted for it.
    pub restarts: u32,
    /// Restarts of the machine since the camera worked.
    pub in_vain: u32,
    /// When the machine was last restarted for the camera, where the clock was known.
    #[serde(with = "time::serde::rfc3339::option")]
    pub rebooted: Option<OffsetDateTime>,
    /// The run of the kernel that was ended by it.
    pub rebooted_from: String,
    /// Restarts of the program because of the camera, ever.
    pub restarts_ever: u32,
    /// Restarts of the machine because of the camera, ever.
    pub reboots_ever: u32,
    /// Since when the camera has a fault that a restart may repair, seconds since boot: a program that ends
    /// in the middle for another reason must not reset the count.
    pub trouble_since: Option<u64>,
    /// The run of the kernel whose seconds these are.
    pub trouble_in: String,
}

/// The camera's faults in this run of the program.
#[derive(Debug, Default, Clone)]
pub struct Escalation {
    /// What is remembered on disk.
    pub record: Record,
}

impl Escalation {
    /// With what an earlier run left.
    pub fn new(record: Record) -> Self {
        Self { record }
    }

    /// The camera has worked for [`STEADY`]; whether there is something new to remember.
    pub fn works(&mut self, boot: &str) -> bool {
        let before = self.record.clone();
        self.record.trouble_since = None;
        (self.record.restarts, self.record.in_vain) = (0, 0);
        boot.clone_into(&mut self.record.worked_in);
        self.record != before
    }

    /// The camera failed with `error` at `now`, in the run of the kernel named `boot`. Any step but `Reopen`
    /// is already noted in the record, which must be on disk before the step is taken. Where it cannot be
    /// written, the caller goes on with the state from before: a step that was not done is not spent.
    pub fn fails(&mut self, error: &CameraError, now: Moment, boot: &str) -> Step {
        let record = &mut self.record;
        let worked = record.worked_in == boot;
        let hopeless = match error {
            // Nothing is broken that a restart mends.
            CameraError::Blind { fault: super::health::Fault::Even { .. } } => true,
            CameraError::Missing { .. } | CameraError::Unplugged { .. } => !worked,
            CameraError::NotBuilt | CameraError::Unreadable { .. } | CameraError::Malformed { .. } => true,
            _ => false,
        };
        if hopeless {
            // A night of darkness must not use up the patience with the stall that follows it.
            record.trouble_since = None;
            return Step::Reopen;
        }
        if record.trouble_in != boot {
            record.trouble_since = None;
            boot.clone_into(&mut record.trouble_in);
        }
        let since = Duration::from_secs(*record.trouble_since.get_or_insert(now.since_boot.as_secs()));
        // A driver that hangs keeps this process from ever opening a camera again.
        let patience = if matches!(error, CameraError::Stuck { .. }) { Duration::ZERO } else { REOPENING };
        if now.since_boot.saturating_sub(since) < patience {
            return Step::Reopen;
        }
        if record.restarts < RESTARTS {
            record.restarts += 1;
            record.restarts_ever = record.restarts_ever.saturating_add(1);
            // The new program has its own time to open the camera.
            record.trouble_since = None;
            return Step::RestartProgram;
        }
        if record.in_vain >= IN_VAIN || !rested(record, now, boot) {
            return Step::Reopen;
        }
        record.in_vain += 1;
        record.trouble_since = None;
        record.reboots_ever = record.reboots_ever.saturating_add(1);
        record.restarts = 0;
        record.rebooted = now.trusted.then_some(now.utc);
        boot.clone_into(&mut record.rebooted_from);
        Step::Reboot
    }
}

/// Whether the machine may be restarted again. Time since boot is right whatever the clock says; the clock
/// serves where a power cut set it back to zero.
fn rested(record: &Record, now: Moment, boot: &str) -> bool {
    if record.reboots_ever == 0 {
        return true;
    }
    if record.rebooted_from == boot {
        // It was asked for and has not happened; asking again would change nothing.
        return false;
    }
    let by_clock =
        record.rebooted.filter(|_| now.trusted).is_some_and(|then| now.utc - then >= BETWEEN_REBOOTS);
    by_clock || now.since_boot >= BETWEEN_REBOOTS
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::health::Fault;

    fn at(seconds: u64, uptime: u64, trusted: bool) -> Moment {
        Moment {
            utc: OffsetDateTime::UNIX_EPOCH + Duration::from_secs(seconds),
            since_boot: Duration::from_secs(uptime),
            trusted,
        }
    }

    fn stalled() -> CameraError {
        CameraError::Stalled { waited: Duration::from_secs(3) }
    }

    fn missing() -> CameraError {
        CameraError::Missing { wanted: "any".to_owned() }
    }

    /// A machine whose camera fails forever with `error` every `every` seconds, over `hours`, and which does
    /// what it is told. Answers the seconds at which the program and the machine were restarted.
    fn lives(
        error: fn() -> CameraError,
        worked: bool,
        every: u64,
        hours: u64,
        trusted: bool,
    ) -> (Vec<u64>, Vec<u64>) {
        let (mut programs, mut machines) = (Vec::new(), Vec::new());
        let (mut boot, mut started) = (0u32, 0);
        let mut escalation = Escalation::default();
        if worked {
            escalation.works("boot 0");
        }
        let mut second = 60;
        while second < hours * 3600 {
            match escalation.fails(&error(), at(second, second - started, trusted), &format!("boot {boot}")) {
                Step::Reopen => {}
                Step::RestartProgram => {
                    programs.push(second);
                    escalation = Escalation::new(escalation.record);
                }
                Step::Reboot => {
                    machines.push(second);
                    boot += 1;
                    started = second;
                    escalation = Escalation::new(escalation.record);
                }
            }
            second += every;
        }
        (programs, machines)
    }

    #[test]
    fn hanging_camera_reboots_three_times_six_hours_apart() {
        for trusted in [true, false] {
            let (programs, machines) = lives(stalled, true, 15, 100, trusted);
            assert_eq!(machines.len(), 3, "{machines:?}");
            assert!(machines[0] > 4 * 300 && machines[0] < 3600, "{machines:?}");
            assert!(machines.windows(2).all(|pair| pair[1] - pair[0] >= 6 * 3600));
            assert_eq!(programs.len(), 4 * 3, "three in each run of the machine");
        }
    }

    #[test]
    fn absent_camera_restarts_nothing() {
        assert_eq!(lives(missing, false, 15, 100, true), (vec![], vec![]));
        let (programs, machines) = lives(missing, true, 15, 100, true);
        assert_eq!((programs.len(), machines.len()), (3, 1), "it is not there in the next run either");
    }

    #[test]
    fn dark_room_restarts_nothing() {
        let dark = || CameraError::Blind { fault: Fault::Even { brightness: 16 } };
        assert_eq!(lives(dark, true, 15, 100, true), (vec![], vec![]));
        // Nor does one stall at the end of the night.
        let mut escalation = Escalation::default();
        escalation.works("a");
        let morning = 8 * 3600;
        for second in (60..morning).step_by(15) {
            assert_eq!(escalation.fails(&dark(), at(second, second, true), "a"), Step::Reopen);
        }
        assert_eq!(escalation.fails(&stalled(), at(morning, morning, true), "a"), Step::Reopen);
        let later = morning + 301;
        assert_eq!(escalation.fails(&stalled(), at(later, later, true), "a"), Step::RestartProgram);
    }

    #[test]
    fn hanging_driver_restarts_the_program_at_once() {
        let stuck = || CameraError::Stuck { waited: Duration::from_secs(3) };
        assert_eq!(lives(stuck, true, 15, 1, true).0[..3], [60, 75, 90]);
    }

    #[test]
    fn frequent_restarts_do_not_reset_the_count() {
        let mut escalation = Escalation::default();
        escalation.works("a");
        let mut programs = 0;
        let rebooted = (60..3600).step_by(15).find(|second| {
            if second % 120 == 0 {
                escalation = Escalation::new(escalation.record.clone());
            }
            let step = escalation.fails(&stalled(), at(*second, *second, true), "a");
            programs += u32::from(step == Step::RestartProgram);
            step == Step::Reboot
        });
        assert_eq!((programs, rebooted.is_some()), (3, true));
        // The seconds of one run of the kernel say nothing in the next.
        let mut record = Record { trouble_since: Some(5), trouble_in: "a".to_owned(), ..Record::default() };
        let mut next = Escalation::new(record.clone());
        assert_eq!(next.fails(&stalled(), at(400, 400, true), "b"), Step::Reopen);
        record.trouble_in = "b".to_owned();
        let mut same = Escalation::new(record);
        assert_eq!(same.fails(&stalled(), at(400, 400, true), "b"), Step::RestartProgram);
    }

    #[test]
    fn recovery_resets_the_count() {
        let mut escalation = Escalation::default();
        assert_eq!(escalation.fails(&stalled(), at(0, 0, true), "a"), Step::Reopen);
        assert_eq!(escalation.fails(&stalled(), at(301, 301, true), "a"), Step::RestartProgram);
        assert!(escalation.works("a") && !escalation.works("a"), "told once");
        assert_eq!(escalation.record.restarts, 0);
        assert_eq!(escalation.fails(&stalled(), at(400, 400, true), "a"), Step::Reopen);
    }

    #[test]
    fn record_survives_serialisation() {
        let record = Record { rebooted: Some(OffsetDateTime::UNIX_EPOCH), restarts: 2, ..Record::default() };
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
        assert_eq!(serde_json::from_str::<Record>("{\"later\": 1}").unwrap(), Record::default());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever fails, works and lies about the time: never two restarts of the machine within six hours
        /// of its running, unless a clock that is trusted says that they are over.
        #[test]
        fn no_sequence_makes_a_loop(
            steps in prop::collection::vec((1..2000u64, 0..5u8, any::<bool>(), -100_000..100_000i64), 1..400),
        ) {
            let mut escalation = Escalation::default();
            let (mut boot, mut uptime) = (0u32, 0u64);
            let mut last: Option<OffsetDateTime> = None;
            for (passes, what, trusted, clock_error) in steps {
                uptime += passes;
                let utc = OffsetDateTime::UNIX_EPOCH
                    + Duration::from_secs(1_000_000 + uptime)
                    + time::Duration::seconds(clock_error);
                let now = Moment { utc, since_boot: Duration::from_secs(uptime), trusted };
                let name = format!("boot {boot}");
                let error = match what {
                    0 => { escalation.works(&name); continue }
                    1 => missing(),
                    2 => CameraError::Stuck { waited: Duration::ZERO },
                    _ => stalled(),
                };
                let in_vain = escalation.record.in_vain;
                match escalation.fails(&error, now, &name) {
                    Step::Reopen => {}
                    Step::RestartProgram => escalation = Escalation::new(escalation.record),
                    Step::Reboot => {
                        prop_assert!(in_vain < IN_VAIN);
                        if boot > 0 {
                            let by_clock = trusted && last.is_some_and(|last| utc - last >= BETWEEN_REBOOTS);
                            prop_assert!(uptime >= BETWEEN_REBOOTS.as_secs() || by_clock);
                        }
                        last = trusted.then_some(utc);
                        boot += 1;
                        uptime = 0;
                        escalation = Escalation::new(escalation.record);
                    }
                }
                prop_assert!(escalation.record.restarts <= RESTARTS);
            }
        }
    }
}
