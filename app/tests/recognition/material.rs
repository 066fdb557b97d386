//! The networks, the video and the roster that the tests need.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use attendance::camera::replay::{Pace, Replay};
use attendance::camera::{Frame, Grab, Source as _};
use attendance::config::ClockTrust;
use attendance::config::{self, DetectorChoice, LivenessRule};
use attendance::identity::RollNumber;
use attendance::moment::SystemClock;
use attendance::photo::{PhotoLimits, decode};
use attendance::recognition::{Engine, Gallery, Pipeline};
use image::RgbImage;
use models::store::Store;

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
            eprintln!("SKIPPED: needs the demo's data; run scripts/demo-data");
            return None;
        };
        let person = std::fs::read_to_string(folder.join("person")).unwrap().trim().to_owned();
        let found = Self { folder, person };
        if found.engine_if_there(DetectorChoice::Blazeface).is_none() {
            eprintln!("SKIPPED: needs the networks; run fetch_models");
            return None;
        }
        Some(found)
    }

    pub(crate) fn engine_if_there(&self, detector: DetectorChoice) -> Option<Engine> {
        let config = config::Recognition { detector, ..config::Recognition::default() };
        Engine::load(&Store::default_dir(), &config).ok()
    }

    pub(crate) fn engine(&self, detector: DetectorChoice) -> Engine {
        self.engine_if_there(detector).unwrap()
    }

    /// The first photo of a student.
    pub(crate) fn photo(&self, roll: &str) -> RgbImage {
        self.photos(roll).remove(0)
    }

    /// All photos of a student.
    pub(crate) fn photos(&self, roll: &str) -> Vec<RgbImage> {
        let mut photos: Vec<_> = entries(&self.folder.join("students").join(roll));
        photos.sort();
        photos.iter().map(|photo| decode(&std::fs::read(photo).unwrap(), LIMITS).unwrap()).collect()
    }

    /// Everybody on the roster whom `wanted` admits and whose photo enrols.
    pub(crate) fn gallery(&self, wanted: impl Fn(&str) -> bool) -> Gallery {
        let mut engine = self.engine(DetectorChoice::Blazeface);
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
        let engine = self.engine(DetectorChoice::Blazeface);
        let gallery = Arc::new(ArcSwap::from_pointee(gallery));
        Pipeline::new(engine, gallery, &config::Recognition::default(), &config::Liveness { require })
            .unwrap()
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

fn demo_folder() -> Option<PathBuf> {
    let cache = Path::new(&std::env::var_os("HOME")?).join(".cache/attendance-appliance/demo");
    let made = std::fs::read_dir(cache).ok()?.flatten().map(|entry| entry.path());
    made.filter(|folder| folder.join("door.y4m").is_file() && folder.join("person").is_file()).max()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}
