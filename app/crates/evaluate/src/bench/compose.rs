//! Draws the frames of one item: doorway, walker, person or attack, light, noise and shake.

use std::f32::consts::TAU;

use image::{Rgb, RgbImage};

use super::doorway::SIZE;
use super::head::{Attitude, Head, Held, sample};
use super::species::{Parameters, Species, animated, at_rest, filmed};

/// How long a person or an attack takes to come before the camera, seconds.
pub const COMING: f32 = 0.4;

/// The colour of a hand.
const SKIN: [f32; 3] = [205.0, 160.0, 135.0];

/// One item.
pub struct Item<'a> {
    /// The empty doorway.
    pub scene: &'a RgbImage,
    /// Another place, in which a film was taken.
    pub elsewhere: &'a RgbImage,
    /// Who is shown.
    pub head: &'a Head,
    /// The attack; `None` for a living person.
    pub species: Option<Species>,
    /// How.
    pub parameters: Parameters,
}

impl Item<'_> {
    /// What the camera sees `seconds` after somebody came (negative: before). A living person holds the head
    /// as `turned` says, on top of their own small motions.
    pub fn frame(&self, seconds: f32, turned: Attitude, noise: &mut fastrand::Rng) -> RgbImage {
        let p = &self.parameters;
        let shake = [(11.0 * seconds + p.phase).sin(), (9.0 * seconds).cos()].map(|s| s * p.shake / 2.0);
        let light = 1.0 + p.light * (0.8 * seconds + p.phase).sin();
        let attitude = match self.species {
            None => {
                let rest = at_rest(p, seconds);
                Attitude { yaw: rest.yaw + turned.yaw, pitch: rest.pitch + turned.pitch, ..rest }
            }
            Some(species) if species.is_animated() => animated(p, seconds),
            Some(species) if species.is_filmed() => filmed(p, seconds),
            Some(Species::MonitorFlicker) => at_rest(p, seconds),
            Some(_) => Attitude::default(),
        };
        let held = self.head.held(attitude);
        let (width, height) = SIZE;
        let middle = self.middle(seconds);
        let level = p.noise.max(1.0) as i32;
        RgbImage::from_fn(width, height, |x, y| {
            let at = [x as f32 + shake[0], y as f32 + shake[1]];
            let mut colour = self.behind(at, seconds);
            if seconds >= 0.0 {
                colour = match self.species {
                    None => self.person(at, middle, &held, colour),
                    Some(Species::CutOut) => self.mask(at, middle, seconds, &held, colour),
                    Some(species) if species.fills_the_frame() => {
                        self.full_frame(species, at, middle, &held, seconds)
                    }
                    Some(species) => self.sheet(species, at, middle, &held, seconds, colour),
                };
            }
            let grain = noise.i32(-level..=level) as f32;
            Rgb(colour.map(|value| (light * value + grain).clamp(0.0, 255.0) as u8))
        })
    }

    /// The middle of the face in the frame: it comes from the side.
    fn middle(&self, seconds: f32) -> [f32; 2] {
        let p = &self.parameters;
        let still_to_come = (1.0 - seconds / COMING).clamp(0.0, 1.0);
        let sway = [(1.1 * seconds + p.phase).sin(), (0.8 * seconds).cos()].map(|s| 0.02 * s * p.face);
        let to_and_fro = match self.species {
            Some(Species::TabletMoved) => 0.35 * p.strength * p.face * (2.0 * seconds + p.phase).sin(),
            _ => 0.0,
        };
        [
            SIZE.0 as f32 / 2.0 + p.place[0] + sway[0] + to_and_fro + 160.0 * still_to_come,
            SIZE.1 as f32 / 2.0 + p.place[1] + sway[1],
        ]
    }

    /// The doorway, with whoever walks by behind.
    fn behind(&self, [x, y]: [f32; 2], seconds: f32) -> [f32; 3] {
        if self.parameters.walker && seconds > 0.5 {
            let walker = -80.0 + 260.0 * (seconds - 0.5);
            let (dx, dy) = ((x - walker).abs(), y - 130.0);
            if dx < 34.0 && dy > 40.0 || dx.hypot(dy * 0.8) < 24.0 {
                return [60.0 + 0.1 * dx, 58.0, 70.0];
            }
        }
        inside(self.scene, [x, y])
    }

    fn local(&self, [x, y]: [f32; 2], middle: [f32; 2]) -> [f32; 2] {
        [(x - middle[0]) / self.parameters.face, (y - middle[1]) / self.parameters.face]
    }

    fn person(&self, at: [f32; 2], middle: [f32; 2], held: &Held<'_>, behind: [f32; 3]) -> [f32; 3] {
        let place = self.local(at, middle);
        let body = place[1] > 0.5 && place[0].abs() < 1.6;
        if !body && place[0].hypot(place[1]) > 1.5 {
            return behind;
        }
        let (colour, person) = held.standing(place);
        mix(behind, colour, person)
    }

    /// A paper mask on somebody's own body; it sways as paper does and never turns.
    fn mask(
        &self,
        at: [f32; 2],
        middle: [f32; 2],
        seconds: f32,
        held: &Held<'_>,
        behind: [f32; 3],
    ) -> [f32; 3] {
        let [u, v] = self.local(at, middle);
        let tilt = 1.0 - 0.1 * self.parameters.strength * (1.4 * seconds).sin().abs();
        self.person([u / tilt, v].map(|x| x * self.parameters.face), [0.0; 2], held, behind)
    }

    /// A screen that the camera sees nothing but.
    fn full_frame(
        &self,
        species: Species,
        at: [f32; 2],
        middle: [f32; 2],
        held: &Held<'_>,
        seconds: f32,
    ) -> [f32; 3] {
        let p = &self.parameters;
        let (place, offset) = match species {
            Species::OwnScene => {
                (self.scene, [p.phase.cos(), p.phase.sin()].map(|s| s * p.offset * SIZE.0 as f32 / 320.0))
            }
            _ => (self.elsewhere, [0.0; 2]),
        };
        let shown = [at[0] + offset[0], at[1] + offset[1]];
        let colour = self.person(shown, middle, held, inside(place, shown));
        self.screen(colour, at, seconds, 0.04 * p.strength)
    }

    /// A sheet or a screen with edges, held by a hand.
    fn sheet(
        &self,
        species: Species,
        at: [f32; 2],
        middle: [f32; 2],
        held: &Held<'_>,
        seconds: f32,
        behind: [f32; 3],
    ) -> [f32; 3] {
        let p = &self.parameters;
        let [mut u, v] = self.local(at, middle);
        if species == Species::PrintBent {
            let curve = (0.3 + 0.6 * p.strength) * (1.0 + 0.2 * (1.5 * seconds).sin());
            u = (curve * u).clamp(-0.99, 0.99).asin() / curve;
        }
        let reach = self.head.reach();
        let half = match species {
            Species::PrintTight => [0.72 + 0.1 * p.strength, 1.05],
            Species::Phone => [0.85, 1.45],
            _ => p.sheet,
        };
        let [left, up, right, down] =
            [half[0].min(reach[0]), half[1].min(reach[1]), half[0].min(reach[2]), half[1].min(reach[3])];
        let border = match species {
            Species::PrintPlain | Species::PrintBent | Species::PrintTight => 0.0,
            _ => p.border,
        };
        let beyond = (-left - u).max(u - right).max(-up - v).max(v - down);
        if beyond > border {
            // The fingers reach over the lower corner from below.
            let hand = (u - right + 0.2).abs() < 0.3 && v > down - 0.1 && v < down + 0.9;
            return if hand { SKIN.map(|value| value * (0.85 + 0.15 * (20.0 * u).sin())) } else { behind };
        }
        if beyond > 0.0 {
            return if species == Species::PrintBorder { [235.0; 3] } else { [18.0; 3] };
        }
        if (u - right + 0.06).abs() < 0.1 && v > down - 0.18 {
            return SKIN;
        }
        let (colour, _) = held.seen([u, v]);
        match species {
            Species::PrintPlain | Species::PrintBorder | Species::PrintBent | Species::PrintTight => {
                let shade = if species == Species::PrintBent { 1.0 - 0.2 * u.abs() } else { 1.0 };
                colour.map(|value| shade * (18.0 + 0.84 * value))
            }
            Species::TabletMoire => self.screen(colour, at, seconds, 0.05 + 0.15 * p.strength),
            Species::TabletGlare => {
                let away = (u - 0.5).hypot(v + 0.7);
                let glare = 180.0 * p.strength * (-8.0 * away * away).exp();
                self.screen(colour, at, seconds, 0.02).map(|value| value + glare)
            }
            Species::MonitorFlicker => {
                let flicker = 1.0 + 0.25 * p.strength * (4.3 * TAU * seconds + 0.02 * at[1]).sin();
                self.screen(colour, at, seconds, 0.04).map(|value| value * flicker)
            }
            _ => self.screen(colour, at, seconds, 0.03),
        }
    }

    /// How a screen shows a colour: a little blue, with the pattern of its pixels against the camera's.
    fn screen(&self, colour: [f32; 3], [x, y]: [f32; 2], seconds: f32, moire: f32) -> [f32; 3] {
        let phase = self.parameters.phase;
        let wave = (0.9 * x + 0.2 * y + phase).sin() * (0.3 * x - 0.85 * y + seconds).sin();
        let [red, green, blue] = colour.map(|value| value * (1.0 + moire * wave));
        [0.95 * red, green, 1.05 * blue + 6.0]
    }
}

