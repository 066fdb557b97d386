//! What the technician's page is shown: every part's state, read and put into the page's words. Changes
//! nothing.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime, PrimitiveDateTime};

use super::camera_care::Care;
use super::erasing::Erasing;
use super::latest::{Decided, Memory};
use super::machine;
use super::office::Office;
use super::other_doors;
use super::refused_photos::{not_used, refused_photos};
use super::school::School;
use super::students::From;
use super::systems::systems;
use crate::supervisor::Board;
use backend::sync;
use base::failure::Fault;
use base::identity::RollNumber;
use base::moment::{Clock, DoubtKind, Moment, SiteZone};
use base::progress::Progress;
use base::sightings::Inbox;
use config::Config;
use door::shot::Shot;
use door::worker::Faults;
use journal::config::{Direction, Policy, TimeOfDay};
use journal::storage::{Folder, Ledger, Progress as Delivery, RowView};
use liveness::Requirement;
use liveness::config::LivenessRule;
use liveness::scene::learnt::Usefulness;
use office::day::{Day, Now, Person, Rules, Seen};
use recognition::Finder;
use recognition::roster::layout::Folders;
use recognition::roster::places::{Places, below_the_door};
use recognition::roster::{PhotoOutcome, Report};
use recognition::watch::preview::TrackView;
use recognition::watch::view::FrameView;
use update::start;
use update::under_way::UnderWay;
use view::card::Card;
use view::on_memory::OnMemory;
use view::systems::Systems;
use view::{
    AboutStudent, Camera, KnownScene, Level, LivenessCheck, Mark, Pending, PhotoSync, Picture, Problem,
    Refused, RefusedPhoto, RefusedRow, Removal, Roster, RosterCount, Row, RowDelivery, RowStatus, Source,
    Student, StudentsList, System, Today, Update, Upload, View, Worker,
};
use vision::latest::Counters;
use vision::photo;
use vision::photo::PhotoLimits;

/// JPEG quality of pictures for the page, 1 to 100.
const JPEG_QUALITY: u8 = 80;
/// Where the image has the licence texts of all that it holds; some 0.75 MB.
const LICENCES: &str = "/usr/share/attendance/licences.txt.gz";
const MOST_LICENCES: u64 = 8 << 20;
/// Most students times days that are looked at together: 93 days of 2,600 students.
const MOST_DAYS_OF_STUDENTS: usize = 250_000;
/// Widest picture sent, pixels: a phone shows less.
const PICTURE_WIDTH: u32 = 960;

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

impl Technician {
    fn local(&self, utc: OffsetDateTime) -> String {
        journal::storage::timestamp(self.zone.local(utc))
    }

    /// A line of the log with the site's time instead of UTC, as everything else has it.
    fn in_local_time(&self, line: String) -> String {
        let Some((at, rest)) = line.split_once(' ') else { return line };
        match OffsetDateTime::parse(at, &Rfc3339) {
            Ok(at) => format!("{} {rest}", self.local(at)),
            Err(_) => line,
        }
    }

