//! What waits to be published. Bounded: of what the broker keeps, only the newest message of each topic
//! waits; of everything else, the newest few.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

/// Beacons and events that wait. More come only while the broker does not take them.
const MOST_PASSING: usize = 256;

/// One message to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Publication {
    /// Where.
    pub(crate) topic: String,
    /// What.
    pub(crate) payload: Bytes,
    /// Whether the broker keeps it for those who connect later.
    pub(crate) retained: bool,
    /// Whether the broker has to acknowledge it.
    pub(crate) acknowledged: bool,
    /// Seconds after which the broker deletes it.
    pub(crate) expires_in: Option<u32>,
}

#[derive(Debug, Default)]
struct Waiting {
    passing: VecDeque<Publication>,
    order: VecDeque<String>,
    kept: HashMap<String, Publication>,
}

/// Messages that wait, oldest first; beacons and events before the rest.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: Mutex<Waiting>,
    filled: Notify,
}

impl Outbox {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a message.
    pub(crate) fn put(&self, publication: Publication) {
        let mut waiting = self.waiting();
        if publication.retained {
            let topic = publication.topic.clone();
            if waiting.kept.insert(topic.clone(), publication).is_none() {
                waiting.order.push_back(topic);
            }
        } else {
            if waiting.passing.len() >= MOST_PASSING {
                waiting.passing.pop_front();
            }
            waiting.passing.push_back(publication);
        }
        drop(waiting);
        self.filled.notify_one();
    }

    /// Takes out the next message; waits for one.
    pub(crate) async fn next(&self) -> Publication {
        loop {
            if let Some(publication) = self.take() {
                return publication;
            }
            self.filled.notified().await;
        }
    }

    fn take(&self) -> Option<Publication> {
        let mut waiting = self.waiting();
        if let Some(publication) = waiting.passing.pop_front() {
            return Some(publication);
        }
        let topic = waiting.order.pop_front()?;
        waiting.kept.remove(&topic)
    }

    /// Drops everything: at a new session all of it is put in again.
    pub(crate) fn clear(&self) {
        *self.waiting() = Waiting::default();
    }

    /// How many wait.
    #[cfg(test)]
    fn len(&self) -> usize {
        let waiting = self.waiting();
        waiting.passing.len() + waiting.order.len()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn publication(topic: &str, payload: &'static str, retained: bool) -> Publication {
        let (topic, payload) = (topic.to_owned(), payload.into());
        Publication { topic, payload, retained, acknowledged: true, expires_in: None }
    }

    #[test]
    fn only_the_newest_message_of_a_topic_waits_and_events_go_first() {
        let outbox = Outbox::default();
        outbox.put(publication("a", "old", true));
        outbox.put(publication("b", "1", true));
        outbox.put(publication("a", "new", true));
        outbox.put(publication("event", "2", false));
        let payloads: Vec<_> = std::iter::from_fn(|| outbox.take()).map(|taken| taken.payload).collect();
        assert_eq!(payloads, ["2", "new", "1"]);
    }

    #[test]
    fn events_that_nobody_takes_are_bounded() {
        let outbox = Outbox::default();
        for _ in 0..10_000 {
            outbox.put(publication("event", "x", false));
        }
        assert_eq!(outbox.len(), MOST_PASSING);
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let outbox = std::sync::Arc::new(Outbox::default());
        let waiting = tokio::spawn({
            let outbox = std::sync::Arc::clone(&outbox);
            async move { outbox.next().await.topic }
        });
        tokio::task::yield_now().await;
        outbox.put(publication("a", "1", true));
        assert_eq!(waiting.await.unwrap(), "a");
    }
}
