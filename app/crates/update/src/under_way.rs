//! The one update that is on its way in: held by whoever receives or installs it, seen by the page.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::install::Progress;

/// Shared and cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct UnderWay(Arc<Mutex<Option<Progress>>>);

/// The right to bring an update in. Dropped, it leaves the place to the next.
#[derive(Debug)]
pub struct Turn(UnderWay);

impl UnderWay {
    /// Takes the turn; `None` while somebody else has it: two would write the same files and the same slot.
    pub fn begin(&self, step: &str) -> Option<Turn> {
        let mut now = self.lock();
        if now.is_some() {
            return None;
        }
        *now = Some(Progress { percent: 0, step: step.to_owned() });
        drop(now);
        Some(Turn(self.clone()))
    }

    /// How far it is; none when nothing comes in.
    pub fn progress(&self) -> Option<Progress> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Progress>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Shows how far it is.
    pub fn show(&self, progress: Progress) {
        *self.0.lock() = Some(progress);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *self.0.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_update_at_a_time_and_the_next_after_it() {
        let under_way = UnderWay::default();
        let turn = under_way.begin("receiving").unwrap();
        assert!(under_way.clone().begin("installing").is_none());
        turn.show(Progress { percent: 40, step: "receiving".to_owned() });
        assert_eq!(under_way.progress().unwrap().percent, 40);
        drop(turn);
        assert_eq!(under_way.progress(), None);
        assert!(under_way.begin("installing").is_some());
    }
}