    fn update(&self) -> Update {
        let kept = update::worker::folder(&self.config.site.data_dir);
        let (systems, unavailable) = match update::view::view(&update::store::Places::default(), &kept) {
            Ok(view) => (Some(systems(&view)), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let progress = self.updating.progress();
        Update {
            unavailable,
            systems,
            progress: progress.map(|at| view::Progress {
                step: at.step,
                done: at.percent.into(),
                total: 100,
            }),
            window: self.config.update.window.to_string(),
        }
    }

    fn system(&self, now: Moment) -> System {
        let storage = machine::storage(&self.config.site.data_dir);
        let memory = machine::memory();
        let frames = self.frames.snapshot();
        System {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            slot: update::slot::booted(Path::new(update::slot::BOOTLOADER), Path::new(update::slot::FOUND))
                .ok()
                .map(|booted| booted.slot.to_string()),
            pid: std::process::id(),
            started: self.local(self.started.utc),
            uptime_s: now.since_boot.saturating_sub(self.started.since_boot).as_secs(),
            storage_free: storage.map(|(free, _)| free),
            storage_total: storage.map(|(_, total)| total),
            memory_free: memory.map(|(free, _)| free),
            memory_total: memory.map(|(_, total)| total),
            temperature_c: machine::temperature(),
            slowed_by_heat: machine::slowed_by_heat(),
            lacks_power: machine::lacks_power(),
            clock_trusted: now.trusted,
            clock_doubt: self.clock.doubt().map(|doubt| {
                let (shown, expected) = (self.local(doubt.shown), self.local(doubt.expected));
                match doubt.kind {
                    DoubtKind::Stepped => format!("{doubt}. It shows {shown}; {expected} was expected"),
                    DoubtKind::Backwards | DoubtKind::FarAhead => {
                        format!("{doubt}. It shows {shown}; the last known time is {expected}")
                    }
                }
            }),
            time_zone: self.zone.name().to_owned(),
            liveness: liveness(
                Requirement::at_hand(self.config.liveness.require, &self.config.models_dir())
                    .asking(frames.asks),
            ),
            scene: match frames.scene {
                Usefulness::Learning => KnownScene::Learning,
                Usefulness::Usable => KnownScene::Usable,
                Usefulness::TooPlain => KnownScene::TooPlain,
            },
        }
    }

    fn camera(&self) -> Camera {
        let snapshot = self.frames.snapshot();
        let trouble = self.care.record();
        Camera {
            source: match self.config.camera.source {
                camera::config::CameraSource::Libcamera => {
                    self.config.camera.id.clone().unwrap_or_else(|| "the first camera".to_owned())
                }
                camera::config::CameraSource::Replay => "replay of files".to_owned(),
            },
            frame_rate: snapshot.frames_per_second,
            latency_ms: snapshot.latency_ms.of_answer(),
            dropped: self.counters.dropped(),
            frames: snapshot.frames,
            last_frame_age_s: self.frames.age().map(|age| age.as_secs_f32()),
            restarts: trouble.restarts_ever,
            reboots: trouble.reboots_ever,
            decisions: self
                .memory
                .latest()
                .decisions
                .into_iter()
                .map(|decided| self.decision(decided))
                .collect(),
        }
    }

    fn decision(&self, decided: Decided) -> view::Decision {
        view::Decision { at: self.local(decided.at.utc), what: decided.what }
    }

    fn today(&self, now: Moment) -> Today {
        let date = self.ledger.day().date(now.utc);
        let file = self.config.site.data_dir.join(format!("attendance/attendance_{date}.csv"));
        let summary = self.ledger.summary();
        let journal::storage::Summary { storage, undelivered_in_memory, .. } = summary;
        let closed = self.ledger.is_closed(date);
        Today {
            unsaved_undelivered: undelivered_in_memory,
            policy: match self.config.attendance.policy {
                Policy::FirstInLastOut => "first-in-last-out",
                Policy::Alternate => "alternate",
            }
            .to_owned(),
            open_outs: summary.open_outs,
            outs_are_sent: self.outs_are_sent(closed),
            closed,
            corrected: self.ledger.corrected(date).unwrap_or_default().iter().map(row).collect(),
            unsaved: storage.unwritten,
            unsaved_reason: storage.trouble,
            lost: self.inbox.lost(),
            date: date.to_string(),
            exists: file.exists(),
            file: file.display().to_string(),
            rows: self.shown(date, self.day(date, date).unwrap_or_default(), closed),
        }
    }

    /// When OUT rows are sent, in one sentence.
    fn outs_are_sent(&self, closed: bool) -> String {
        let attendance = &self.config.attendance;
        let closes = self.ledger.day().closes();
        match (attendance.policy, attendance.departure_settles) {
            (Policy::Alternate, _) => String::new(),
            _ if closed => "The day is closed; its OUT rows are sent.".to_owned(),
            (_, Some(settles)) => format!(
                "An OUT is sent once nobody has seen the student for {} minutes, and at {closes} at the latest.",
                settles.as_secs() / 60
            ),
            _ if self.ledger.day().has_an_end() => {
                format!("OUT rows are open until {closes}, and are sent then.")
            }
            _ => format!("OUT rows are sent at {closes}. Set attendance.day_ends to send them earlier."),
        }
    }

    /// Rows as the page shows them. On a day that is closed, who came and was not seen leaving is named.
    fn shown(&self, date: Date, rows: Vec<RowView>, closed: bool) -> Vec<Row> {
        let today = self.ledger.day().date(self.clock.now().utc);
        let over = (closed || date < today)
            && self.config.attendance.policy == Policy::FirstInLastOut
            && self.config.door.direction == Direction::Both;
        let left: HashSet<&RollNumber> =
            rows.iter().filter(|row| row.status == "OUT").map(|row| &row.roll).collect();
        let mut shown: Vec<Row> = rows.iter().map(row).collect();
        for (view, row) in rows.iter().zip(&mut shown) {
            if over && view.status == "IN" && row.note.is_empty() && !left.contains(&view.roll) {
                row.note = "no departure seen".to_owned();
            }
        }
        shown
    }

    /// The rows of `date`; none when they are not in memory. What was seen before the clock was known has no
    /// day yet: it stands with today's, marked as provisional, until the clock tells where it belongs.
    fn day(&self, date: Date, today: Date) -> Option<Vec<RowView>> {
        let mut rows = self.ledger.with_open_outs(date)?;
        if date == today {
            rows.extend(self.ledger.awaiting_clock());
        }
        Some(rows)
    }

    fn upload(&self) -> Upload {
        let summary = self.ledger.summary();
        let (error, retry_in_s) = self.memory.latest().upload_error.unzip();
        Upload {
            url: self.config.webhook.url.as_ref().map(ToString::to_string),
            interval_s: self.config.webhook.interval.as_secs(),
            backlog: summary.backlog,
            last_success: summary.last_delivery.map(|at| self.local(at)),
            error,
            retry_in_s,
            needs_person: self.ledger.needs_person().iter().map(refused_row).collect(),
        }
    }

    fn sync(&self) -> PhotoSync {
        let latest = self.memory.latest();
        let places = Places::of(&self.config.roster());
        // Somebody has accepted these.
        let known = self.office.missing.load();
        let known =
            known.iter().filter(|one| self.office.known_photos.by(&one.photo, &one.reason).is_some()).count();
        PhotoSync {
            source: match &self.config.photos.url {
                Some(url) => url.to_string(),
                None => places.photos.display().to_string(),
            },
            interval_s: self.config.photos.interval.as_secs(),
            last_success: latest.synced.as_ref().map(|synced| self.local(synced.at.utc)),
            listed: latest.synced.as_ref().map(|synced| synced.listed),
            failed: latest.synced.as_ref().map_or(0, |synced| synced.failed.saturating_sub(known)),
            summary: latest.synced.map(|synced| synced.summary),
            error: latest.sync_error,
            progress: self.progress(),
            removal: latest.removal.map(|(students, of)| Removal { students, of }),
        }
    }

    fn progress(&self) -> Option<view::Progress> {
        let shown = |step: &str, (done, total)| view::Progress { step: step.to_owned(), done, total };
        let fetching = self.syncing.under_way().map(|so_far| shown("fetching photos", so_far));
        fetching.or_else(|| self.enrolling.under_way().map(|so_far| shown("enrolling", so_far)))
    }

    /// The present moment, for judging days.
    fn now(&self) -> Now {
        let now = self.clock.now().utc;
        let (date, local) = (self.ledger.day().date(now), self.zone.local(now));
        let time = PrimitiveDateTime::new(local.date(), local.time());
        let over = self.ledger.is_closed(date) || self.ledger.day().is_over(date, now);
        Now { date, time, closed: over }
    }

    fn rules(&self) -> Rules {
        let attendance = &self.config.attendance;
        Rules {
            late_after: attendance.late_after.map(TimeOfDay::time),
            school_days: attendance.school_days.iter().map(|day| (*day).into()).collect(),
            departures: self.school.is_none()
                && attendance.policy == Policy::FirstInLastOut
                && self.config.door.direction == Direction::Both,
        }
    }

    /// Everybody who is expected: the students' list, and who has photos.
    fn persons(&self) -> Vec<Person> {
        let report = self.report.load();
        let enrolled = report.students();
        let (list, ..) = self.office.students.list();
        let mut persons: BTreeMap<&RollNumber, Person> = BTreeMap::new();
        for roll in list.students.keys().chain(enrolled.keys().copied()) {
            let (name, class) = list
                .students
                .get(roll)
                .map(|listed| (listed.name.clone(), listed.class.clone()))
                .unwrap_or_default();
            let enrolled = enrolled.get(roll).copied().unwrap_or(false);
            persons.insert(roll, Person { roll: roll.to_string(), name, class, enrolled });
        }
        persons.into_values().collect()
    }

    /// Every photo that is not in use, and who accepted that.
    fn refused_photos(&self, report: &Report) -> Vec<RefusedPhoto> {
        let mut photos = refused_photos(report, &self.missing.load());
        for photo in &mut photos {
            photo.accepted_by = self.office.known_photos.by(&photo.photo, &photo.reason);
        }
        photos
    }

    /// Students that cannot be recognised, but for those of whom somebody accepted that.
    fn unrecognisable(&self, report: &Report) -> usize {
        let mut accepted: BTreeMap<&RollNumber, bool> = BTreeMap::new();
        for (photo, reason) in report.refused() {
            let is_accepted = self.office.known_photos.by(&photo.photo, reason).is_some();
            *accepted.entry(&photo.roll).or_insert(true) &= is_accepted;
        }
        let named = report.students();
        let without = named.iter().filter(|(_, enrolled)| !**enrolled);
        without.filter(|(roll, _)| !accepted.get(*roll).copied().unwrap_or(false)).count()
    }

    /// Rows of a student that the webhook has not got.
    fn undelivered(&self, roll: &RollNumber) -> usize {
        if self.config.webhook.url.is_none() {
            return 0;
        }
        let open = self.ledger.open_rows(usize::MAX, |_| true);
        let held = self.ledger.needs_person().into_iter().chain(self.ledger.awaiting_clock());
        let today = self.ledger.day().date(self.clock.now().utc);
        let open_out = self.ledger.with_open_outs(today).unwrap_or_default();
        let is_open_out = |row: &RowView| row.open && row.roll == *roll;
        open.iter().filter(|row| row.roll == *roll).count()
            + held.filter(|row| row.roll == *roll).count()
            + open_out.iter().filter(|row| is_open_out(row)).count()
    }

    fn photo(&self, path: &str) -> Option<PathBuf> {
        // Only what the report names is opened: a path from outside leads nowhere else.
        let report = self.report.load();
        let known = report.photos.iter().find(|photo| photo.photo == path)?;
        Some(Places::of(&self.config.roster()).file(&known.photo))
    }
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
            problems: update
                .systems
                .as_ref()
                .and_then(rolled_back)
                .into_iter()
                .chain(start::faults(&start::Notes::default()).into_iter().map(start_trouble))
                .chain(self.ledger.summary().storage.csv_trouble.map(csv_trouble))
                .chain(self.at_the_door.all().into_iter().map(door_trouble))
                .chain(self.erasing.faults().into_iter().map(erasing_trouble))
                .chain(not_used(&report).take(FOLDERS_NAMED).map(folders_problem))
                .chain(self.school.iter().flat_map(|school| school.problems(now.utc)))
                .collect(),
            update,
        }
    }

