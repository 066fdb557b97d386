//! Tests of enrolment, with a stand-in for the models.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "enrol_layout_tests.rs"]
mod layout_tests;

use super::*;
use crate::{Content, EnrolRefusal, Quality};
use crate::{Enrolment, Inspection};
use image::RgbImage;
use std::path::Path;
use vision::embedding::DIMENSIONS;
use vision::face::{Bounds, DetectorChoice, Face};
use vision::scan::PhotoFile;
use vision::size::ByteSize;

/// Embeds a picture by its first pixel; black pictures have no face.
#[derive(Default)]
struct ByColour {
    calls: usize,
    detectors: &'static str,
}

impl Enroller for ByColour {
    fn model_hash(&self) -> &str {
        "by colour"
    }

    fn detectors(&self) -> String {
        self.detectors.to_owned()
    }

    fn likeness(&self) -> Likeness {
        Likeness { unlike: 0.2, same: 0.5, alike: 0.9 }
    }

    fn enrol(&mut self, photo: &RgbImage) -> Result<Inspection, EngineError> {
        self.calls += 1;
        let [r, g, b] = photo.get_pixel(0, 0).0;
        if r == 0 && g == 0 && b == 0 {
            let content = Content::of(photo, &[]);
            return Ok(Inspection { content, outcome: Err(EnrolRefusal::NoFace) });
        }
        let (bounds, by) = (Bounds::default(), DetectorChoice::Yunet);
        let content = Content::of(photo, &[Face { bounds, score: 1.0, by, points: None }]);
        let mut raw = [0.0; DIMENSIONS];
        raw[0] = f32::from(r);
        raw[1] = f32::from(g);
        raw[2] = f32::from(b);
        let embedding = Embedding::normalised(&raw).unwrap();
        let outcome =
            Ok(Enrolment { embedding, quality: Quality::default(), bounds: Bounds::default(), alike: 1.0 });
        Ok(Inspection { content, outcome })
    }
}

fn put(folder: &Path, photo: &str, colour: [u8; 3]) {
    let path = folder.join(photo);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::from_pixel(8, 8, image::Rgb(colour)).save(path).unwrap();
}

fn built(places: &Places, enroller: &mut ByColour) -> Roster {
    built_with(places, enroller, &mut Removal::default())
}

fn built_with(places: &Places, enroller: &mut ByColour, removal: &mut Removal) -> Roster {
    build(places, &vision::photos::Photos::default(), enroller, removal, &mut |_, _| true).unwrap()
}

#[test]
fn only_new_and_changed_photos_are_embedded() {
    let data = tempfile::tempdir().unwrap();
    let places = Places {
        photos: data.path().join("faces"),
        cache: Some(data.path().join("cache")),
        ..Places::default()
    };
    put(&places.photos, "1/a.png", [255, 0, 0]);
    put(&places.photos, "2/b.png", [0, 255, 0]);
    put(&places.photos, "3/c.png", [0, 0, 0]);
    let mut enroller = ByColour::default();
    let roster = built(&places, &mut enroller);
    assert_eq!((enroller.calls, roster.gallery.people(), roster.report.refused().count()), (3, 2, 1));
    built(&places, &mut enroller);
    assert_eq!(enroller.calls, 3, "nothing changed, nothing is embedded");
    std::thread::sleep(std::time::Duration::from_millis(10));
    put(&places.photos, "3/c.png", [0, 0, 255]);
    put(&places.photos, "1/a.png", [255, 0, 0]);
    let roster = built(&places, &mut enroller);
    assert_eq!(enroller.calls, 4, "touched with the same content is not changed");
    assert_eq!(roster.gallery.people(), 3);
    put(&places.photos, "4/d.png", [9, 9, 9]);
    assert_eq!(built(&places, &mut enroller).gallery.people(), 4);
    std::fs::remove_file(places.photos.join("2/b.png")).unwrap();
    assert_eq!(
        built(&places, &mut enroller).gallery.people(),
        3,
        "a photo that is gone takes its embedding along"
    );
}

