//! How many frames are looked at: few while nobody is there, all from the first face on. Pure.
//!
//! Most of a day nobody stands at a door. Looking for faces at every frame then only makes heat, and heat
//! makes the processor slow when somebody comes.

use std::time::Duration;

/// Nobody was there for so long: the door is idle. Long enough for a turned head or a step aside.
const IDLE_AFTER: Duration = Duration::from_secs(5);

/// Time between two looks at an idle door. A person who walks up to it is in the picture for more than a
/// second; a quarter of one is not felt.
const IDLE_EVERY: Duration = Duration::from_millis(250);

/// The tempo of one run of recognition.
#[derive(Debug, Default)]
pub struct Tempo {
    looked: Option<Duration>,
    seen: Option<Duration>,
}

impl Tempo {
    /// Whether the frame taken at `at` (time since boot) is to be looked at.
    pub fn due(&mut self, at: Duration) -> bool {
        let start = *self.seen.get_or_insert(at);
        let idle = at.saturating_sub(start) >= IDLE_AFTER;
        // A clock that runs backwards (another replay) is not a reason to wait for it.
        let soon = self.looked.is_some_and(|looked| looked <= at && at - looked < IDLE_EVERY);
        let due = !(idle && soon);
        if due {
            self.looked = Some(at);
        }
        due
    }

    /// Notes that somebody was in the frame taken at `at`.
    pub fn somebody(&mut self, at: Duration) {
        self.seen = Some(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(66);

    fn looks(tempo: &mut Tempo, frames: std::ops::Range<u32>, somebody: bool) -> usize {
        frames
            .filter(|n| {
                let due = tempo.due(FRAME * *n);
                if due && somebody {
                    tempo.somebody(FRAME * *n);
                }
                due
            })
            .count()
    }

    #[test]
    fn an_idle_door_is_looked_at_four_times_a_second_and_a_face_wakes_it_at_once() {
        let mut tempo = Tempo::default();
        assert_eq!(looks(&mut tempo, 0..75, false), 75, "not idle yet");
        let idle = looks(&mut tempo, 80..230, false);
        assert!((35..=45).contains(&idle), "{idle} looks in ten seconds");
        let awake = looks(&mut tempo, 230..380, true);
        assert!(awake >= 147, "{awake} of 150: all but those before the first look");
        assert_eq!(looks(&mut tempo, 380..450, false), 70, "a turned head is still there");
    }

    #[test]
    fn a_clock_that_goes_back_stops_nothing() {
        let mut tempo = Tempo::default();
        looks(&mut tempo, 0..1000, false);
        assert!(tempo.due(Duration::ZERO));
    }
}