    fn rows(&self, day: Date) -> Result<Vec<Row>, Refused> {
        let today = self.ledger.day().date(self.clock.now().utc);
        let closed = self.ledger.is_closed(day);
        if let Some(rows) = self.day(day, today) {
            return Ok(self.shown(day, rows, closed));
        }
        let folder = Arc::new(Folder::new(self.config.site.data_dir.join("journal")));
        let rows = journal::storage::rows_on(folder, self.ledger.day(), day);
        rows.map(|rows| self.shown(day, rows, closed)).map_err(|error| Refused {
            message: format!("The rows of {day} cannot be read. Check the storage, then try again."),
            details: error.to_string(),
        })
    }

    fn corrected(&self, day: Date) -> Result<Vec<Row>, Refused> {
        if let Some(rows) = self.ledger.corrected(day) {
            return Ok(rows.iter().map(row).collect());
        }
        let folder = Arc::new(Folder::new(self.config.site.data_dir.join("journal")));
        let ledger = journal::storage::ledger_of(folder, self.ledger.day(), day);
        let rows = ledger.map(|ledger| ledger.corrected(day).unwrap_or_default());
        rows.map(|rows| rows.iter().map(row).collect()).map_err(|error| Refused {
            message: format!("The corrections of {day} cannot be read. Check the storage, then try again."),
            details: error.to_string(),
        })
    }

