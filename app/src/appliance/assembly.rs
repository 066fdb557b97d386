//! What the parts of the appliance share: made once, and handed to each worker from here.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::at_the_door::{AtTheDoor, PageView, Watcher};
use super::camera_care::Care;
use super::door_pictures::DoorPictures;
use super::enrolment;
use super::enrolment::{DoorEnrolment, models};
use super::erasing::Erasing;
use super::frame_path::FramePath;
use super::hands::Hands;
use super::latest::Memory;
use super::machine;
use super::office::Office;
use super::page::Page;
use super::school::{MQTT, Neighbours, School, ThisDoor};
use super::self_report::{PagePlace, SelfReport};
use super::technician::Technician;
use crate::supervisor::{Board, Supervisor};
use crate::transfer::arriving::Turns;
use backend::sync;
use backend::upload::Uploader;
use base::event::Bus;
use base::moment::{Clock, SiteZone};
use base::progress::Progress;
use base::sightings::{Outbox, inbox};
use config::Config;
use door::names::Names;
use door::shot::Shot;
use door::worker::Faults;
use journal::Records;
use recognition::roster::places::Places;
use recognition::watch::worker::Outputs;
use recognition::{SharedGallery, roster};
use settings::desk::Desk;
use settings::trial::Keeper;
use update::under_way::UnderWay;
use view::Source;
use view::card;
use view::card::Card;
use view::on_memory;
use view::on_memory::OnMemory;
use view::settings::Settings;
use vision::latest::Counters;

/// Everything that more than one part needs.
pub(super) struct Assembly {
    pub(super) config: Arc<Config>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) bus: Bus,
    pub(super) care: Arc<Care>,
    pub(super) memory: Memory,
    pub(super) outputs: Outputs,
    pub(super) uploader: Option<Arc<Uploader>>,
    zone: SiteZone,
    records: Records,
    sightings: Outbox,
    gallery: SharedGallery,
    report: Arc<ArcSwap<roster::Report>>,
    syncing: Progress,
    enrolling: Progress,
    missing: Arc<ArcSwap<Vec<sync::Failure>>>,
    account: Arc<ArcSwap<String>>,
    sync_now: Arc<Notify>,
    ask_updates: Arc<Notify>,
    updating: UnderWay,
    place: PagePlace,
    screen: Option<PathBuf>,
    names: Names,
    shot: Shot,
    faults: Faults,
    asking: Arc<AtomicBool>,
    page_view: PageView,
    settings: Option<Arc<dyn Settings>>,
    keeper: Option<Arc<Keeper>>,
    office: Office,
    photos_changed: watch::Sender<u64>,
    on_memory: Option<OnMemory>,
    card: Option<Card>,
    pub(super) erasing: Erasing,
}

impl Assembly {
    /// Opens the journal. `supervised`: whether somebody starts the program again when it ends.
    ///
    /// # Errors
    /// A journal that another process has, or an unknown time zone.
    pub(super) fn new(
        config: Config,
        screen: Option<PathBuf>,
        clock: Arc<dyn Clock>,
        bus: Bus,
        supervised: bool,
        keeper: Option<Arc<Keeper>>,
    ) -> anyhow::Result<Self> {
        let zone = SiteZone::named(&config.site.time_zone)?;
        // Before anything is opened.
        let erasing = Erasing::begin(&config);
        let erased = erasing.erasures.erased();
        let data_dir = &config.site.data_dir;
        let records = journal::open(data_dir, config.rows(), zone.clone(), Arc::clone(&clock), bus.clone())?;
        let uploader = Uploader::new(
            &config.webhook,
            &config.tls,
            Arc::clone(&records.ledger),
            Arc::clone(&records.deliveries),
            Arc::clone(&clock),
            bus.clone(),
        );
        let uploader = uploader.map(|uploader| uploader.of_door(&config.site.name));
        let (seen, sightings) = inbox();
        let names = Names::default();
        let photos = Places::of(&config.roster()).photos;
        let mirrored = config.photos.url.is_some();
        let (photos_changed, enrolling) = (watch::channel(0).0, Progress::default());
        let door_pictures =
            Arc::new(DoorPictures::below(data_dir, photos_changed.clone(), enrolling.clone()));
        let office =
            Office { mirrored, ..Office::without(data_dir, &photos, names.clone(), erased, door_pictures) };
        Ok(Self {
            care: Arc::new(Care::new(data_dir, Arc::clone(&clock), supervised)),
            outputs: Outputs { bus: bus.clone(), sightings: seen, view: Arc::default() },
            memory: Memory::default(),
            uploader: uploader.map(Arc::new),
            gallery: SharedGallery::default(),
            syncing: Progress::default(),
            enrolling,
            photos_changed,
            account: Arc::default(),
            sync_now: Arc::default(),
            ask_updates: Arc::default(),
            updating: UnderWay::default(),
            place: PagePlace::default(),
            screen,
            names,
            report: Arc::clone(&office.report),
            missing: Arc::clone(&office.missing),
            office,
            shot: Shot::default(),
            faults: Faults::default(),
            asking: Arc::default(),
            page_view: PageView::default(),
            settings: keeper
                .clone()
                .map(|keeper| -> Arc<dyn Settings> { Arc::new(Desk::new(keeper, zone.clone())) }),
            keeper,
            on_memory: machine::on_memory(Path::new(on_memory::PATH)),
            card: machine::card(Path::new(card::PATH)),
            erasing,
            config: Arc::new(config),
            clock,
            bus,
            zone,
            records,
            sightings,
        })
    }

