//! What is wrong with the device, decided once for everybody who asks.

use std::sync::Arc;

use arc_swap::ArcSwap;
use time::OffsetDateTime;

use super::certificate::Identity;
use view::verdict;
use view::{Problem, Source, View};

/// The one place where it is decided what is wrong: the page, the API, the event stream and the metrics all
/// ask here.
#[derive(Clone)]
pub(super) struct Judge {
    source: Arc<dyn Source>,
    identity: Arc<ArcSwap<Identity>>,
}

impl Judge {
    pub(super) fn new(source: Arc<dyn Source>, identity: Arc<ArcSwap<Identity>>) -> Self {
        Self { source, identity }
    }

    /// The state, and what is wrong with it. The state's own list holds the same problems.
    pub(super) fn judged(&self) -> (View, Vec<Problem>) {
        let mut view = self.source.view();
        let problems = verdict::problems(&view, self.identity.load().expires, OffsetDateTime::now_utc());
        verdict::agree(&mut view);
        view.problems.clone_from(&problems);
        (view, problems)
    }
}
