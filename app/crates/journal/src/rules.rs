//! The rules that turn recognitions into rows: pure, without clock, file or zone (backend-contract.md §4).
//!
//! A [`Book`] knows what was written and decides what comes next. It is filled the same way while running and
//! from the journal after a restart, so a restart changes no decision.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use time::Date;

use crate::config::Policy;
use crate::row::{Dates, Stamp, Status};
use base::identity::RollNumber;

/// What a recognition becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// A row.
    Record(Status),
    /// No row.
    Refuse(Refusal),
}

/// Why a recognition becomes no row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The last row of this student is too fresh.
    GapNotOver {
        /// Time still to pass.
        left: Duration,
    },
    /// The policy allows one IN and one OUT a day, and both are written.
    AlreadyOut,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GapNotOver { left } => {
                write!(
                    f,
                    "the last row is too fresh; the next one is possible in {} s",
                    left.as_secs().max(1)
                )
            }
            Self::AlreadyOut => f.write_str("already in and out today"),
        }
    }
}

/// What was written about everybody lately.
#[derive(Debug)]
pub struct Book {
    policy: Policy,
    gap: Duration,
    days: Dates,
    /// The last status of each student and day.
    latest: HashMap<Date, HashMap<RollNumber, Status>>,
    /// The last row of each student, on whichever day. Bounded by the roster.
    last: HashMap<RollNumber, Stamp>,
}

impl Book {
    /// An empty book. `gap` is the least time between two rows of a student.
    pub fn new(policy: Policy, gap: Duration) -> Self {
        Self { policy, gap, days: Dates::default(), latest: HashMap::new(), last: HashMap::new() }
    }

    /// The least time between two rows of a student.
    pub fn gap(&self) -> Duration {
        self.gap
    }

    /// What a recognition of `roll` at `at` becomes; `date` is the site's date at that time.
    pub fn decide(&self, roll: &RollNumber, at: &Stamp, date: Date) -> Decision {
        if let Some(left) = self.gap_left(roll, at) {
            return Decision::Refuse(Refusal::GapNotOver { left });
        }
        match (self.policy, self.status(roll, date)) {
            (_, None) => Decision::Record(Status::In),
            (_, Some(Status::In)) => Decision::Record(Status::Out),
            (Policy::Alternate, Some(Status::Out)) => Decision::Record(Status::In),
            (Policy::FirstInLastOut, Some(Status::Out)) => Decision::Refuse(Refusal::AlreadyOut),
        }
    }

    /// Takes a written row into account. Rows come in the order in which they were written.
    pub fn record(&mut self, roll: &RollNumber, at: &Stamp, date: Date, status: Status) {
        if let Some(evicted) = self.days.touch(date) {
            self.latest.remove(&evicted);
        }
        self.latest.entry(date).or_default().insert(roll.clone(), status);
        self.last.insert(roll.clone(), at.clone());
    }

    /// The last status of `roll` on `date`.
    pub fn status(&self, roll: &RollNumber, date: Date) -> Option<Status> {
        self.latest.get(&date)?.get(roll).copied()
    }

