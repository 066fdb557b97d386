//! Enrolment at the door: a sitting takes three good pictures of one student, a person confirms them.
//!
//! Until then they are in memory only. One sitting at a time, and each ends automatically.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;

use super::door_pictures::DoorPictures;
use super::office::Office;
use base::identity::RollNumber;
use base::moment::{Clock, SiteZone};
use base::progress::Progress;
use recognition::roster::Settings;
use recognition::roster::enrol::Enroller;
use recognition::roster::sitting;
use recognition::roster::sitting::head_and_shoulders;
use recognition::watch::view::FrameView;
use recognition::{Engine, EngineError, Enrolment as Face, SharedGallery};
use view::enrolment::{Enrolment, Kept, Sitting};
use view::{Done, Refused};
use vision::photo;
use vision::photo::PhotoLimits;

/// Time for taking the pictures of a sitting, and then as much again for confirming it.
pub const TIME: Duration = Duration::from_secs(120);
/// Time between two pictures that are kept: not the same moment twice.
const BETWEEN: Duration = Duration::from_secs(1);
/// How long a frame is waited for.
const FRAME: Duration = Duration::from_secs(2);
/// How often a complete sitting looks whether it is over.
const LOOK: Duration = Duration::from_millis(250);
/// Niceness of the thread that takes pictures, relative to recognition.
const NICENESS: i32 = 10;
/// JPEG quality of what is kept, 1 to 100.
const QUALITY: u8 = 92;

const LOOK_AT_THE_CAMERA: &str = "Ask the student to look at the camera.";

/// Loads the models for a sitting; they are gone again with it.
pub type Load = dyn Fn() -> Result<Box<dyn Enroller>, EngineError> + Send + Sync;

/// The camera, the roster and the disk, as a sitting needs them. It is cheap to clone.
#[derive(Clone)]
pub struct DoorEnrolment {
    /// Whether the site allows it.
    pub allowed: bool,
    /// Loads the models.
    pub load: Arc<Load>,
    /// Where frames come from.
    pub frames: Arc<FrameView>,
    /// Who is enrolled.
    pub gallery: SharedGallery,
    /// While photos are being enrolled there is nobody to compare with.
    pub enrolling: Progress,
    /// What is confirmed is kept here.
    pub pictures: Arc<DoorPictures>,
    /// Knows names.
    pub office: Office,
    /// The device's clock.
    pub clock: Arc<dyn Clock>,
    /// The site's time zone.
    pub zone: SiteZone,
    /// How long a sitting lasts, [`TIME`].
    pub time: Duration,
    /// The sitting.
    pub state: Arc<Mutex<State>>,
    /// Held while a sitting has models and takes frames: one that was ended may still be loading them.
    pub turn: Arc<Mutex<()>>,
}

impl DoorEnrolment {
    /// Where the site does not allow it.
    pub fn off(settings: Settings, office: Office, clock: Arc<dyn Clock>, zone: SiteZone) -> Self {
        Self {
            allowed: false,
            load: models(settings),
            frames: Arc::default(),
            gallery: SharedGallery::default(),
            enrolling: Progress::default(),
            pictures: Arc::clone(&office.door_pictures),
            office,
            clock,
            zone,
            time: TIME,
            state: Arc::default(),
            turn: Arc::default(),
        }
    }
}

/// The sitting that is under way, or the last one.
#[derive(Default)]
pub struct State {
    number: u64,
    session: Option<Session>,
}

struct Session {
    roll: RollNumber,
    by: String,
    until: Instant,
    pictures: Vec<Bytes>,
    hint: String,
    over: Option<String>,
}

impl Session {
    /// Ends it. No picture stays.
    fn end(&mut self, why: &str) {
        self.pictures.clear();
        self.over.get_or_insert_with(|| why.to_owned());
    }

    fn expire(&mut self) {
        if self.over.is_none() && Instant::now() >= self.until {
            self.end("The time is over. No picture was kept.");
        }
    }
}

/// The loader of a site's models.
pub fn models(settings: Settings) -> Arc<Load> {
    Arc::new(move || {
        let engine = Engine::load(&settings.models_dir, &settings.recognition)?;
        Ok(Box::new(engine) as Box<dyn Enroller>)
    })
}

