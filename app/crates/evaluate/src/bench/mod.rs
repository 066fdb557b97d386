//! A composing test bench for liveness: people rendered from photos, before drawn doorways, and attacks of
//! every species, judged by the very pipeline of the device.
//!
//! The pipeline learns each empty doorway first. Then somebody comes before the camera for some seconds. A
//! living person answers the prompts that the pipeline gives; attacks answer none. People, doorways and
//! parameters of the development half are never those of the test half, and four species are seen by the test
//! half only.
//!
//! Turned heads are rendered from one photo by the depth of its mesh, so they show less than a real turn
//! does: no ear comes into view. Hair ends at an ellipse. Clothes and doorways are drawn.

pub mod compose;
pub mod doorway;
pub mod head;
pub mod people;
pub mod relief;
pub mod species;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use image::RgbImage;
use serde::Serialize;

use base::event::Life;
use compose::Item;
use doorway::Kind;
use head::Attitude;
use liveness::config::Liveness;
use people::Person;
use recognition::config::Recognition;
use recognition::{Advice, Engine, EngineError, FrameOutcome, Gallery, Pipeline, SharedGallery};
use species::{Half, Parameters, Species};
use vision::frame::{Frame, Picture};

use super::pictures::EvaluateError;
use super::statistics::Rate;

/// Frames a second that are composed.
const RATE: u32 = 10;

/// How long somebody stays before the camera after they came: the six seconds of the goal, and a little more.
const STAYS: f32 = 6.6;

/// Frames of the empty doorway, five a second: twice five seconds of quiet (the first learnt frame begins
/// again), sixty frames learnt, and some more.
const EMPTY: u32 = 130;

/// Time between two items before one door: no refusal is remembered for so long.
const BETWEEN: Duration = Duration::from_secs(120);

/// Doorways of a half: textured ones, then a plain one.
const DOORS: [Kind; 4] = [Kind::Textured, Kind::Textured, Kind::Textured, Kind::Plain];

/// What to run.
pub struct Plan<'a> {
    /// Folder of people, `<person>/<picture>`, two pictures each or more.
    pub people: &'a Path,
    /// Which half.
    pub half: Half,
    /// Items of each species, and living people before each door.
    pub each: usize,
    /// The site's settings.
    pub recognition: Recognition,
    /// The liveness rule and its exemptions.
    pub liveness: Liveness,
}

/// The result of one item.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    /// The attack; `None` for a living person.
    pub species: Option<Species>,
    /// Whether the doorway is a plain wall.
    pub plain: bool,
    /// The person's folder.
    pub person: String,
    /// Seconds from when the face had come to a row; `None` when none was written.
    pub accepted: Option<f32>,
    /// What showed life then.
    #[serde(skip)]
    pub life: Life,
    /// Whether it was refused as an attack.
    pub refused: bool,
    /// Whether a prompt was given.
    pub prompted: bool,
    /// The pipeline's own words on its liveness at the end.
    pub why: String,
    /// How it was composed.
    pub parameters: Parameters,
}

/// The rates over all items.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// Accepted attacks of each species that was shown.
    pub attacks: Vec<(Species, Rate)>,
    /// Living people before a textured doorway: accepted within two seconds without a prompt.
    pub soon: Rate,
    /// The same, within six seconds, with a prompt or without.
    pub six: Rate,
    /// Living people before a plain wall, within six seconds.
    pub six_plain: Rate,
    /// Living people refused as attacks.
    pub living_refused: Rate,
}

/// Runs a half.
///
/// # Errors
/// [`EvaluateError`] when pictures cannot be read, too few people can be used, or a model fails.
pub fn run(
    plan: &Plan<'_>,
    load: &mut dyn FnMut() -> Result<Engine, EngineError>,
    looked_at: &dyn Fn(usize, usize),
) -> Result<Vec<Shown>, EvaluateError> {
    let wanted = (plan.each * DOORS.len()).clamp(8, 60);
    let people = people::prepare(plan.people, plan.half, wanted, &mut load()?)?;
    let gallery = Gallery::new(people.iter().map(|p| (p.roll.clone(), p.enrolled.clone())).collect());
    let gallery = SharedGallery::new(Arc::new(gallery).into());
    let species =
        Species::ALL.iter().filter(|species| plan.half == Half::Test || species.is_in_development());
    let items: Vec<(usize, Option<Species>)> = (0..DOORS.len() * plan.each)
        .map(|n| (n % DOORS.len(), None))
        .chain(species.flat_map(|species| (0..plan.each).map(move |n| (n % DOORS.len(), Some(*species)))))
        .collect();
    let mut random = fastrand::Rng::with_seed(if plan.half == Half::Test { 2_000 } else { 1_000 });
    let drawn: Vec<_> = items
        .iter()
        .enumerate()
        .map(|(n, item)| (*item, &people[n % people.len()], Parameters::draw(plan.half, &mut random)))
        .collect();
    let mut shown = Vec::with_capacity(items.len());
    for (door, kind) in DOORS.iter().enumerate() {
        let seed = random.u64(..);
        let mut stage = Stage::new(plan, *kind, seed, load()?, &gallery)?;
        for ((_, species), person, parameters) in drawn.iter().filter(|((at, _), ..)| *at == door) {
            looked_at(shown.len(), items.len());
            shown.push(stage.show(*species, person, *parameters)?);
        }
    }
    looked_at(items.len(), items.len());
    Ok(shown)
}

