//! The worker `door`: screen, sound, lights and opener, with what they have to know of the rest.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::supervisor::{Board, on_own_thread};
use base::event::{Bus, WorkerState};
use base::failure::{Diagnosis, Failure};
use base::moment::{Clock, Moment, SiteZone};
use config::Config;
use door::fonts::{self, Fonts};
use door::hand::Header;
use door::names::Names;
use door::paint::Live;
use door::screen::{Folder, Kms, Outlet};
use door::shot::Shot;
use door::speaker;
use door::state::Wall;
use door::worker::{Faults, Parts, Surroundings};
use journal::storage::Ledger;
use recognition::watch::view::FrameView;
use status::console;
use update::report::CAMERA;
use view::Source;

use super::frame_path::RECOGNITION;

/// Size of the pictures in a folder.
const PICTURES: (u32, u32) = (800, 480);
/// Frames that are older say nothing about who is there.
const FRESH: Duration = Duration::from_secs(2);
/// A clock that is not set for so long after the start needs the staff.
const CLOCK_TIME: Duration = Duration::from_secs(600);
/// Rows that wait for so long need the staff.
const BACKLOG_TIME: time::Duration = time::Duration::days(1);
/// The console that the screen takes the place of, and where the kernel says which one is chosen.
const CONSOLE: &str = "tty1";
const CHOSEN: &str = "/sys/class/tty/tty0/active";

/// What the worker needs.
#[derive(Clone)]
pub(super) struct AtTheDoor {
    pub(super) config: Arc<Config>,
    pub(super) bus: Bus,
    /// A folder for pictures of the screen.
    pub(super) folder: Option<PathBuf>,
    pub(super) names: Names,
    pub(super) shot: Shot,
    /// Whether a display shows what a person is asked to do, or recorded words say it.
    pub(super) asking: Arc<AtomicBool>,
    pub(super) faults: Faults,
    pub(super) watcher: Watcher,
}

impl AtTheDoor {
    /// Shows and plays until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) -> Result<(), Failure> {
        let events = self.bus.subscribe();
        on_own_thread("door", move || {
            door::worker::run(self.parts(), events, &stop)
                .map_err(|error| Failure::restart(format!("the screen at the door cannot start: {error}")))
        })
        .await
    }

    fn parts(self) -> Parts {
        let settings = self.config.at_the_door();
        let mut outlets: Vec<Box<dyn Outlet>> = Vec::new();
        if let Some(folder) = self.folder {
            outlets.push(Box::new(Folder::new(folder, PICTURES)));
        }
        if settings.screen.enabled {
            outlets.push(Box::new(Kms::new(settings.screen.rotation)));
        }
        Parts {
            site: self.config.site.name.clone(),
            names: self.names,
            bus: self.bus,
            surroundings: Box::new(self.watcher),
            fonts: Fonts::load(Path::new(fonts::FOLDER)).map_err(|error| error.fault()),
            outlets,
            lines: Box::new(Header::new(settings.door.gpio_controller.clone())),
            sound: settings.sound.device.clone().map(speaker::open),
            shot: self.shot,
            asking: self.asking,
            faults: self.faults,
            settings,
        }
    }
}

/// Tells the worker of clock, faces and trouble.
#[derive(Clone)]
pub(super) struct Watcher {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) zone: SiteZone,
    pub(super) started: Moment,
    pub(super) frames: Arc<FrameView>,
    pub(super) board: Arc<Board>,
    pub(super) ledger: Arc<Ledger>,
    /// Whether rows go to a webhook.
    pub(super) delivers: bool,
    /// What the page shows, once there is a page: the door asks for the staff when the page says "broken".
    pub(super) page: PageView,
}

/// The page's source, which is made after the door.
pub(super) type PageView = Arc<OnceLock<Arc<dyn Source>>>;

impl Watcher {
    /// Whether rows have waited for days.
    fn rows_wait(&self, now: Moment) -> bool {
        let summary = self.ledger.summary();
        let since = summary.last_delivery.unwrap_or(self.started.utc);
        self.delivers && summary.backlog > 0 && now.trusted && now.utc - since > BACKLOG_TIME
    }
}

impl Surroundings for Watcher {
    fn now(&self) -> Duration {
        self.clock.now().since_boot
    }

    fn wall(&self) -> Option<Wall> {
        let now = self.clock.now();
        (now.trusted && self.clock.doubt().is_none()).then(|| self.zone.local(now.utc).into())
    }

    fn tracks(&self) -> Option<Vec<u64>> {
        self.frames.age().filter(|age| *age < FRESH)?;
        Some(self.frames.snapshot().tracks.iter().map(|track| track.track).collect())
    }

    fn live(&self) -> Option<Live> {
        let preview = self.frames.preview(self.clock.now())?;
        let bounds = preview.tracks.iter().map(|track| track.bounds);
        Some(Live {
            width: preview.picture.width(),
            height: preview.picture.height(),
            rgb: preview.picture.as_raw().clone(),
            faces: bounds.map(|face| [face.x, face.y, face.width, face.height]).collect(),
        })
    }

    fn staff(&self) -> bool {
        let now = self.clock.now();
        let blind = self.board.views().iter().any(|worker| {
            [CAMERA, RECOGNITION].contains(&worker.name) && worker.state != WorkerState::Running
        });
        let no_clock = !now.trusted && now.since_boot.saturating_sub(self.started.since_boot) > CLOCK_TIME;
        let broken = self.page.get().is_some_and(|source| view::verdict::needs_staff(&source.view()));
        broken || blind || no_clock || self.clock.doubt().is_some() || self.rows_wait(now)
    }

    /// The console has the display while it shows the first password, and while somebody has chosen another
    /// console by a key.
    fn gives_way(&self) -> bool {
        let elsewhere = std::fs::read_to_string(CHOSEN).is_ok_and(|chosen| chosen.trim() != CONSOLE);
        elsewhere || Path::new(console::FIRST_PASSWORD).exists()
    }
}
