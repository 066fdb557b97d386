//! When the door may be opened: pure.

use std::time::Duration;

use base::event::Life;

use crate::config::Relay;
use crate::state::Wall;

/// Why a recognition does not open the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Shut {
    /// There is no relay.
    #[error("no relay is configured")]
    NoRelay,
    /// A recording may have been recognised.
    #[error(
        "liveness was shown neither by the door's scene nor by a turn that was asked for, or the anti-spoof \
         models are in doubt, so this may be a recording"
    )]
    MayBeARecording,
    /// The clock is not known, and hours are set.
    #[error("the clock is not set yet, so nobody knows whether this is within relay.hours")]
    NoClock,
    /// Out of hours.
    #[error("it is outside relay.hours")]
    OutOfHours,
    /// It is open.
    #[error("it is open already")]
    OpenAlready,
}

/// Whether a recognition opens the door. `open_since` is when it was last opened.
///
/// # Errors
/// Why it stays shut.
pub fn may_open(
    relay: &Relay,
    life: Life,
    wall: Option<&Wall>,
    now: Duration,
    open_since: Option<Duration>,
) -> Result<(), Shut> {
    if relay.pin.is_none() {
        return Err(Shut::NoRelay);
    }
    if life.may_be_a_recording() && !relay.accept_recordings {
        return Err(Shut::MayBeARecording);
    }
    if let Some(hours) = relay.hours {
        let wall = wall.ok_or(Shut::NoClock)?;
        if !hours.hold(wall.minute_of_day()) {
            return Err(Shut::OutOfHours);
        }
    }
    match open_since {
        Some(since) if now.saturating_sub(since) < relay.pulse => Err(Shut::OpenAlready),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::pins::Pin;

    const NOON: Wall = Wall { hour: 12, minute: 0, weekday: 1, day: 1, month: 1 };

    fn relay() -> Relay {
        Relay { pin: Some(Pin::try_from(16).unwrap()), ..Relay::default() }
    }

    fn opens(relay: &Relay, life: Life, wall: Option<&Wall>) -> Result<(), Shut> {
        may_open(relay, life, wall, Duration::from_secs(100), None)
    }

    #[test]
    fn only_liveness_that_no_recording_has_opens() {
        let careful = relay();
        assert_eq!(opens(&careful, Life::Scene, Some(&NOON)), Ok(()));
        assert_eq!(opens(&careful, Life::Prompt, Some(&NOON)), Ok(()));
        for weak in [Life::Unchecked, Life::Recordable] {
            assert_eq!(opens(&careful, weak, Some(&NOON)), Err(Shut::MayBeARecording));
            let lowered = Relay { accept_recordings: true, ..relay() };
            assert_eq!(opens(&lowered, weak, Some(&NOON)), Ok(()));
        }
        assert_eq!(opens(&Relay::default(), Life::Prompt, Some(&NOON)), Err(Shut::NoRelay));
    }

    #[test]
    fn hours_need_a_clock_and_a_pulse_is_not_lengthened() {
        let school = Relay { hours: Some("07:00-12:00".parse().unwrap()), ..relay() };
        assert_eq!(opens(&school, Life::Scene, None), Err(Shut::NoClock));
        assert_eq!(opens(&school, Life::Scene, Some(&NOON)), Err(Shut::OutOfHours));
        assert_eq!(opens(&school, Life::Scene, Some(&Wall { hour: 11, ..NOON })), Ok(()));
        assert_eq!(opens(&relay(), Life::Scene, None), Ok(()), "without hours no clock is needed");
        let again = |after: u64| {
            let now = Duration::from_secs(100 + after);
            may_open(&relay(), Life::Scene, None, now, Some(Duration::from_secs(100)))
        };
        assert_eq!((again(2), again(3)), (Err(Shut::OpenAlready), Ok(())));
    }
}
