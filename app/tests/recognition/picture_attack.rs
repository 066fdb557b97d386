//! A picture of a student is held before the camera and moved in every way a flat or bent sheet can move.
//!
//! The stills are clean (no paper, no screen), so the passive models have nothing to see: only the tests of
//! motion stand between the picture and a row. No motion of a picture may pass them.

use base::moment::Moment;
use evaluate::sheet::{MOTIONS, Sheet, Still};
use liveness::config::LivenessRule;
use recognition::FrameOutcome;
use time::OffsetDateTime;
use vision::frame::{Frame, Picture};

use crate::material::Material;

/// Frames of each motion: three seconds.
const FRAMES: u64 = 45;

#[test]
fn no_motion_of_a_picture_makes_it_alive() {
    let Some(material) = Material::find() else { return };
    let mut engine = material.engine();
    let stills: Vec<Still> = material
        .photos("2110003")
        .into_iter()
        .map(|picture| {
            let face = engine.detect(&picture).unwrap().remove(0);
            let (landmarks, _) = engine.look(&picture, &face).unwrap().unwrap();
            Still { bounds: face.bounds, five: landmarks.five, picture }
        })
        .collect();
    let sheet = Sheet::new(&stills[0], stills.get(1));
    for motion in &MOTIONS {
        assert!(sheet.allows(motion), "there are two pictures of the person");
        let name = motion.name;
        let mut pipeline = material.pipeline(material.gallery(|_| true), LivenessRule::PassiveAny);
        let mut seen = 0;
        for number in 0..FRAMES {
            let (picture, since_boot) = sheet.frame(motion, number);
            let at = Moment { utc: OffsetDateTime::UNIX_EPOCH, since_boot, trusted: true };
            let frame = Frame { number, at, picture: Picture::from_rgb(picture) };
            for outcome in pipeline.process(&frame).unwrap() {
                assert!(
                    !matches!(outcome, FrameOutcome::Recognised(_)),
                    "{name}, frame {number}: {outcome:?}"
                );
            }
            seen += usize::from(pipeline.snapshot().tracks.iter().any(|track| track.votes > 0));
        }
        assert!(seen > 10, "{name}: the face was matched in {seen} frames only, so nothing was tested");
    }
}
