//! What follows from a refusal: a face that was refused as a presentation attack stays refused until it has
//! been gone for a while.
//!
//! Without this every second before the camera is a new try, and whoever holds up a picture for long enough
//! gets a lucky one. The latch is kept by name, not by track: a picture that is lowered and raised again is
//! a new track. So that a picture cannot lock its owner out for long, the wait is bounded.
//!
//! Pure: names and times in, answers out.

use std::time::Duration;

use base::identity::RollNumber;

/// How long a refused face has to be gone after the first refusal. Each further one doubles it.
const GONE: Duration = Duration::from_secs(2);

/// Longest time that a refused face has to be gone.
const LONGEST: Duration = Duration::from_secs(10);

/// For this long after the latch has opened, the name needs the prompt where one can be given.
const PROMPTED: Duration = Duration::from_secs(60);

/// Names that are remembered. Beyond it the one that was seen longest ago is forgotten.
const NAMES: usize = 64;

/// The names that were refused lately.
#[derive(Debug, Default)]
pub struct Latch {
    refused: heapless::Vec<Refused, NAMES>,
}

#[derive(Debug, Clone)]
struct Refused {
    roll: RollNumber,
    /// Refusals since it was last forgotten.
    times: u32,
    /// When a face like this one was seen last while the latch was closed.
    seen: Duration,
    /// Whether it has been gone for long enough since.
    open: bool,
}

impl Refused {
    fn wait(&self) -> Duration {
        GONE.saturating_mul(1 << self.times.saturating_sub(1).min(8)).min(LONGEST)
    }
}

impl Latch {
    /// Notes that a face like `roll`'s was refused now.
    pub fn refuse(&mut self, roll: &RollNumber, now: Duration) {
        self.forget(now);
        if let Some(known) = self.find(roll) {
            known.times = known.times.saturating_add(1);
            (known.seen, known.open) = (now, false);
            return;
        }
        if self.refused.is_full() {
            let oldest = (0..self.refused.len()).min_by_key(|index| self.refused[*index].seen);
            oldest.map(|index| self.refused.swap_remove(index));
        }
        // There is room now.
        let _ = self.refused.push(Refused { roll: roll.clone(), times: 1, seen: now, open: false });
    }

    /// Whether a face like `roll`'s, which is before the camera now, stays refused. Counts as seeing it: it
    /// has to be gone for the whole wait.
    pub fn holds(&mut self, roll: &RollNumber, now: Duration) -> bool {
        self.forget(now);
        let Some(refused) = self.find(roll) else { return false };
        if !refused.open {
            if now.saturating_sub(refused.seen) < refused.wait() {
                refused.seen = now;
                return true;
            }
            refused.open = true;
        }
        false
    }

    /// How often `roll` was refused lately: for a minute after a refusal the name needs a prompt, one turn
    /// more for each refusal but the first.
    pub fn refusals(&self, roll: &RollNumber) -> u32 {
        self.refused.iter().find(|refused| refused.roll == *roll).map_or(0, |refused| refused.times)
    }

    fn find(&mut self, roll: &RollNumber) -> Option<&mut Refused> {
        self.refused.iter_mut().find(|refused| refused.roll == *roll)
    }

    fn forget(&mut self, now: Duration) {
        self.refused.retain(|refused| now.saturating_sub(refused.seen) < refused.wait() + PROMPTED);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn roll(name: &str) -> RollNumber {
        RollNumber::parse(name).unwrap()
    }

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_refused_face_stays_refused_while_it_is_there() {
        let mut latch = Latch::default();
        latch.refuse(&roll("1"), at(0));
        assert!((1..100).all(|n| latch.holds(&roll("1"), at(500 * n))));
        assert!(!latch.holds(&roll("2"), at(500)), "another name is not held");
        assert!(!latch.holds(&roll("1"), at(49_500 + 2_000)), "it was gone for two seconds");
        assert_eq!(latch.refusals(&roll("1")), 1, "the prompt is still asked for");
        assert!(!latch.holds(&roll("1"), at(49_500 + 62_000)));
        assert_eq!(latch.refusals(&roll("1")), 0, "forgotten a minute after the wait");
    }

    #[test]
    fn repeated_refusals_wait_longer_and_never_longer_than_ten_seconds() {
        let mut latch = Latch::default();
        let mut now = 0;
        for wait in [2_000, 4_000, 8_000, 10_000, 10_000] {
            latch.refuse(&roll("1"), at(now));
            assert!(latch.holds(&roll("1"), at(now + wait - 1)));
            now += 2 * wait - 1;
            assert!(!latch.holds(&roll("1"), at(now)), "{wait} ms");
        }
    }

    proptest! {
        #[test]
        fn any_number_of_names_is_bounded(names in proptest::collection::vec(0u32..500, 0..300)) {
            let mut latch = Latch::default();
            for (n, name) in names.iter().enumerate() {
                latch.refuse(&roll(&name.to_string()), at(10 * n as u64));
                prop_assert!(latch.holds(&roll(&name.to_string()), at(10 * n as u64)));
                prop_assert!(latch.refused.len() <= NAMES);
            }
        }
    }
}
