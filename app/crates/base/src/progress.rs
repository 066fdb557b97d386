//! How far a long action is: written by the worker, read by the page.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Done of all; shared and cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<(AtomicUsize, AtomicUsize)>);

impl Progress {
    /// `done` of `total` are done; both 0 when nothing is under way.
    pub fn set(&self, done: usize, total: usize) {
        self.0.0.store(done, Ordering::Relaxed);
        self.0.1.store(total, Ordering::Relaxed);
    }

    /// One more is done.
    pub fn step(&self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Done and all; `None` when nothing is under way or everything is done.
    pub fn under_way(&self) -> Option<(usize, usize)> {
        let (done, total) = (self.0.0.load(Ordering::Relaxed), self.0.1.load(Ordering::Relaxed));
        (done < total).then_some((done, total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finished_work_is_not_in_progress() {
        let progress = Progress::default();
        assert_eq!(progress.under_way(), None);
        progress.clone().set(0, 2);
        progress.step();
        assert_eq!(progress.under_way(), Some((1, 2)));
        progress.step();
        assert_eq!(progress.under_way(), None);
    }
}
