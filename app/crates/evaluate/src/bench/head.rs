//! A person rendered from one photo: the face's mesh gives depth, so that the head can be turned. Neck and
//! body are drawn.
//!
//! All places are in widths of the face about its centre, to the right and down.

use image::RgbImage;

use vision::face::Bounds;

use super::relief::{Relief, Turned};

/// Where a face shows skin: beside the nose, on the forehead, and above the jaw.
const SKIN: [[f32; 2]; 5] = [[-0.22, 0.05], [0.22, 0.05], [0.0, -0.4], [-0.25, 0.35], [0.25, 0.35]];

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
    relief: Relief,
    eyes: [[f32; 2]; 2],
    skin: [f32; 3],
    cloth: [f32; 3],
}

impl Head {
    /// From a photo, the box about its mesh, the mesh and the middles of the eyes.
    pub fn new(picture: RgbImage, bounds: Bounds, mesh: &[[f32; 3]], eyes: [[f32; 2]; 2], seed: u64) -> Self {
        let (centre, width) = (bounds.centre(), bounds.width.max(1.0));
        let local = |x: f32, y: f32| [(x - centre.x) / width, (y - centre.y) / width];
        let points: Vec<_> = mesh.iter().map(|[x, y, z]| (local(*x, *y), -z / width)).collect();
        let mut random = fastrand::Rng::with_seed(seed);
        let cloth = std::array::from_fn(|_| 30.0 + 160.0 * random.f32());
        let eyes = eyes.map(|[x, y]| local(x, y));
        let mut head = Self { picture, bounds, relief: Relief::of(&points), eyes, skin: [0.0; 3], cloth };
        head.skin = std::array::from_fn(|channel| {
            let mut values = SKIN.map(|place| head.colour(place)[channel]);
            values.sort_by(f32::total_cmp);
            values[SKIN.len() / 2]
        });
        head
    }

    /// The head, held in some way.
    pub fn held(&self, attitude: Attitude) -> Held<'_> {
        Held { head: self, turned: self.relief.turned(attitude.yaw, attitude.pitch), closed: attitude.closed }
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

    /// Neck and body, which do not turn: the colour, and how far the place is theirs.
    fn body(&self, [u, v]: [f32; 2]) -> ([f32; 3], f32) {
        let shoulder = (0.45 + 1.6 * (v - 0.8).max(0.0).sqrt()).min(1.35);
        if v > 0.8 && u.abs() < shoulder {
            let fold = 8.0 * (9.0 * u + 4.0 * v).sin() + 6.0 * (23.0 * v - 5.0 * u).sin();
            return (self.cloth.map(|value| value + fold), soft(shoulder - u.abs()));
        }
        // The neck is round, and in the chin's shadow.
        let shade = 0.8 - 0.9 * u * u;
        let neck = if v > 0.2 { soft(0.36 - u.abs()) } else { 0.0 };
        (self.skin.map(|value| shade * value), neck)
    }

    /// How far the photo reaches about the face: left, up, right and down.
    pub fn reach(&self) -> [f32; 4] {
        let (centre, w) = (self.bounds.centre(), self.bounds.width.max(1.0));
        let (width, height) = self.picture.dimensions();
        [centre.x / w, centre.y / w, (width as f32 - centre.x) / w, (height as f32 - centre.y) / w]
    }
}

/// A head that is held in some way: what one frame shows.
pub struct Held<'a> {
    head: &'a Head,
    turned: Turned,
    closed: f32,
}

impl Held<'_> {
    /// What is seen at a place: the colour, and how far it is the person's and not the photo's background.
    pub fn seen(&self, place: [f32; 2]) -> ([f32; 3], f32) {
        let found = self.turned.from(place).map(|at| (at, outline(at)));
        let (mut at, person) = found.filter(|(_, person)| *person > 0.0).unwrap_or((place, 0.0));
        for eye in self.head.eyes {
            let [dx, dy] = [at[0] - eye[0], at[1] - eye[1]];
            if dx.abs() < 0.14 && dy.abs() < 0.05 {
                at[1] -= 0.09 * self.closed;
            }
        }
        (self.head.colour(at), person)
    }

    /// The person as they stand at the door: head, neck and a drawn body; how far the place is theirs.
    pub fn standing(&self, place: [f32; 2]) -> ([f32; 3], f32) {
        let (colour, head) = self.seen(place);
        let (under, body) = self.head.body(place);
        let whole = head + (1.0 - head) * body;
        if whole <= 0.0 {
            return (colour, 0.0);
        }
        let share = head / whole;
        (std::array::from_fn(|i| share * colour[i] + (1.0 - share) * under[i]), whole)
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
            let (held, at) = (head.held(attitude), |i: i32| along(i as f32 / 100.0));
            (-40..40).max_by_key(|i| held.seen(at(*i)).0[0] as i32 * 100 - i.abs()).unwrap_or(0)
        };
        let side = |yaw| brightest(Attitude { yaw, ..Attitude::default() }, |x| [x, 0.0]);
        let down = |pitch| brightest(Attitude { pitch, ..Attitude::default() }, |y| [0.0, y]);
        assert!(side(0.0).abs() < 6 && side(0.4) > 6 && side(-0.4) < -6, "{} {}", side(0.4), side(-0.4));
        assert!(down(0.4) > 6 && down(-0.4) < -6, "{} {}", down(0.4), down(-0.4));
    }

    #[test]
    fn scene_is_seen_beside_the_head_and_not_through_it() {
        let head = head();
        let person = |place| head.held(Attitude::default()).standing(place).1;
        assert_eq!(person([0.0, 0.0]), 1.0);
        assert_eq!(person([0.0, 1.2]), 1.0, "the body");
        assert_eq!(person([0.9, -0.3]), 0.0);
        assert_eq!(person([0.0, -1.3]), 0.0);
    }
}