impl DoorEnrolment {
    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = &mut state.session {
            session.expire();
        }
        state
    }

    /// Changes the sitting of this number while it is under way; whether it is.
    fn change(&self, number: u64, change: impl FnOnce(&mut Session)) -> bool {
        let mut state = self.state();
        let current = state.number == number;
        let session = state.session.as_mut().filter(|session| current && session.over.is_none());
        session.map(change).is_some()
    }

    fn hint(&self, number: u64, hint: &str) -> bool {
        self.change(number, |session| hint.clone_into(&mut session.hint))
    }

    /// The sitting's thread: takes pictures until there are enough, then waits until it is over.
    fn sit(&self, number: u64, roll: RollNumber) {
        // Recognition goes first. On Linux a thread may have a priority of its own.
        let nicer = rustix::process::getpriority_process(None).map(|own| (own + NICENESS).min(19));
        if let Err(error) = nicer.and_then(|nicer| rustix::process::setpriority_process(None, nicer)) {
            log::warn!("Enrolment at the door runs at the priority of recognition: {error}");
        }
        if let Err(error) = self.take_pictures(number, roll) {
            log::error!("Enrolment at the door: {error}");
            self.change(number, |session| session.end(&format!("A model failed: {error}")));
        }
        // The pictures leave memory on time, whether anybody looks or not.
        while self.change(number, |_| {}) {
            std::thread::sleep(LOOK);
        }
    }

    fn take_pictures(&self, number: u64, roll: RollNumber) -> Result<(), EngineError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.change(number, |_| {}) {
            return Ok(());
        }
        let mut models = (self.load)()?;
        let mut sitting = sitting::Sitting::new(roll);
        while !sitting.is_complete() && self.change(number, |_| {}) {
            let Some(frame) = self.frames.next_whole(FRAME) else {
                self.hint(number, "The camera gives no picture.");
                continue;
            };
            let good = match self.good_picture(&frame, models.as_mut())? {
                Ok(good) => good,
                Err(why) => {
                    self.hint(number, &why);
                    continue;
                }
            };
            let (picture, face) = good;
            if self.enrolling.under_way().is_some() {
                self.hint(number, "Photos are being enrolled; the pictures come after that.");
                std::thread::sleep(LOOK);
                continue;
            }
            match sitting.take(face.embedding, &self.gallery.load(), models.likeness()) {
                Err(not_theirs) => {
                    self.hint(number, &not_theirs.to_string());
                }
                Ok(()) => {
                    let complete = sitting.is_complete();
                    self.change(number, |session| {
                        session.pictures.push(picture);
                        session.hint = LOOK_AT_THE_CAMERA.to_owned();
                        if complete {
                            session.hint = "Look at the pictures, then confirm them.".to_owned();
                            session.until = Instant::now() + self.time;
                        }
                    });
                    std::thread::sleep(BETWEEN);
                }
            }
        }
        Ok(())
    }

    /// The picture that would be kept of a frame, as JPEG, with the face in it; or why it is not good enough.
    /// It passes the checks of a photo twice: as a frame, and as the file that the roster will read.
    fn good_picture(
        &self,
        frame: &RgbImage,
        models: &mut dyn Enroller,
    ) -> Result<Result<(Bytes, Face), String>, EngineError> {
        if frame.width() == 0 {
            return Ok(Err("The camera gives no picture.".to_owned()));
        }
        let found = match models.enrol(frame)?.outcome {
            Ok(found) => found,
            Err(refusal) => return Ok(Err(format!("Not yet: {refusal}."))),
        };
        let mut jpeg = Vec::new();
        let part = head_and_shoulders(frame, &found.bounds);
        let written = JpegEncoder::new_with_quality(&mut jpeg, QUALITY).encode_image(&part);
        let limits = PhotoLimits { max_bytes: jpeg.len() as u64, max_pixels: u64::from(u32::MAX) };
        let read = match written {
            Ok(()) => photo::decode(&jpeg, limits).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match read {
            Ok(read) => Ok(match models.enrol(&read)?.outcome {
                Ok(face) => Ok((Bytes::from(jpeg), face)),
                Err(refusal) => Err(format!("Not yet: {refusal}.")),
            }),
            Err(reason) => Ok(Err(format!("The picture cannot be kept: {reason}."))),
        }
    }
}

