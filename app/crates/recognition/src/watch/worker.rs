//! The inference thread: from the hand-over through a pipeline to the event bus and to attendance.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::outcome::FrameOutcome;
use super::pipeline::Pipeline;
use super::preview::Preview;
use super::tempo::Tempo;
use super::view::FrameView;
use base::event::{Bus, Event};
use base::sightings::Inbox;
use faces::error::EngineError;
use vision::latest::{Received, Receiver};

/// How often the stop signal is looked at while no frame comes.
const LOOK: Duration = Duration::from_millis(200);

/// Where the answers go.
#[derive(Clone)]
pub struct Outputs {
    /// To everyone who listens.
    pub bus: Bus,
    /// To attendance.
    pub sightings: Inbox,
    /// To the status page.
    pub view: Arc<FrameView>,
}

/// How recognition ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// It was told to stop.
    Stopped,
    /// The replay is over and every frame is processed.
    Ended,
}

/// Processes frames until `stop` or the end of the source, few of them while nobody is there ([`Tempo`]).
///
/// # Errors
/// [`EngineError`] when a model fails.
pub fn run(
    pipeline: &mut Pipeline,
    frames: &mut Receiver,
    outputs: &Outputs,
    stop: &CancellationToken,
) -> Result<Finish, EngineError> {
    let mut tempo = Tempo::default();
    while !stop.is_cancelled() {
        match frames.newest(LOOK) {
            Received::Frame(frame) if !tempo.due(frame.at.since_boot) => frames.give_back(frame),
            Received::Frame(frame) => {
                let at = frame.at;
                let outcomes = pipeline.process(&frame);
                frames.give_back(frame);
                for outcome in outcomes? {
                    tell(outcome, outputs);
                }
                let snapshot = pipeline.snapshot();
                if !snapshot.tracks.is_empty() {
                    tempo.somebody(at.since_boot);
                }
                outputs.view.show(at, || Preview::of(pipeline.picture(), snapshot.tracks.clone()));
                outputs.view.offer_whole(|| pipeline.picture().clone());
                outputs.view.publish(snapshot);
            }
            Received::TimedOut => {}
            Received::Closed => return Ok(Finish::Ended),
        }
    }
    Ok(Finish::Stopped)
}

fn tell(outcome: FrameOutcome, outputs: &Outputs) {
    let event = match outcome {
        FrameOutcome::Recognised(sighting) => {
            let event = Event::Recognised {
                track: sighting.track,
                roll: sighting.roll.clone(),
                similarity: sighting.similarity,
                margin: sighting.margin,
                votes: sighting.votes,
                threshold: sighting.threshold,
                frames: sighting.frames_to_decision,
                liveness: sighting.liveness.to_string(),
                life: sighting.liveness.life(),
            };
            outputs.sightings.offer(sighting.roll, sighting.at);
            event
        }
        FrameOutcome::Stranger { track, similarity, threshold, .. } => {
            Event::Stranger { track, similarity, threshold }
        }
        FrameOutcome::AttackRefused { track, roll, liveness, .. } => {
            let reason = format!("looks like {roll}; {liveness}");
            Event::AttackRefused { track, roll: roll.clone(), reason }
        }
        FrameOutcome::Hint { track, advice } => Event::Hint { track, advice },
    };
    outputs.bus.publish(event);
}
