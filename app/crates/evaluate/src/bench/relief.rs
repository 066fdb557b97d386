//! The shape of a head, from the depth of its mesh, and which part of it is seen where after it has turned.
//!
//! All places are in widths of the face about its centre, to the right and down; depth is towards the camera.

/// Cells of the grid of depths along a side, and how far it reaches about the face's centre.
const CELLS: usize = 96;
const REACH: f32 = 1.2;

/// How far the depth of a mesh point spreads: less than from one point to the next, so that the nose stays.
const SPREAD: f32 = 0.03;

/// Beyond the mesh the head falls back: how far from the nearest point this begins, and how steep it is.
const BEYOND: f32 = 0.05;
const FALLS: f32 = 1.3;

/// Cells of a [`Turned`] along a side: a little finer than the frame's pixels.
const SIDE: usize = 360;

/// Two neighbouring places differ by less than this unless one hides what lies between them.
const TOGETHER: f32 = 0.05;

/// How far each place of a head stands out.
pub struct Relief {
    depth: Vec<f32>,
    /// Where the axis lies about which the head turns: between the ears.
    axis: f32,
}

impl Relief {
    /// From the places and depths of a mesh.
    pub fn of(points: &[([f32; 2], f32)]) -> Self {
        let depth = (0..CELLS * CELLS)
            .map(|cell| {
                let [u, v] = corner(cell % CELLS, cell / CELLS);
                let away = |[x, y]: [f32; 2]| (u - x).powi(2) + (v - y).powi(2);
                let nearest = points.iter().map(|(at, _)| away(*at)).fold(9.0, f32::min);
                let (mut sum, mut weights) = (0.0, 0.0);
                for (at, depth) in points {
                    let weight = ((nearest - away(*at)) / (2.0 * SPREAD * SPREAD)).exp();
                    (sum, weights) = (sum + weight * depth, weights + weight);
                }
                let falls = FALLS * (nearest.sqrt() - BEYOND).max(0.0);
                if weights > 0.0 { sum / weights - falls } else { 0.0 }
            })
            .collect();
        let axis = points.iter().map(|(_, depth)| *depth).fold(f32::INFINITY, f32::min);
        Self { depth, axis: if axis.is_finite() { axis } else { 0.0 } }
    }

    /// The head turned to the picture's right by `yaw` and then down by `pitch`, radians, as a camera far
    /// away sees it.
    pub fn turned(&self, yaw: f32, pitch: f32) -> Turned {
        if yaw == 0.0 && pitch == 0.0 {
            return Turned(None);
        }
        let ((sin, cos), (sin_p, cos_p)) = (yaw.sin_cos(), pitch.sin_cos());
        let corners: Vec<Corner> = (0..CELLS * CELLS)
            .map(|cell| {
                let [u, v] = corner(cell % CELLS, cell / CELLS);
                let depth = self.depth[cell] - self.axis;
                let (x, towards) = (u * cos + depth * sin, depth * cos - u * sin);
                Corner {
                    at: [x, v * cos_p + towards * sin_p],
                    depth: towards * cos_p - v * sin_p,
                    from: [u, v],
                }
            })
            .collect();
        let mut seen = vec![(f32::NEG_INFINITY, [0.0; 2]); SIDE * SIDE];
        for cell in (0..CELLS * (CELLS - 1)).filter(|cell| cell % CELLS < CELLS - 1) {
            let [a, b, c, d] = [cell, cell + 1, cell + CELLS, cell + CELLS + 1].map(|i| corners[i]);
            fill([a, b, c], &mut seen);
            fill([b, d, c], &mut seen);
        }
        Turned(Some(seen))
    }
}

/// The place of a corner of the grid.
fn corner(column: usize, row: usize) -> [f32; 2] {
    [column, row].map(|i| REACH * (2.0 * i as f32 / (CELLS - 1) as f32 - 1.0))
}

/// A corner of the grid after the turn: where it is, and where it was.
#[derive(Clone, Copy)]
struct Corner {
    at: [f32; 2],
    depth: f32,
    from: [f32; 2],
}