/// A pipeline before one door.
struct Stage {
    pipeline: Pipeline,
    kind: Kind,
    scene: RgbImage,
    elsewhere: RgbImage,
    now: Duration,
    noise: fastrand::Rng,
    number: u64,
}

impl Stage {
    fn new(
        plan: &Plan<'_>,
        kind: Kind,
        seed: u64,
        engine: Engine,
        gallery: &SharedGallery,
    ) -> Result<Self, EvaluateError> {
        let pipeline = Pipeline::new(engine, Arc::clone(gallery), &plan.recognition, &plan.liveness)?
            .asking_with(Arc::new(AtomicBool::new(true)));
        let mut stage = Self {
            pipeline,
            kind,
            scene: doorway::draw(kind, seed),
            elsewhere: doorway::draw(Kind::Textured, !seed),
            now: Duration::from_secs(10),
            noise: fastrand::Rng::with_seed(seed),
            number: 0,
        };
        for _ in 0..EMPTY {
            stage.now += Duration::from_millis(200);
            let level = 3;
            let mut frame = stage.scene.clone();
            for value in frame.iter_mut() {
                *value = value.saturating_add_signed(stage.noise.i8(-level..=level));
            }
            stage.see(frame)?;
        }
        Ok(stage)
    }

    fn see(&mut self, picture: RgbImage) -> Result<Vec<FrameOutcome>, EvaluateError> {
        self.number += 1;
        let mut frame =
            Frame { number: self.number, picture: Picture::from_rgb(picture), ..Frame::default() };
        frame.at.since_boot = self.now;
        Ok(self.pipeline.process(&frame)?)
    }

    /// Shows one item, until it is accepted or refused or its time is over.
    fn show(
        &mut self,
        species: Option<Species>,
        person: &Person,
        parameters: Parameters,
    ) -> Result<Shown, EvaluateError> {
        self.now += BETWEEN;
        // The device draws its prompts from the thread's generator.
        fastrand::seed(self.noise.u64(..));
        let (scene, elsewhere) = (self.scene.clone(), self.elsewhere.clone());
        let item = Item { scene: &scene, elsewhere: &elsewhere, head: &person.head, species, parameters };
        let mut shown = Shown {
            species,
            plain: self.kind == Kind::Plain,
            person: person.name.clone(),
            accepted: None,
            life: Life::Unchecked,
            refused: false,
            prompted: false,
            why: "no face".to_owned(),
            parameters,
        };
        let mut asked: Option<(Advice, f32)> = None;
        let mut turned = Attitude::default();
        let frames = ((compose::COMING + STAYS) * RATE as f32) as u32;
        for number in 0..frames {
            self.now += Duration::from_secs(1) / RATE;
            let seconds = number as f32 / RATE as f32;
            if let Some((advice, since)) = asked {
                turned = turn(advice, &parameters, seconds - since, turned);
            }
            let frame = item.frame(seconds, turned, &mut self.noise);
            for outcome in self.see(frame)? {
                match outcome {
                    FrameOutcome::Recognised(sighting) => {
                        shown.accepted = Some((seconds - compose::COMING).max(0.0));
                        shown.life = sighting.liveness.life();
                        shown.why = format!("{} as {}", sighting.liveness, sighting.roll);
                        return Ok(shown);
                    }
                    // It stays refused while it is there.
                    FrameOutcome::AttackRefused { liveness, .. } => {
                        shown.refused = true;
                        shown.why = liveness.to_string();
                        return Ok(shown);
                    }
                    FrameOutcome::Hint { advice, .. } if direction(advice).is_some() => {
                        shown.prompted = true;
                        asked = Some((advice, seconds));
                    }
                    FrameOutcome::Hint { .. } | FrameOutcome::Stranger { .. } => {}
                }
            }
            if let Some(track) = self.pipeline.snapshot().tracks.first() {
                let advice = track.advice.map_or("", Advice::text);
                shown.why = format!("{}, votes {}, {advice}", track.liveness, track.votes);
            }
        }
        Ok(shown)
    }
}

