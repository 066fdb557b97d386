//! Trying again, a few times, with growing pauses.

use std::future::Future;
use std::time::Duration;

/// How often and how patiently something is tried.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// Tries in all, at least 1.
    pub tries: u32,
    /// Pause after the first failure; it doubles with every further one.
    pub first_pause: Duration,
}

impl Default for Retry {
    /// Three tries with 2 s and 4 s between them, as backend-contract.md §1 says.
    fn default() -> Self {
        Self { tries: 3, first_pause: Duration::from_secs(2) }
    }
}

impl Retry {
    /// Runs `attempt` until it succeeds, fails in a way that `again` says is final, or the tries are used up.
    ///
    /// # Errors
    /// The last attempt's error.
    pub async fn run<T, E, F>(
        self,
        mut attempt: impl FnMut() -> F,
        again: impl Fn(&E) -> bool,
    ) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let mut pause = self.first_pause;
        for _ in 1..self.tries {
            match attempt().await {
                Err(error) if again(&error) => {}
                done => return done,
            }
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2);
        }
        attempt().await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::cell::Cell;
    use std::time::Instant;

    const PAUSE: Duration = Duration::from_millis(20);

    async fn tries_and_pauses(succeeds_at: u32, is_transient: bool) -> (Result<u32, u32>, u128) {
        let (count, start) = (Cell::new(0), Instant::now());
        let attempt = || async {
            count.set(count.get() + 1);
            if count.get() == succeeds_at { Ok(count.get()) } else { Err(count.get()) }
        };
        let retry = Retry { first_pause: PAUSE, ..Retry::default() };
        let result = retry.run(attempt, |_| is_transient).await;
        (result, start.elapsed().as_millis() / PAUSE.as_millis())
    }

    #[tokio::test]
    async fn three_tries_with_doubling_pauses_and_none_after_a_final_error() {
        assert_eq!(tries_and_pauses(1, true).await, (Ok(1), 0));
        let (result, pauses) = tries_and_pauses(2, true).await;
        assert!(result == Ok(2) && pauses >= 1, "{pauses}");
        let (result, pauses) = tries_and_pauses(9, true).await;
        assert!(result == Err(3) && pauses >= 3, "{pauses}");
        assert_eq!(tries_and_pauses(9, false).await, (Err(1), 0));
    }
}