    fn days(&self, from: Date, to: Date) -> Result<Vec<Day>, Refused> {
        let (now, persons) = (self.now(), self.persons());
        let rules = self.rules();
        // Days that are in memory are read there, all others together from the disk.
        let dates = office::range::days(from, to).unwrap_or_default();
        if persons.len().saturating_mul(dates.len()) > MOST_DAYS_OF_STUDENTS {
            return Err(Refused {
                message: "These are too many students for so many days. Choose fewer days.".to_owned(),
                details: String::new(),
            });
        }
        let mut rows: Vec<Option<Vec<RowView>>> =
            dates.iter().map(|date| self.day(*date, now.date)).collect();
        if rows.iter().any(Option::is_none) {
            let folder = Arc::new(Folder::new(self.config.site.data_dir.join("journal")));
            let ledger = journal::storage::ledger_of_days(folder, self.ledger.day(), from..=to);
            let ledger = ledger.map_err(|error| Refused {
                message: format!(
                    "The rows from {from} to {to} cannot be read. Check the storage, then try again."
                ),
                details: error.to_string(),
            })?;
            for (date, rows) in dates.iter().zip(&mut rows).filter(|(_, rows)| rows.is_none()) {
                *rows = ledger.on(*date);
            }
        }
        let days = dates.iter().zip(rows).map(|(date, rows)| {
            let mut seen: Vec<Seen> = rows.unwrap_or_default().iter().filter_map(seen).collect();
            if let Some(school) = &self.school {
                let both_ways = self.config.attendance.policy == Policy::FirstInLastOut;
                let leaves_after = both_ways.then_some(self.config.attendance.minimum_gap);
                let local = |utc| self.zone.local(utc);
                let (visits, by_hand) = school.elsewhere(*date);
                other_doors::add(&mut seen, &visits, &by_hand, leaves_after, local);
            }
            let now = Now { closed: now.closed && *date == now.date, ..now };
            office::day::judge(*date, &now, &rules, &persons, &seen)
        });
        Ok(days.collect())
    }