    /// Starts every worker, in the order in which they stop. The counters are the frame path's.
    pub(super) fn start(&self, supervisor: &mut Supervisor) -> Counters {
        // Before the first frame is looked at: until the photos were fetched and enrolled, nobody is a
        // stranger.
        self.enrolling.ask();
        if self.config.photos.url.is_some() {
            self.syncing.set(0, 1);
        }
        let counters = self.frame_path().start(supervisor);
        let (recorder, sightings) = (Arc::clone(&self.records.recorder), Arc::clone(&self.sightings));
        supervisor.start("attendance", move |stop| {
            journal::work(Arc::clone(&recorder), Arc::clone(&sightings), stop)
        });
        let enrolment = self.enrolment(self.photos_changed.subscribe());
        supervisor.start("roster", move |stop| roster::worker::run(enrolment.clone(), stop));
        let mirror = self.mirror(self.photos_changed.clone());
        supervisor.start("sync", move |stop| sync::run(mirror.clone(), stop));
        if let Some(uploader) = self.uploader.clone() {
            supervisor.start("upload", move |stop| Arc::clone(&uploader).work(stop));
        }
        let (office, bus) = (self.office.clone(), self.bus.clone());
        supervisor.start("office", move |stop| {
            let watching = office.clone().watch(bus.subscribe(), stop);
            async move {
                watching.await;
                Ok(())
            }
        });
        let updates = self.updates();
        supervisor.start("update", move |stop| update::worker::run(updates.clone(), stop));
        if let Some(uploader) = &self.uploader {
            let names = self.names.clone();
            uploader.tell_names(move |roll, name| names.learn(roll, name));
        }
        let door = self.at_the_door(supervisor.board());
        supervisor.start("door", move |stop| door.clone().run(stop));
        let hands = Arc::new(self.hands(supervisor.board()));
        let (neighbours, school) = self.neighbours(supervisor.board(), Arc::clone(&hands)).unzip();
        if let Some(neighbours) = neighbours {
            supervisor.start(MQTT, move |stop| neighbours.clone().run(stop));
        }
        let page = self.page(supervisor.board(), counters.clone(), hands, school);
        supervisor.start("page", move |stop| page.clone().run(stop));
        counters
    }

