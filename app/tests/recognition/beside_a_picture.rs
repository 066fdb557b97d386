//! A person and a picture before the camera at once, or one in the place of the other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base::moment::Moment;
use faces::warp::{Affine, warp};
use image::{Rgb, RgbImage, imageops};
use liveness::config::LivenessRule;
use liveness::depth::Parallax;
use recognition::{FrameOutcome, Pipeline};
use vision::face::Bounds;
use vision::frame::{Frame, Picture};

use crate::material::Material;

/// Shows the video with a photo of somebody else beside it; who was recognised, each in a track of their own.
pub(crate) fn beside_a_picture(material: &Material, pipeline: &mut Pipeline, frames: u64) -> Vec<String> {
    let photo = material.photo("2110003");
    let (width, height) = (480, 480 * photo.height() / photo.width());
    let beside = imageops::resize(&photo, width, height, imageops::FilterType::Triangle);
    let mut tracks = BTreeMap::new();
    material.replay(|frame| {
        if frame.number >= frames {
            return;
        }
        let picture = picture(frame);
        let mut wide = RgbImage::new(picture.width() + width, picture.height().max(height));
        imageops::replace(&mut wide, &picture, 0, 0);
        imageops::replace(&mut wide, &with_noise(&beside, frame.number), i64::from(picture.width()), 0);
        let both = Frame { picture: Picture::from_rgb(wide), ..*frame };
        for outcome in pipeline.process(&both).unwrap() {
            match outcome {
                FrameOutcome::Recognised(sighting) => {
                    _ = tracks.insert(sighting.roll.to_string(), sighting.track)
                }
                FrameOutcome::Hint { .. } | FrameOutcome::AttackRefused { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    });
    assert_eq!(tracks.values().collect::<BTreeSet<_>>().len(), tracks.len(), "{tracks:?}");
    tracks.into_keys().collect()
}

/// The colours of a frame.
pub(crate) fn picture(frame: &Frame) -> RgbImage {
    let mut picture = RgbImage::default();
    frame.picture.write_rgb(&mut picture);
    picture
}

/// As a camera sees a still, which is never twice the same.
fn with_noise(still: &RgbImage, seed: u64) -> RgbImage {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut noisy = still.clone();
    noisy.iter_mut().for_each(|value| *value = value.saturating_add_signed(rng.i8(-3..=3)));
    noisy
}

/// `photo` so that its face lies where `here` is, in a frame of this size.
fn moved(photo: &RgbImage, face: &Bounds, here: &Bounds, width: usize, height: usize) -> RgbImage {
    let size = face.width / here.width;
    let (here, there) = (here.centre(), face.centre());
    let map = Affine { x: [size, 0.0, there.x - size * here.x], y: [0.0, size, there.y - size * here.y] };
    let mut moved = RgbImage::new(width as u32, height as u32);
    warp(photo, &map, width, height, |i, colour| {
        moved.put_pixel((i % width) as u32, (i / width) as u32, Rgb(colour.map(|value| value as u8)));
    });
    moved
}

/// A person with an answer is looked at seldom, and yet somebody else who takes their place is seen:
/// by the next verification, after half a second at most, and named by three frames that follow.
#[test]
fn somebody_who_takes_the_place_of_a_recognised_person_is_seen() {
    let Some(material) = Material::find() else { return };
    let mut pipeline = material.pipeline(material.gallery(|_| true), LivenessRule::Off);
    let mut engine = material.engine();
    let mut frame = material.frames().remove(0);
    let mut recognised = |frame: &mut Frame| {
        frame.at.since_boot += Duration::from_millis(40);
        let outcomes = pipeline.process(frame).unwrap();
        outcomes.into_iter().find_map(|outcome| match outcome {
            FrameOutcome::Recognised(sighting) => Some(sighting.roll.to_string()),
            _ => None,
        })
    };
    let first = (0..25).find_map(|_| recognised(&mut frame));
    assert_eq!(first, Some(material.person.clone()));

    // The other face, as large and at the same place.
    let shown = picture(&frame);
    let place = engine.detect(&shown).unwrap()[0].bounds;
    let photo = material.photo("2110003");
    let face = engine.detect(&photo).unwrap()[0].bounds;
    let other = moved(&photo, &face, &place, shown.width() as usize, shown.height() as usize);
    frame.picture = Picture::from_rgb(other);
    let named = (1..=25).find_map(|n| recognised(&mut frame).map(|roll| (40 * n, roll)));
    let (milliseconds, roll) = named.unwrap();
    assert_eq!(roll, "2110003");
    assert!(milliseconds <= 800, "{milliseconds} ms");
}

/// A picture of the person put before the camera after they were recognised makes no second row, however long
/// it stays.
#[test]
fn a_picture_put_in_a_recognised_persons_place_is_never_announced() {
    let Some(material) = Material::find() else { return };
    let mut pipeline = material.pipeline(material.gallery(|_| true), LivenessRule::PassiveAny);
    let mut recognised = 0;
    let mut see = |pipeline: &mut Pipeline, frame: &Frame| {
        let outcomes = pipeline.process(frame).unwrap();
        recognised +=
            outcomes.iter().filter(|outcome| matches!(outcome, FrameOutcome::Recognised(_))).count();
        recognised
    };
    let mut last = Frame::default();
    for frame in material.frames() {
        last = frame;
        see(&mut pipeline, &last);
    }
    assert_eq!(see(&mut pipeline, &last), 1);
    let end = last.at.since_boot;
    let still = picture(&last);
    for number in 1..15 * 40 {
        let frame = Frame {
            number: last.number + number,
            at: Moment { since_boot: end + Duration::from_secs(number) / 15, ..last.at },
            picture: Picture::from_rgb(with_noise(&still, number)),
        };
        assert_eq!(see(&mut pipeline, &frame), 1, "{} s later", number / 15);
    }
}

/// A picture of somebody on the roster that is taken away from before another living face leaves them no
/// votes and no name.
#[test]
fn a_living_face_behind_a_picture_does_not_make_it_alive() {
    let Some(material) = Material::find() else { return };
    let person = material.person.clone();
    let mut pipeline = material.pipeline(material.gallery(|roll| roll != person), LivenessRule::PassiveAny);
    let mut engine = material.engine();
    let video = material.frames();
    let here = engine.detect(&picture(&video[0])).unwrap()[0].bounds;
    let photo = material.photo("2110003");
    let held = moved(&photo, &engine.detect(&photo).unwrap()[0].bounds, &here, 640, 480);
    let mut matched = 0;
    for number in 0..240u64 {
        // Four seconds of the picture, which then fades within half a second into the living face.
        let mut frame = video[number as usize % video.len()].clone();
        let share = ((number as f32 - 120.0) / 15.0).clamp(0.0, 1.0);
        let mut shown = with_noise(&held, number);
        for (shown, behind) in shown.iter_mut().zip(picture(&frame).iter()) {
            *shown = (f32::from(*shown) * (1.0 - share) + f32::from(*behind) * share) as u8;
        }
        frame.picture = Picture::from_rgb(shown);
        frame.at.since_boot = Duration::from_secs(number) / 30;
        for outcome in pipeline.process(&frame).unwrap() {
            assert!(!matches!(outcome, FrameOutcome::Recognised(_)), "frame {number}: {outcome:?}");
        }
        matched += usize::from(pipeline.snapshot().tracks.iter().any(|track| track.votes >= 3));
    }
    assert!(matched > 60, "the picture was matched in {matched} frames only, so nothing was tested");
}

/// The living person's blink beside a picture of somebody else is their own.
#[test]
fn a_blink_beside_a_picture_is_not_the_pictures() {
    let Some(material) = Material::find() else { return };
    let mut pipeline = material.pipeline(material.gallery(|_| true), LivenessRule::PassiveAny);
    let names = beside_a_picture(&material, &mut pipeline, 96);
    assert_eq!(names, [material.person.as_str()]);
}

/// A print that is folded along the nose is not a plane and no smooth sheet, and turned it moves as much as a
/// nose does. The mesh is a real one, for the test asks how its other points move.
#[test]
fn a_print_that_is_folded_along_the_nose_and_turned_has_no_depth() {
    let Some(material) = Material::find() else { return };
    let mut engine = material.engine();
    let picture = picture(&material.frames()[0]);
    let face = engine.detect(&picture).unwrap().remove(0);
    let (landmarks, _) = engine.look(&picture, &face).unwrap().unwrap();
    let (sin, cos) = landmarks.pose.roll.to_radians().sin_cos();
    let bridge = landmarks.mesh[168];
    let upright: Vec<[f32; 3]> = landmarks
        .mesh
        .iter()
        .map(|[x, y, z]| {
            let (x, y) = (x - bridge[0], y - bridge[1]);
            [x * cos + y * sin, y * cos - x * sin, *z]
        })
        .collect();
    let score = |place: &dyn Fn(f32, [f32; 3]) -> f32| {
        let mut parallax = Parallax::default();
        for n in 0..60u64 {
            let angle = 0.6 * (n as f32 * 0.2).sin();
            let turned: Vec<_> =
                upright.iter().map(|point| [place(angle, *point), point[1], point[2]]).collect();
            parallax.note(&turned, Duration::from_millis(66 * n));
        }
        parallax.score().unwrap()
    };
    for fold in [0.44f32, 0.61, 0.79] {
        let folded =
            score(&|angle, [x, ..]| x * fold.cos() * angle.cos() + x.abs() * fold.sin() * angle.sin());
        assert!(folded < 0.9, "{fold}: {folded}");
    }
    let head = score(&|angle, [x, _, z]| x * angle.cos() + z * angle.sin());
    assert!(head > 1.5, "{head}");
}
