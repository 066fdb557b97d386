//! What the technician's page is shown: every part's state, read and put into the page's words. Changes
//! nothing.

mod days;
mod device;
mod pictures;
mod rows;
mod students;
mod troubles;

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use time::Date;

use super::camera_care::Care;
use super::erasing::Erasing;
use super::latest::Memory;
use super::office::Office;
use super::school::School;
use crate::supervisor::Board;
use backend::sync;
use base::moment::{Clock, Moment, SiteZone};
use base::progress::Progress;
use base::sightings::Inbox;
use config::Config;
use door::shot::Shot;
use door::worker::Faults;
use journal::storage::Ledger;
use office::day::Day;
use recognition::roster::Report;
use recognition::watch::view::FrameView;
use update::under_way::UnderWay;
use view::card::Card;
use view::on_memory::OnMemory;
use view::{
    AboutStudent, Pending, Picture, Refused, Roster, RosterCount, Row, Source, StudentsList, View, Worker,
};
use vision::latest::Counters;

/// Where the image has the licence texts of all that it holds; some 0.75 MB.
const LICENCES: &str = "/usr/share/attendance/licences.txt.gz";
const MOST_LICENCES: u64 = 8 << 20;

/// Everything there is to see.
pub struct Technician {
    /// The configuration.
    pub config: Arc<Config>,
    /// The site's time zone.
    pub zone: SiteZone,
    /// The device's clock.
    pub clock: Arc<dyn Clock>,
    /// When the program started.
    pub started: Moment,
    /// The workers.
    pub board: Arc<Board>,
    /// Frames captured and dropped.
    pub counters: Counters,
    /// What was done about a camera that fails.
    pub care: Arc<Care>,
    /// The frame path.
    pub frames: Arc<FrameView>,
    /// Where recognition puts what it sees; it counts what was lost.
    pub inbox: Inbox,
    /// The rows.
    pub ledger: Arc<Ledger>,
    /// The result of the last enrolment of photos.
    pub report: Arc<ArcSwap<Report>>,
    /// How far a synchronisation is.
    pub syncing: Progress,
    /// Photos that the last synchronisation could not have.
    pub missing: Arc<ArcSwap<Vec<sync::Failure>>>,
    /// How far an enrolment is.
    pub enrolling: Progress,
    /// What was last heard of sync and upload.
    pub memory: Memory,
    /// The update that comes in.
    pub updating: UnderWay,
    /// The screen at the door.
    pub shot: Shot,
    /// What is wrong with screen, sound and pins.
    pub at_the_door: Faults,
    /// What is known of the card where this start runs on memory.
    pub on_memory: Option<OnMemory>,
    /// The encryption of the card; none elsewhere than on the appliance.
    pub card: Option<Card>,
    /// The other doors; none where no broker is configured.
    pub school: Option<School>,
    /// What the office keeps.
    pub office: Office,
    /// Erases students.
    pub erasing: Erasing,
}

impl Source for Technician {
    fn view(&self) -> View {
        let now = self.clock.now();
        let report = self.report.load();
        let named = report.students();
        let enrolled = named.values().filter(|enrolled| **enrolled).count();
        let update = self.update();
        View {
            site: self.config.site.name.clone(),
            now: self.local(now.utc),
            system: self.system(now),
            workers: self
                .board
                .views()
                .into_iter()
                .map(|worker| Worker {
                    name: worker.name.to_owned(),
                    state: worker.state,
                    reason: worker.reason,
                    restarts: worker.restarts,
                })
                .collect(),
            camera: self.camera(),
            today: self.today(now),
            upload: self.upload(),
            sync: self.sync(),
            roster: RosterCount {
                students: enrolled,
                photos: report.photos.len() - report.refused().count(),
                unrecognisable: self.unrecognisable(&report),
                refused: self.refused_photos(&report),
            },
            on_memory: self.on_memory,
            card: self.card.clone(),
            school: self.school.as_ref().map(|school| school.view(now.utc)),
            plain_http: self.config.plain_addresses().map(str::to_owned).collect(),
            problems: self.problems(now, &update, &report),
            update,
        }
    }

    fn rows(&self, day: Date) -> Result<Vec<Row>, Refused> {
        self.rows_of(day)
    }

    fn corrected(&self, day: Date) -> Result<Vec<Row>, Refused> {
        self.corrected_on(day)
    }

    fn days(&self, from: Date, to: Date) -> Result<Vec<Day>, Refused> {
        self.judged_days(from, to)
    }

    fn students(&self) -> StudentsList {
        self.list()
    }

    fn student(&self, roll: &str) -> Option<AboutStudent> {
        self.about(roll)
    }

    fn erasures(&self) -> Vec<view::Erasure> {
        self.erased()
    }

    fn roster(&self) -> Roster {
        self.everyone()
    }

    fn needs_person(&self, row: &str) -> bool {
        row.parse().is_ok_and(|id| self.ledger.is_with_a_person(id))
    }

    fn licences(&self) -> Option<Bytes> {
        let length = std::fs::metadata(LICENCES).ok()?.len();
        if length > MOST_LICENCES { None } else { std::fs::read(LICENCES).ok().map(Bytes::from) }
    }

    fn log(&self, most: usize) -> Vec<String> {
        base::logging::recent(most).into_iter().map(|line| self.in_local_time(line)).collect()
    }

    fn redacted_log(&self, most: usize) -> Vec<String> {
        base::logging::recent_redacted(most)
    }

    fn configuration(&self) -> String {
        toml::to_string_pretty(self.config.as_ref())
            .unwrap_or_else(|error| format!("# the configuration cannot be shown: {error}\n"))
    }

    fn evidence(&self, photo: &str) -> Option<Picture> {
        self.photo_with_faces(photo)
    }

    fn door(&self) -> Option<Bytes> {
        self.screen()
    }

    fn preview(&self) -> Pending<Result<Picture, Refused>> {
        self.frame_with_faces()
    }
}