impl Enrolment for DoorEnrolment {
    fn sitting(&self) -> Option<Sitting> {
        let state = self.state();
        let session = state.session.as_ref()?;
        let listed = self.office.students.list().0.students.remove(&session.roll);
        Some(Sitting {
            number: state.number,
            roll: session.roll.to_string(),
            name: listed.map(|student| student.name).unwrap_or_default(),
            by: session.by.clone(),
            pictures: session.pictures.len(),
            wanted: sitting::PICTURES,
            hint: session.hint.clone(),
            seconds: session.until.saturating_duration_since(Instant::now()).as_secs(),
            over: session.over.clone(),
        })
    }

    fn begin(&self, roll: &str, by: &str) -> Result<(), Refused> {
        let refused = |message: &str| Err(Refused { message: message.to_owned(), details: String::new() });
        if !self.allowed {
            return refused(
                "Enrolment at the door is off. The technician can allow it: enrolment.at_the_door = true",
            );
        }
        let Ok(roll) = RollNumber::parse(roll) else { return refused("This is not a roll number") };
        let mut state = self.state();
        if let Some(session) = state.session.as_ref().filter(|session| session.over.is_none()) {
            let (by, roll) = (&session.by, &session.roll);
            return refused(&format!("{by} takes pictures of {roll} at present; one student at a time"));
        }
        state.number += 1;
        let number = state.number;
        state.session = Some(Session {
            roll: roll.clone(),
            by: by.to_owned(),
            until: Instant::now() + self.time,
            pictures: Vec::new(),
            hint: LOOK_AT_THE_CAMERA.to_owned(),
            over: None,
        });
        drop(state);
        let enrolment = self.clone();
        let thread = std::thread::Builder::new().name("enrolment".to_owned());
        if let Err(error) = thread.spawn(move || enrolment.sit(number, roll)) {
            self.change(number, |session| session.end("The device has no room for it now."));
            return refused(&format!("The device has no room for it now ({error}); try again"));
        }
        Ok(())
    }

    fn picture(&self, number: usize) -> Option<Bytes> {
        self.state().session.as_ref()?.pictures.get(number.checked_sub(1)?).cloned()
    }

    fn confirm(&self, sitting: u64, by: &str) -> Result<Done, Refused> {
        let refused = |message: String, details: String| Err(Refused { message, details });
        let mut taken = None;
        self.change(sitting, |session| {
            if session.pictures.len() >= sitting::PICTURES {
                taken = Some((session.roll.clone(), session.pictures.clone()));
            }
        });
        let Some((roll, pictures)) = taken else {
            return refused("There are no three pictures to confirm; begin again".to_owned(), String::new());
        };
        let at = journal::storage::timestamp(self.zone.local(self.clock.now().utc));
        if let Err(fault) = self.pictures.keep(&roll, &pictures, by, &at) {
            return refused(fault.what, fault.advice.unwrap_or_default());
        }
        self.change(sitting, |session| session.end("The pictures are kept."));
        let message = format!("{} pictures of {roll} are kept, and are in use in a moment", pictures.len());
        Ok(Done { message, output: String::new() })
    }

    fn cancel(&self, sitting: u64) {
        self.change(sitting, |session| session.end("It was ended. No picture was kept."));
    }

    fn kept(&self, roll: &str) -> Option<Kept> {
        let (taken, pictures) = self.pictures.of(&RollNumber::parse(roll).ok()?)?;
        Some(Kept { by: taken.by, at: taken.at, pictures })
    }

    fn remove(&self, roll: &str) -> Result<Done, Refused> {
        let removed = match RollNumber::parse(roll) {
            Ok(roll) => self.pictures.remove(&roll),
            Err(_) => Ok(false),
        };
        match removed {
            Ok(true) => Ok(Done { message: "The pictures are deleted".to_owned(), output: String::new() }),
            Ok(false) => {
                Err(Refused { message: "There are no such pictures".to_owned(), details: String::new() })
            }
            Err(fault) => Err(Refused { message: fault.what, details: fault.advice.unwrap_or_default() }),
        }
    }

    fn is_allowed(&self) -> bool {
        self.allowed
    }
}

#[cfg(test)]
#[path = "enrolment_tests.rs"]
mod tests;
