//! Actions under way: started by a request, finished whether or not somebody waits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use view::enrolment::Enrolment;
use view::settings::Settings;
use view::{Action, Control, Done, Incoming, Refused};

/// How long the page shows the result of an action: later it would be taken for news.
const NEWS: Duration = Duration::from_secs(10 * 60);

/// The result of an action.
pub(super) type ActionResult = Result<Done, Refused>;

/// The actions, at most one of each kind at a time.
pub(super) struct Jobs {
    control: Arc<dyn Control>,
    by_kind: Mutex<HashMap<&'static str, Job>>,
}

struct Job {
    action: Action,
    finished: watch::Receiver<Option<Finished>>,
}

impl Job {
    /// Neither finished nor panicked: a task that panicked has dropped its sender.
    fn under_way(&self) -> bool {
        self.finished.borrow().is_none() && self.finished.has_changed().is_ok()
    }
}

#[derive(Clone)]
struct Finished {
    outcome: ActionResult,
    at: Instant,
}

/// One that was started, or was under way already.
pub(super) struct Waiting(watch::Receiver<Option<Finished>>);

impl Waiting {
    /// The outcome, whenever it comes.
    pub(super) async fn outcome(mut self) -> ActionResult {
        match self.0.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(finished)) => finished.outcome.clone(),
            // The sender is gone without a word only if the action panicked.
            _ => Err(Refused {
                message: "The action ended unexpectedly; the log says why.".to_owned(),
                details: String::new(),
            }),
        }
    }
}

impl Jobs {
    pub(super) fn new(control: Arc<dyn Control>) -> Self {
        Self { control, by_kind: Mutex::default() }
    }

    /// Starts `action`, or joins the same one that is under way.
    ///
    /// # Errors
    /// [`Refused`] when another of its kind is under way: another row's retry, another update.
    pub(super) fn start(&self, action: Action) -> Result<Waiting, Refused> {
        let mut jobs = self.lock();
        if let Some(job) = jobs.get(action.kind())
            && job.under_way()
        {
            if job.action == action {
                return Ok(Waiting(job.finished.clone()));
            }
            return Err(Refused {
                message: "Another one like it is under way; try this one again when it has ended.".to_owned(),
                details: String::new(),
            });
        }
        let (tell, finished) = watch::channel(None);
        let work = self.control.perform(action.clone());
        tokio::spawn(async move {
            let outcome = work.await;
            tell.send_replace(Some(Finished { outcome, at: Instant::now() }));
        });
        jobs.insert(action.kind(), Job { action, finished: finished.clone() });
        Ok(Waiting(finished))
    }

    /// Begins to take an update bundle.
    ///
    /// # Errors
    /// [`Refused`] as [`Control::receive`] has it.
    pub(super) fn receive(&self, bytes: u64) -> Result<Box<dyn Incoming>, Refused> {
        self.control.receive(bytes)
    }

    /// Enrolment at the door; none where there is none.
    pub(super) fn enrolment(&self) -> Option<Arc<dyn Enrolment>> {
        self.control.enrolment()
    }

    /// Performs what is asked for.
    pub(super) fn control(&self) -> &Arc<dyn Control> {
        &self.control
    }

    /// The settings; none where they cannot be shown.
    pub(super) fn settings(&self) -> Option<Arc<dyn Settings>> {
        self.control.settings()
    }

    /// The result of the last action of this kind; none while it is under way, before the first, and when it
    /// is old.
    pub(super) fn last(&self, kind: &str) -> Option<ActionResult> {
        let jobs = self.lock();
        let job = jobs.get(kind)?;
        let finished = job.finished.borrow().clone()?;
        (finished.at.elapsed() < NEWS).then_some(finished.outcome)
    }

    /// Whether an action of this kind is under way.
    pub(super) fn under_way(&self, kind: &str) -> bool {
        self.lock().get(kind).is_some_and(Job::under_way)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<&'static str, Job>> {
        self.by_kind.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;
    use view::Pending;

    #[derive(Default)]
    struct Slow(AtomicUsize);

    impl Control for Slow {
        fn perform(&self, action: Action) -> Pending<ActionResult> {
            let count = self.0.fetch_add(1, Ordering::SeqCst) + 1;
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(30)).await;
                assert!(action != Action::RestartRecognition, "a fault on purpose");
                Ok(Done { message: format!("run {count}"), output: String::new() })
            })
        }

        fn receive(&self, _: u64) -> Result<Box<dyn Incoming>, Refused> {
            Err(Refused { message: "not here".to_owned(), details: String::new() })
        }
    }

    #[tokio::test]
    async fn the_same_action_is_joined_and_finishes_without_a_listener() {
        let jobs = Jobs::new(Arc::new(Slow::default()));
        drop(jobs.start(Action::Sync).unwrap());
        assert!(jobs.under_way("sync") && jobs.last("sync").is_none());
        let joined = jobs.start(Action::Sync).unwrap().outcome().await.unwrap();
        assert_eq!(joined.message, "run 1");
        assert!(!jobs.under_way("sync"));
        assert_eq!(jobs.last("sync").unwrap().unwrap().message, "run 1");
        assert_eq!(jobs.start(Action::Sync).unwrap().outcome().await.unwrap().message, "run 2");
    }

    #[tokio::test]
    async fn another_row_waits_its_turn() {
        let jobs = Jobs::new(Arc::new(Slow::default()));
        let first = jobs.start(Action::RetryRow("1".to_owned())).unwrap();
        assert!(jobs.start(Action::RetryRow("2".to_owned())).is_err());
        first.outcome().await.unwrap();
        assert!(jobs.start(Action::RetryRow("2".to_owned())).is_ok());
    }

    #[tokio::test]
    async fn an_action_that_panics_is_reported_and_can_be_started_again() {
        let jobs = Jobs::new(Arc::new(Slow::default()));
        let outcome = jobs.start(Action::RestartRecognition).unwrap().outcome().await;
        assert!(outcome.unwrap_err().message.contains("unexpectedly"));
        assert!(!jobs.under_way("restart"));
        assert!(jobs.start(Action::RestartRecognition).is_ok());
    }
}