    fn students(&self) -> StudentsList {
        let (list, from, problem) = self.office.students.list();
        StudentsList {
            uploaded: matches!(from, Some(From::Upload { .. })),
            from: from.map(|from| match from {
                From::Upload { by } => format!("uploaded by {by}"),
                From::Photos => "students.csv beside the photos".to_owned(),
            }),
            students: list.students.len(),
            left_out: list.left_out,
            problem,
        }
    }

    fn student(&self, roll: &str) -> Option<AboutStudent> {
        let roll = RollNumber::parse(roll).ok()?;
        let report = self.report.load();
        let listed = self.office.students.list().0.students.remove(&roll);
        let photos = report.photos.iter().filter(|photo| photo.roll == roll);
        let photos: Vec<(String, String)> = photos
            .filter_map(|photo| match &photo.outcome {
                PhotoOutcome::Enrolled { quality, .. } => {
                    let (sharp, bright) = (quality.sharpness, quality.brightness);
                    let words = format!(
                        "face {:.0} pixels wide, sharpness {sharp:.0}, brightness {bright:.0} of 255, turned {:.0}°",
                        quality.width,
                        quality.yaw.abs()
                    );
                    Some((named(&photo.photo), words))
                }
                PhotoOutcome::Refused { .. } => None,
            })
            .collect();
        let below = format!("{roll}/");
        let mut refused = self.refused_photos(&report);
        refused.retain(|photo| photo.photo.starts_with(&below) || photo.photo.contains(&format!("/{below}")));
        let mut decisions: Vec<_> = self.memory.latest().decisions.into();
        decisions.retain(|decided: &Decided| decided.student.as_ref() == Some(&roll));
        let decisions = decisions.into_iter().map(|decided| self.decision(decided)).collect();
        let today = self.ledger.day().date(self.clock.now().utc);
        let was_seen = || self.day(today, today).is_some_and(|rows| rows.iter().any(|row| row.roll == roll));
        if listed.is_none() && photos.is_empty() && refused.is_empty() && !was_seen() {
            return None;
        }
        let (name, class) = listed.map(|student| (student.name, student.class)).unwrap_or_default();
        let undelivered = self.undelivered(&roll);
        Some(AboutStudent { name, class, photos, refused, decisions, undelivered })
    }