fn inside(picture: &RgbImage, [x, y]: [f32; 2]) -> [f32; 3] {
    let (width, height) = picture.dimensions();
    sample(picture, [x.clamp(0.0, width as f32 - 1.0), y.clamp(0.0, height as f32 - 1.0)])
}

fn mix(behind: [f32; 3], before: [f32; 3], share: f32) -> [f32; 3] {
    std::array::from_fn(|i| behind[i] * (1.0 - share) + before[i] * share)
}

#[cfg(test)]
mod tests {
    use super::super::doorway::{self, Kind};
    use super::super::species::Half;
    use super::*;
    use vision::face::Bounds;

    /// Share of the pixels about the head's upper corners that show the doorway.
    fn scene_beside_head(species: Option<Species>) -> f32 {
        let picture = RgbImage::from_pixel(250, 250, Rgb([255, 0, 255]));
        let bounds = Bounds { x: 80.0, y: 80.0, width: 90.0, height: 90.0 };
        let head = Head::new(picture, bounds, &[[125.0, 125.0, 0.0]], [[100.0, 100.0]; 2], 1);
        let [scene, elsewhere] = [1, 2].map(|seed| doorway::draw(Kind::Textured, seed));
        let mut random = fastrand::Rng::with_seed(7);
        let drawn = Parameters::draw(Half::Test, &mut random);
        let parameters = Parameters {
            face: 90.0,
            place: [0.0; 2],
            shake: 0.0,
            light: 0.0,
            noise: 1.0,
            walker: false,
            offset: 0.0,
            ..drawn
        };
        let item = Item { scene: &scene, elsewhere: &elsewhere, head: &head, species, parameters };
        let frame = item.frame(1.0, Attitude::default(), &mut random);
        let places = (0..60).flat_map(|i| [(230 + i % 20, 150 + i / 2), (390 + i % 20, 150 + i / 2)]);
        let same = |(x, y): (u32, u32)| {
            frame.get_pixel(x, y).0.iter().zip(scene.get_pixel(x, y).0).all(|(a, b)| a.abs_diff(b) < 12)
        };
        places.filter(|place| same(*place)).count() as f32 / 120.0
    }

    #[test]
    fn scene_is_seen_beside_a_person_and_hidden_by_sheets_and_screens() {
        assert!(scene_beside_head(None) > 0.95);
        assert!(scene_beside_head(Some(Species::CutOut)) > 0.95);
        for species in Species::ALL.into_iter().filter(|species| species.is_gated()) {
            let open = [Species::PrintTight, Species::Phone].contains(&species);
            assert!(open || scene_beside_head(Some(species)) < 0.4, "{species:?}");
        }
    }
}
