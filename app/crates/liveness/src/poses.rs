//! How the head was held before a turn is asked for.
//!
//! A turn counts from a head that looked to the front and was still: a film whose head turns all the time
//! never gets a prompt that its next turn could answer. A head that turned while nobody asked may be such a
//! film, so it is asked for one turn more.
//!
//! Pure: poses and times in, answers out.

use std::time::Duration;

use faces::landmarks::Pose;
use heapless::Deque;

/// So long the head has to be still before a turn is asked for.
const STILL: Duration = Duration::from_millis(400);

/// Largest change of turn and nod of a head that is still, degrees. A person who stands before the door sways
/// by about half of it in that time.
const SWAY: f32 = 6.0;

/// Largest turn to the side of a head that looks to the front, degrees. A nod does not count: cameras hang
/// high or low.
const FRONT: f32 = 15.0;

/// Change of turn or nod beyond which the head turned without being asked, degrees.
const RESTLESS: f32 = 14.0;

/// Poses that are remembered: [`STILL`] at 60 frames a second, and some more.
const REMEMBERED: usize = 32;

/// The poses of one face.
#[derive(Debug, Clone, Default)]
pub struct Poses {
    newest: Deque<(Duration, Pose), REMEMBERED>,
    /// Least and greatest turn and nod so far.
    range: Option<[(f32, f32); 2]>,
}

impl Poses {
    /// Notes the pose of one frame.
    pub fn note(&mut self, pose: Pose, now: Duration) {
        if !(pose.yaw.is_finite() && pose.pitch.is_finite()) {
            return;
        }
        // One pose from before the time is kept: it tells that the time is covered.
        while self.newest.iter().nth(1).is_some_and(|(at, _)| now.saturating_sub(*at) >= STILL)
            || self.newest.is_full()
        {
            self.newest.pop_front();
        }
        // There is room now.
        let _ = self.newest.push_back((now, pose));
        let [turn, nod] = self.range.unwrap_or([(pose.yaw, pose.yaw), (pose.pitch, pose.pitch)]);
        let widened = |(least, most): (f32, f32), value: f32| (least.min(value), most.max(value));
        self.range = Some([widened(turn, pose.yaw), widened(nod, pose.pitch)]);
    }

    /// How the head is held, if it looks to the front and is still: the mean of the newest poses.
    pub fn still(&self) -> Option<Pose> {
        let ((first, _), (last, _)) = (self.newest.front()?, self.newest.back()?);
        let covered = last.saturating_sub(*first) >= STILL;
        // The mean, if no two differ by more.
        let mean = |value: fn(&Pose) -> f32| {
            let (mut least, mut most, mut sum) = (f32::INFINITY, f32::NEG_INFINITY, 0.0);
            for (_, pose) in &self.newest {
                let value = value(pose);
                (least, most, sum) = (least.min(value), most.max(value), sum + value);
            }
            (most - least <= SWAY).then(|| sum / self.newest.len() as f32)
        };
        let (yaw, pitch) = (mean(|pose| pose.yaw)?, mean(|pose| pose.pitch)?);
        (covered && yaw.abs() <= FRONT).then_some(Pose { yaw, pitch, roll: 0.0 })
    }

    /// Whether the head looks to the front now.
    pub fn look_to_the_front(&self) -> bool {
        self.newest.back().is_some_and(|(_, pose)| pose.yaw.abs() <= FRONT)
    }

    /// Whether the head turned or nodded clearly since the first pose.
    pub fn are_restless(&self) -> bool {
        self.range.is_some_and(|range| range.iter().any(|(least, most)| most - least > RESTLESS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Poses of turns to the side, 15 a second.
    fn seen(yaws: impl IntoIterator<Item = f32>) -> Poses {
        let mut poses = Poses::default();
        for (n, yaw) in yaws.into_iter().enumerate() {
            poses.note(Pose { yaw, pitch: -12.0, roll: 0.0 }, Duration::from_millis(66 * n as u64));
        }
        poses
    }

    #[test]
    fn only_a_head_that_is_still_and_looks_to_the_front_is_asked() {
        let sways = (0..20u8).map(|n| 3.0 + 2.0 * f32::from(n % 3));
        assert!(seen(sways).still().is_some_and(|rest| (rest.yaw - 5.0).abs() < 1.0));
        assert!(seen([0.0; 5]).still().is_none(), "too short");
        assert!(seen((0..20u8).map(|n| 2.0 * f32::from(n) - 20.0)).still().is_none(), "it turns");
        assert!(seen([24.0; 20]).still().is_none(), "it looks aside");
    }

    #[test]
    fn a_head_that_turned_unasked_is_restless() {
        let turned = (0..30u8).map(|n| if (8..14).contains(&n) { 24.0 } else { 0.0 });
        let poses = seen(turned);
        assert!(poses.are_restless() && poses.still().is_some());
        assert!(!seen((0..30u8).map(|n| f32::from(n % 7))).are_restless());
    }

    proptest! {
        #[test]
        fn no_poses_make_it_fail(
            poses in proptest::collection::vec((proptest::num::f32::ANY, proptest::num::f32::ANY, 0u64..3_000), 0..60)
        ) {
            let (mut seen, mut now) = (Poses::default(), Duration::ZERO);
            for (yaw, pitch, gap) in poses {
                now += Duration::from_millis(gap);
                seen.note(Pose { yaw, pitch, roll: 0.0 }, now);
                prop_assert!(seen.still().is_none_or(|rest| rest.yaw.abs() <= FRONT && rest.pitch.is_finite()));
            }
        }
    }
}
