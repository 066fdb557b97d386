//! Motion that only a body with depth can make.
//!
//! When a head turns, its nose moves against the cheeks and the forehead. When a picture of a head turns,
//! everything moves by one homography; when the picture is bent, by a smooth map. So the points of an earlier
//! frame are mapped onto the newest one by the best polynomial of second order (which holds homographies to
//! that order, and bending), and what the map leaves over is compared with where the head has depth that such
//! a map could not hold: the nose. The agreement is the sine of the angle by which a body with this depth has
//! turned. For a picture it is zero but for noise.
//!
//! Pure: points in, score out.

use std::time::Duration;

use heapless::Deque;

/// Mesh points that keep their place on the skull: nose, forehead, cheeks, corners of the eyes; none of lips,
/// lids and jaw.
const POINTS: [usize; 84] = [
    1, 2, 4, 5, 6, 168, 195, 197, 98, 327, 45, 275, 48, 278, 115, 344, 220, 440, 51, 281, 3, 248, 196, 419,
    122, 351, 193, 417, 8, 9, 33, 133, 362, 263, 10, 151, 108, 337, 69, 299, 67, 297, 109, 338, 54, 284, 103,
    332, 50, 280, 101, 330, 36, 266, 205, 425, 117, 346, 118, 347, 119, 348, 123, 352, 116, 345, 111, 340,
    143, 372, 227, 447, 234, 454, 93, 323, 127, 356, 162, 389, 21, 251, 187, 411,
];

/// Frames that are remembered.
const WINDOW: usize = 16;

/// Time between two remembered frames: the window spans two seconds and a half.
const EVERY: Duration = Duration::from_millis(160);

/// Sine of the angle by which a body has to turn to count as alive.
///
/// Measured when the largest turn against the remembered frames counted, and not yet the second largest,
/// which is no larger: photos waved, zoomed and bent reach 0.10; tilted by 40° each way 0.18, for the mesh
/// then sees a face where the perspective distorts one; sheared 0.22; rippled like a flag 0.26, which no
/// polynomial of second order holds; a man who talks and nods in a car 0.35.
const REQUIRED: f32 = 0.29;

/// Share of what moved that the turn has to explain. A print that is folded along the nose and turned moves
/// as much as a nose does, and many other points with it: by geometry a turn explains 0.3 to 0.73 of that. Of
/// the turns of a man and of a singer beyond [`REQUIRED`] it explains 0.65 to 0.98, of nine in ten more than
/// 0.82.
const EXPLAINED: f32 = 0.75;

/// Frames that have to reach it within [`TOGETHER`]: the mesh may slip in one, and now and then in another.
const FRAMES: usize = 3;

/// A head that turns is seen turned for at least half a second.
const TOGETHER: Duration = Duration::from_secs(1);

/// Comparisons that are remembered: [`TOGETHER`] at 30 frames a second.
const COMPARED: usize = 30;

type Shape = [[f32; 3]; POINTS.len()];

/// The points of one track over time.
#[derive(Debug, Clone, Default)]
pub struct Parallax {
    shapes: Deque<(Duration, Shape), WINDOW>,
    /// The agreements of the newest frames, with their times.
    turns: Deque<(Duration, f32), COMPARED>,
    /// The largest agreement that [`FRAMES`] frames reached together.
    best: Option<f32>,
}

impl Parallax {
    /// Notes the mesh of one frame: 468 points, x and y in pixels, z in the same unit. Whether it has turned
    /// as far as a body has to, against two of the remembered frames: one may be a slip of the mesh, against
    /// which every later frame has turned. Two slips among them are not told from a turn.
    pub fn note(&mut self, mesh: &[[f32; 3]], now: Duration) -> bool {
        let Some(shape) = normalised(mesh) else { return false };
        let turns = self
            .shapes
            .iter()
            .filter_map(|(_, before)| turn(before, &shape))
            .map(|(turn, explained)| if explained >= EXPLAINED { turn } else { 0.0 });
        let turned = second_largest(turns);
        if let Some(turned) = turned {
            while self.turns.front().is_some_and(|(at, _)| now.saturating_sub(*at) > TOGETHER)
                || self.turns.is_full()
            {
                self.turns.pop_front();
            }
            // There is room now.
            let _ = self.turns.push_back((now, turned));
            let together = self.together();
            self.best = Some(self.best.map_or(together, |best| best.max(together)));
        }
        if self.shapes.back().is_none_or(|(at, _)| now.saturating_sub(*at) >= EVERY) {
            if self.shapes.is_full() {
                self.shapes.pop_front();
            }
            // There is room now.
            let _ = self.shapes.push_back((now, shape));
        }
        turned.is_some_and(|turned| turned >= REQUIRED)
    }

