//! Answers the questions of `scripts/bench` about what the appliance does with a frame, a probe and a photo.
//!
//! `cargo run --release -p attendance --example frame_path -- DEMO [FOUR]`, where DEMO is the folder that
//! `scripts/demo-data` prints and FOUR a picture of four faces.
//! - `gallery-N`: a search among N embeddings.
//! - `frame-new`: a frame with a face that no track knows: detector, mesh, alignment, embedding, search, both
//!   anti-spoof models and both eyes. `frame-four`: four such faces. `frame-known`: the same face once it
//!   has its answer, the mean over a second, for not every frame is looked at then. `frame-none`: no face.
//!   `frame-new-720`, `frame-none-720`: the same at 1280×720.
//! - `replay`: a frame of the whole video, the mean over all of them.
//! - `photo`: decoding and enrolling one photo. `start-1000`: a roster of 1,000 photos at the second start.

#[path = "../../models/examples/answer/mod.rs"]
mod answer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use answer::Question;
use anyhow::{Context as _, Result, bail, ensure};
use arc_swap::ArcSwap;
use base::identity::RollNumber;
use base::moment::ManualClock;
use camera::replay::{Pace, Replay};
use camera::{Grab, Source as _};
use faces::embedder::EmbedderChoice;
use image::GrayImage;
use image::imageops::FilterType;
use models::store::Store;
use recognition::roster::enrol::build;
use recognition::roster::places::Places;
use recognition::roster::removal::Removal;
use recognition::{Engine, FrameOutcome, Gallery, Pipeline};
use vision::embedding::Embedding;
use vision::frame::{Frame, Picture, PixelFormat};
use vision::photo;
use vision::photo::PhotoLimits;

/// Longer than a track lives without its face: after it every face is new.
const GAP: Duration = Duration::from_secs(10);

/// Students of a large school on one appliance.
const ROSTER: usize = 1_000;

fn main() -> Result<()> {
    let demo: PathBuf =
        std::env::args_os().nth(1).context("name the folder that scripts/demo-data prints")?.into();
    let mut bench = Bench::new(&demo, std::env::args_os().nth(2).map(PathBuf::from))?;
    answer::every_question(|question| bench.measure(question).map_err(|error| format!("{error:#}")))?;
    Ok(())
}

struct Bench {
    frames: Vec<Frame>,
    empty: image::RgbImage,
    four: Option<PathBuf>,
    photos: Vec<PathBuf>,
    pipeline: Pipeline,
    /// Time never goes back, whatever is asked in which order.
    now: Duration,
}

impl Bench {
    fn new(demo: &Path, four: Option<PathBuf>) -> Result<Self> {
        let students = demo.join("students");
        let person = std::fs::read_to_string(demo.join("person"))?;
        let own = students.join(person.trim()).join("front.jpg");
        let mut engine = engine()?;
        let face = engine.enrol(&open(&own)?)?.outcome?.embedding;
        let mut enrolled = strangers(ROSTER - 1, face.values().len())?;
        enrolled.push((RollNumber::parse(person.trim())?, face));
        let gallery = Arc::new(ArcSwap::from_pointee(Gallery::new(enrolled)));
        Ok(Self {
            frames: video(&demo.join("door.y4m"))?,
            empty: open(&students.join("2110004/no-face.jpg"))?,
            four,
            photos: vec![own, students.join("2110002/biden.jpg"), students.join("2110003/obama.jpg")],
            pipeline: Pipeline::new(
                engine,
                gallery,
                &recognition::config::Recognition::default(),
                &liveness::config::Liveness::default(),
            )?,
            now: GAP,
        })
    }

