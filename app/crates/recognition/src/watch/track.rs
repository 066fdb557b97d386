//! Following faces from frame to frame.
//!
//! Pure: boxes and times in, tracks out. What is known about a face lives in its track and dies with it.

use std::time::Duration;

use vision::face::Bounds;

/// Faces followed at once. More people do not fit before a door; the largest faces come first.
pub const MAX_TRACKS: usize = 8;

/// A face that is not seen for this long has gone. Long enough for a hand before the face, too short for
/// another person to step into the place.
const LOST_AFTER: Duration = Duration::from_millis(700);

/// Boxes are compared grown by this factor about their centre: at 15 frames a second a person who walks by
/// moves half a face.
const GROWN: f32 = 1.6;

/// Least overlap of the grown boxes of one face in two frames.
const MIN_OVERLAP: f32 = 0.2;

/// One face over time, with what is known about it.
#[derive(Debug, Clone)]
pub struct Track<S> {
    /// Counts the tracks of the program, from 1.
    pub id: u64,
    /// Where the face was last.
    pub bounds: Bounds,
    /// Frames in which it was seen.
    pub frames: u32,
    /// When it was seen last, since boot.
    pub last_seen: Duration,
    /// What is known about it.
    pub state: S,
}

/// All faces that are followed.
#[derive(Debug)]
pub struct Tracker<S> {
    tracks: heapless::Vec<Track<S>, MAX_TRACKS>,
    last_id: u64,
}

impl<S> Default for Tracker<S> {
    fn default() -> Self {
        Self { tracks: heapless::Vec::new(), last_id: 0 }
    }
}

impl<S: Default> Tracker<S> {
    /// Forgets the faces that have gone, and gives every box a track: the index into [`Tracker::tracks`] for
    /// each box, `None` where there is no room. Every track gets at most one box.
    pub fn update(&mut self, boxes: &[Bounds], now: Duration) -> heapless::Vec<Option<usize>, MAX_TRACKS> {
        self.tracks.retain(|track| now.saturating_sub(track.last_seen) <= LOST_AFTER);
        let boxes = &boxes[..boxes.len().min(MAX_TRACKS)];
        let mut assigned: heapless::Vec<Option<usize>, MAX_TRACKS> = boxes.iter().map(|_| None).collect();
        let mut taken = [false; MAX_TRACKS];
        // The closest pair of all first. With at most eight of each this is quick, and simpler than an
        // optimal assignment.
        loop {
            let mut best: Option<(f32, usize, usize)> = None;
            for (b, bounds) in boxes.iter().enumerate().filter(|(b, _)| assigned[*b].is_none()) {
                for (t, track) in self.tracks.iter().enumerate().filter(|(t, _)| !taken[*t]) {
                    let overlap = grown(bounds).overlap(&grown(&track.bounds));
                    if overlap >= MIN_OVERLAP && best.is_none_or(|(most, ..)| overlap > most) {
                        best = Some((overlap, b, t));
                    }
                }
            }
            let Some((_, b, t)) = best else { break };
            assigned[b] = Some(t);
            taken[t] = true;
        }
        for (bounds, slot) in boxes.iter().zip(&mut assigned) {
            let index = match *slot {
                Some(index) => index,
                None => match self.begin(*bounds, now) {
                    Some(index) => index,
                    None => continue,
                },
            };
            self.follow(index, *bounds, now);
            *slot = Some(index);
        }
        assigned
    }

    /// The face of one track is here now, by other means than a detector's box.
    pub fn follow(&mut self, index: usize, bounds: Bounds, now: Duration) {
        let track = &mut self.tracks[index];
        (track.bounds, track.last_seen) = (bounds, now);
        track.frames += 1;
    }

    /// Another face is in this track's place: it counts as a new track from its first frame.
    pub fn renumber(&mut self, index: usize) {
        self.last_id += 1;
        let track = &mut self.tracks[index];
        (track.id, track.frames) = (self.last_id, 1);
    }

    /// The tracks.
    pub fn tracks(&self) -> &[Track<S>] {
        &self.tracks
    }

    /// The tracks, to be changed.
    pub fn tracks_mut(&mut self) -> &mut [Track<S>] {
        &mut self.tracks
    }

