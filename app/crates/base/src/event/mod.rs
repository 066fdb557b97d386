//! What happened, told once: the terminal, the log and the page's event stream all listen to the same bus.
//!
//! Events carry names, numbers and reasons; never a face, a frame or a secret. The bus is bounded: a listener
//! that is too slow misses the oldest events and learns how many, and nobody who publishes ever waits.

mod advice;
mod words;
mod worker_state;

use log::kv::Value;
use serde::Serialize;
use tokio::sync::broadcast;

use crate::failure::Fault;
use crate::identity::RollNumber;
use crate::redaction::{PERSONAL, SIGHTING};

pub use advice::{Advice, Life};
pub use worker_state::WorkerState;

/// Events kept for a slow listener. A busy door makes a few a second; this is minutes of it.
const CAPACITY: usize = 1024;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A synchronisation of the photos ended.
    PhotosSynced {
        /// Photos that came new.
        new: usize,
        /// Photos whose content changed.
        updated: usize,
        /// Photos as they were.
        unchanged: usize,
        /// Photos gone from the server and removed here.
        removed: usize,
        /// Photos that could not be fetched; each has a line in the log.
        failed: usize,
    },
    /// Photos could not be synchronised; it will be tried again.
    SyncFailed {
        /// Why, without secrets, and what to do.
        reason: Fault,
        /// Seconds until the next try.
        retry_in_s: u64,
    },
    /// The server lacks so many students that nothing is removed until a person confirms it, or it stays so.
    RemovalWaits {
        /// Students that would be removed.
        students: usize,
        /// Students on the roster.
        of: usize,
        /// What to do.
        advice: String,
    },
    /// A new gallery was made and is in use.
    RosterReady {
        /// Students that can be recognised.
        students: usize,
        /// Photos they were enrolled from.
        photos: usize,
        /// Photos that did not enrol.
        refused: usize,
    },
    /// A photo did not enrol.
    PhotoRefused {
        /// Its path below the photo folder.
        photo: String,
        /// Why, and what to do.
        reason: String,
    },
    /// A file or folder is left out: it is not a photo that can be read, or lies where no student's photo
    /// does.
    LeftOut {
        /// Its path below the photo folder, or on the server.
        path: String,
        /// Why, and what to do.
        reason: Fault,
    },
    /// A person stands before the camera and is told why nothing happens yet.
    Hint {
        /// The track of the face.
        track: u64,
        /// What to do, for the person: "come closer".
        advice: Advice,
    },
    /// A living person was recognised.
    Recognised {
        /// The track of the face.
        track: u64,
        /// Who.
        roll: RollNumber,
        /// Cosine similarity to the best photo, −1 to 1.
        similarity: f32,
        /// Distance to the best photo of anybody else.
        margin: f32,
        /// Frames that voted for this answer.
        votes: u32,
        /// Similarity that was needed.
        threshold: f32,
        /// Frames of this face up to the answer.
        frames: u32,
        /// What was found about liveness, in words.
        liveness: String,
        /// What showed that the person lives.
        life: Life,
    },
    /// A face was seen over enough frames and is nobody on the roster.
    Stranger {
        /// The track of the face.
        track: u64,
        /// Best similarity that was seen.
        similarity: f32,
        /// Similarity that is needed.
        threshold: f32,
    },
    /// A face looked like somebody on the roster, and not like a living person.
    AttackRefused {
        /// The track of the face.
        track: u64,
        /// Whom it looked like.
        #[serde(skip)]
        roll: RollNumber,
        /// Which test refused it and its score, in words.
        reason: String,
    },
    /// A row was written to the journal.
    Recorded {
        /// Who.
        roll: RollNumber,
        /// `IN` or `OUT`.
        status: String,
        /// Local time of the site, `YYYY-MM-DD HH:MM:SS`.
        timestamp: String,
    },
    /// A person corrected a row.
    Corrected {
        /// Whose row.
        roll: RollNumber,
        /// `added`, `changed`, `voided`, or `placed`: the day of a row is known.
        what: &'static str,
        /// `IN` or `OUT`.
        status: String,
        /// Local time of the site, `YYYY-MM-DD HH:MM:SS`, as it is now; of a void row as it was.
        timestamp: String,
        /// The time that the row had before, where it was changed.
        was: Option<String>,
        /// Who corrected it.
        by: String,
        /// Why.
        reason: String,
    },
    /// A row cannot be written to the disk now; it is kept in memory and tried again.
    NotSaved {
        /// Who.
        roll: RollNumber,
        /// Why, and what to do.
        reason: String,
    },
    /// A recognition that makes no row, by the rules.
    NotRecorded {
        /// Who.
        roll: RollNumber,
        /// Why, with the time of the row that stands against it.
        reason: String,
        /// Whether this was said of the same visit before.
        again: bool,
    },
    /// A departure was seen. Its OUT is open: a later visit moves it, and it becomes a row when the day
    /// closes.
    OutOpen {
        /// Who.
        roll: RollNumber,
        /// Local time of the site, `YYYY-MM-DD HH:MM:SS`.
        timestamp: String,
        /// When it becomes a row, in words.
        until: String,
    },
    /// The relay of the door opener was switched on.
    DoorOpened {
        /// For whom.
        roll: RollNumber,
    },
    /// The webhook answered a batch.
    Delivered {
        /// Rows it created.
        created: usize,
        /// Rows that it had stored before.
        duplicates: usize,
        /// Rows that need a person.
        refused: usize,
        /// Rows still to be delivered.
        backlog: usize,
    },
    /// A batch could not be delivered; it will be tried again.
    DeliveryFailed {
        /// Why, without secrets, and what to do.
        reason: Fault,
        /// Seconds until the next try.
        retry_in_s: u64,
    },
    /// A worker changed its state.
    Worker {
        /// Its name.
        name: &'static str,
        /// What it is doing.
        state: WorkerState,
        /// Why, where there is a reason.
        reason: Option<Fault>,
    },
}