    /// The turn seen as a multiple of the required one; `None` before two frames were compared.
    pub fn score(&self) -> Option<f32> {
        self.best.map(|best| best / REQUIRED)
    }

    /// What [`FRAMES`] of the newest frames reach; 0 while there are fewer.
    fn together(&self) -> f32 {
        let mut largest = [0.0; FRAMES];
        for (_, turn) in &self.turns {
            if let Some(place) = largest.iter().position(|other| turn > other) {
                largest[place..].rotate_right(1);
                largest[place] = *turn;
            }
        }
        largest[FRAMES - 1]
    }
}

/// The second largest of the turns, which are not negative; 0 where there is one only, `None` where there is
/// none.
fn second_largest(turns: impl Iterator<Item = f32>) -> Option<f32> {
    let two = turns.fold(None, |two: Option<[f32; 2]>, turn| {
        let [largest, second] = two.unwrap_or_default();
        Some([largest.max(turn), largest.min(turn).max(second)])
    });
    two.map(|[_, second]| second)
}

/// The points about their centre, with a mean distance of one: sizes and places in the frame no longer
/// matter.
fn normalised(mesh: &[[f32; 3]]) -> Option<Shape> {
    let mut shape = [[0.0; 3]; POINTS.len()];
    for (point, index) in shape.iter_mut().zip(POINTS) {
        *point = *mesh.get(index)?;
    }
    let count = POINTS.len() as f32;
    for axis in 0..3 {
        let mean = shape.iter().map(|point| point[axis]).sum::<f32>() / count;
        shape.iter_mut().for_each(|point| point[axis] -= mean);
    }
    let size = shape.iter().map(|[x, y, _]| x.hypot(*y)).sum::<f32>() / count;
    if !(size.is_finite() && size > 1e-3) {
        return None;
    }
    shape.as_flattened_mut().iter_mut().for_each(|value| *value /= size);
    Some(shape)
}

/// Sine of the angle by which a body with the depth of `before` has turned to look like `after`, and the
/// share of what the map leaves over that this turn explains, 0 to 1; `None` when the points do not determine
/// a map.
fn turn(before: &Shape, after: &Shape) -> Option<(f32, f32)> {
    // What a polynomial of second order in (x, y) leaves of: x and y after, and depth before.
    let targets: [[f32; 3]; POINTS.len()] = std::array::from_fn(|i| [after[i][0], after[i][1], before[i][2]]);
    let left_over = residuals(before, &targets)?;
    let (mut along_x, mut along_y, mut depth, mut moved) = (0.0, 0.0, 0.0, 0.0);
    for [x, y, z] in left_over {
        along_x += x * z;
        along_y += y * z;
        depth += z * z;
        moved += x * x + y * y;
    }
    let along = along_x.hypot(along_y);
    let (turn, explained) = (along / depth, along * along / (depth * moved));
    (turn.is_finite() && explained.is_finite()).then_some((turn, explained))
}

/// Terms of a polynomial of second order in two variables.
const TERMS: usize = 6;

/// Least-squares residuals of three functions at the points.
fn residuals(points: &Shape, targets: &[[f32; 3]; POINTS.len()]) -> Option<[[f32; 3]; POINTS.len()]> {
    let basis = |[x, y, _]: [f32; 3]| [1.0, x, y, x * x, x * y, y * y].map(f64::from);
    let mut system = [[0.0; TERMS + 3]; TERMS];
    for (point, target) in points.iter().zip(targets) {
        let terms = basis(*point);
        for (row, a) in system.iter_mut().zip(terms) {
            for (cell, b) in row.iter_mut().zip(terms) {
                *cell += a * b;
            }
            for (cell, t) in row[TERMS..].iter_mut().zip(target) {
                *cell += a * f64::from(*t);
            }
        }
    }
    let solution = solve(system)?;
    let mut left_over = *targets;
    for (point, values) in points.iter().zip(&mut left_over) {
        let terms = basis(*point);
        for (value, weights) in values.iter_mut().zip(solution) {
            let fitted: f64 = terms.iter().zip(weights).map(|(term, weight)| term * weight).sum();
            *value -= fitted as f32;
        }
    }
    Some(left_over)
}

