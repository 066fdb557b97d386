//! How far a long action is: written by the worker, read by the page.
//!
//! An action is under way from the moment somebody asks for it until its result is in use. Counting its steps
//! alone would leave gaps: after the last step there is more to do, and between two workers, one of which
//! asks the other for work, nobody would be at work for a moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Done of all; shared and cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    done: AtomicUsize,
    total: AtomicUsize,
    /// How often the action was asked for.
    asked: AtomicU64,
    /// The value of `asked` at the beginning of the last action that ended.
    answered: AtomicU64,
}

/// An action that was begun: what was asked for before it began is answered by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the action is under way until it is finished"]
pub struct Begun(u64);

impl Progress {
    /// `done` of `total` are done; both 0 when nothing is under way.
    pub fn set(&self, done: usize, total: usize) {
        self.0.done.store(done, Ordering::SeqCst);
        self.0.total.store(total, Ordering::SeqCst);
    }

    /// One more is done.
    pub fn step(&self) {
        self.0.done.fetch_add(1, Ordering::SeqCst);
    }

    /// Asks for the action: it is under way from now on, also before it begins.
    pub fn ask(&self) {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
    }

    /// Begins the action.
    pub fn begin(&self) -> Begun {
        let begun = Begun(self.0.asked.load(Ordering::SeqCst));
        self.set(0, 1);
        begun
    }

    /// Ends the action, whose result is in use. What was asked for since it began is still under way.
    pub fn finish(&self, Begun(asked): Begun) {
        self.0.answered.fetch_max(asked, Ordering::SeqCst);
        self.set(0, 0);
    }

    /// Done and all; `None` when nothing is under way.
    pub fn under_way(&self) -> Option<(usize, usize)> {
        let (done, total) = (self.0.done.load(Ordering::SeqCst), self.0.total.load(Ordering::SeqCst));
        if total > 0 {
            return Some((done.min(total), total));
        }
        let asked = self.0.asked.load(Ordering::SeqCst) != self.0.answered.load(Ordering::SeqCst);
        asked.then_some((0, 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_under_way_until_its_result_is_in_use() {
        let progress = Progress::default();
        assert_eq!(progress.under_way(), None);
        progress.clone().set(0, 2);
        progress.step();
        assert_eq!(progress.under_way(), Some((1, 2)));
        progress.step();
        assert_eq!(progress.under_way(), Some((2, 2)), "the last step is not the end");
        progress.set(0, 0);
        assert_eq!(progress.under_way(), None);
    }

    #[test]
    fn what_is_asked_for_is_under_way_before_it_begins() {
        let progress = Progress::default();
        progress.ask();
        assert!(progress.under_way().is_some());
        let begun = progress.begin();
        // Asked for again meanwhile: the action that runs does not answer that.
        progress.ask();
        progress.finish(begun);
        assert!(progress.under_way().is_some());
        let begun = progress.begin();
        progress.finish(begun);
        assert_eq!(progress.under_way(), None);
    }
}
