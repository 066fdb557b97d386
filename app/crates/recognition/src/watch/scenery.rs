//! The known scene behind the door's people: learnt, kept over restarts, and compared with a frame at most
//! once.

use std::path::PathBuf;
use std::time::Duration;

use image::RgbImage;
use vision::face::Bounds;

use liveness::scene::around::{Comparison, Surround};
use liveness::scene::gradient::Gradient;
use liveness::scene::learnt::{Scene, Usefulness};

/// Least time between two looks at an empty scene.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Time between two times that the scene is written to the card.
const KEEP_EVERY: Duration = Duration::from_secs(30 * 60);

/// Largest file that is read.
const MAX_BYTES: u64 = 1 << 20;

/// The scene, with what was computed from the newest frame so far.
#[derive(Debug, Default)]
pub(super) struct Scenery {
    scene: Scene,
    frame: Gradient,
    looked: Option<Duration>,
    /// The newest frame's comparison, if one was asked for.
    compared: Option<(Duration, Option<Comparison>)>,
    file: Option<PathBuf>,
    kept: Option<Duration>,
}

impl Scenery {
    /// Goes on with the scene in this file, if it is whole, and keeps it there.
    pub(super) fn kept_in(file: PathBuf) -> Self {
        let whole = std::fs::metadata(&file).is_ok_and(|meta| meta.len() <= MAX_BYTES);
        let bytes = if whole { std::fs::read(&file).ok() } else { None };
        let scene = bytes.as_deref().and_then(Scene::from_bytes).unwrap_or_default();
        Self { scene, file: Some(file), ..Self::default() }
    }

    /// Notes a frame; `somebody` is whether a face is there.
    pub(super) fn note(&mut self, picture: &RgbImage, somebody: bool, now: Duration) {
        if self.looked.is_some_and(|at| now.saturating_sub(at) < LOOK_EVERY) && !somebody {
            return;
        }
        self.looked = Some(now);
        // With somebody there nothing is learnt, so their frame need not be looked at.
        if somebody {
            self.scene.interrupt();
        } else if self.frame.take(picture) {
            self.scene.note(&self.frame, now);
            self.keep(now);
        }
    }

    /// What is around the head with this face, in the frame taken at `now`.
    pub(super) fn around(&mut self, picture: &RgbImage, face: &Bounds, now: Duration) -> Surround {
        if !self.scene.is_known() {
            return Surround::Undecided;
        }
        if self.compared.as_ref().is_none_or(|(at, _)| *at != now) {
            let taken = self.frame.take(picture);
            let comparison = taken.then(|| Comparison::new(&self.scene, &self.frame, picture.width()));
            self.compared = Some((now, comparison.flatten()));
        }
        let comparison = self.compared.as_ref().and_then(|(_, comparison)| comparison.as_ref());
        comparison.map_or(Surround::Undecided, |comparison| comparison.around(&self.scene, face))
    }

    /// What a technician should know of it.
    pub(super) fn usefulness(&self) -> Usefulness {
        self.scene.usefulness()
    }

    /// Writes the scene down, seldom. It is not a loss when that fails: it is learnt again after a restart.
    fn keep(&mut self, now: Duration) {
        let since = self.kept.map(|at| now.saturating_sub(at));
        if since.is_some_and(|since| since < KEEP_EVERY) {
            return;
        }
        let (Some(file), Some(bytes)) = (&self.file, self.scene.to_bytes()) else { return };
        self.kept = Some(now);
        if let Err(error) = base::durable::replace(file, &bytes) {
            log::warn!("The learnt scene cannot be written to {}: {error}", file.display());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_learnt_scene_survives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("scene");
        let picture =
            RgbImage::from_fn(640, 360, |x, y| image::Rgb([((x / 8 * 37 + y / 8 * 91) % 200) as u8; 3]));
        let mut scenery = Scenery::kept_in(file.clone());
        for n in 0..200u16 {
            scenery.note(&picture, false, Duration::from_secs_f32(0.25 * f32::from(n)));
        }
        assert_eq!(scenery.usefulness(), Usefulness::Usable);
        assert_eq!(Scenery::kept_in(file.clone()).usefulness(), Usefulness::Usable);
        std::fs::write(&file, b"half a scene").unwrap();
        assert_eq!(Scenery::kept_in(file).usefulness(), Usefulness::Learning);
    }
}
