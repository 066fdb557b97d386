//! Recognition with its real models, on a real face video and on pictures held before the camera.
//!
//! Needs the weights (`fetch_models`) and the demo's data (`scripts/demo-data`); without them the tests say
//! so and pass.
#![allow(clippy::unwrap_used)]

mod allocations;
mod enrolment;
mod known_faces;
mod material;
mod picture_attack;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use base::moment::Moment;
use base::progress::Progress;
use faces::warp::{Affine, warp};
use image::{Rgb, RgbImage, imageops};
use liveness::config::LivenessRule;
use liveness::depth::Parallax;
use liveness::{State, Verdict};
use models::store::Store;
use recognition::{Advice, Engine, FrameOutcome, Gallery, Pipeline};
use vision::face::Bounds;
use vision::face::DetectorChoice;
use vision::frame::{Frame, Picture};

use material::{Material, on_one_processor};

/// The person in the video is recognised, nobody else is, and the decision comes within the second and a half
/// in which a person walks up.
#[test]
fn the_person_in_the_video_is_recognised_and_nobody_else() {
    let Some(material) = Material::find() else { return };
    let mut pipeline = material.pipeline(material.gallery(|_| true), LivenessRule::PassiveAny);
    let mut names = BTreeSet::new();
    let mut first = None;
    material.replay(|frame| {
        for outcome in pipeline.process(frame).unwrap() {
            match outcome {
                FrameOutcome::Recognised(sighting) => {
                    assert!(sighting.similarity > 0.6 && sighting.margin > 0.3, "{sighting:?}");
                    first.get_or_insert(sighting.frames_to_decision);
                    names.insert(sighting.roll.to_string());
                }
                FrameOutcome::Stranger { .. } | FrameOutcome::AttackRefused { .. } => panic!("{outcome:?}"),
                FrameOutcome::Hint { .. } => {}
            }
        }
    });
    assert_eq!(names, BTreeSet::from([material.person.clone()]));
    assert!(first.is_some_and(|frames| frames <= 45), "{first:?} frames to the decision");
}

/// On one processor the models are asked one after the other, else two at a time: what comes of it is the
/// same to the last bit.
#[test]
fn one_processor_decides_as_several_do() {
    let Some(material) = Material::find() else { return };
    let outcomes = || {
        let mut pipeline = material.pipeline(material.gallery(|_| true), LivenessRule::PassiveAny);
        let mut recognised = Vec::new();
        material.replay(|frame| {
            for outcome in pipeline.process(frame).unwrap() {
                if let FrameOutcome::Recognised(seen) = outcome {
                    recognised.push((frame.number, seen.roll, seen.similarity, seen.margin, seen.liveness));
                }
            }
        });
        recognised
    };
    let alone = on_one_processor(outcomes);
    assert!(!alone.is_empty());
    assert_eq!(alone, outcomes());
}

/// Who stays before the camera is told to attendance again and again: its rules decide whether that makes a
/// row.
#[test]
fn who_stays_is_recognised_again() {
    let Some(material) = Material::find() else { return };
    let mut pipeline = material.pipeline(material.gallery(|_| true), LivenessRule::PassiveAny);
    let mut told: Vec<Duration> = Vec::new();
    let mut begun = Duration::ZERO;
    while begun < Duration::from_secs(25) {
        let mut newest = Duration::ZERO;
        material.replay(|frame| {
            let mut frame = frame.clone();
            frame.at.since_boot = begun + Duration::from_secs(frame.number) / 30;
            newest = frame.at.since_boot;
            let outcomes = pipeline.process(&frame).unwrap();
            told.extend(
                outcomes.iter().filter(|it| matches!(it, FrameOutcome::Recognised(_))).map(|_| newest),
            );
        });
        begun = newest;
    }
    assert!(told.len() >= 3 && told[1] < Duration::from_secs(15), "{told:?}");
}

