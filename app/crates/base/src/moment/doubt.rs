//! Whether a wall clock that was set can be believed: pure.
//!
//! NTP is not authenticated, so whoever controls the network can set the clock. Two things bound that. Within
//! a boot, the time since boot never steps, so each step of the wall clock is seen. Over a boot, the last
//! time that was believed bounds the next one from below, and generously from above. A time outside these
//! bounds is doubtful until a second source or a person says that it is right, or until the wall clock comes
//! back.

use std::fmt;
use std::time::Duration;

use time::OffsetDateTime;

use super::Moment;

/// Largest step within a boot, and largest step backwards over a boot, that is believed.
const STEP: time::Duration = time::Duration::seconds(5);
/// Small steps may add up to this part of the time that passed: the kernel corrects no clock faster
/// (500 ppm), and no working quartz is that bad. Otherwise many steps below [`STEP`] would move the clock
/// anywhere.
const DRIFT: u32 = 2000;
/// Longest time that a device is believed to have been switched off.
const AHEAD: time::Duration = time::Duration::days(400);
/// How far a second source may differ from the wall clock and still agree with it: it tells whole seconds,
/// its answer travels, and a server's clock may be some seconds wrong.
const AGREES: time::Duration = time::Duration::seconds(60);

/// The last time that was believed, from the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Believed {
    /// The wall clock, UTC.
    pub utc: OffsetDateTime,
    /// Time since boot, when it was this boot; none when it was an earlier one.
    pub since_boot: Option<Duration>,
}

/// Why the wall clock is not believed although it was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doubt {
    /// What is wrong with it.
    pub kind: DoubtKind,
    /// What the wall clock shows.
    pub shown: OffsetDateTime,
    /// What it should show by the time since boot; over a boot, the last time that was believed.
    pub expected: OffsetDateTime,
}

/// What is wrong with a wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoubtKind {
    /// It stepped since the last time that was believed.
    Stepped,
    /// It is before the last time that was believed before this boot.
    Backwards,
    /// It is too far after the last time that was believed before this boot.
    FarAhead,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let difference = (self.shown - self.expected).whole_seconds();
        let (seconds, direction) =
            (difference.unsigned_abs(), if difference < 0 { "back" } else { "forward" });
        let amount = match seconds {
            0..=299 => format!("{seconds} seconds"),
            300..=10_799 => format!("{} minutes", seconds / 60),
            10_800..=172_799 => format!("{} hours", seconds / 3600),
            _ => format!("{} days", seconds / 86_400),
        };
        match self.kind {
            DoubtKind::Stepped => write!(f, "the clock was set {direction} by {amount} while the device ran"),
            DoubtKind::Backwards => {
                write!(f, "the clock is {amount} behind the last time known before this start")
            }
            DoubtKind::FarAhead => {
                write!(f, "the clock is {amount} ahead of the last time known before this start")
            }
        }
    }
}

/// One moment, as wall-clock time and as time since boot. Both run at the same rate while nobody sets the
/// clock.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    utc: OffsetDateTime,
    since_boot: Duration,
}

impl Anchor {
    fn of(moment: Moment) -> Self {
        Self { utc: moment.utc, since_boot: moment.since_boot }
    }

    /// What the wall clock shows at `since_boot` on this line.
    fn at(self, since_boot: Duration) -> Option<OffsetDateTime> {
        let passed =
            time::Duration::try_from(since_boot).ok()? - time::Duration::try_from(self.since_boot).ok()?;
        self.utc.checked_add(passed)
    }
}

/// Judges the times that a wall clock shows.
#[derive(Debug, Default)]
pub(super) struct Judge {
    /// The last time of this boot that was believed.
    last: Option<Anchor>,
    /// The time from which small steps are added up.
    base: Option<Anchor>,
    /// The last time that was believed before this boot.
    before: Option<OffsetDateTime>,
    doubt: Option<Doubt>,
}

impl Judge {
    /// Takes in what the journal knows. A time of this boot that was already seen counts more.
    pub(super) fn remember(&mut self, believed: Believed) {
        match believed.since_boot {
            Some(since_boot) if self.last.is_none() => {
                let anchor = Anchor { utc: believed.utc, since_boot };
                (self.last, self.base) = (Some(anchor), Some(anchor));
            }
            Some(_) => {}
            None => self.before = Some(believed.utc),
        }
    }