#[test]
fn a_photo_that_could_not_be_read_is_read_as_soon_as_it_can() {
    let data = tempfile::tempdir().unwrap();
    let places = Places {
        photos: data.path().join("faces"),
        cache: Some(data.path().join("cache")),
        ..Places::default()
    };
    // Rights change neither the size nor the time of a file, and neither does what this listing says.
    let photo = PhotoFile {
        path: "1/a.png".to_owned(),
        roll: RollNumber::parse("1").unwrap(),
        bytes: 100,
        modified_ns: 5,
        inode: 7,
        changed_ns: 5,
    };
    let listing = Listing { photos: vec![photo], ..Listing::default() };
    let mut enroller = ByColour::default();
    let mut people = || {
        let photos = vision::photos::Photos::default();
        let removal = &mut Removal::default();
        let built = build_from(listing.clone(), &places, &photos, &mut enroller, removal, &mut |_, _| true);
        built.unwrap().gallery.people()
    };
    assert_eq!(people(), 0);
    put(&places.photos, "1/a.png", [255, 0, 0]);
    assert_eq!(people(), 1);
}

#[test]
fn a_photo_beyond_a_limit_is_looked_at_again_when_the_limit_is_raised() {
    let data = tempfile::tempdir().unwrap();
    let places = Places {
        photos: data.path().join("faces"),
        cache: Some(data.path().join("cache")),
        ..Places::default()
    };
    std::fs::create_dir_all(places.photos.join("1")).unwrap();
    let picture = RgbImage::from_pixel(1100, 1000, image::Rgb([255, 0, 0]));
    picture.save(places.photos.join("1/a.png")).unwrap();
    let mut enroller = ByColour::default();
    let mut people = |photos: &vision::photos::Photos| {
        let removal = &mut Removal::default();
        build(&places, photos, &mut enroller, removal, &mut |_, _| true).unwrap().gallery.people()
    };
    let whole = vision::photos::Photos::default();
    let few_pixels = vision::photos::Photos { max_megapixels: 1, ..whole.clone() };
    let few_bytes = vision::photos::Photos { max_file_size: ByteSize::from_mb(0), ..whole.clone() };
    assert_eq!([people(&few_pixels), people(&few_bytes), people(&whole)], [0, 0, 1]);
    // A photo that takes its place and is refused leaves nothing of it behind.
    put(&places.photos, "1/a.png", [0, 255, 0]);
    assert_eq!(people(&few_bytes), 0);
    let cache = places.cache.as_deref().unwrap();
    assert_eq!(Cache::load(cache, "by colour", "").paths().count(), 0);
}

#[test]
fn who_was_not_found_is_looked_for_again_by_other_detectors() {
    let data = tempfile::tempdir().unwrap();
    let places = Places {
        photos: data.path().join("faces"),
        cache: Some(data.path().join("cache")),
        ..Places::default()
    };
    put(&places.photos, "1/a.png", [255, 0, 0]);
    put(&places.photos, "2/b.png", [0, 0, 0]);
    let mut enroller = ByColour { calls: 0, detectors: "one" };
    for (detectors, calls) in [("one", 2), ("one", 2), ("another", 3), ("another", 3)] {
        enroller.detectors = detectors;
        assert_eq!(built(&places, &mut enroller).gallery.people(), 1);
        assert_eq!(enroller.calls, calls, "{detectors}");
    }
}

#[test]
fn one_face_under_two_roll_numbers_is_reported() {
    let data = tempfile::tempdir().unwrap();
    let places = Places {
        photos: data.path().join("faces"),
        cache: Some(data.path().join("cache")),
        ..Places::default()
    };
    put(&places.photos, "1/a.png", [255, 0, 0]);
    put(&places.photos, "1/b.png", [250, 0, 0]);
    put(&places.photos, "2/a.png", [255, 10, 0]);
    put(&places.photos, "3/a.png", [0, 0, 255]);
    let report = built(&places, &mut ByColour::default()).report;
    let pairs: Vec<_> = report.alike.iter().map(|pair| (pair.one.as_str(), pair.other.as_str())).collect();
    assert_eq!(pairs, [("1", "2")]);
    assert!(report.needs_attention());
}

