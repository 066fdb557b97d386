//! How long to wait before the next try.

use std::time::Duration;

/// First delay: long enough for a port or a device to be free again.
const FIRST: Duration = Duration::from_secs(1);
/// Longest delay: a technician who repaired something should not have to wait long.
const LONGEST: Duration = Duration::from_secs(300);
/// Share of a delay that is random, so that many devices do not ask a recovering server at the same time.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_within_bounds() {
        let mut backoff = Backoff::default();
        let delays: Vec<_> = (0..20).map(|_| backoff.next_delay()).collect();
        assert!(delays[0] <= FIRST && delays[0] >= FIRST.mul_f64(1.0 - JITTER));
        assert!(delays[1] > delays[0]);
        assert!(delays.iter().all(|delay| *delay <= LONGEST));
        assert!(delays[12..].iter().all(|delay| *delay >= LONGEST.mul_f64(1.0 - JITTER)));
        assert!(delays[12..].windows(2).any(|pair| pair[0] != pair[1]));
    }
}