/// The way events travel.
#[derive(Debug, Clone)]
pub struct Bus(broadcast::Sender<Event>);

impl Default for Bus {
    fn default() -> Self {
        Self(broadcast::channel(CAPACITY).0)
    }
}

impl Bus {
    /// Tells everyone who listens. Never waits; without listeners the event is gone.
    pub fn publish(&self, event: Event) {
        // An error only says that nobody listens.
        let _ = self.0.send(event);
    }

    /// Listens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.0.subscribe()
    }
}

/// Writes every event to the log, until the bus or `stop` ends it.
pub async fn narrate(mut events: broadcast::Receiver<Event>, stop: tokio_util::sync::CancellationToken) {
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = stop.cancelled() => return,
        };
        match event {
            Ok(event) => tell(&event),
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                log::warn!("{missed} events were too fast for the log")
            }
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

/// Writes one event to the log, with what names a person in it.
fn tell(event: &Event) {
    let level = event.level();
    if level > log::max_level() {
        return;
    }
    let personal = event.personal();
    let values = personal.values.into_iter().map(|value| (PERSONAL, Value::from(value)));
    let sighting = personal.sighting.then_some((SIGHTING, Value::from(true)));
    let fields: Vec<_> = values.chain(sighting).collect();
    let mut record = log::Record::builder();
    record.level(level).target("attendance");
    // In one expression: the arguments live no longer.
    log::logger().log(&record.args(format_args!("{event}")).key_values(&fields).build());
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn slow_listener_learns_how_many_it_missed() {
        let bus = Bus::default();
        let mut slow = bus.subscribe();
        for track in 0..(CAPACITY as u64 + 5) {
            bus.publish(Event::Hint { track, advice: Advice::ComeCloser });
        }
        assert!(matches!(slow.try_recv(), Err(broadcast::error::TryRecvError::Lagged(5))));
        assert!(matches!(slow.try_recv(), Ok(Event::Hint { track: 5, .. })));
    }
}
