//! The one update that is on its way in: held by whoever receives or installs it, seen by the page.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::install::InstallProgress;

/// Shared and cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct UnderWay(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// How far it is; none when nothing comes in.
    progress: Option<InstallProgress>,
    /// The turn is kept for whoever installs what was received.
    kept: bool,
}

/// The right to bring an update in. Dropped, it leaves the place to the next.
#[derive(Debug)]
pub struct Turn {
    under_way: UnderWay,
    is_kept: bool,
}

impl UnderWay {
    /// Takes the turn; `None` while somebody else has it: two would write the same files and the same slot.
    pub fn begin(&self, step: &str) -> Option<Turn> {
        let mut now = self.lock();
        if now.progress.is_some() {
            return None;
        }
        now.progress = Some(InstallProgress { percent: 0, step: step.to_owned() });
        drop(now);
        Some(self.turn())
    }

    /// Takes over the turn that was kept for the installation of what was received; `None` when there is
    /// none.
    pub fn resume(&self) -> Option<Turn> {
        std::mem::take(&mut self.lock().kept).then(|| self.turn())
    }

    /// How far it is; none when nothing comes in.
    pub fn progress(&self) -> Option<InstallProgress> {
        self.lock().progress.clone()
    }

    fn turn(&self) -> Turn {
        Turn { under_way: self.clone(), is_kept: false }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Shows how far it is.
    pub fn show(&self, progress: InstallProgress) {
        self.under_way.lock().progress = Some(progress);
    }

    /// Keeps the turn for [`UnderWay::resume`]: nobody else gets it meanwhile.
    pub(super) fn keep(mut self) -> UnderWay {
        self.under_way.lock().kept = true;
        self.is_kept = true;
        self.under_way.clone()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.is_kept {
            self.under_way.lock().progress = None;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_update_at_a_time() {
        let under_way = UnderWay::default();
        let turn = under_way.begin("receiving").unwrap();
        assert!(under_way.clone().begin("installing").is_none());
        turn.show(InstallProgress { percent: 40, step: "receiving".to_owned() });
        assert_eq!(under_way.progress().unwrap().percent, 40);
        drop(turn);
        assert_eq!(under_way.progress(), None);
        assert!(under_way.begin("installing").is_some());
    }
}
