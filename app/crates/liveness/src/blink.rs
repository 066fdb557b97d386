//! Blinks, from the opening of the lids over time.
//!
//! Pure. People's eyes differ, so the measure is each track's own open level. A blink closes the lids and
//! opens them again within half a second. A nod, or a photo that is tilted, makes the whole face lower and
//! not the eyes alone: the opening is measured against the face's own height ([`relative`]), and a blink
//! during a nod does not count.

use std::time::Duration;

use heapless::Deque;

/// Measurements that are remembered: two to three seconds at the rates at hand.
const WINDOW: usize = 40;

/// Measurements before the open level is known.
const MIN_MEASUREMENTS: usize = 8;

/// The open level is this quantile of the window: above the middle, so that a long blink does not pull it
/// down.
const OPEN_QUANTILE: f32 = 0.7;

/// Below this share of the open level the eyes are closing. At the usual frame rates a blink is often caught
/// only half-way.
const CLOSED: f32 = 0.81;

/// Above this share they are open again.
const REOPENED: f32 = 0.88;

/// The lids must also have moved by this many times the usual deviation: a blurred or distant eye is measured
/// badly, and what is noise there must not look like a blink. A head that slowly tilts moves the level, too:
/// at 5, one blink of the demo's clip was missed for this reason.
const DEVIATIONS: f32 = 4.0;

/// Below this open level the eyes do not count as open: sunglasses, or a face too blurred to tell.
const MIN_OPEN: f32 = 0.15;

/// Longest blink; longer is a look down. Spontaneous blinks take 100 to 400 ms.
const LONGEST: Duration = Duration::from_millis(600);

/// If no frame shows the eyes below this share of the open level, the blink was caught half-way only. Such a
/// blink must be over in [`LONGEST_HALF_WAY`]: a still picture that was swung showed three quarters of its
/// opening for 600 ms.
const HALF_WAY: f32 = 0.6;

/// Longest blink that was only caught half-way: at 10 frames a second, two intervals and a little.
const LONGEST_HALF_WAY: Duration = Duration::from_millis(270);

/// Largest change of the nod during a blink, degrees. Closing lids alone move the mesh's idea of it by up
/// to 6.
const MAX_NOD: f32 = 10.0;

/// Lid opening (height over width of the eyes) relative to the height over width of the face's rigid part:
/// forehead to the base of the nose over outer eye corner to outer eye corner, by the mesh of 468 points.
/// `None` when that has no size.
pub fn relative(opening: f32, mesh: &[[f32; 3]]) -> Option<f32> {
    const FOREHEAD: usize = 10;
    const NOSE_BASE: usize = 2;
    const OUTER_CORNERS: [usize; 2] = [33, 263];
    let distance = |a: usize, b: usize| {
        let (a, b) = (mesh.get(a)?, mesh.get(b)?);
        Some((a[0] - b[0]).hypot(a[1] - b[1]))
    };
    let height = distance(FOREHEAD, NOSE_BASE)?;
    let width = distance(OUTER_CORNERS[0], OUTER_CORNERS[1])?;
    let relative = opening * width / height;
    relative.is_finite().then_some(relative)
}

/// The lids of one track over time.
#[derive(Debug, Clone, Default)]
pub struct Lids {
    openings: Deque<f32, WINDOW>,
    /// The newest measurement with open eyes: when, and the nod.
    open: Option<(Duration, f32)>,
    /// The eyes are closed since this open measurement.
    closed_since: Option<(Duration, f32)>,
    /// The least share of the open level since then.
    least: f32,
    blinks: u32,
}

impl Lids {
    /// Notes one measurement: the lid opening as [`relative`] gives it, the nod in degrees, and when.
    pub fn note(&mut self, opening: f32, pitch: f32, now: Duration) {
        let usual = self.usual();
        if self.openings.is_full() {
            self.openings.pop_front();
        }
        // There is room now.
        let _ = self.openings.push_back(opening);
        let Some((level, deviation)) = usual.filter(|(level, _)| *level >= MIN_OPEN) else { return };
        let share = opening / level;
        self.least = self.least.min(share);
        if share >= REOPENED {
            let longest = if self.least < HALF_WAY { LONGEST } else { LONGEST_HALF_WAY };
            if let Some((since, nod)) = self.closed_since.take()
                && now.saturating_sub(since) <= longest
                && (pitch - nod).abs() <= MAX_NOD
            {
                self.blinks += 1;
            }
            self.open = Some((now, pitch));
        } else if share < CLOSED && level - opening > DEVIATIONS * deviation && self.closed_since.is_none() {
            self.closed_since = self.open;
            self.least = share;
        }
    }

