#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicU8, Ordering};

use super::*;
use arc_swap::ArcSwap;
use base::moment::{ClockTrust, SystemClock};
use recognition::naming::likeness::Likeness;
use recognition::{Content, EnrolRefusal, Gallery, Inspection, Quality};
use tokio::sync::watch;
use vision::embedding::{DIMENSIONS, Embedding};
use vision::face::Bounds;

/// Takes the brightness of a picture for a face: black is nobody, and each grey another person.
struct ByBrightness;

fn face(grey: u8) -> Embedding {
    let mut raw = [0.0; DIMENSIONS];
    let angle = f32::from(grey).to_radians();
    (raw[0], raw[1]) = (angle.cos(), angle.sin());
    Embedding::normalised(&raw).unwrap()
}

impl Enroller for ByBrightness {
    fn model_hash(&self) -> &str {
        "by brightness"
    }

    fn detectors(&self) -> String {
        String::new()
    }

    fn likeness(&self) -> Likeness {
        Likeness { unlike: 0.2, same: 0.9, alike: 0.95 }
    }

    fn enrol(&mut self, photo: &RgbImage) -> Result<Inspection, EngineError> {
        let content = Content::of(photo, &[]);
        let grey = photo.get_pixel(photo.width() / 2, photo.height() / 2).0[0];
        let bounds = Bounds { x: 12.0, y: 12.0, width: 8.0, height: 8.0 };
        let outcome = match grey {
            0..10 => Err(EnrolRefusal::NoFace),
            grey => Ok(Face { embedding: face(grey), quality: Quality::default(), bounds, alike: 1.0 }),
        };
        Ok(Inspection { content, outcome })
    }
}

struct Door {
    enrolment: DoorEnrolment,
    grey: Arc<AtomicU8>,
    folder: tempfile::TempDir,
}

impl Door {
    /// A door with this brightness before the camera; 2110009 is enrolled with the brightness 200.
    fn of(grey: u8, time: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let office = Office::below(folder.path(), folder.path(), Default::default());
        let gallery = Gallery::new(vec![(RollNumber::parse("2110009").unwrap(), face(200))]);
        let enrolment = DoorEnrolment {
            allowed: true,
            load: Arc::new(|| Ok(Box::new(ByBrightness) as Box<dyn Enroller>)),
            frames: Arc::default(),
            gallery: Arc::new(ArcSwap::from_pointee(gallery)),
            enrolling: Progress::default(),
            pictures: Arc::new(DoorPictures::below(folder.path(), watch::channel(0).0, Progress::default())),
            office,
            clock: Arc::new(SystemClock::new(ClockTrust::System)),
            zone: SiteZone::named("UTC").unwrap(),
            time,
            state: Arc::default(),
            turn: Arc::default(),
        };
        let (grey, frames) = (Arc::new(AtomicU8::new(grey)), Arc::downgrade(&enrolment.frames));
        let seen = Arc::clone(&grey);
        std::thread::spawn(move || {
            while let Some(frames) = frames.upgrade() {
                let grey = seen.load(Ordering::Relaxed);
                frames.offer_whole(|| RgbImage::from_pixel(32, 32, image::Rgb([grey; 3])));
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        Self { enrolment, grey, folder }
    }

    fn until(&self, what: &str, is: impl Fn(&Sitting) -> bool) -> Sitting {
        let begun = Instant::now();
        loop {
            let sitting = self.enrolment.sitting().unwrap();
            if is(&sitting) {
                return sitting;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{what}: {sitting:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn files(&self) -> usize {
        let mut folders = vec![self.folder.path().to_owned()];
        let mut files = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().flatten() {
                match entry.file_type().unwrap().is_dir() {
                    true => folders.push(entry.path()),
                    false => files += 1,
                }
            }
        }
        files
    }
}

#[test]
fn three_pictures_are_kept_when_a_person_confirms_them_and_not_before() {
    let door = Door::of(60, TIME);
    let enrolment = &door.enrolment;
    enrolment.begin("2110001", "anna (office)").unwrap();
    let other = enrolment.begin("2110002", "ben").unwrap_err();
    assert!(other.message.contains("anna (office) takes pictures of 2110001"), "{other:?}");
    let sitting = door.until("three pictures", |sitting| sitting.pictures == 3);
    assert!(
        enrolment.picture(3).is_some() && enrolment.picture(4).is_none() && enrolment.picture(0).is_none()
    );
    assert_eq!((door.files(), enrolment.kept("2110001")), (0, None), "in memory only");
    assert!(enrolment.confirm(sitting.number + 1, "anna").is_err(), "another sitting");
    enrolment.confirm(sitting.number, "anna").unwrap();
    let kept = enrolment.kept("2110001").unwrap();
    assert_eq!((kept.by.as_str(), kept.pictures, kept.at.len()), ("anna", 3, 19));
    assert!(enrolment.picture(1).is_none(), "memory has none any more");
    assert!(enrolment.confirm(sitting.number, "anna").is_err(), "once");
    enrolment.begin("2110002", "ben").unwrap();
    enrolment.remove("2110001").unwrap();
    assert_eq!((enrolment.kept("2110001"), door.files()), (None, 0));
}

#[test]
fn nobody_is_taken_for_another_student() {
    let door = Door::of(0, TIME);
    let enrolment = &door.enrolment;
    enrolment.begin("2110001", "anna").unwrap();
    door.until("nobody there", |sitting| sitting.hint.contains("no face found"));
    door.grey.store(205, Ordering::Relaxed);
    door.until("2110009 there", |sitting| sitting.hint.contains("looks like 2110009"));
    door.grey.store(60, Ordering::Relaxed);
    door.until("a picture", |sitting| sitting.pictures >= 1);
    door.grey.store(120, Ordering::Relaxed);
    let sitting = door.until("somebody else", |sitting| sitting.hint.contains("not the person of the first"));
    assert!(sitting.pictures < 3, "{sitting:?}");
    assert!(enrolment.confirm(sitting.number, "anna").is_err(), "fewer pictures are not enough");
    enrolment.cancel(sitting.number);
    assert!(enrolment.picture(1).is_none());
    assert_eq!(door.files(), 0);
}

#[test]
fn a_sitting_ends_by_itself_and_its_pictures_with_it() {
    let door = Door::of(60, Duration::from_secs(2));
    door.enrolment.begin("2110001", "anna").unwrap();
    let over = door.until("the end", |sitting| sitting.over.is_some());
    assert!(over.over.unwrap().contains("time is over"));
    assert_eq!(door.files(), 0);
    // Not only for who looks.
    let state = door.enrolment.state.lock().unwrap();
    assert!(state.session.as_ref().unwrap().pictures.is_empty());
}

#[test]
fn a_site_that_does_not_allow_it_takes_no_picture() {
    let door = Door::of(60, TIME);
    let off = DoorEnrolment { allowed: false, ..door.enrolment.clone() };
    assert!(off.begin("2110001", "anna").unwrap_err().message.contains("enrolment.at_the_door = true"));
    assert!(off.sitting().is_none());
    let enrolling = off.enrolling.clone();
    enrolling.ask();
    door.enrolment.begin("2110001", "anna").unwrap();
    let waits =
        door.until("photos are enrolled first", |sitting| sitting.hint.contains("are being enrolled"));
    assert_eq!(waits.pictures, 0, "there is nobody to compare with yet");
}
