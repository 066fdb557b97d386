//! Focusing on the face: where it lies on the sensor. Pure.

use std::time::Duration;

use super::turn::Turn;
use vision::face::Bounds;

/// Time between two moves of the focus window: a lens that follows every twitch never comes to rest.
const BETWEEN: Duration = Duration::from_secs(1);

/// Without a face for so long the camera chooses the focus itself again.
const FORGOTTEN: Duration = Duration::from_secs(5);

/// A rectangle on the sensor: left, top, width, height, in its pixels.
pub type Window = (i32, i32, u32, u32);

/// The focus window of one opening of a camera.
#[derive(Debug, Default)]
pub struct Focus {
    window: Option<Window>,
    moved: Duration,
    seen: Duration,
}

impl Focus {
    /// Where to focus from now on, if that changes; `Some(None)` leaves it to the camera. `face` is where the
    /// face lies on the sensor in a frame taken at `at` (time since boot).
    pub fn steer(&mut self, face: Option<Window>, at: Duration) -> Option<Option<Window>> {
        if face.is_some() {
            self.seen = at;
        }
        let forgotten = at.saturating_sub(self.seen) >= FORGOTTEN;
        let soon = self.window.is_some() && at.saturating_sub(self.moved) < BETWEEN;
        if face == self.window || soon || (face.is_none() && !forgotten) {
            return None;
        }
        (self.window, self.moved) = (face, at);
        Some(face)
    }
}

/// Where on the sensor a face lies that is at `face` in a picture of `sides` (width, height), which was
/// turned by `turn` and shows what lies in `crop` of the sensor.
///
/// `None` for a face outside the picture or a picture without sides.
pub fn on_sensor(face: Bounds, sides: (u32, u32), turn: Turn, crop: Window) -> Option<Window> {
    let (width, height) = (sides.0 as f32, sides.1 as f32);
    let clip = |from: f32, length: f32, side: f32| {
        let (start, end) = ((from / side).clamp(0.0, 1.0), ((from + length) / side).clamp(0.0, 1.0));
        (end > start).then_some((start, end))
    };
    let (mut across, mut down) = (clip(face.x, face.width, width)?, clip(face.y, face.height, height)?);
    let flipped = |(start, end): (f32, f32)| (1.0 - end, 1.0 - start);
    // A quarter-turn clockwise took what was at the left to the top and what was at the bottom to the left.
    for _ in 0..turn.quarters() {
        (across, down) = (down, flipped(across));
    }
    if turn.mirrors() {
        across = flipped(across);
    }
    let place = |(start, end): (f32, f32), from: i32, length: u32| {
        (from + (start * length as f32) as i32, ((end - start) * length as f32) as u32)
    };
    let ((x, wide), (y, high)) = (place(across, crop.0, crop.2), place(down, crop.1, crop.3));
    (wide > 0 && high > 0).then_some((x, y, wide, high))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn focus_window_follows_a_face_and_is_released() {
        let mut focus = Focus::default();
        let at = |seconds: f32| Duration::from_secs_f32(seconds);
        let (one, other) = ((0, 0, 10, 10), (5, 0, 10, 10));
        assert_eq!(focus.steer(None, at(1.0)), None);
        assert_eq!(focus.steer(Some(one), at(10.0)), Some(Some(one)));
        assert_eq!(focus.steer(Some(other), at(10.5)), None);
        assert_eq!(focus.steer(Some(other), at(11.0)), Some(Some(other)));
        assert_eq!(focus.steer(None, at(12.5)), None);
        assert_eq!(focus.steer(None, at(16.0)), Some(None));
        assert_eq!(focus.steer(None, at(17.0)), None);
    }

    #[test]
    fn a_face_outside_has_no_place() {
        let crop = (0, 0, 1000, 1000);
        let face = Bounds { x: 200.0, y: 0.0, width: 10.0, height: 10.0 };
        for (face, sides) in
            [(face, (100, 100)), (Bounds { x: f32::NAN, ..face }, (400, 400)), (face, (0, 0))]
        {
            assert_eq!(on_sensor(face, sides, Turn::default(), crop), None);
        }
    }

    proptest! {
        /// A bright spot on the sensor, copied with its turn, is where it is looked for.
        #[test]
        fn picture_coordinates_map_to_the_sensor(
            quarters in 0..4u8, mirror: bool, x in 0..8usize, y in 0..6usize,
        ) {
            let turn = Turn::new(quarters, mirror);
            let mut sensor = vec![0u8; 8 * 6];
            sensor[y * 8 + x] = 1;
            let mut picture = vec![0u8; 8 * 6];
            turn.copy::<1>(&sensor, (8, 6), 8, &mut picture).unwrap();
            let sides = if turn.is_sideways() { (6, 8) } else { (8, 6) };
            let place = picture.iter().position(|pixel| *pixel == 1).unwrap();
            let face = Bounds {
                x: (place % sides.0) as f32, y: (place / sides.0) as f32, width: 1.0, height: 1.0,
            };
            let window = on_sensor(face, (sides.0 as u32, sides.1 as u32), turn, (100, 50, 800, 600)).unwrap();
            let expected = (100 + 100 * x as i32, 50 + 100 * y as i32, 100, 100);
            prop_assert!(window.0.abs_diff(expected.0) < 2 && window.1.abs_diff(expected.1) < 2, "{window:?} {expected:?}");
            prop_assert!(window.2.abs_diff(100) < 2 && window.3.abs_diff(100) < 2);
        }
    }
}