/// Without that person on the roster the same video is a stranger's.
#[test]
fn who_is_not_on_the_roster_is_a_stranger() {
    let Some(material) = Material::find() else { return };
    let person = material.person.clone();
    let mut pipeline = material.pipeline(material.gallery(|roll| roll != person), LivenessRule::PassiveAny);
    let mut strangers = 0;
    material.replay(|frame| {
        for outcome in pipeline.process(frame).unwrap() {
            match outcome {
                FrameOutcome::Stranger { .. } => strangers += 1,
                FrameOutcome::Hint { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    });
    assert_eq!(strangers, 1, "told once a track");
}

/// While photos are still on their way nobody is a stranger: the person is asked to wait, and named as soon
/// as the photo is there.
#[test]
fn nobody_is_a_stranger_while_photos_are_loading() {
    let Some(material) = Material::find() else { return };
    let person = material.person.clone();
    let everybody = material.gallery(|_| true);
    let gallery = Arc::new(ArcSwap::from_pointee(material.gallery(|roll| roll != person)));
    let engine = material.engine();
    let liveness = liveness::config::Liveness { require: LivenessRule::Off, ..Default::default() };
    let loading = Progress::default();
    loading.set(1, 2);
    let mut pipeline =
        Pipeline::new(engine, Arc::clone(&gallery), &recognition::config::Recognition::default(), &liveness)
            .unwrap()
            .while_loading(vec![loading.clone()]);
    let (mut asked, mut named) = (0, None);
    material.replay(|frame| {
        if frame.number == 40 {
            gallery.store(Arc::new(everybody.clone()));
            loading.set(2, 2);
        }
        for outcome in pipeline.process(frame).unwrap() {
            match outcome {
                FrameOutcome::Hint { advice: Advice::WaitForPhotos, .. } => asked += 1,
                FrameOutcome::Hint { .. } => {}
                FrameOutcome::Recognised(sighting) => {
                    named.get_or_insert((frame.number, sighting.roll.to_string()));
                }
                other => panic!("{other:?}"),
            }
        }
    });
    assert_eq!(asked, 1, "asked once");
    let (frame, roll) = named.unwrap();
    assert_eq!(roll, person);
    assert!((40..75).contains(&frame), "named in frame {frame}");
}

/// A first start: the door opens before the first photo is there, and nothing says yet that one will come.
#[test]
fn nobody_is_a_stranger_while_nobody_is_enrolled() {
    let Some(material) = Material::find() else { return };
    let mut pipeline = material.pipeline(Gallery::default(), LivenessRule::Off);
    let mut asked = 0;
    material.replay(|frame| {
        for outcome in pipeline.process(frame).unwrap() {
            match outcome {
                FrameOutcome::Hint { advice: Advice::WaitForPhotos, .. } => asked += 1,
                FrameOutcome::Hint { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    });
    assert_eq!(asked, 1, "asked once");
}

/// Two people before the camera at once are two tracks and two names.
#[test]
fn two_people_side_by_side_are_both_recognised() {
    let Some(material) = Material::find() else { return };
    let mut pipeline = material.pipeline(material.gallery(|_| true), LivenessRule::Off);
    let names = beside_a_picture(&material, &mut pipeline, 30);
    assert_eq!(names, [material.person.as_str(), "2110003"]);
}

/// Shows the video with a photo of somebody else beside it; who was recognised, each in a track of their own.
fn beside_a_picture(material: &Material, pipeline: &mut Pipeline, frames: u64) -> Vec<String> {
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
fn picture(frame: &Frame) -> RgbImage {
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

/// A person in the dark, or too far away for the camera's pixels, gets advice and no row.
#[test]
fn a_person_is_told_why_nothing_happens() {
    let Some(material) = Material::find() else { return };
    type Spoil = fn(RgbImage) -> RgbImage;
    let cases: [(&str, Spoil, Advice); 2] = [
        (
            "dark",
            |mut picture| {
                picture.iter_mut().for_each(|value| *value /= 5);
                picture
            },
            Advice::MoreLight,
        ),
        (
            "few pixels",
            |picture| {
                let (width, height) = picture.dimensions();
                imageops::resize(&picture, width / 4, height / 4, imageops::FilterType::Triangle)
            },
            Advice::ComeCloser,
        ),
    ];
    for (name, spoil, expected) in cases {
        let mut pipeline = material.pipeline(material.gallery(|_| true), LivenessRule::PassiveAny);
        let mut hints = BTreeSet::new();
        material.replay(|frame| {
            if frame.number > 20 {
                return;
            }
            let spoilt = Frame { picture: Picture::from_rgb(spoil(picture(frame))), ..*frame };
            for outcome in pipeline.process(&spoilt).unwrap() {
                match outcome {
                    FrameOutcome::Hint { advice, .. } => hints.insert(advice.text()),
                    other => panic!("{name}: {other:?}"),
                };
            }
        });
        assert!(hints.contains(expected.text()), "{name}: {hints:?}");
    }
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

/// A print that is folded along the nose is no plane and no smooth sheet, and turned it moves as much as a
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

/// The reference runtimes find blinks about frames 42, 92 and 112 of the clip; the demo's video begins at
/// frame 24.
#[test]
fn every_blink_of_the_video_is_counted_and_every_frame_looks_alive() {
    let Some(material) = Material::find() else { return };
    let mut engine = material.engine();
    let liveness = liveness::config::Liveness { require: LivenessRule::PassiveBlink, ..Default::default() };
    let mut checker = engine.liveness(&liveness).unwrap();
    let mut state = State::default();
    let mut blinks = Vec::new();
    material.replay(|frame| {
        let picture = picture(frame);
        let faces = engine.detect(&picture).unwrap();
        let (landmarks, _) = engine.look(&picture, &faces[0]).unwrap().unwrap();
        let before = state.blink.blinks();
        let seen = checker.observe(&picture, &landmarks, true).unwrap();
        state.note(&seen, &landmarks, frame.at.since_boot);
        if state.blink.blinks() > before {
            blinks.push(frame.number + 24);
        }
    });
    let expected = [42, 92, 112];
    assert_eq!(blinks.len(), expected.len(), "{blinks:?}");
    assert!(blinks.iter().zip(expected).all(|(found, there)| found.abs_diff(there) <= 8), "{blinks:?}");
    let summary = checker.judge(&state);
    assert_eq!(summary.verdict, Verdict::Live);
    if let Some(passive) = summary.passive {
        assert!(passive >= 0.95, "{passive}");
    }
}

/// Without the anti-spoof models a blink is asked of everybody, whatever the site chose.
#[test]
fn where_the_passive_networks_are_missing_a_blink_is_required() {
    let Some(material) = Material::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(Store::default_dir()).unwrap() {
        let entry = entry.unwrap();
        if !entry.file_name().to_string_lossy().starts_with("antispoof") {
            std::os::unix::fs::symlink(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
    }
    let engine = Engine::load(folder.path(), &recognition::config::Recognition::default()).unwrap();
    let gallery = Arc::new(ArcSwap::from_pointee(material.gallery(|_| true)));
    let liveness = liveness::config::Liveness { require: LivenessRule::Passive, ..Default::default() };
    let mut pipeline =
        Pipeline::new(engine, gallery, &recognition::config::Recognition::default(), &liveness).unwrap();
    let mut accepted = 0;
    material.replay(|frame| {
        for outcome in pipeline.process(frame).unwrap() {
            if let FrameOutcome::Recognised(sighting) = outcome {
                assert!(sighting.liveness.blinks > 0 && sighting.liveness.passive.is_none(), "{sighting:?}");
                accepted += 1;
            }
        }
    });
    assert!(accepted > 0, "the person blinks three times");
}

/// Whoever finds the face, the mesh aligns it: embeddings compare across detectors.
#[test]
fn every_detector_leads_to_the_same_embedding() {
    let Some(material) = Material::find() else { return };
    let photo = material.photo(&material.person);
    // By the chosen detector alone: an enrolment would ask the others where it finds nobody.
    let embedding = |engine: &mut Engine| {
        let faces = engine.detect(&photo).unwrap();
        engine.look(&photo, faces.first()?).unwrap()?;
        Some(engine.embed_aligned().unwrap())
    };
    let reference = embedding(&mut material.engine()).unwrap();
    for choice in [DetectorChoice::Blazeface, DetectorChoice::Yunet, DetectorChoice::Rustface] {
        let Some(mut engine) = material.engine_if_there(choice) else { continue };
        let similarity = embedding(&mut engine).map(|found| found.similarity(&reference));
        assert!(similarity.is_some_and(|similarity| similarity > 0.9), "{choice:?}: {similarity:?}");
    }
}