    fn measure(&mut self, question: &Question<'_>) -> Result<f64> {
        match question.name {
            "frame-none" | "frame-none-720" => {
                let mut empty = self.empty.clone();
                if question.name != "frame-none" {
                    empty = image::imageops::resize(&empty, 1280, 720, FilterType::Triangle);
                }
                let mut frame = Frame { picture: Picture::from_rgb(empty), ..Frame::default() };
                question.shortest(|| self.process(&mut frame, GAP).map(|_| ()))
            }
            "frame-new" | "frame-new-720" => {
                let mut frame = self.frames[0].clone();
                if question.name != "frame-new" {
                    frame.picture = enlarged(&frame.picture)?;
                }
                let shortest = question.shortest(|| self.process(&mut frame, GAP).map(|_| ()))?;
                let tracks = self.pipeline.snapshot().tracks;
                ensure!(
                    tracks
                        .first()
                        .is_some_and(|track| track.votes == 1 && track.liveness.contains("passive")),
                    "the face was not recognised and checked in its first frame: {tracks:?}"
                );
                Ok(shortest)
            }
            "frame-four" => {
                let four = self.four.as_deref().context("no picture of four faces was named")?;
                let mut frame = Frame { picture: Picture::from_rgb(open(four)?), ..Frame::default() };
                let shortest = question.shortest(|| self.process(&mut frame, GAP).map(|_| ()))?;
                let tracks = self.pipeline.snapshot().tracks.len();
                ensure!(tracks == 4, "{tracks} faces were found, not four");
                Ok(shortest)
            }
            "frame-known" => {
                let mut frame = self.until_recognised()?;
                let second = (1.0 / interval().as_secs_f64()) as u32;
                let all = question.shortest(|| {
                    (0..second).try_for_each(|_| self.process(&mut frame, interval()).map(|_| ()))
                })?;
                Ok(all / f64::from(second))
            }
            "replay" => {
                let mut frames = self.frames.clone();
                let all = question.shortest(|| -> Result<()> {
                    self.now += GAP;
                    frames.iter_mut().try_for_each(|frame| self.process(frame, interval()).map(|_| ()))
                })?;
                Ok(all / frames.len() as f64)
            }
            "photo" => {
                let mut engine = engine()?;
                let photos = self.photos.clone();
                let all = question.shortest(|| -> Result<()> {
                    photos.iter().try_for_each(|photo| Ok(engine.enrol(&open(photo)?).map(|_| ())?))
                })?;
                Ok(all / photos.len() as f64)
            }
            "start-1000" => second_start(&self.photos, question),
            name => match name.strip_prefix("gallery-").map(str::parse) {
                Some(Ok(faces)) => search(faces, question),
                _ => bail!("nothing is called {name}"),
            },
        }
    }

    /// Lets `step` pass and looks at the frame.
    fn process(&mut self, frame: &mut Frame, step: Duration) -> Result<Vec<FrameOutcome>> {
        self.now += step;
        frame.at.since_boot = self.now;
        Ok(self.pipeline.process(frame)?)
    }

    /// The frame in which the person of the video is recognised.
    fn until_recognised(&mut self) -> Result<Frame> {
        self.now += GAP;
        // Forward and back, so that the face never jumps.
        let way: Vec<usize> = (0..self.frames.len()).chain((0..self.frames.len()).rev()).collect();
        for index in way {
            let mut frame = self.frames[index].clone();
            let outcomes = self.process(&mut frame, interval())?;
            if outcomes.iter().any(|outcome| matches!(outcome, FrameOutcome::Recognised(_))) {
                return Ok(frame);
            }
        }
        bail!("the person of the demo's video was not recognised")
    }
}

/// Time between two frames of a camera.
fn interval() -> Duration {
    Duration::from_millis(40)
}

fn engine() -> Result<Engine> {
    Ok(Engine::load(&Store::default_dir(), &recognition::config::Recognition::default())?)
}

fn open(path: &Path) -> Result<image::RgbImage> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    Ok(photo::decode(&bytes, PhotoLimits::from(&vision::photos::Photos::default()))?)
}

