//! The screen for whoever looks from afar: a copy of the last picture, made only while somebody looks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use image::RgbImage;
use tiny_skia::Pixmap;

/// How long pictures are kept coming after somebody asked for one.
const WATCHED_FOR: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
struct State {
    asked: Option<Instant>,
    picture: Option<Arc<RgbImage>>,
}

/// The last picture of the screen, shared and cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Shot(Arc<Mutex<State>>);

impl Shot {
    /// The last picture, and asks that more are made for the next seconds. The first call gives `None`.
    pub fn picture(&self) -> Option<Arc<RgbImage>> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.asked = Some(Instant::now());
        state.picture.clone()
    }

    /// Whether somebody looks.
    pub fn is_watched(&self) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let watched = state.asked.is_some_and(|at| at.elapsed() < WATCHED_FOR);
        if !watched {
            // It may show a person.
            state.picture = None;
        }
        watched
    }

    /// Puts a picture in place.
    pub fn put(&self, pixmap: &Pixmap) {
        let rgb = pixmap.data().chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
        let picture = RgbImage::from_raw(pixmap.width(), pixmap.height(), rgb).map(Arc::new);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).picture = picture;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn pictures_are_made_for_who_looks() {
        let shot = Shot::default();
        assert!(!shot.is_watched());
        assert!(shot.picture().is_none() && shot.is_watched());
        let mut pixmap = Pixmap::new(2, 1).unwrap();
        pixmap.fill(tiny_skia::Color::from_rgba8(1, 2, 3, 255));
        shot.put(&pixmap);
        assert_eq!(shot.picture().unwrap().as_raw(), &[1, 2, 3, 1, 2, 3]);
    }
}
