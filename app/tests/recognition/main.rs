//! Recognition with its real models, on a real face video and on pictures held before the camera.
//!
//! Needs the weights (`fetch_models`) and the demo's data (`scripts/demo-data`); without them the tests say
//! so and pass.

#![allow(clippy::unwrap_used)]

mod allocations;
mod beside_a_picture;
mod enrolment;
mod known_faces;
mod material;
mod picture_attack;
mod strangers;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use faces::embedder::EmbedderChoice;
use image::{RgbImage, imageops};
use liveness::config::LivenessRule;
use liveness::{State, Verdict};
use models::store::Store;
use recognition::config::Recognition;
use recognition::{Advice, Engine, FrameOutcome, Pipeline};
use vision::face::DetectorChoice;
use vision::frame::{Frame, Picture};

use beside_a_picture::{beside_a_picture, picture};
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

/// With two embedders the person is named and nobody else, and the second is asked where the first leaves a
/// doubt: near a site's own threshold the similarities are not those of the first alone.
#[test]
fn two_embedders_name_the_person_and_nobody_else() {
    let Some(material) = Material::find() else { return };
    let seen = |embedder, threshold, wanted: &dyn Fn(&str) -> bool| {
        let config = Recognition { embedder, threshold, ..Recognition::default() };
        let load = || Engine::load(&Store::default_dir(), &config).unwrap();
        let liveness = liveness::config::Liveness { require: LivenessRule::Off, ..Default::default() };
        let gallery = Arc::new(ArcSwap::from_pointee(material.gallery_of(&mut load(), wanted)));
        let mut pipeline = Pipeline::new(load(), gallery, &config, &liveness).unwrap();
        let mut sightings = Vec::new();
        material.replay(|frame| {
            for outcome in pipeline.process(frame).unwrap() {
                if let FrameOutcome::Recognised(sighting) = outcome {
                    sightings.push((sighting.roll.to_string(), sighting.similarity));
                }
            }
        });
        sightings
    };
    let usual = seen(EmbedderChoice::Both, None, &|_| true);
    assert!(!usual.is_empty() && usual.iter().all(|(roll, _)| *roll == material.person), "{usual:?}");
    let first_as_by_the_first_alone = |threshold| {
        let [both, alone] =
            [EmbedderChoice::Both, EmbedderChoice::Sface].map(|of| seen(of, threshold, &|_| true));
        let similarities = both.first().zip(alone.first()).map(|(both, alone)| (both.1, alone.1));
        similarities.is_some_and(|(both, alone)| (both - alone).abs() < 2e-3)
    };
    assert!(first_as_by_the_first_alone(None), "the first embedder is sure of this person");
    assert!(!first_as_by_the_first_alone(Some(usual[0].1 - 0.02)), "here it is not");
    assert_eq!(seen(EmbedderChoice::Both, None, &|roll| roll != material.person), []);
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

/// A person who stays before the camera is reported to attendance again and again: its rules decide whether
/// that makes a row.
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

/// Two people before the camera at once are two tracks and two names.
#[test]
fn two_people_side_by_side_are_both_recognised() {
    let Some(material) = Material::find() else { return };
    let mut pipeline = material.pipeline(material.gallery(|_| true), LivenessRule::Off);
    let names = beside_a_picture(&material, &mut pipeline, 30);
    assert_eq!(names, [material.person.as_str(), "2110003"]);
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
        let seen = checker.observe(&picture, &landmarks, true, None).unwrap();
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
fn where_the_passive_models_are_missing_a_blink_is_required() {
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