/// Draws a triangle where nothing nearer to the camera is drawn.
fn fill(corners: [Corner; 3], seen: &mut [(f32, [f32; 2])]) {
    let [a, b, c] = corners.map(|corner| corner.at.map(|x| (x / REACH + 1.0) / 2.0 * (SIDE - 1) as f32));
    let area = (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1]);
    // What is seen from behind is hidden by the rest of the head.
    if area <= f32::EPSILON {
        return;
    }
    let range = |axis: usize| {
        let (least, most) = (a[axis].min(b[axis]).min(c[axis]).max(0.0), a[axis].max(b[axis]).max(c[axis]));
        least.ceil() as usize..=(most.min((SIDE - 1) as f32).max(0.0) as usize)
    };
    for y in range(1) {
        for x in range(0) {
            let [dx, dy] = [x as f32 - a[0], y as f32 - a[1]];
            let to_b = (dx * (c[1] - a[1]) - dy * (c[0] - a[0])) / area;
            let to_c = (dy * (b[0] - a[0]) - dx * (b[1] - a[1])) / area;
            let to_a = 1.0 - to_b - to_c;
            if to_a < -1e-4 || to_b < -1e-4 || to_c < -1e-4 {
                continue;
            }
            let between = |value: fn(&Corner) -> f32| {
                to_a * value(&corners[0]) + to_b * value(&corners[1]) + to_c * value(&corners[2])
            };
            let depth = between(|corner| corner.depth);
            let cell = &mut seen[y * SIDE + x];
            if depth > cell.0 {
                *cell = (depth, [between(|corner| corner.from[0]), between(|corner| corner.from[1])]);
            }
        }
    }
}

/// What of a head is seen where. Without a map it has not turned.
pub struct Turned(Option<Vec<(f32, [f32; 2])>>);

impl Turned {
    /// Where the place that is seen at `place` was before the head turned; `None` beside the head.
    pub fn from(&self, place: [f32; 2]) -> Option<[f32; 2]> {
        let Some(seen) = &self.0 else { return Some(place) };
        let [x, y] = place.map(|x| (x / REACH + 1.0) / 2.0 * (SIDE - 1) as f32);
        if !(0.0..(SIDE - 1) as f32).contains(&x) || !(0.0..(SIDE - 1) as f32).contains(&y) {
            return None;
        }
        let (left, top) = (x as usize, y as usize);
        let at = |x: usize, y: usize| seen[y * SIDE + x];
        let nearest = at((x + 0.5) as usize, (y + 0.5) as usize);
        let four = [at(left, top), at(left + 1, top), at(left, top + 1), at(left + 1, top + 1)];
        let together = four.iter().all(|(depth, from)| {
            depth.is_finite() && from.iter().zip(nearest.1).all(|(a, b)| (a - b).abs() < TOGETHER)
        });
        if !together {
            return nearest.0.is_finite().then_some(nearest.1);
        }
        let (right, down) = (x - left as f32, y - top as f32);
        let mix = |i: usize| {
            let [a, b, c, d] = four.map(|(_, from)| from[i]);
            (a * (1.0 - right) + b * right) * (1.0 - down) + (c * (1.0 - right) + d * right) * down
        };
        Some([mix(0), mix(1)])
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Half a ball of radius 0.5 about the centre, as a mesh.
    fn ball() -> Relief {
        let points: Vec<_> = (0..1_600)
            .map(|i| [(i % 40) as f32 / 39.0 - 0.5, (i / 40) as f32 / 39.0 - 0.5])
            .filter(|[u, v]| u.hypot(*v) <= 0.5)
            .map(|[u, v]| ([u, v], (0.25 - u * u - v * v).max(0.0).sqrt()))
            .collect();
        Relief::of(&points)
    }

    #[test]
    fn places_of_a_ball_turn_by_the_whole_angle() {
        let ball = ball();
        for degrees in [-30.0_f32, 12.0, 21.0, 32.0] {
            let angle = degrees.to_radians();
            // What stood out most is now to the side by the sine of the angle.
            let [u, v] = ball.turned(angle, 0.0).from([0.5 * angle.sin(), 0.0]).unwrap();
            assert!(u.abs() < 0.03 && v.abs() < 0.01, "turned by {degrees}: {u} {v}");
            let [u, v] = ball.turned(0.0, angle).from([0.0, 0.5 * angle.sin()]).unwrap();
            assert!(u.abs() < 0.01 && v.abs() < 0.03, "nodded by {degrees}: {u} {v}");
        }
    }

    #[test]
    fn what_turns_away_is_hidden_and_what_turned_not_stays() {
        let ball = ball();
        let turned = ball.turned(40.0_f32.to_radians(), 0.0);
        let columns: Vec<f32> =
            (-50..=50).filter_map(|i| turned.from([i as f32 / 100.0, 0.0])).map(|[u, _]| u).collect();
        let far = columns.iter().filter(|u| (0.42..0.49).contains(*u)).count();
        let near = columns.iter().filter(|u| (-0.49..-0.42).contains(*u)).count();
        assert!(far == 0 && near > 2, "the far side is hidden, the near side seen: {far} {near}");
        assert!(columns.len() > 90, "the head covers what it covered");
        assert_eq!(ball.turned(0.0, 0.0).from([0.3, -2.0]), Some([0.3, -2.0]));
        assert_eq!(turned.from([0.0, 1.3]), None);
    }
}