    /// Tells the health gate of the service, until `stop`.
    pub(super) fn report_itself(
        &self,
        board: Arc<Board>,
        counters: Counters,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> + use<> {
        let (frames, page) = (Arc::clone(&self.outputs.view), Arc::clone(&self.place));
        let ledger = Arc::clone(&self.records.ledger);
        SelfReport { board, counters, frames, page, ledger }.publish(stop)
    }

    fn frame_path(&self) -> FramePath {
        FramePath {
            care: Arc::clone(&self.care),
            config: Arc::clone(&self.config),
            clock: Arc::clone(&self.clock),
            gallery: Arc::clone(&self.gallery),
            loading: [self.syncing.clone(), self.enrolling.clone()],
            outputs: self.outputs.clone(),
            asking: Arc::clone(&self.asking),
        }
    }

    fn enrolment(&self, changed: watch::Receiver<u64>) -> roster::worker::Shared {
        roster::worker::Shared {
            settings: Arc::new(roster::Settings {
                erased: self.erasing.erasures.erased(),
                ..self.config.roster()
            }),
            bus: self.bus.clone(),
            gallery: Arc::clone(&self.gallery),
            report: Arc::clone(&self.report),
            progress: self.enrolling.clone(),
            changed,
        }
    }

    fn mirror(&self, changed: watch::Sender<u64>) -> sync::Worker {
        sync::Worker {
            settings: Arc::new(sync::Settings {
                erased: self.erasing.erasures.erased(),
                ..self.config.sync()
            }),
            bus: self.bus.clone(),
            changed,
            now: Arc::clone(&self.sync_now),
            progress: self.syncing.clone(),
            failed: Arc::clone(&self.missing),
            enrolling: self.enrolling.clone(),
            account: Arc::clone(&self.account),
        }
    }

    fn updates(&self) -> update::worker::Worker {
        update::worker::Worker {
            settings: Arc::new(self.config.updates()),
            clock: Arc::clone(&self.clock),
            zone: self.zone.clone(),
            bus: self.bus.clone(),
            running: update::record::System::running().version,
            under_way: self.updating.clone(),
            now: Arc::clone(&self.ask_updates),
        }
    }

    fn at_the_door(&self, board: Arc<Board>) -> AtTheDoor {
        AtTheDoor {
            config: Arc::clone(&self.config),
            bus: self.bus.clone(),
            folder: self.screen.clone(),
            names: self.names.clone(),
            shot: self.shot.clone(),
            faults: self.faults.clone(),
            asking: Arc::clone(&self.asking),
            watcher: Watcher {
                clock: Arc::clone(&self.clock),
                zone: self.zone.clone(),
                started: self.clock.now(),
                frames: Arc::clone(&self.outputs.view),
                board,
                ledger: Arc::clone(&self.records.ledger),
                delivers: self.uploader.is_some(),
                page: Arc::clone(&self.page_view),
            },
        }
    }

    fn hands(&self, board: Arc<Board>) -> Hands {
        Hands {
            config: Arc::clone(&self.config),
            board,
            bus: self.bus.clone(),
            sync_now: Arc::clone(&self.sync_now),
            frames: Arc::clone(&self.outputs.view),
            uploader: self.uploader.clone(),
            recorder: Arc::clone(&self.records.recorder),
            clock: Arc::clone(&self.clock),
            updating: self.updating.clone(),
            account: Arc::clone(&self.account),
            settings: self.settings.clone(),
            ask_updates: Arc::clone(&self.ask_updates),
            office: self.office.clone(),
            erasing: self.erasing.clone(),
            enrolment: Arc::new(self.enrolment_at_the_door()),
            keeper: self.keeper.clone(),
            importing: Turns::default(),
            card: self.card.clone(),
        }
    }

    fn enrolment_at_the_door(&self) -> DoorEnrolment {
        DoorEnrolment {
            allowed: self.config.enrolment.at_the_door,
            load: models(self.config.roster()),
            frames: Arc::clone(&self.outputs.view),
            gallery: Arc::clone(&self.gallery),
            enrolling: self.enrolling.clone(),
            pictures: Arc::clone(&self.office.door_pictures),
            office: self.office.clone(),
            clock: Arc::clone(&self.clock),
            zone: self.zone.clone(),
            time: enrolment::TIME,
            state: Arc::default(),
            turn: Arc::default(),
        }
    }

    fn neighbours(&self, board: Arc<Board>, hands: Arc<Hands>) -> Option<(Neighbours, School)> {
        let door = ThisDoor {
            name: site::message::shortened(&self.config.site.name),
            recorder: Arc::clone(&self.records.recorder),
            ledger: Arc::clone(&self.records.ledger),
            clock: Arc::clone(&self.clock),
            report: Arc::clone(&self.report),
            board,
            memory: self.memory.clone(),
            control: hands,
            erasing: self.erasing.clone(),
            windows: Mutex::default(),
        };
        Neighbours::new(&self.config, door, self.bus.clone())
    }

    fn page(&self, board: Arc<Board>, counters: Counters, hands: Arc<Hands>, school: Option<School>) -> Page {
        let source: Arc<dyn Source> = Arc::new(self.technician(board, counters, school));
        // Set once: there is one page.
        let _ = self.page_view.set(Arc::clone(&source));
        Page {
            config: Arc::clone(&self.config),
            source,
            control: hands,
            bus: self.bus.clone(),
            place: Arc::clone(&self.place),
        }
    }

    fn technician(&self, board: Arc<Board>, counters: Counters, school: Option<School>) -> Technician {
        Technician {
            config: Arc::clone(&self.config),
            zone: self.zone.clone(),
            clock: Arc::clone(&self.clock),
            started: self.clock.now(),
            board,
            counters,
            care: Arc::clone(&self.care),
            frames: Arc::clone(&self.outputs.view),
            inbox: self.outputs.sightings.clone(),
            ledger: Arc::clone(&self.records.ledger),
            report: Arc::clone(&self.report),
            syncing: self.syncing.clone(),
            missing: Arc::clone(&self.missing),
            enrolling: self.enrolling.clone(),
            memory: self.memory.clone(),
            updating: self.updating.clone(),
            shot: self.shot.clone(),
            at_the_door: self.faults.clone(),
            on_memory: self.on_memory,
            card: self.card.clone(),
            school,
            office: self.office.clone(),
            erasing: self.erasing.clone(),
        }
    }
}