    fn erasures(&self) -> Vec<view::Erasure> {
        let shown = |erasure: site::erasure::Erasure| view::Erasure {
            id: erasure.id.to_string(),
            at: OffsetDateTime::from_unix_timestamp(erasure.at)
                .map_or_else(|_| String::new(), |at| self.local(at)),
            by: erasure.by,
            done: erasure.done,
            lifted: erasure.lifted,
        };
        self.erasing.erasures.list().into_iter().map(shown).collect()
    }

    fn roster(&self) -> Roster {
        let report = self.report.load();
        Roster { students: students(&report), refused: self.refused_photos(&report) }
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
        let limits = PhotoLimits::from(&self.config.photos);
        let path = self.photo(photo)?;
        if std::fs::metadata(&path).ok()?.len() > limits.max_bytes {
            return None;
        }
        let picture = photo::decode(&std::fs::read(path).ok()?, limits).ok()?;
        // The detectors alone are loaded in a moment, and are gone again with the answer.
        let mut finder = Finder::load(&self.config.models_dir(), self.config.recognition.detector).ok()?;
        let marks = finder.find_thoroughly(&picture).ok()?.into_iter().map(|face| Mark {
            x: face.bounds.x,
            y: face.bounds.y,
            width: face.bounds.width,
            height: face.bounds.height,
            label: format!("face {:.0} %", face.score * 100.0),
            good: true,
        });
        shown(&picture, marks.collect())
    }

    fn door(&self) -> Option<Bytes> {
        let picture = self.shot.picture()?;
        let mut jpeg = Vec::new();
        JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY).encode_image(picture.as_ref()).ok()?;
        Some(Bytes::from(jpeg))
    }

    fn preview(&self) -> Pending<Result<Picture, Refused>> {
        let preview = self.frames.preview(self.clock.now());
        let none = || Refused {
            message: "There is no picture yet; it comes with the next frame.".to_owned(),
            details: String::new(),
        };
        Box::pin(async move {
            let preview = preview.ok_or_else(none)?;
            let marks = preview.tracks.iter().map(mark).collect();
            let made = tokio::task::spawn_blocking(move || shown(&preview.picture, marks)).await;
            made.ok().flatten().ok_or_else(none)
        })
    }
}