/// Where a prompt asks to turn: to the picture's right and down.
fn direction(advice: Advice) -> Option<[f32; 2]> {
    match advice {
        Advice::TurnLeft => Some([1.0, 0.0]),
        Advice::TurnRight => Some([-1.0, 0.0]),
        Advice::LookUp => Some([0.0, -1.0]),
        Advice::LookDown => Some([0.0, 1.0]),
        _ => None,
    }
}

/// How a person has turned one frame later, `since` seconds after they were asked to. They stay as they are
/// until they react, then turn, stay, and come back. From the front a turn takes half a second.
fn turn(advice: Advice, parameters: &Parameters, since: f32, turned: Attitude) -> Attitude {
    let after = since - parameters.reaction;
    let (Some([across, down]), true) = (direction(advice), after >= 0.0) else { return turned };
    let angle = if after < 1.9 { parameters.turn } else { 0.0 };
    let step = parameters.turn / 0.5 / RATE as f32;
    let toward = |at: f32, target: f32| at + (target - at).clamp(-step, step);
    Attitude {
        yaw: toward(turned.yaw, across * angle),
        pitch: toward(turned.pitch, down * angle),
        closed: 0.0,
    }
}

/// The rates. Pure.
pub fn figures(shown: &[Shown]) -> Figures {
    let rate = |of: &dyn Fn(&&Shown) -> bool, what: &dyn Fn(&Shown) -> bool| {
        let items: Vec<_> = shown.iter().filter(of).collect();
        Rate::of(items.iter().filter(|item| what(item)).count(), items.len())
    };
    let living = |plain: bool| move |item: &&Shown| item.species.is_none() && item.plain == plain;
    let within = |seconds: f32| move |item: &Shown| item.accepted.is_some_and(|at| at <= seconds);
    let mut attacks: Vec<(Species, Rate)> = Species::ALL
        .iter()
        .map(|species| {
            (*species, rate(&|item| item.species == Some(*species), &|item| item.accepted.is_some()))
        })
        .filter(|(_, rate)| rate.trials > 0)
        .collect();
    attacks.sort_by(|a, b| b.1.rate.total_cmp(&a.1.rate));
    Figures {
        attacks,
        soon: rate(&living(false), &|item| within(2.0)(item) && !item.prompted),
        six: rate(&living(false), &within(6.0)),
        six_plain: rate(&living(true), &within(6.0)),
        living_refused: rate(&|item| item.species.is_none(), &|item| item.refused),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(species: Option<Species>, plain: bool, accepted: Option<f32>, prompted: bool) -> Shown {
        let parameters = Parameters::draw(Half::Test, &mut fastrand::Rng::with_seed(1));
        Shown {
            species,
            plain,
            person: String::new(),
            accepted,
            life: Life::Unchecked,
            refused: false,
            prompted,
            why: String::new(),
            parameters,
        }
    }

    #[test]
    fn goals_are_counted_apart() {
        let figures = figures(&[
            shown(None, false, Some(1.2), false),
            shown(None, false, Some(1.9), true),
            shown(None, false, Some(6.4), true),
            shown(None, true, Some(4.0), true),
            shown(Some(Species::Phone), false, None, true),
            shown(Some(Species::CutOut), false, Some(3.0), false),
        ]);
        assert_eq!((figures.soon.events, figures.soon.trials), (1, 3));
        assert_eq!(figures.six.events, 2);
        assert_eq!((figures.six_plain.events, figures.six_plain.trials), (1, 1));
        assert_eq!(figures.attacks[0].0, Species::CutOut, "the worst first");
        assert_eq!(figures.attacks[1].1.events, 0);
    }

    #[test]
    fn person_turns_after_the_reaction_and_comes_back() {
        let parameters = Parameters::draw(Half::Test, &mut fastrand::Rng::with_seed(1));
        let mut turned = Attitude::default();
        let yaws: Vec<f32> = (0..50u8)
            .map(|n| {
                turned = turn(Advice::TurnRight, &parameters, 0.1 * f32::from(n), turned);
                turned.yaw
            })
            .collect();
        let frame = |seconds: f32| yaws[(10.0 * (parameters.reaction + seconds)) as usize];
        assert_eq!(frame(-0.05), 0.0);
        assert!((frame(1.0) + parameters.turn).abs() < 1e-3);
        assert!(frame(3.0).abs() < 1e-3);
        assert!(yaws.windows(2).all(|two| (two[1] - two[0]).abs() < 0.3), "no jumps");
    }
}
