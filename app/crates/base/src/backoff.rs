//! How long to wait before the next try.

use std::time::Duration;

/// First delay: long enough for a port or a device to be free again.
const FIRST: Duration = Duration::from_secs(1);
/// Longest delay: a technician who mended something should not wait longer than for the kettle.
const LONGEST: Duration = Duration::from_secs(300);
/// Share of a delay that is random, so that many doors do not knock at a recovering server together.
const JITTER: f64 = 0.25;

/// Delays that double from one second to five minutes, each shortened at random by up to a quarter.
#[derive(Debug, Clone)]
pub struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::between(FIRST, LONGEST)
    }
}

impl Backoff {
    /// Delays from `first`, doubling up to `longest`.
    pub fn between(first: Duration, longest: Duration) -> Self {
        Self { next: first.min(longest), longest }
    }

    /// The delay before the next try.
    pub fn next_delay(&mut self) -> Duration {
        let delay = self.next;
        self.next = (delay * 2).min(self.longest);
        delay.mul_f64(1.0 - JITTER * fastrand::f64())
    }
}

/// Delays of work that is held, because trying again soon does not help: a refused key, a certificate that is
/// not trusted. A person may have to act; but a firewall or a deployment refuses for a moment, too, and then
/// nobody comes. The last one repeats.
const SELDOM: [Duration; 4] = [
    Duration::from_secs(300),
    Duration::from_secs(600),
    Duration::from_secs(1800),
    Duration::from_secs(3600),
];

/// Delays of 5, 10 and 30 minutes, then an hour each, all shortened at random by up to a tenth.
#[derive(Debug, Clone, Default)]
pub struct Seldom {
    tries: usize,
}

impl Seldom {
    /// The delay before the next try.
    pub fn next_delay(&mut self) -> Duration {
        let delay = SELDOM[self.tries.min(SELDOM.len() - 1)];
        self.tries += 1;
        delay.mul_f64(1.0 - 0.1 * fastrand::f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_work_is_tried_after_5_10_and_30_minutes_and_then_hourly() {
        let mut seldom = Seldom::default();
        for minutes in [5, 10, 30, 60, 60, 60] {
            let (delay, longest) = (seldom.next_delay(), Duration::from_secs(60 * minutes));
            assert!(delay <= longest && delay >= longest.mul_f64(0.9), "{delay:?}");
        }
    }

    #[test]
    fn delays_grow_stay_bounded_and_differ() {
        let mut backoff = Backoff::default();
        let delays: Vec<_> = (0..20).map(|_| backoff.next_delay()).collect();
        assert!(delays[0] <= FIRST && delays[0] >= FIRST.mul_f64(1.0 - JITTER));
        assert!(delays[1] > delays[0]);
        assert!(delays.iter().all(|delay| *delay <= LONGEST));
        assert!(delays[12..].iter().all(|delay| *delay >= LONGEST.mul_f64(1.0 - JITTER)));
        assert!(delays[12..].windows(2).any(|pair| pair[0] != pair[1]));
    }
}