#[test]
fn a_photo_that_is_no_picture_is_reported_and_costs_nobody_else() {
    let data = tempfile::tempdir().unwrap();
    let places = Places {
        photos: data.path().join("faces"),
        cache: Some(data.path().join("cache")),
        ..Places::default()
    };
    put(&places.photos, "1/a.png", [255, 0, 0]);
    std::fs::create_dir_all(places.photos.join("2")).unwrap();
    std::fs::write(places.photos.join("2/page.jpg"), "<html>502</html>").unwrap();
    let roster = built(&places, &mut ByColour::default());
    assert_eq!(roster.gallery.people(), 1);
    let (photo, reason) = roster.report.refused().next().unwrap();
    assert_eq!(photo.photo, "2/page.jpg");
    assert!(reason.contains("a web page"), "{reason}");
    assert_eq!(roster.report.unrecognisable().len(), 1);
}

#[test]
fn a_stopped_enrolment_goes_on_where_it_was() {
    let data = tempfile::tempdir().unwrap();
    let places = Places {
        photos: data.path().join("faces"),
        cache: Some(data.path().join("cache")),
        ..Places::default()
    };
    for roll in 1..=6u8 {
        put(&places.photos, &format!("{roll}/a.png"), [roll, 200, 10 * roll]);
    }
    let mut enroller = ByColour::default();
    let photos = vision::photos::Photos::default();
    let removal = &mut Removal::default();
    let stopped = build(&places, &photos, &mut enroller, removal, &mut |done, _| done < 4);
    assert!(matches!(stopped, Err(BuildError::Stopped)));
    assert_eq!(built(&places, &mut enroller).gallery.people(), 6);
    assert_eq!(enroller.calls, 6);
}

/// The similarity of the face of `roll` in the gallery with the one that `ByColour` makes of a colour.
fn nearest(roster: &Roster, colour: [u8; 3]) -> String {
    let mut raw = [0.0; DIMENSIONS];
    raw[..3].copy_from_slice(&colour.map(f32::from));
    let nobody = RollNumber::parse("999").unwrap();
    let found = roster.gallery.nearest_other(&nobody, &Embedding::normalised(&raw).unwrap());
    found.unwrap().0.as_str().to_owned()
}

#[test]
fn photos_that_exchange_their_names_exchange_their_embeddings() {
    let data = tempfile::tempdir().unwrap();
    let places = Places {
        photos: data.path().join("faces"),
        cache: Some(data.path().join("cache")),
        ..Places::default()
    };
    let (one, other) = (places.photos.join("1/a.bmp"), places.photos.join("2/b.bmp"));
    put(&places.photos, "1/a.bmp", [255, 0, 0]);
    put(&places.photos, "2/b.bmp", [0, 255, 0]);
    // Of the same size, and of the same time.
    let then = UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    for path in [&one, &other] {
        std::fs::File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
    }
    std::thread::sleep(std::time::Duration::from_millis(2100));
    let mut enroller = ByColour::default();
    assert_eq!(nearest(&built(&places, &mut enroller), [255, 0, 0]), "1");
    let aside = places.photos.join("aside");
    for (from, to) in [(&one, &aside), (&other, &one), (&aside, &other)] {
        std::fs::rename(from, to).unwrap();
    }
    let roster = built(&places, &mut enroller);
    assert_eq!((nearest(&roster, [255, 0, 0]), nearest(&roster, [0, 255, 0])), ("2".into(), "1".into()));
    assert_eq!(enroller.calls, 2, "what is in them is known by their content");
}

