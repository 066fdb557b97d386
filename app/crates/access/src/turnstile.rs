//! One password check at a time, and who is next.
//!
//! A check takes a tenth of a second. Were everybody served in the order of their coming, 250 addresses with
//! a guess each would keep the technician waiting for half a minute. So the newest is next, and only a few
//! wait: when there are more, the one who has waited longest is sent away, and may come again at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// How many may wait beside the one that is served.
const MOST_WAITING: usize = 8;

/// Shared and cheap to clone.
#[derive(Clone, Default)]
pub struct Turnstile(Arc<Mutex<Line>>);

#[derive(Default)]
struct Line {
    is_busy: bool,
    /// The newest last.
    waiting: Vec<oneshot::Sender<Turn>>,
}

/// The right to be served. Dropped, it goes to the next.
pub struct Turn(Option<Turnstile>);

impl Turnstile {
    /// Waits for a turn; `None` when too many came after.
    pub async fn enter(&self) -> Option<Turn> {
        let turn = {
            let mut line = self.line();
            if !line.is_busy {
                line.is_busy = true;
                return Some(Turn(Some(self.clone())));
            }
            let (give, turn) = oneshot::channel();
            // Those whose connections ended wait for nothing.
            line.waiting.retain(|waiting| !waiting.is_closed());
            if line.waiting.len() >= MOST_WAITING {
                line.waiting.remove(0);
            }
            line.waiting.push(give);
            turn
        };
        turn.await.ok()
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(turnstile) = self.0.take() else { return };
        loop {
            let next = {
                let mut line = turnstile.line();
                let next = line.waiting.pop();
                line.is_busy = next.is_some();
                next
            };
            let Some(next) = next else { return };
            match next.send(Self(Some(turnstile.clone()))) {
                Ok(()) => return,
                // Gone meanwhile; the turn comes back.
                Err(mut returned) => returned.0 = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn the_newest_is_next_and_the_oldest_of_too_many_is_sent_away() {
        let turnstile = Turnstile::default();
        let first = turnstile.enter().await.unwrap();
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        for number in 0..20 {
            let (turnstile, tell) = (turnstile.clone(), tell.clone());
            tokio::spawn(async move {
                let turn = turnstile.enter().await;
                tell.send((number, turn.is_some())).unwrap();
            });
            tokio::task::yield_now().await;
        }
        for number in 0..12 {
            assert_eq!(told.recv().await, Some((number, false)));
        }
        drop(first);
        for number in (12..20).rev() {
            assert_eq!(told.recv().await, Some((number, true)));
        }
        assert!(turnstile.enter().await.is_some(), "it is free again");
    }

    #[tokio::test]
    async fn who_goes_away_does_not_keep_the_turn() {
        let turnstile = Turnstile::default();
        let first = turnstile.enter().await.unwrap();
        let waiting = turnstile.clone();
        let gone = tokio::spawn(async move { waiting.enter().await.is_some() });
        tokio::task::yield_now().await;
        gone.abort();
        assert!(gone.await.is_err());
        drop(first);
        assert!(turnstile.enter().await.is_some());
    }
}
