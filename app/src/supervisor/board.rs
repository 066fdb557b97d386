//! Where everyone can see how each worker does, and ask for a restart.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base::event::WorkerState as State;
use base::failure::Fault;
use serde::Serialize;
use tokio::sync::Notify;

/// One worker as it can be seen.
#[derive(Debug, Clone, Serialize)]
pub struct WorkerView {
    /// Its name.
    pub name: &'static str,
    /// What it is doing.
    pub state: State,
    /// Why it is not running.
    pub reason: Option<Fault>,
    /// How often it was started again.
    pub restarts: u32,
    /// How long it has been in this state.
    pub since: Duration,
}

/// The states of all workers.
#[derive(Debug, Default)]
pub struct Board(Mutex<BTreeMap<&'static str, Entry>>);

#[derive(Debug)]
struct Entry {
    state: State,
    reason: Option<Fault>,
    starts: u32,
    since: Instant,
    restart: Arc<Notify>,
}

impl Board {
    /// Every worker, by name.
    pub fn views(&self) -> Vec<WorkerView> {
        let entries = self.entries();
        entries
            .iter()
            .map(|(name, entry)| WorkerView {
                name,
                state: entry.state,
                reason: entry.reason.clone(),
                restarts: entry.starts.saturating_sub(1),
                since: entry.since.elapsed(),
            })
            .collect()
    }

    /// Asks for a restart of `name`; `false` when there is no such worker.
    pub fn ask_restart(&self, name: &str) -> bool {
        let entries = self.entries();
        let entry = entries.get(name);
        if let Some(entry) = entry {
            entry.restart.notify_waiters();
        }
        entry.is_some()
    }

    pub(super) fn enter(&self, name: &'static str) {
        let entry = Entry {
            state: State::Stopped,
            reason: None,
            starts: 0,
            since: Instant::now(),
            restart: Arc::default(),
        };
        self.entries().insert(name, entry);
    }

    pub(super) fn set(&self, name: &'static str, state: State, reason: Option<Fault>) {
        if let Some(entry) = self.entries().get_mut(name) {
            entry.starts += u32::from(state == State::Running);
            entry.state = state;
            entry.reason = reason;
            entry.since = Instant::now();
        }
    }

    /// Ends when a restart of `name` is asked for after this call.
    pub(super) fn restart_asked(&self, name: &'static str) -> impl Future<Output = ()> + Send + 'static {
        let notified = self.entries().get(name).map(|entry| Arc::clone(&entry.restart).notified_owned());
        async move {
            match notified {
                Some(notified) => notified.await,
                None => std::future::pending().await,
            }
        }
    }

    /// The entries, also after a panic elsewhere: each write leaves them whole.
    fn entries(&self) -> MutexGuard<'_, BTreeMap<&'static str, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
