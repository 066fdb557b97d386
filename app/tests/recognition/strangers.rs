//! A person who is not on the roster is a stranger; nobody is a stranger before there is a roster.

use std::sync::Arc;

use arc_swap::ArcSwap;
use base::progress::Progress;
use liveness::config::LivenessRule;
use recognition::{Advice, FrameOutcome, Gallery, Pipeline};

use crate::material::Material;

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
