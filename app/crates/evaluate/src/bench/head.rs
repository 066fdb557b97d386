//! A person rendered from one photo: the face's mesh gives depth, so that the head can be turned.
//!
//! All places are in widths of the face about its centre, to the right and down.

use image::RgbImage;

use vision::face::Bounds;

/// Cells of the depth's grid along a side, and how far it reaches about the face's centre.
const CELLS: usize = 48;
const REACH: f32 = 1.2;

/// How far a mesh point's depth spreads.
const SPREAD: f32 = 0.07;

/// Steps in which the place on the unturned head is found.
const STEPS: usize = 5;

/// How a head is held: radians, and how far the eyes are closed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Attitude {
    /// To the picture's right.
    pub yaw: f32,
    /// Down.
    pub pitch: f32,
    /// 0 open to 1 closed.
    pub closed: f32,
}

/// One photo of a person.
pub struct Head {
    picture: RgbImage,
    bounds: Bounds,
    /// How far each cell stands out towards the camera.
    depth: Vec<f32>,
    eyes: [[f32; 2]; 2],
    cloth: [f32; 3],
}

impl Head {
    /// From a photo, the box about its mesh, the mesh and the middles of the eyes.
    pub fn new(picture: RgbImage, bounds: Bounds, mesh: &[[f32; 3]], eyes: [[f32; 2]; 2], seed: u64) -> Self {
        let (centre, width) = (bounds.centre(), bounds.width.max(1.0));
        let local = |x: f32, y: f32| [(x - centre.x) / width, (y - centre.y) / width];
        let points: Vec<_> = mesh.iter().map(|[x, y, z]| (local(*x, *y), -z / width)).collect();
        let depth = (0..CELLS * CELLS)
            .map(|cell| {
                let [u, v] =
                    [cell % CELLS, cell / CELLS].map(|i| REACH * (2.0 * i as f32 / (CELLS - 1) as f32 - 1.0));
                let nearest =
                    points.iter().map(|([x, y], _)| (u - x).powi(2) + (v - y).powi(2)).fold(9.0, f32::min);
                let (mut sum, mut weights) = (0.0, 0.0);
                for ([x, y], depth) in &points {
                    let away = (u - x).powi(2) + (v - y).powi(2) - nearest;
                    let weight = (-away / (2.0 * SPREAD * SPREAD)).exp();
                    (sum, weights) = (sum + weight * depth, weights + weight);
                }
                if weights > 0.0 { sum / weights } else { 0.0 }
            })
            .collect();
        let mut random = fastrand::Rng::with_seed(seed);
        let cloth = std::array::from_fn(|_| 30.0 + 160.0 * random.f32());
        let eyes = eyes.map(|[x, y]| local(x, y));
        Self { picture, bounds, depth, eyes, cloth }
    }

    /// What is seen at a place while the head is held so: the colour, and how far it is the person's and not
    /// the photo's background.
    pub fn seen(&self, place: [f32; 2], attitude: Attitude) -> ([f32; 3], f32) {
        let mut at = self.unturned(place, attitude);
        let person = outline(at);
        if person < 0.5 {
            at = place;
        }
        for eye in self.eyes {
            let [dx, dy] = [at[0] - eye[0], at[1] - eye[1]];
            if dx.abs() < 0.14 && dy.abs() < 0.05 {
                at[1] -= 0.09 * attitude.closed;
            }
        }
        (self.colour(at), person)
    }

    /// The person as they stand at the door: head, neck and a drawn body; how far the place is theirs.
    pub fn standing(&self, place: [f32; 2], attitude: Attitude) -> ([f32; 3], f32) {
        let [u, v] = place;
        let (colour, head) = self.seen(place, attitude);
        if head > 0.0 && v < 0.66 {
            return (colour, head);
        }
        let shoulder = 0.45 + 1.6 * (v - 0.8).max(0.0).sqrt();
        if v > 0.8 && u.abs() < shoulder.min(1.35) {
            let fold = 8.0 * (9.0 * u + 4.0 * v).sin() + 6.0 * (23.0 * v - 5.0 * u).sin();
            return (self.cloth.map(|value| value + fold), soft(shoulder.min(1.35) - u.abs()));
        }
        if v > 0.3 && u.abs() < 0.36 {
            // The neck is as the skin below the chin.
            return (self.colour([u, v.min(0.72)]), soft(0.36 - u.abs()));
        }
        (colour, head)
    }

    /// Where the place lay before the head turned.
    fn unturned(&self, [x, y]: [f32; 2], attitude: Attitude) -> [f32; 2] {
        let ((sin, cos), (sin_p, cos_p)) = (attitude.yaw.sin_cos(), attitude.pitch.sin_cos());
        let (mut u, mut v) = (x, y);
        for _ in 0..STEPS {
            let depth = self.depth_at([u, v]);
            u = (x - depth * sin) / cos;
            v = (y - depth * sin_p) / cos_p;
        }
        [u, v]
    }