    /// One track, to be changed.
    pub fn track_mut(&mut self, index: usize) -> &mut Track<S> {
        &mut self.tracks[index]
    }

    fn begin(&mut self, bounds: Bounds, now: Duration) -> Option<usize> {
        let track = Track { id: self.last_id + 1, bounds, frames: 0, last_seen: now, state: S::default() };
        self.tracks.push(track).ok()?;
        self.last_id += 1;
        Some(self.tracks.len() - 1)
    }
}

fn grown(bounds: &Bounds) -> Bounds {
    let (width, height) = (bounds.width * GROWN, bounds.height * GROWN);
    let centre = bounds.centre();
    Bounds { x: centre.x - width / 2.0, y: centre.y - height / 2.0, width, height }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn at(x: f32, y: f32) -> Bounds {
        Bounds { x, y, width: 100.0, height: 100.0 }
    }

    fn ids(tracker: &mut Tracker<u32>, boxes: &[Bounds], millis: u64) -> Vec<u64> {
        let assigned = tracker.update(boxes, Duration::from_millis(millis));
        assigned.iter().map(|slot| tracker.tracks()[slot.unwrap()].id).collect()
    }

    #[test]
    fn a_face_keeps_its_track_while_it_moves_and_blinks_out() {
        let mut tracker = Tracker::default();
        for n in 0..20u64 {
            assert_eq!(ids(&mut tracker, &[at(40.0 * n as f32, 0.0)], 66 * n), [1]);
        }
        assert_eq!(ids(&mut tracker, &[], 1_400), [0u64; 0]);
        assert_eq!(ids(&mut tracker, &[at(780.0, 10.0)], 1_900), [1]);
        assert_eq!(tracker.tracks()[0].frames, 21);
    }

    #[test]
    fn who_was_gone_too_long_or_is_elsewhere_is_a_new_track() {
        let mut tracker = Tracker::default();
        ids(&mut tracker, &[at(0.0, 0.0)], 0);
        assert_eq!(ids(&mut tracker, &[at(500.0, 0.0)], 66), [2]);
        assert_eq!(ids(&mut tracker, &[at(0.0, 0.0)], 800), [3]);
    }

    #[test]
    fn two_faces_that_come_close_keep_their_own_tracks() {
        let mut tracker = Tracker::default();
        assert_eq!(ids(&mut tracker, &[at(0.0, 0.0), at(300.0, 0.0)], 0), [1, 2]);
        assert_eq!(ids(&mut tracker, &[at(220.0, 0.0), at(60.0, 0.0)], 66), [2, 1]);
        assert_eq!(ids(&mut tracker, &[at(100.0, 0.0), at(190.0, 0.0)], 133), [1, 2]);
    }

    #[test]
    fn a_renumbered_track_is_a_new_one() {
        let mut tracker = Tracker::default();
        ids(&mut tracker, &[at(0.0, 0.0)], 0);
        tracker.renumber(0);
        assert_eq!((tracker.tracks()[0].id, tracker.tracks()[0].frames), (2, 1));
        assert_eq!(ids(&mut tracker, &[at(0.0, 0.0), at(500.0, 0.0)], 66), [2, 3]);
    }

    proptest! {
        #[test]
        fn no_two_boxes_share_a_track_and_the_number_is_bounded(
            frames in proptest::collection::vec(
                proptest::collection::vec((0f32..2000.0, 0f32..1000.0, 1f32..400.0), 0..20), 1..10)
        ) {
            let mut tracker = Tracker::<u32>::default();
            for (n, frame) in frames.iter().enumerate() {
                let boxes: Vec<Bounds> =
                    frame.iter().map(|(x, y, w)| Bounds { x: *x, y: *y, width: *w, height: *w }).collect();
                let assigned = tracker.update(&boxes, Duration::from_millis(66 * n as u64));
                let mut seen: Vec<usize> = assigned.iter().flatten().copied().collect();
                let count = seen.len();
                seen.sort_unstable();
                seen.dedup();
                prop_assert_eq!(seen.len(), count);
                prop_assert!(tracker.tracks().len() <= MAX_TRACKS);
            }
        }
    }
}
