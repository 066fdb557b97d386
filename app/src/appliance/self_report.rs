//! What the running service says of itself to the health gate ([`update::report`]).

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio_util::sync::CancellationToken;

use crate::supervisor::Board;
use base::event::WorkerState as State;
use journal::storage::Ledger;
use recognition::watch::view::FrameView;
use status::Running;
use status::certificate::Identity;
use update::report;
use update::report::CAMERA;
use update::report::{Camera, Page, Report, Worker};
use vision::latest::Counters;

/// Where the page answers; nothing while it does not.
pub(super) type PagePlace = Arc<ArcSwapOption<Place>>;

/// Where a running page answers, with whichever certificate it shows by then.
pub(super) struct Place {
    port: u16,
    identity: Arc<ArcSwap<Identity>>,
}

impl Place {
    pub(super) fn of(running: &Running) -> Self {
        Self { port: running.address().port(), identity: running.present_identity() }
    }

    fn now(&self) -> Page {
        Page { port: self.port, fingerprint: self.identity.load().fingerprint.to_string() }
    }
}

/// What the report is made of.
pub(super) struct SelfReport {
    pub(super) board: Arc<Board>,
    pub(super) counters: Counters,
    pub(super) frames: Arc<FrameView>,
    pub(super) page: PagePlace,
    pub(super) ledger: Arc<Ledger>,
}

impl SelfReport {
    /// Reports until `stop`, where there is an appliance's runtime folder to report into.
    pub(super) async fn publish(self, stop: CancellationToken) {
        let path = Path::new(report::PATH);
        if path.parent().is_none_or(|folder| !folder.is_dir()) {
            return;
        }
        let newest = Mutex::new((0, Instant::now()));
        report::publish(path, move || self.now(&newest), stop).await;
    }

    /// `newest`: the count of frames at the last look, and when it last grew.
    fn now(&self, newest: &Mutex<(u64, Instant)>) -> Report {
        let frames = self.counters.captured();
        let mut newest = newest.lock().unwrap_or_else(PoisonError::into_inner);
        if frames != newest.0 {
            *newest = (frames, Instant::now());
        }
        let workers = self.board.views();
        let camera = workers.iter().find(|worker| worker.name == CAMERA && worker.state != State::Running);
        Report {
            camera: Camera {
                frames,
                newest: (frames > 0).then(|| newest.1.elapsed()),
                fault: camera.and_then(|worker| worker.reason.as_ref().map(ToString::to_string)),
            },
            processed: self.frames.snapshot().frames,
            workers: workers
                .into_iter()
                .map(|worker| Worker {
                    name: worker.name.to_owned(),
                    state: worker.state.as_str().to_owned(),
                    restarts: worker.restarts,
                    reason: worker.reason.map(|reason| reason.to_string()),
                })
                .collect(),
            page: self.page.load_full().map(|place| place.now()),
            undelivered_in_memory: self.ledger.summary().undelivered_in_memory,
            ..Report::default()
        }
    }
}