    /// Whether the eyes are closed now, as far as this can tell.
    pub fn are_closed(&self) -> bool {
        self.closed_since.is_some()
    }

    /// Blinks so far.
    pub fn blinks(&self) -> u32 {
        self.blinks
    }

    /// How far the lids are open when they are open, and the median deviation from that; `None` before enough
    /// was seen.
    fn usual(&self) -> Option<(f32, f32)> {
        if self.openings.len() < MIN_MEASUREMENTS {
            return None;
        }
        let mut values: heapless::Vec<f32, WINDOW> = self.openings.iter().copied().collect();
        let level = quantile(&mut values, OPEN_QUANTILE)?;
        values.iter_mut().for_each(|value| *value = (*value - level).abs());
        Some((level, quantile(&mut values, 0.5)?))
    }
}

fn quantile(values: &mut [f32], share: f32) -> Option<f32> {
    values.sort_unstable_by(f32::total_cmp);
    values.get((share * (values.len() as f32 - 1.0)) as usize).copied()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Blinks counted in a series of (opening, pitch) at 30 frames a second.
    fn blinks(series: impl IntoIterator<Item = (f32, f32)>) -> u32 {
        let mut lids = Lids::default();
        for (n, (opening, pitch)) in series.into_iter().enumerate() {
            lids.note(opening, pitch, Duration::from_millis(33 * n as u64));
        }
        lids.blinks()
    }

    fn still(openings: &[f32]) -> Vec<(f32, f32)> {
        openings.iter().map(|opening| (*opening, 0.0)).collect()
    }

    const OPEN: [f32; 12] = [0.36, 0.35, 0.37, 0.36, 0.34, 0.36, 0.38, 0.36, 0.35, 0.36, 0.37, 0.36];

    #[test]
    fn one_blink_is_one_and_two_are_two() {
        let once = [&OPEN[..], &[0.25, 0.1, 0.09, 0.2, 0.33], &OPEN].concat();
        assert_eq!(blinks(still(&once)), 1);
        assert_eq!(blinks(still(&[once.clone(), once].concat())), 2);
    }

    #[test]
    fn a_face_that_is_foreshortened_keeps_its_relative_opening() {
        let mesh = |height: f32| {
            let mut mesh = vec![[0.0; 3]; 468];
            mesh[2] = [0.0, height, 0.0];
            mesh[33] = [-40.0, 0.0, 0.0];
            mesh[263] = [40.0, 0.0, 0.0];
            mesh
        };
        let upright = relative(0.36, &mesh(100.0)).unwrap();
        let tilted = relative(0.36 * 0.77, &mesh(77.0)).unwrap();
        assert!((upright - tilted).abs() < 1e-4);
        assert_eq!(relative(0.36, &[]), None);
        assert_eq!(relative(0.36, &mesh(0.0)), None);
    }

    #[test]
    fn narrow_eyes_have_their_own_level() {
        let narrow: Vec<f32> = OPEN.iter().map(|x| x * 0.6).collect();
        assert_eq!(blinks(still(&narrow)), 0);
        assert_eq!(blinks(still(&[&narrow[..], &[0.1, 0.05, 0.1], &narrow].concat())), 1);
    }

    #[test]
    fn noise_closed_eyes_and_a_look_down_are_no_blinks() {
        let noise: Vec<f32> = (0..200).map(|n| 0.36 + 0.04 * ((n * 37 % 11) as f32 / 5.0 - 1.0)).collect();
        assert_eq!(blinks(still(&noise)), 0);
        assert_eq!(blinks(still(&[&OPEN[..], &[0.1; 40], &OPEN].concat())), 0);
        assert_eq!(blinks(still(&[0.05; 60])), 0);
    }

    #[test]
    fn eyes_that_stay_half_open_are_no_blink_and_a_blink_caught_half_way_is_one() {
        let swung = [0.3, 0.25, 0.25, 0.26, 0.25, 0.26, 0.25, 0.26, 0.25, 0.26, 0.25];
        assert_eq!(blinks(still(&[&OPEN[..], &swung, &OPEN].concat())), 0);
        assert_eq!(blinks(still(&[&OPEN[..], &[0.27, 0.26], &OPEN].concat())), 1);
    }

    #[test]
    fn eyes_that_narrow_with_the_pitch_are_a_nod_or_a_tilted_photo() {
        let mut series = still(&OPEN);
        series.extend([(0.3, 8.0), (0.24, 15.0), (0.2, 18.0), (0.24, 16.0), (0.34, 14.0)]);
        series.extend(OPEN.iter().map(|opening| (*opening, 13.0)));
        assert_eq!(blinks(series), 0);
    }
}