    fn gap_left(&self, roll: &RollNumber, at: &Stamp) -> Option<Duration> {
        let passed = at.since(self.last.get(roll)?);
        (passed < self.gap).then(|| self.gap - passed)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use time::macros::{date, datetime};

    use std::collections::BTreeSet;

    use time::OffsetDateTime;

    use super::*;
    use crate::row::DAYS_HELD;

    const GAP: Duration = Duration::from_secs(120);

    fn roll(text: &str) -> RollNumber {
        RollNumber::parse(text).unwrap()
    }

    fn stamp(utc: OffsetDateTime, since_boot: u64, boot: &str) -> Stamp {
        Stamp { utc, since_boot: Duration::from_secs(since_boot), boot: boot.into() }
    }

    /// Goes through moments (seconds after nine o'clock) of one student and gives what is written.
    fn day(policy: Policy, seconds: &[u64]) -> Vec<Status> {
        let mut book = Book::new(policy, GAP);
        let mut written = Vec::new();
        for second in seconds {
            let at = stamp(
                datetime!(2025-01-15 09:00:00 UTC) + Duration::from_secs(*second),
                1000 + second,
                "boot",
            );
            let date = at.utc.date();
            if let Decision::Record(status) = book.decide(&roll("7"), &at, date) {
                book.record(&roll("7"), &at, date, status);
                written.push(status);
            }
        }
        written
    }

    #[test]
    fn first_is_in_the_next_after_the_gap_is_out() {
        use Status::{In, Out};
        assert_eq!(day(Policy::FirstInLastOut, &[0, 5, 119, 120, 500, 20_000]), [In, Out]);
        assert_eq!(day(Policy::Alternate, &[0, 5, 119, 120, 239, 240, 20_000]), [In, Out, In, Out]);
    }

    #[test]
    fn a_wall_clock_that_steps_within_a_boot_changes_no_gap() {
        let mut book = Book::new(Policy::FirstInLastOut, GAP);
        let first = stamp(datetime!(2025-01-15 09:00:00 UTC), 1000, "a");
        book.record(&roll("7"), &first, first.utc.date(), Status::In);
        let stepped = stamp(datetime!(2025-01-15 11:00:00 UTC), 1010, "a");
        let left = Duration::from_secs(110);
        assert_eq!(
            book.decide(&roll("7"), &stepped, stepped.utc.date()),
            Decision::Refuse(Refusal::GapNotOver { left })
        );
    }

    #[test]
    fn over_a_boot_the_wall_clock_counts_and_never_less_than_the_boot() {
        let before = stamp(datetime!(2025-01-15 09:00:00 UTC), 90_000, "a");
        let after = stamp(datetime!(2025-01-15 09:01:00 UTC), 20, "b");
        assert_eq!(after.since(&before), Duration::from_secs(60));
        let backwards = stamp(datetime!(2025-01-15 08:00:00 UTC), 500, "b");
        assert_eq!(backwards.since(&before), Duration::from_secs(500));
    }

    #[test]
    fn a_row_from_the_far_future_does_not_push_out_today() {
        let mut book = Book::new(Policy::FirstInLastOut, GAP);
        let at = stamp(datetime!(2099-12-31 09:00:00 UTC), 10, "a");
        book.record(&roll("1"), &at, at.utc.date(), Status::In);
        let today = date!(2025 - 01 - 15);
        for day in 0..20_u64 {
            let at = stamp(datetime!(2025-01-15 09:00:00 UTC), 1000 * day, "b");
            book.record(&roll("7"), &at, today, Status::In);
        }
        assert_eq!(book.status(&roll("7"), today), Some(Status::In));
    }

    #[test]
    fn only_the_days_in_use_are_held() {
        let mut book = Book::new(Policy::Alternate, GAP);
        for day in 0..100 {
            let at = stamp(datetime!(2025-01-01 09:00:00 UTC) + Duration::from_secs(86_400 * day), 10, "a");
            book.record(&roll("7"), &at, at.utc.date(), Status::In);
        }
        assert_eq!(book.latest.len(), DAYS_HELD);
        assert!(book.days.holds(date!(2025 - 04 - 10)) && !book.days.holds(date!(2025 - 01 - 01)));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Seen(u8),
        Wait(u64),
        Reboot { off: u64 },
        RestartProgram,
        WallClockSteps(i64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => (0u8..3).prop_map(Step::Seen),
            4 => prop_oneof![0u64..200, 0u64..40_000].prop_map(Step::Wait),
            1 => (1u64..500).prop_map(|off| Step::Reboot { off }),
            2 => Just(Step::RestartProgram),
            1 => (-90i64..90).prop_map(Step::WallClockSteps),
        ];
        prop::collection::vec(step, 0..120)
    }

    /// Plays `steps`; with `restarts` the book is thrown away and filled anew from what was written. Gives
    /// the rows with the true second at which each was made.
    fn play(
        policy: Policy,
        steps: &[Step],
        restarts: bool,
    ) -> Vec<(RollNumber, Stamp, Date, Status, u64, Duration)> {
        let mut book = Book::new(policy, GAP);
        let mut rows: Vec<(RollNumber, Stamp, Date, Status, u64, Duration)> = Vec::new();
        let (mut truth, mut boot, mut booted_at, mut skew) = (0u64, 0u32, 0u64, 0i64);
        for step in steps {
            match step {
                Step::Wait(seconds) => truth += seconds,
                Step::Reboot { off } => {
                    truth += off;
                    booted_at = truth;
                    boot += 1;
                }
                Step::WallClockSteps(seconds) => skew += seconds,
                Step::RestartProgram if restarts => {
                    book = Book::new(policy, GAP);
                    for (roll, at, date, status, ..) in &rows {
                        book.record(roll, at, *date, *status);
                    }
                }
                Step::RestartProgram => {}
                Step::Seen(who) => {
                    let utc = datetime!(2025-03-29 20:00:00 UTC)
                        + time::Duration::seconds(i64::try_from(truth).unwrap() + skew);
                    let at = stamp(utc, truth - booted_at, &boot.to_string());
                    let (roll, date) = (roll(&who.to_string()), utc.date());
                    if let Decision::Record(status) = book.decide(&roll, &at, date) {
                        book.record(&roll, &at, date, status);
                        rows.push((roll, at, date, status, truth, Duration::from_secs(truth - booted_at)));
                    }
                }
            }
        }
        rows
    }

    proptest! {
        #[test]
        fn a_restart_at_any_point_is_no_restart(steps in steps(), alternate: bool) {
            let policy = if alternate { Policy::Alternate } else { Policy::FirstInLastOut };
            prop_assert_eq!(play(policy, &steps, true), play(policy, &steps, false));
        }

        #[test]
        fn rows_of_a_student_keep_the_gap_and_take_turns(steps in steps(), alternate: bool) {
            let policy = if alternate { Policy::Alternate } else { Policy::FirstInLastOut };
            let rows = play(policy, &steps, true);
            for who in 0..3 {
                let own: Vec<_> = rows.iter().filter(|row| row.0 == roll(&who.to_string())).collect();
                for pair in own.windows(2) {
                    // A step of the wall clock blurs a gap over a boot; within a boot the gap is exact.
                    if pair[0].1.boot == pair[1].1.boot {
                        prop_assert!(pair[1].4 - pair[0].4 >= GAP.as_secs());
                    }
                }
                let dates: BTreeSet<Date> = own.iter().map(|row| row.2).collect();
                for date in dates {
                    let day: Vec<Status> =
                        own.iter().filter(|row| row.2 == date).map(|row| row.3).collect();
                    prop_assert_eq!(day[0], Status::In);
                    prop_assert!(day.windows(2).all(|pair| pair[0] != pair[1]));
                    prop_assert!(policy == Policy::Alternate || day.len() <= 2);
                }
            }
        }
    }
}