/// A photo as its student's page names it.
fn named(photo: &str) -> String {
    match below_the_door(photo).and_then(|rest| rest.rsplit_once('/')) {
        Some((_, file)) => format!("taken at the door, {file}"),
        None => photo.to_owned(),
    }
}

/// A row as a day is judged by it; none for one that a person declared void.
fn seen(view: &RowView) -> Option<Seen> {
    let at = PrimitiveDateTime::parse(
        &view.timestamp,
        format_description!("[year]-[month]-[day] [hour]:[minute]:[second]"),
    );
    Some(Seen {
        roll: view.roll.to_string(),
        is_in: view.status == "IN",
        at: at.ok().filter(|_| !matches!(view.progress, Delivery::Void(_)))?,
        provisional: view.clock != "known",
    })
}

/// An update that was rolled back, until somebody says that they know.
fn rolled_back(systems: &Systems) -> Option<Problem> {
    let sentence = systems.sentence.clone().filter(|_| systems.needs_acknowledgement)?;
    let advice = "Read why under “Updates”, then press “I have read this” there.".to_owned();
    Some(Problem { level: Level::Attention, what: sentence, advice })
}

/// A start that went on in spite of something.
fn start_trouble(fault: Fault) -> Problem {
    let advice = sentence(&fault.advice.unwrap_or_default());
    Problem { level: Level::Attention, what: sentence(&fault.what), advice }
}

/// A day's CSV file that cannot be written.
fn csv_trouble(trouble: String) -> Problem {
    let advice = "The journal has all rows, and the page shows them. Free space on the card, or remove what stands in \
                  the file’s place in the folder “attendance”.";
    Problem { level: Level::Attention, what: format!("{trouble}."), advice: advice.to_owned() }
}

/// Something at the door that does not work. Recognition goes on.
fn door_trouble(fault: Fault) -> Problem {
    let advice = fault.advice.unwrap_or_default();
    Problem {
        level: Level::Attention,
        what: format!("At the door: {}.", fault.what),
        advice: sentence(&advice),
    }
}

/// Something of an erased student that is still there.
fn erasing_trouble(fault: Fault) -> Problem {
    let advice = sentence(&fault.advice.unwrap_or_default());
    Problem { level: Level::Attention, what: format!("Erasing: {}.", fault.what), advice }
}

/// An advice as a sentence of its own.
fn sentence(advice: &str) -> String {
    let mut letters = advice.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

/// A folder of several people, of which nobody is enrolled.
fn folders_problem(folders: &Folders) -> Problem {
    let fault = folders.fault();
    Problem {
        level: Level::Attention,
        what: format!("The photo folder {} {}.", folders.folder, fault.what),
        advice: fault.advice.map(|advice| format!("In the settings, {advice}.")).unwrap_or_default(),
    }
}

/// A picture as the page shows it: no wider than it needs, with its marks.
fn shown(picture: &RgbImage, mut marks: Vec<Mark>) -> Option<Picture> {
    let scale = PICTURE_WIDTH as f32 / picture.width().max(1) as f32;
    let small = (scale < 1.0).then(|| {
        for mark in &mut marks {
            for value in [&mut mark.x, &mut mark.y, &mut mark.width, &mut mark.height] {
                *value *= scale;
            }
        }
        let height = (picture.height() as f32 * scale).max(1.0) as u32;
        image::imageops::thumbnail(picture, PICTURE_WIDTH, height)
    });
    let picture = small.as_ref().unwrap_or(picture);
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY).encode_image(picture).ok()?;
    Some(Picture { jpeg: Bytes::from(jpeg), width: picture.width(), height: picture.height(), marks })
}

