//! `/events`: what happens, as server-sent events. Each event of the bus becomes one message named for its
//! kind; a `tick` comes every few seconds, so that a page shows fresh numbers and a dead connection is
//! noticed. What is wrong comes first, as `problems`, and again whenever it changes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::api;
use super::auth::AccessGuard;
use super::judge::Judge;
use super::reply::{Reply, with_body};
use base::event::Event;
use view::Problem;
use view::verdict;

/// Time between two ticks: numbers on the page are no older, and a log-in that ended is noticed. Shorter than
/// a connection may be idle ([`super::limits::Limits::header_time`]), so that an open page needs no new
/// handshake each time.
const TICK: Duration = Duration::from_secs(4);

/// The stream of events, until the client leaves, its log-in ends, or the server stops.
pub(super) fn stream_events(
    events: Receiver<Event>,
    judge: Judge,
    door: Arc<AccessGuard>,
    headers: HeaderMap,
    permit: OwnedSemaphorePermit,
) -> Reply {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let state = Listener { events, judge, told: None, door, headers, ticks, _permit: permit };
    let frames = stream::unfold(state, |mut listener| async move {
        let text = listener.next().await?;
        Some((Ok::<_, io::Error>(Frame::data(Bytes::from(text))), listener))
    });
    let mut reply = with_body(StatusCode::OK, StreamBody::new(frames).boxed_unsync());
    reply.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/event-stream"));
    reply
}

struct Listener {
    events: Receiver<Event>,
    judge: Judge,
    /// The problems that were told last.
    told: Option<Vec<Problem>>,
    door: Arc<AccessGuard>,
    headers: HeaderMap,
    ticks: Interval,
    _permit: OwnedSemaphorePermit,
}

impl Listener {
    async fn next(&mut self) -> Option<String> {
        tokio::select! {
            received = self.events.recv() => match received {
                Ok(event) => message(&event),
                Err(RecvError::Lagged(missed)) => Some(format!("event: missed\ndata: {missed}\n\n")),
                Err(RecvError::Closed) => None,
            },
            _ = self.ticks.tick() => self.door.still(&self.headers).then(|| self.tick()),
        }
    }

    /// A tick, after what is wrong where that is news.
    fn tick(&mut self) -> String {
        let (view, problems) = self.judge.judged();
        let mut text = String::new();
        if self.told.as_ref() != Some(&problems) {
            self.told = Some(problems.clone());
            let healthy = verdict::healthy(&view);
            let json = serde_json::to_string(&api::Problems { healthy, problems }).unwrap_or_default();
            text = format!("event: problems\ndata: {json}\n\n");
        }
        text + "event: tick\ndata: \n\n"
    }
}

/// An event as a message. JSON has no line breaks of its own, so one `data` line holds it.
fn message(event: &Event) -> Option<String> {
    let json = serde_json::to_value(event).ok()?;
    let kind = json["event"].as_str().unwrap_or("event").to_owned();
    Some(format!("event: {kind}\ndata: {json}\n\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_message_whatever_its_text() {
        let event = Event::DeliveryFailed { reason: "a\nb\r\n\nevent: x".into(), retry_in_s: 3 };
        let text = message(&event).unwrap_or_default();
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.starts_with("event: delivery-failed\ndata: {") && text.ends_with("}\n\n"));
    }
}