/// Gauss-Jordan elimination with pivots; three right-hand sides.
fn solve(mut system: [[f64; TERMS + 3]; TERMS]) -> Option<[[f64; TERMS]; 3]> {
    for column in 0..TERMS {
        let pivot =
            (column..TERMS).max_by(|a, b| system[*a][column].abs().total_cmp(&system[*b][column].abs()))?;
        if system[pivot][column].abs() < 1e-9 {
            return None;
        }
        system.swap(column, pivot);
        let row = system[column].map(|value| value / system[column][column]);
        for (index, other) in system.iter_mut().enumerate() {
            let factor = other[column];
            if index == column {
                *other = row;
            } else {
                other.iter_mut().zip(row).for_each(|(cell, value)| *cell -= factor * value);
            }
        }
    }
    Some(std::array::from_fn(|side| std::array::from_fn(|term| system[term][TERMS + side])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A head of 468 points: an ellipsoid's front with a nose in its middle, in pixels.
    fn head() -> Vec<[f32; 3]> {
        (0..468)
            .map(|i| {
                let (u, v) = ((i % 22) as f32 / 10.5 - 1.0, (i / 22) as f32 / 10.5 - 1.0);
                let nose = 30.0 * (-(u * u + v * v) * 12.0).exp();
                [70.0 * u, 90.0 * v, 40.0 * (u * u + v * v) - nose]
            })
            .collect()
    }

    fn seen(mesh: &[[f32; 3]], move_point: impl Fn([f32; 3]) -> [f32; 2]) -> Vec<[f32; 3]> {
        mesh.iter()
            .map(|point| {
                let [x, y] = move_point(*point);
                [x, y, point[2]]
            })
            .collect()
    }

    /// Score after a motion of 40 frames; `motion` gets its phase, −1 to 1.
    fn score(motion: impl Fn(f32, [f32; 3]) -> [f32; 2]) -> f32 {
        let head = head();
        let mut parallax = Parallax::default();
        for n in 0..40 {
            let phase = (n as f32 * 0.2).sin();
            let mesh = seen(&head, |point| motion(phase, point));
            parallax.note(&mesh, Duration::from_millis(66 * n));
        }
        parallax.score().unwrap_or(-1.0)
    }

    #[test]
    fn a_head_that_turns_or_nods_has_depth() {
        let turned = score(|phase, [x, y, z]| {
            let (sin, cos) = (0.25 * phase).sin_cos();
            [x * cos + z * sin, y]
        });
        assert!(turned > 1.2, "{turned}");
        let nodded = score(|phase, [x, y, z]| {
            let (sin, cos) = (0.25 * phase).sin_cos();
            [x, y * cos + z * sin]
        });
        assert!(nodded > 1.2, "{nodded}");
    }

    #[test]
    fn a_photo_that_is_waved_tilted_or_bent_has_none() {
        let waved = score(|phase, [x, y, _]| {
            let (sin, cos) = (0.4 * phase).sin_cos();
            [(x * cos - y * sin) * (1.0 + 0.3 * phase) + 90.0 * phase, x * sin + y * cos]
        });
        assert!(waved < 0.1, "{waved}");
        // A plane turned by up to 40° before a camera four face heights away.
        let tilted = score(|phase, [x, y, _]| {
            let (sin, cos) = (0.7 * phase).sin_cos();
            let near = 800.0 / (800.0 + x * sin);
            [x * cos * near, y * near]
        });
        assert!(tilted < 0.4, "{tilted}");
        // A sheet about a cylinder of changing curvature.
        let bent = score(|phase, [x, y, _]| {
            let curve = 0.006 * (1.1 + phase);
            let near = 800.0 / (800.0 + (1.0 - (curve * x).cos()) / curve);
            [(curve * x).sin() / curve * near, y * near]
        });
        assert!(bent < 0.4, "{bent}");
    }

    #[test]
    fn one_slip_of_the_mesh_is_not_enough() {
        let head = head();
        // Every third of the frames is remembered, the slip among them or not.
        for slip in 0..15 {
            let mut parallax = Parallax::default();
            for n in 0..20 {
                let mesh = seen(&head, |[x, y, z]| if n == slip { [x + 0.3 * z, y] } else { [x, y] });
                parallax.note(&mesh, Duration::from_millis(66 * n));
            }
            let score = parallax.score();
            assert!(score.is_some_and(|score| score < 0.1), "slip in frame {slip}: {score:?}");
        }
    }

    proptest! {
        #[test]
        fn no_points_make_it_fail(values in proptest::collection::vec(-1e9f32..1e9, 0..1500), same: bool) {
            let mut mesh: Vec<[f32; 3]> = values.as_chunks().0.to_vec();
            if same {
                mesh.iter_mut().for_each(|point| *point = [5.0; 3]);
            }
            let mut parallax = Parallax::default();
            for n in 0..3 {
                parallax.note(&mesh, Duration::from_millis(200 * n));
            }
            prop_assert!(parallax.score().is_none_or(f32::is_finite));
        }
    }
}