fn mark(track: &TrackView) -> Mark {
    let who = track.roll.as_ref().map_or("unknown", |roll| roll.as_str());
    Mark {
        x: track.bounds.x,
        y: track.bounds.y,
        width: track.bounds.width,
        height: track.bounds.height,
        label: format!("{who} {:.2} {}", track.similarity, track.liveness),
        good: track.roll.is_some(),
    }
}

fn liveness(requirement: Requirement) -> LivenessCheck {
    match requirement.in_force() {
        (LivenessRule::Off, _) => LivenessCheck::Off,
        (_, false) => LivenessCheck::Blink,
        (LivenessRule::Passive, true) => LivenessCheck::Passive,
        (LivenessRule::PassiveBlink, true) => LivenessCheck::PassiveBlink,
        (LivenessRule::PassiveAny, true) => LivenessCheck::PassiveAny,
        (LivenessRule::PassivePrompt, true) => LivenessCheck::PassivePrompt,
    }
}

fn row_status(text: &str) -> RowStatus {
    if text == RowStatus::Out.as_str() { RowStatus::Out } else { RowStatus::In }
}

fn row(view: &RowView) -> Row {
    Row {
        name: view.roll.to_string(),
        status: row_status(view.status),
        timestamp: view.timestamp.clone(),
        provisional: view.clock != "known",
        delivery: match view.progress {
            Delivery::AwaitsClock | Delivery::Open => RowDelivery::Waiting,
            Delivery::NeedsPerson(_) if view.void => RowDelivery::Void,
            Delivery::NeedsPerson(_) if view.conflict => RowDelivery::Conflict,
            Delivery::NeedsPerson(_) => RowDelivery::NeedsPerson,
            Delivery::Delivered => RowDelivery::Delivered,
            Delivery::Dismissed => RowDelivery::Dismissed,
            Delivery::Void(_) => RowDelivery::Void,
        },
        open: view.open,
        note: note(view),
        id: if view.id == 0 { String::new() } else { view.id.to_string() },
    }
}

/// What else there is to say of a row.
fn note(view: &RowView) -> String {
    let late = view.late.as_ref().map(|seen| format!("seen again at {seen}, after this OUT was sent"));
    let void = match &view.progress {
        Delivery::Void(reason) if view.by_hand.is_none() => Some(format!("taken back unsent: {reason}")),
        Delivery::NeedsPerson(_) if view.void => Some("the backend may have it still".to_owned()),
        _ => None,
    };
    let by_hand = view.by_hand.as_ref().map(|by_hand| match view.void {
        true => format!("taken away by hand, {by_hand}"),
        false => format!("by hand, {by_hand}"),
    });
    [late, void, by_hand].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn refused_row(view: &RowView) -> RefusedRow {
    RefusedRow {
        id: view.id.to_string(),
        name: view.roll.to_string(),
        status: row_status(view.status),
        timestamp: view.timestamp.clone(),
        reason: match &view.progress {
            Delivery::NeedsPerson(reason) => reason.clone(),
            _ => String::new(),
        },
        void: view.void,
        days: view.days.clone(),
    }
}

/// Most folders of several people that have a problem of their own on the page: all have a line in its list.
const FOLDERS_NAMED: usize = 5;

fn students(report: &Report) -> Vec<Student> {
    let mut students: Vec<Student> = Vec::new();
    let mut enrolled: Vec<_> =
        report.photos.iter().filter(|photo| matches!(photo.outcome, PhotoOutcome::Enrolled { .. })).collect();
    enrolled.sort_by(|a, b| a.roll.cmp(&b.roll));
    for photo in enrolled {
        match students.last_mut().filter(|student| student.name == photo.roll.as_str()) {
            Some(student) => student.photos.push(photo.photo.clone()),
            None => {
                students.push(Student { name: photo.roll.to_string(), photos: vec![photo.photo.clone()] })
            }
        }
    }
    students
}