    fn depth_at(&self, place: [f32; 2]) -> f32 {
        let [x, y] = place.map(|value| {
            ((value / REACH + 1.0) / 2.0 * (CELLS - 1) as f32).clamp(0.0, (CELLS - 1) as f32 - 0.001)
        });
        let (left, top) = (x as usize, y as usize);
        let (fx, fy) = (x - left as f32, y - top as f32);
        let at = |x: usize, y: usize| self.depth[y * CELLS + x];
        let upper = at(left, top) * (1.0 - fx) + at(left + 1, top) * fx;
        let lower = at(left, top + 1) * (1.0 - fx) + at(left + 1, top + 1) * fx;
        upper * (1.0 - fy) + lower * fy
    }

    fn colour(&self, [u, v]: [f32; 2]) -> [f32; 3] {
        let centre = self.bounds.centre();
        let (width, height) = self.picture.dimensions();
        sample(
            &self.picture,
            [
                (centre.x + u * self.bounds.width).clamp(0.0, width as f32 - 1.0),
                (centre.y + v * self.bounds.width).clamp(0.0, height as f32 - 1.0),
            ],
        )
    }

    /// How far the photo reaches about the face: left, up, right and down.
    pub fn reach(&self) -> [f32; 4] {
        let (centre, w) = (self.bounds.centre(), self.bounds.width.max(1.0));
        let (width, height) = self.picture.dimensions();
        [centre.x / w, centre.y / w, (width as f32 - centre.x) / w, (height as f32 - centre.y) / w]
    }
}

/// How far a place belongs to the head: an ellipse with hair above, and the jaw below.
fn outline([u, v]: [f32; 2]) -> f32 {
    let down = v + 0.12;
    let height = if down < 0.0 { 0.92 } else { 0.78 };
    soft(0.64 * (1.0 - (u / 0.64).hypot(down / height)))
}

/// An edge as a camera sees it.
fn soft(inside: f32) -> f32 {
    (0.5 + inside / 0.05).clamp(0.0, 1.0)
}

/// The colour between four pixels. The place lies in the picture.
pub fn sample(picture: &RgbImage, [x, y]: [f32; 2]) -> [f32; 3] {
    let (left, top) = (x as u32, y as u32);
    let (right, bottom) = ((left + 1).min(picture.width() - 1), (top + 1).min(picture.height() - 1));
    let (fx, fy) = (x - left as f32, y - top as f32);
    let [a, b, c, d] = [(left, top), (right, top), (left, bottom), (right, bottom)]
        .map(|(x, y)| picture.get_pixel(x, y).0.map(f32::from));
    std::array::from_fn(|i| {
        (a[i] * (1.0 - fx) + b[i] * fx) * (1.0 - fy) + (c[i] * (1.0 - fx) + d[i] * fx) * fy
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ball of a face with a bright nose in its middle.
    fn head() -> Head {
        let picture = RgbImage::from_fn(200, 200, |x, y| {
            let nose = x.abs_diff(100) < 6 && y.abs_diff(100) < 6;
            image::Rgb(if nose { [250, 250, 250] } else { [90, 60, 50] })
        });
        let mesh: Vec<[f32; 3]> = (0..400)
            .map(|i| [(i % 20) as f32 / 19.0 - 0.5, (i / 20) as f32 / 19.0 - 0.5])
            .map(|[u, v]| [100.0 + 100.0 * u, 100.0 + 100.0 * v, 60.0 * (u * u + v * v) - 30.0])
            .collect();
        let bounds = Bounds { x: 50.0, y: 50.0, width: 100.0, height: 100.0 };
        Head::new(picture, bounds, &mesh, [[80.0, 80.0], [120.0, 80.0]], 1)
    }

    #[test]
    fn nose_moves_where_the_head_turns() {
        let head = head();
        let brightest = |attitude: Attitude, along: fn(f32) -> [f32; 2]| {
            let at = |i: i32| along(i as f32 / 100.0);
            (-40..40).max_by_key(|i| head.seen(at(*i), attitude).0[0] as i32 * 100 - i.abs()).unwrap_or(0)
        };
        let side = |yaw| brightest(Attitude { yaw, ..Attitude::default() }, |x| [x, 0.0]);
        let down = |pitch| brightest(Attitude { pitch, ..Attitude::default() }, |y| [0.0, y]);
        assert!(side(0.0).abs() < 6 && side(0.4) > 6 && side(-0.4) < -6, "{} {}", side(0.4), side(-0.4));
        assert!(down(0.4) > 6 && down(-0.4) < -6, "{} {}", down(0.4), down(-0.4));
    }

    #[test]
    fn scene_is_seen_beside_the_head_and_not_through_it() {
        let head = head();
        let person = |place| head.standing(place, Attitude::default()).1;
        assert_eq!(person([0.0, 0.0]), 1.0);
        assert_eq!(person([0.0, 1.2]), 1.0, "the body");
        assert_eq!(person([0.9, -0.3]), 0.0);
        assert_eq!(person([0.0, -1.3]), 0.0);
    }
}
