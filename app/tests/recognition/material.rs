//! The models, the video and the roster that the tests need.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use base::identity::RollNumber;
use base::moment::ClockTrust;
use base::moment::SystemClock;
use camera::replay::{Pace, Replay};
use camera::{Grab, Source as _};
use image::RgbImage;
use liveness::config::LivenessRule;
use models::store::Store;
use recognition::config::Recognition;
use recognition::{Engine, Gallery, Pipeline};
use rustix::thread::{CpuSet, sched_getcpu, sched_setaffinity};
use vision::face::DetectorChoice;
use vision::frame::Frame;
use vision::photo::{PhotoLimits, decode};

const LIMITS: PhotoLimits = PhotoLimits { max_bytes: 20_000_000, max_pixels: 50_000_000 };

pub(crate) struct Material {
    folder: PathBuf,
    /// The roll number of the person in the video.
    pub(crate) person: String,
}

impl Material {
    /// What is there, or `None` with a word about what is missing.
    pub(crate) fn find() -> Option<Self> {
        let Some(folder) = demo_folder() else {
            skipped::skipped("the demo's data; run scripts/demo-data");
            return None;
        };
        let person = std::fs::read_to_string(folder.join("person")).unwrap().trim().to_owned();
        let found = Self { folder, person };
        if found.engine_if_there(Recognition::default().detector).is_none() {
            skipped::skipped("the models; run fetch_models");
            return None;
        }
        Some(found)
    }

    pub(crate) fn engine_if_there(&self, detector: DetectorChoice) -> Option<Engine> {
        let config = Recognition { detector, ..Recognition::default() };
        Engine::load(&Store::default_dir(), &config).ok()
    }

    /// The engine as a site has it that chooses nothing.
    pub(crate) fn engine(&self) -> Engine {
        self.engine_if_there(Recognition::default().detector).unwrap()
    }

    /// The first photo of a student.
    pub(crate) fn photo(&self, roll: &str) -> RgbImage {
        self.photos(roll).remove(0)
    }

    /// The folder of a student's photos.
    pub(crate) fn folder_of(&self, roll: &str) -> PathBuf {
        self.folder.join("students").join(roll)
    }

    /// All photos of a student.
    pub(crate) fn photos(&self, roll: &str) -> Vec<RgbImage> {
        let mut photos: Vec<_> = entries(&self.folder.join("students").join(roll));
        photos.sort();
        photos.iter().map(|photo| decode(&std::fs::read(photo).unwrap(), LIMITS).unwrap()).collect()
    }

    /// Everybody on the roster whom `wanted` admits and whose photo enrols.
    pub(crate) fn gallery(&self, wanted: impl Fn(&str) -> bool) -> Gallery {
        self.gallery_of(&mut self.engine(), wanted)
    }

    /// The same by the models of `engine`.
    pub(crate) fn gallery_of(&self, engine: &mut Engine, wanted: impl Fn(&str) -> bool) -> Gallery {
        let mut enrolled = Vec::new();
        for folder in entries(&self.folder.join("students")) {
            let roll = folder.file_name().unwrap().to_str().unwrap().to_owned();
            if wanted(&roll)
                && let Ok(enrolment) = engine.enrol(&self.photo(&roll)).unwrap().outcome
            {
                enrolled.push((RollNumber::parse(&roll).unwrap(), enrolment.embedding));
            }
        }
        Gallery::new(enrolled)
    }

    pub(crate) fn pipeline(&self, gallery: Gallery, require: LivenessRule) -> Pipeline {
        let engine = self.engine();
        let gallery = Arc::new(ArcSwap::from_pointee(gallery));
        Pipeline::new(
            engine,
            gallery,
            &Recognition::default(),
            &liveness::config::Liveness { require, ..Default::default() },
        )
        .unwrap()
    }

    /// All frames of the video.
    pub(crate) fn frames(&self) -> Vec<Frame> {
        let mut frames = Vec::new();
        self.replay(|frame| frames.push(frame.clone()));
        frames
    }

    /// Every frame of the video, once, as fast as it is taken.
    pub(crate) fn replay(&self, mut see: impl FnMut(&Frame)) {
        let pace = Pace { speed: f32::INFINITY, frame_rate: 30.0, repeat: false };
        let clock = Arc::new(SystemClock::new(ClockTrust::System));
        let mut video = Replay::open(&[self.folder.join("door.y4m")], pace, clock).unwrap();
        let mut frame = Frame::default();
        while video.next_frame(&mut frame, Duration::ZERO).unwrap() == Grab::Filled {
            see(&frame);
        }
    }
}

/// Does `work` on a thread of its own that has one processor: a pipeline then uses one thread only.
pub(crate) fn on_one_processor<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let alone = || {
            let mut one = CpuSet::new();
            one.set(sched_getcpu());
            sched_setaffinity(None, &one).unwrap();
            work()
        };
        scope.spawn(alone).join().unwrap()
    })
}

fn demo_folder() -> Option<PathBuf> {
    // scripts/test names the folder. Otherwise it is where scripts/demo-data puts it.
    if let Some(folder) = std::env::var_os("ATTENDANCE_DEMO") {
        return Some(folder.into());
    }
    let cache = match std::env::var_os("XDG_CACHE_HOME") {
        Some(cache) => PathBuf::from(cache),
        None => Path::new(&std::env::var_os("HOME")?).join(".cache"),
    };
    let made =
        std::fs::read_dir(cache.join("attendance-appliance/demo")).ok()?.flatten().map(|entry| entry.path());
    made.filter(|folder| folder.join("door.y4m").is_file() && folder.join("person").is_file()).max()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}
