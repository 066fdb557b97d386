//! Camera and recognition are restarted, and a picture proves that they run again.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Hands;
use crate::appliance::answer::done;
use crate::appliance::frame_path::RECOGNITION;
use crate::supervisor::{Board, WorkerView};
use base::event::WorkerState as State;
use update::report::CAMERA;
use view::{Done, Pending, Refused};

/// How long camera and recognition may take to restart: a camera opens in two or three seconds, and one
/// that is not ready at once is tried a second and a third time.
const RESTART_TIME: Duration = Duration::from_secs(12);

/// How often it is looked whether they have.
const RESTART_LOOK: Duration = Duration::from_millis(200);

/// What keeps pictures from coming after a restart.
fn still_not(workers: impl Iterator<Item = WorkerView>) -> Refused {
    let troubles: Vec<_> = workers
        .filter(|worker| worker.state != State::Running)
        .map(|worker| {
            let (name, state) = (worker.name, worker.state.as_str());
            worker
                .reason
                .map_or(format!("{name} is {state}"), |reason| format!("{name} is {state}: {reason}"))
        })
        .collect();
    Refused {
        message: "Camera and recognition were asked to restart, and no picture has come yet".to_owned(),
        details: troubles.join(". "),
    }
}

fn worker(board: &Board, name: &str) -> Option<WorkerView> {
    board.views().into_iter().find(|worker| worker.name == name)
}

impl Hands {
    /// Restarts camera and recognition, and says so when a picture has come through both.
    pub(super) fn restart(&self) -> Pending<Result<Done, Refused>> {
        let (board, frames) = (Arc::clone(&self.board), Arc::clone(&self.frames));
        let before = [CAMERA, RECOGNITION].map(|name| (name, worker(&board, name)));
        for (name, _) in &before {
            board.ask_restart(name);
        }
        Box::pin(async move {
            let until = Instant::now() + RESTART_TIME;
            loop {
                tokio::time::sleep(RESTART_LOOK).await;
                let now = before.each_ref().map(|(name, before)| (before, worker(&board, name)));
                let restarted = now.iter().all(|(before, now)| match (before, now) {
                    (Some(before), Some(now)) => {
                        now.restarts > before.restarts
                            && now.state == State::Running
                            && frames.age().is_some_and(|age| age < now.since)
                    }
                    _ => false,
                });
                if restarted {
                    return done("Camera and recognition were restarted, and pictures come");
                }
                if Instant::now() >= until {
                    return Err(still_not(now.into_iter().filter_map(|(_, now)| now)));
                }
            }
        })
    }

    pub(super) fn is_held(&self, name: &str) -> bool {
        worker(&self.board, name).is_some_and(|worker| worker.state == State::Held)
    }
}