fn video(path: &Path) -> Result<Vec<Frame>> {
    let pace = Pace { speed: f32::INFINITY, frame_rate: 25.0, repeat: false };
    let clock = Arc::new(ManualClock::at(time::OffsetDateTime::UNIX_EPOCH, "bench"));
    let mut replay = Replay::open(&[path.to_owned()], pace, clock)?;
    let mut frames = Vec::new();
    loop {
        let mut frame = Frame::default();
        match replay.next_frame(&mut frame, Duration::from_secs(1))? {
            Grab::Filled => frames.push(frame),
            Grab::Waiting => {}
            Grab::Ended => break,
        }
    }
    ensure!(!frames.is_empty(), "{} has no frame", path.display());
    Ok(frames)
}

/// The picture, YUV 4:2:0, 720 pixels tall in the middle of a black one of 1280×720.
fn enlarged(picture: &Picture) -> Result<Picture> {
    let (format, mut rest) = (picture.format(), picture.bytes());
    ensure!(matches!(format, PixelFormat::Yuv420(_)), "the demo's video is not YUV 4:2:0");
    let mut whole = Picture::default();
    let mut target = whole.reshape(1280, 720, format).context("no room")?;
    for (half, black) in [(1, 16), (2, 128), (2, 128)] {
        let (width, height) = (picture.width() / half, picture.height() / half);
        let (plane, behind) = rest.split_at((width * height) as usize);
        let plane = GrayImage::from_raw(width, height, plane.to_vec()).context("a plane is short")?;
        let broad = picture.width() * 720 / picture.height() / half;
        let plane = image::imageops::resize(&plane, broad, 720 / half, FilterType::Triangle);
        let mut canvas = GrayImage::from_pixel(1280 / half, 720 / half, image::Luma([black]));
        image::imageops::replace(&mut canvas, &plane, i64::from((1280 / half - broad) / 2), 0);
        let (here, next) = std::mem::take(&mut target).split_at_mut(canvas.len());
        here.copy_from_slice(&canvas);
        (rest, target) = (behind, next);
    }
    Ok(whole)
}

/// Faces that are nobody's, each of another student.
fn strangers(count: usize, dimensions: usize) -> Result<Vec<(RollNumber, Embedding)>> {
    let mut rng = fastrand::Rng::with_seed(4);
    (0..count)
        .map(|number| {
            let raw: Vec<f32> = (0..dimensions).map(|_| rng.f32() - 0.5).collect();
            Ok((RollNumber::parse(&format!("9{number:06}"))?, Embedding::normalised(&raw)?))
        })
        .collect()
}

fn search(faces: usize, question: &Question<'_>) -> Result<f64> {
    let enrolled = strangers(faces, EmbedderChoice::default().dimensions())?;
    let probe = enrolled[faces / 2].1.clone();
    let gallery = Gallery::new(enrolled);
    question
        .shortest(|| gallery.search(std::hint::black_box(&probe)).map(|_| ()).context("the gallery is empty"))
}

/// Loads the models and makes the roster of 1,000 photos that were all enrolled before.
fn second_start(photos: &[PathBuf], question: &Question<'_>) -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let (mirror, cache) = (folder.path().join("photos"), folder.path().join("cache"));
    let places = Places { photos: mirror, cache: Some(cache), ..Places::default() };
    for number in 0..ROSTER {
        let bytes = std::fs::read(&photos[number % photos.len()])?;
        let student = places.photos.join(format!("9{number:06}"));
        std::fs::create_dir_all(&student)?;
        std::fs::write(student.join("photo.jpg"), bytes)?;
    }
    let start = || -> Result<()> {
        let photos = vision::photos::Photos::default();
        let removal = &mut Removal::default();
        let roster = build(&places, &photos, &mut engine()?, removal, &mut |_: usize, _: usize| true)?;
        ensure!(roster.gallery.people() == ROSTER, "{} of {ROSTER} enrolled", roster.gallery.people());
        Ok(())
    };
    // The warm-up is the first start, which enrols every photo.
    question.shortest(start)
}