    /// Judges `moment`. What comes back is trusted only without a doubt; a time that is doubted within a boot
    /// is replaced by the one that follows from the time since boot, so that no day begins or ends by it.
    pub(super) fn judge(&mut self, moment: Moment) -> Moment {
        if !moment.trusted {
            return moment;
        }
        self.doubt = self.doubt_about(moment);
        if self.doubt.is_some() {
            let utc = self.last.and_then(|last| last.at(moment.since_boot)).unwrap_or(moment.utc);
            return Moment { utc, trusted: false, ..moment };
        }
        self.last = Some(Anchor::of(moment));
        self.base = self.base.or(self.last);
        moment
    }

    /// The doubt about the last time that was judged.
    pub(super) fn doubt(&self) -> Option<Doubt> {
        self.doubt
    }

    /// A second source tells that it is `told`; `moment` is what the wall clock shows. Gives whether the wall
    /// clock was doubted and is believed from now on.
    pub(super) fn compare(&mut self, told: OffsetDateTime, moment: Moment) -> bool {
        (told - moment.utc).abs() <= AGREES && self.confirm(moment)
    }

    /// A person says that the wall clock, which shows `moment`, is right. Gives whether it was doubted.
    pub(super) fn confirm(&mut self, moment: Moment) -> bool {
        if !moment.trusted || self.doubt_about(moment).is_none() {
            return false;
        }
        let anchor = Some(Anchor::of(moment));
        (self.last, self.base, self.doubt) = (anchor, anchor, None);
        true
    }