#[test]
fn a_folder_that_vanishes_leaves_roster_and_cache_as_they_were() {
    let data = tempfile::tempdir().unwrap();
    let places = Places {
        photos: data.path().join("faces"),
        cache: Some(data.path().join("cache")),
        ..Places::default()
    };
    for roll in 1..=4u8 {
        put(&places.photos, &format!("{roll}/a.png"), [roll, 200, 10 * roll]);
    }
    let (mut enroller, mut removal) = (ByColour::default(), Removal::default());
    built_with(&places, &mut enroller, &mut removal);
    let away = data.path().join("away");
    std::fs::rename(&places.photos, &away).unwrap();
    for empty in [false, true] {
        if empty {
            std::fs::create_dir(&places.photos).unwrap();
        }
        for _ in 0..20 {
            let roster = built_with(&places, &mut enroller, &mut removal);
            assert_eq!(roster.gallery.people(), 4, "empty: {empty}");
            assert!(roster.report.ignored[0].reason.contains("missing or holds no photo"));
        }
    }
    // Without the memory of the process, as after a new start.
    assert_eq!(built(&places, &mut enroller).gallery.people(), 4);
    std::fs::remove_dir(&places.photos).unwrap();
    std::fs::rename(&away, &places.photos).unwrap();
    assert_eq!(built_with(&places, &mut enroller, &mut removal).gallery.people(), 4);
    assert_eq!(enroller.calls, 4, "nobody is embedded again");
    std::fs::remove_dir_all(places.photos.join("4")).unwrap();
    assert_eq!(built_with(&places, &mut enroller, &mut removal).gallery.people(), 3, "few go at once");
}

#[test]
fn a_folder_that_cannot_be_read_leaves_its_students_enrolled() {
    let data = tempfile::tempdir().unwrap();
    let places = Places {
        photos: data.path().join("faces"),
        cache: Some(data.path().join("cache")),
        ..Places::default()
    };
    put(&places.photos, "1/a.png", [255, 0, 0]);
    put(&places.photos, "2/b.png", [0, 255, 0]);
    let mut enroller = ByColour::default();
    built(&places, &mut enroller);
    std::fs::rename(&places.photos, data.path().join("away")).unwrap();
    std::fs::write(&places.photos, "a file where the folder was").unwrap();
    let roster = built(&places, &mut enroller);
    assert_eq!((roster.gallery.people(), roster.report.ignored.len()), (2, 1));
    let nobody = Places { cache: None, ..places };
    let photos = vision::photos::Photos::default();
    let failed = build(&nobody, &photos, &mut enroller, &mut Removal::default(), &mut |_, _| true);
    assert!(matches!(failed, Err(BuildError::Scan(_))));
}

#[test]
fn a_panic_over_one_photo_refuses_this_photo() {
    struct Panics(ByColour);
    impl Enroller for Panics {
        fn model_hash(&self) -> &str {
            self.0.model_hash()
        }
        fn detectors(&self) -> String {
            self.0.detectors()
        }
        fn likeness(&self) -> Likeness {
            self.0.likeness()
        }
        fn enrol(&mut self, photo: &RgbImage) -> Result<Inspection, EngineError> {
            assert!(photo.get_pixel(0, 0).0 != [1, 2, 3], "of this colour");
            self.0.enrol(photo)
        }
    }
    let data = tempfile::tempdir().unwrap();
    let places = Places { photos: data.path().join("faces"), cache: None, ..Places::default() };
    put(&places.photos, "1/a.png", [255, 0, 0]);
    put(&places.photos, "2/b.png", [1, 2, 3]);
    let photos = vision::photos::Photos::default();
    let enroller = &mut Panics(ByColour::default());
    let roster = build(&places, &photos, enroller, &mut Removal::default(), &mut |_, _| true).unwrap();
    assert_eq!(roster.gallery.people(), 1);
    let (photo, reason) = roster.report.refused().next().unwrap();
    assert!(photo.photo == "2/b.png" && reason.contains("of this colour"), "{reason}");
}

const RED: [u8; 3] = [255, 0, 0];
const GREEN: [u8; 3] = [0, 255, 0];
const BLUE: [u8; 3] = [0, 0, 255];

fn refused(roster: &Roster) -> Vec<(&str, &str)> {
    roster.report.refused().map(|(photo, reason)| (photo.photo.as_str(), reason)).collect()
}