    fn doubt_about(&self, moment: Moment) -> Option<Doubt> {
        let shown = moment.utc;
        let doubt = |kind, expected| Some(Doubt { kind, shown, expected });
        if let (Some(last), Some(base)) = (self.last, self.base) {
            let expected = last.at(moment.since_boot)?;
            let from_base = base.at(moment.since_boot)?;
            let passed = moment.since_boot.saturating_sub(base.since_boot) / DRIFT;
            let stepped = (shown - expected).abs() > STEP || (shown - from_base).abs() > STEP + passed;
            return if stepped { doubt(DoubtKind::Stepped, expected) } else { None };
        }
        match self.before {
            Some(before) if shown - before < -STEP => doubt(DoubtKind::Backwards, before),
            Some(before) if shown - before > AHEAD => doubt(DoubtKind::FarAhead, before),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    const START: OffsetDateTime = datetime!(2026-11-23 08:00:00 UTC);

    fn moment(utc: OffsetDateTime, since_boot_ms: i64) -> Moment {
        Moment { utc, since_boot: Duration::from_millis(since_boot_ms.unsigned_abs()), trusted: true }
    }

    fn started() -> Judge {
        let mut judge = Judge::default();
        assert!(judge.judge(moment(START, 60_000)).trusted);
        judge
    }

    #[test]
    fn reported_steps_are_doubted() {
        for step in [time::Duration::hours(-1), time::Duration::days(2), time::Duration::days(-400)] {
            let mut judge = started();
            let judged = judge.judge(moment(START + time::Duration::minutes(1) + step, 120_000));
            assert_eq!((judged.trusted, judged.utc), (false, START + time::Duration::minutes(1)));
            assert_eq!(judge.doubt().unwrap().kind, DoubtKind::Stepped);
        }
    }

    #[test]
    fn doubt_says_how_far_the_clock_moved() {
        let told = |kind, hours| {
            Doubt { kind, shown: START + time::Duration::hours(hours), expected: START }.to_string()
        };
        assert_eq!(told(DoubtKind::Stepped, -1), "the clock was set back by 60 minutes while the device ran");
        assert_eq!(told(DoubtKind::Stepped, 48), "the clock was set forward by 2 days while the device ran");
        assert!(told(DoubtKind::Backwards, -30).contains("30 hours behind"));
        assert!(told(DoubtKind::FarAhead, 24 * 401).contains("401 days ahead"));
    }

    #[test]
    fn unset_clock_is_not_judged() {
        let mut judge = Judge::default();
        judge.remember(Believed { utc: START, since_boot: None });
        let unset = Moment { trusted: false, ..moment(OffsetDateTime::UNIX_EPOCH, 1000) };
        assert_eq!(judge.judge(unset), unset);
        assert_eq!(judge.doubt(), None);
        assert!(!judge.confirm(unset), "a clock that was never set is confirmed by nobody");
    }

    /// Moves of the wall clock: the time that passes, and by how much the clock is then set. Milliseconds.
    fn moves(largest: i64) -> impl Strategy<Value = Vec<(i64, i64)>> {
        prop::collection::vec((0i64..10_000_000, -largest..=largest), 1..40)
    }

    proptest! {
        #[test]
        fn steady_clock_is_always_believed(pauses in prop::collection::vec(0i64..1_000_000_000, 1..40)) {
            let (mut judge, mut passed) = (started(), 0);
            for pause in pauses {
                passed += pause;
                let seen = moment(START + time::Duration::milliseconds(passed), 60_000 + passed);
                prop_assert_eq!(judge.judge(seen), seen);
            }
            prop_assert_eq!(judge.doubt(), None);
        }

        #[test]
        fn steps_above_5_seconds_are_doubted_until_confirmed_or_undone(
            pause in 0i64..1_000_000_000,
            step in prop_oneof![5_001i64..100_000_000_000, -40_000_000_000i64..-5_000],
            later in 0i64..1_000_000_000,
        ) {
            let line = |passed| START + time::Duration::milliseconds(passed);
            let stepped = |passed| moment(line(passed) + time::Duration::milliseconds(step), 60_000 + passed);
            let mut judge = started();
            judge.judge(moment(line(pause), 60_000 + pause));
            let end = pause + later;
            for passed in [pause, end] {
                let judged = judge.judge(stepped(passed));
                prop_assert!(!judged.trusted && judged.utc == line(passed), "{:?}", judged);
                prop_assert!(judge.doubt().is_some());
            }
            // A source that differs from the wall clock by more than a minute changes nothing.
            prop_assert!(!judge.compare(stepped(end).utc + time::Duration::seconds(61), stepped(end)));
            prop_assert!(!judge.judge(stepped(end)).trusted);
            let mut taken_back = Judge { last: judge.last, base: judge.base, before: None, doubt: judge.doubt };
            prop_assert!(taken_back.judge(moment(line(end), 60_000 + end)).trusted);
            prop_assert_eq!(taken_back.doubt(), None);
            prop_assert!(judge.compare(stepped(end).utc + time::Duration::seconds(59), stepped(end)));
            prop_assert_eq!(judge.judge(stepped(end + 1000)), stepped(end + 1000));
            // What was right before is a step now.
            prop_assert!(!judge.judge(moment(line(end + 2000), 62_000 + end)).trusted);
        }

        #[test]
        fn small_steps_do_not_add_up(moves in moves(5_000)) {
            let (mut judge, mut passed, mut set) = (started(), 0, 0);
            for (pause, step) in moves {
                passed += pause;
                set += step;
                let seen = moment(START + time::Duration::milliseconds(passed + set), 60_000 + passed);
                if judge.judge(seen).trusted {
                    prop_assert!(set.abs() <= 5_000 + passed / 2000 + 1, "moved by {} ms", set);
                } else {
                    // The clock is set right again.
                    set = 0;
                    judge.judge(moment(START + time::Duration::milliseconds(passed), 60_000 + passed));
                }
            }
        }

        #[test]
        fn reboot_may_take_up_to_400_days(
            ahead in -80_000_000i64..80_000_000,
        ) {
            let mut judge = Judge::default();
            judge.remember(Believed { utc: START, since_boot: None });
            let seen = moment(START + time::Duration::seconds(ahead), 30_000);
            let believed = (-5..=400 * 86_400).contains(&ahead);
            prop_assert_eq!(judge.judge(seen).trusted, believed);
            prop_assert_eq!(judge.doubt().is_none(), believed);
            prop_assert_eq!(judge.confirm(seen), !believed);
            prop_assert_eq!(judge.judge(seen), seen);
        }

        #[test]
        fn program_restart_forgets_no_step(pause in 0i64..100_000_000, step in -20_000i64..20_000) {
            let mut judge = Judge::default();
            judge.remember(Believed { utc: START, since_boot: Some(Duration::from_secs(60)) });
            let seen = moment(START + time::Duration::milliseconds(pause + step), 60_000 + pause);
            prop_assert_eq!(judge.judge(seen).trusted, step.abs() <= 5_000);
        }
    }
}
