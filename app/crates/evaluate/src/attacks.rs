//! Is it a living person? Genuine presentations and attacks (ISO/IEC 30107-3).
//!
//! A video is judged by every rule that a site can choose, frame by frame and by the door's own decisions:
//! the first usable face is enrolled, and whoever is recognised as a living person was accepted. Unlike the
//! door, the detector looks at every frame. A still is judged by the anti-spoof models alone, for a still
//! can neither blink nor turn. Attacks are grouped into species by the folder they lie in, and the worst
//! species counts: a door is as safe as its weakest side.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use image::RgbImage;
use serde::Serialize;

use super::pictures;
use super::pictures::EvaluateError;
use super::sheet;
use super::sheet::{Sheet, Still};
use super::statistics::Rate;
use base::identity::RollNumber;
use base::moment::Clock;
use camera::replay::{Pace, Replay};
use camera::{Grab, Source as _};
use faces::landmarks::Landmarks;
use liveness::config::LivenessRule;
use liveness::latch::Latch;
use liveness::passive::LIVE_FROM;
use liveness::{Checker, Observation, Requirement};
use recognition::naming::vote::Rule;
use recognition::watch::decision;
use recognition::watch::decision::{Look, Senses};
use recognition::watch::subject::Subject;
use recognition::{Engine, EngineError, Match, Quality};
use vision::embedding::Embedding;
use vision::frame::Frame;

/// The rules that are measured side by side, and whether they take the anti-spoof models.
pub const RULES: [(&str, LivenessRule, bool); 4] = [
    ("passive", LivenessRule::Passive, true),
    ("passive+blink", LivenessRule::PassiveBlink, true),
    ("passive+any", LivenessRule::PassiveAny, true),
    ("blink, without networks", LivenessRule::PassiveBlink, false),
];

/// Most frames judged of one video: half a minute at 30 frames a second.
const MAX_FRAMES: u64 = 900;

/// Most files of a folder.
const MAX_FILES: usize = 100_000;

/// A video is begun again this often: a person may step before the camera at any moment of it.
const BEGIN_EVERY: Duration = Duration::from_millis(500);

/// How soon a person should have an answer. Only beginnings with this much video after them are counted.
const SOON: Duration = Duration::from_secs(2);

/// After this time nobody waits any longer.
const GIVE_UP: Duration = Duration::from_secs(10);

/// When a rule was satisfied: frames with a usable face up to then, and seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Decision {
    /// Frames with a face good enough to judge.
    pub frames: u32,
    /// Seconds since the first frame.
    pub seconds: f32,
}

/// What each of [`RULES`] said.
pub type ByRule<T> = [T; RULES.len()];

/// One still or video.
#[derive(Debug, Clone, Serialize)]
pub struct Presentation {
    /// The file.
    pub path: PathBuf,
    /// The kind of attack; `None` for a genuine person.
    pub species: Option<String>,
    /// Whether a face was found that is good enough to judge.
    pub seen: bool,
    /// Mean P(live) of the passive models over all frames, 0 to 1; `None` where they said nothing.
    pub passive: Option<f32>,
    /// Whether each rule took it for a living person; `None` where the rule cannot be asked: a still cannot
    /// blink, and models that are missing refuse nobody.
    pub accepted: ByRule<Option<bool>>,
    /// When each rule was satisfied, for every moment at which the video was begun.
    pub decisions: Vec<ByRule<Option<Decision>>>,
    /// The scores behind it, in words.
    pub why: String,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Attacks {
    /// Under each rule.
    pub rules: Vec<Figures>,
    /// Genuine presentations without a face; they count as refused.
    pub genuine_without_face: Rate,
}

/// What was measured under one rule.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// The rule.
    pub rule: &'static str,
    /// Genuine presentations that were refused (BPCER).
    pub bpcer: Rate,
    /// Accepted attacks (APCER) of the worst species.
    pub apcer: Rate,
    /// Mean of both; `None` where one of them was not measured.
    pub acer: Option<f64>,
    /// Every species, the worst first.
    pub species: Vec<Species>,
    /// Genuine videos, from every moment at which they were begun: accepted within two seconds.
    pub soon: Rate,
    /// Frames with a face up to the decision: median and nine in ten of those that came to one.
    pub frames_to_decision: Option<[u32; 2]>,
    /// The same in seconds.
    pub seconds_to_decision: Option<[f32; 2]>,
}

/// One kind of attack.
#[derive(Debug, Clone, Serialize)]
pub struct Species {
    /// The folder's name, or the motion of a still.
    pub name: String,
    /// Attacks taken for living people.
    pub apcer: Rate,
    /// Attacks in which no face was found; they count as refused.
    pub without_face: Rate,
}

/// The files of both folders. Attacks in `attacks/<species>/` are of that species, those directly in
/// `attacks` of the species named as the folder.
///
/// # Errors
/// [`EvaluateError`] when a folder cannot be read or holds nothing.
pub fn files(genuine: &Path, attacks: &Path) -> Result<Vec<(PathBuf, Option<String>)>, EvaluateError> {
    let mut found = Vec::new();
    for path in below(genuine)? {
        found.push((path, None));
    }
    let genuine_count = found.len();
    let own_name = attacks.file_name().map_or("attacks".into(), |name| name.to_string_lossy().into_owned());
    for path in below(attacks)? {
        let relative = path.strip_prefix(attacks).unwrap_or(&path);
        let species = match relative.components().count() {
            0 | 1 => own_name.clone(),
            _ => relative
                .components()
                .next()
                .map_or(own_name.clone(), |first| first.as_os_str().to_string_lossy().into_owned()),
        };
        found.push((path, Some(species)));
    }
    if genuine_count == 0 || genuine_count == found.len() {
        return Err(EvaluateError::TooLittle("genuine presentations and attacks are both needed".to_owned()));
    }
    Ok(found)
}

/// Files at any depth, in the order of their names. Symbolic links to folders are not followed.
///
/// # Errors
/// [`EvaluateError`] when a folder cannot be read or holds too much.
pub fn below(folder: &Path) -> Result<Vec<PathBuf>, EvaluateError> {
    let unreadable = |path: &Path, source| EvaluateError::Unreadable { path: path.to_owned(), source };
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|source| unreadable(&folder, source))? {
            let entry = entry.map_err(|source| unreadable(&folder, source))?;
            let kind = entry.file_type().map_err(|source| unreadable(&entry.path(), source))?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else {
                files.push(entry.path());
            }
            if files.len() > MAX_FILES {
                return Err(EvaluateError::TooLittle(format!(
                    "{} holds more than {MAX_FILES} files",
                    folder.display()
                )));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Judges files by all [`RULES`], and as the site is configured otherwise.
pub struct Judge<'a> {
    /// Finds and measures faces.
    pub engine: &'a mut Engine,
    /// The models of liveness; the rules that take those that are missing are not asked.
    pub checker: &'a mut Checker,
    /// Where frames get their time from.
    pub clock: &'a Arc<dyn Clock>,
    /// Least width of a face, pixels.
    pub min_face_px: u32,
    /// When a face counts as the one that was enrolled.
    pub rule: Rule,
}

impl Judge<'_> {
    /// Judges one file: a video when the replay knows its kind, else a still.
    ///
    /// # Errors
    /// [`EvaluateError`] names the file.
    pub fn present(&mut self, path: PathBuf, species: Option<String>) -> Result<Presentation, EvaluateError> {
        let is_video = path.extension().is_some_and(|extension| {
            ["y4m", "mjpeg", "mjpg"].iter().any(|known| extension.eq_ignore_ascii_case(known))
        });
        if is_video { self.video(path, species) } else { self.still(path, species) }
    }

    /// Holds a still before the camera and moves it in every way: an attack of each [`sheet::MOTIONS`].
    /// `other` is another picture of the same person, for those that exchange the two. Nothing when there is
    /// no face in it.
    ///
    /// # Errors
    /// [`EvaluateError`] names the file.
    pub fn hold(&mut self, path: &Path, other: Option<&Path>) -> Result<Vec<Presentation>, EvaluateError> {
        let Some(still) = self.measured(path)? else { return Ok(Vec::new()) };
        let other = other.map(|other| self.measured(other)).transpose()?.flatten();
        let sheet = Sheet::new(&still, other.as_ref());
        let mut presentations = Vec::new();
        for motion in sheet::MOTIONS.iter().filter(|motion| sheet.allows(motion)) {
            let mut trial = self.trial()?;
            for number in 0..sheet::FRAMES {
                let (frame, at) = sheet.frame(motion, number);
                self.see(&frame, at, &mut trial)?;
            }
            let species = Some(format!("still, {}", motion.name));
            presentations.push(trial.end(path.to_owned(), species));
        }
        Ok(presentations)
    }

    /// A picture with its face; `None` when there is none.
    fn measured(&mut self, path: &Path) -> Result<Option<Still>, EvaluateError> {
        let picture = pictures::open(path)?;
        let faces = self.engine.detect(&picture)?;
        let Some(face) = pictures::central(&picture, &faces) else { return Ok(None) };
        let Some((landmarks, _)) = self.engine.look(&picture, face)? else { return Ok(None) };
        Ok(Some(Still { bounds: face.bounds, five: landmarks.five, picture }))
    }

    fn still(&mut self, path: PathBuf, species: Option<String>) -> Result<Presentation, EvaluateError> {
        let picture = pictures::open(&path)?;
        let faces = self.engine.detect(&picture)?;
        let seen = match pictures::central(&picture, &faces) {
            Some(face) => self.engine.look(&picture, face)?,
            None => None,
        };
        let live = match &seen {
            Some((landmarks, _)) => self.checker.observe(&picture, landmarks, true)?.live,
            None => None,
        };
        let why = match (&seen, live) {
            (None, _) => "no face".to_owned(),
            (_, None) => "no anti-spoof network".to_owned(),
            (_, Some(live)) => format!("passive {live:.3}"),
        };
        let there = self.checker.has_passive();
        let accepted = RULES.map(|(_, rule, _)| {
            (rule == LivenessRule::Passive && there).then_some(live.is_some_and(|live| live >= LIVE_FROM))
        });
        let seen = seen.is_some();
        Ok(Presentation { path, species, seen, passive: live, accepted, decisions: Vec::new(), why })
    }

    fn video(&mut self, path: PathBuf, species: Option<String>) -> Result<Presentation, EvaluateError> {
        let failed = |error: camera::CameraError| EvaluateError::TooLittle(error.to_string());
        let pace = Pace { speed: f32::INFINITY, frame_rate: 30.0, repeat: false };
        let mut replay =
            Replay::open(std::slice::from_ref(&path), pace, Arc::clone(self.clock)).map_err(failed)?;
        let (mut frame, mut picture) = (Frame::default(), RgbImage::default());
        let mut trial = self.trial()?;
        while frame.number < MAX_FRAMES
            && replay.next_frame(&mut frame, Duration::ZERO).map_err(failed)? == Grab::Filled
        {
            frame.picture.write_rgb(&mut picture);
            self.see(&picture, frame.at.since_boot, &mut trial)?;
        }
        Ok(trial.end(path, species))
    }

    fn trial(&self) -> Result<Trial, EvaluateError> {
        Trial::new(self.rule, self.checker.has_passive())
    }

    /// One frame, as the door sees it: a face that is not good enough is not looked at.
    fn see(&mut self, picture: &RgbImage, at: Duration, trial: &mut Trial) -> Result<(), EvaluateError> {
        trial.frame(at);
        let faces = self.engine.detect(picture)?;
        let Some(face) = pictures::central(picture, &faces) else { return Ok(()) };
        let Some((landmarks, quality)) = self.engine.look(picture, face)? else { return Ok(()) };
        if quality.problem(self.min_face_px).is_some() {
            return Ok(());
        }
        let face = self.engine.embed_aligned()?;
        let seen = self.checker.observe(picture, &landmarks, true)?;
        Ok(trial.note(&landmarks, quality, &Recorded { face, seen }, at)?)
    }
}

/// What the models said of one frame.
struct Recorded {
    face: Embedding,
    seen: Observation,
}

/// One video under every rule, from every beginning.
struct Trial {
    rule: Rule,
    /// Whether the anti-spoof models are there.
    networks: bool,
    /// The one person on the roster: whose face was seen first.
    roll: RollNumber,
    enrolled: Option<Embedding>,
    beginnings: Vec<Beginning>,
    /// P(live) of every frame.
    live: Vec<f32>,
    /// Time of the newest frame.
    now: Duration,
}

struct Beginning {
    at: Duration,
    tries: ByRule<Try>,
}

/// What one rule makes of the frames since a beginning.
#[derive(Default)]
struct Try {
    subject: Subject,
    latch: Latch,
    frames: u32,
    decided: Option<Decision>,
}

/// What one rule hears of a frame.
struct Heard<'a> {
    said: &'a Recorded,
    networks: bool,
    roll: &'a RollNumber,
    enrolled: &'a Embedding,
}

impl Senses for Heard<'_> {
    fn embed(&mut self) -> Result<Embedding, EngineError> {
        Ok(self.said.face.clone())
    }

    fn search(&mut self, face: &Embedding) -> Option<Match> {
        Some(Match { roll: self.roll.clone(), similarity: self.enrolled.similarity(face), runner_up: -1.0 })
    }

    fn observe(&mut self, votes: bool) -> Result<Observation, EngineError> {
        let live = self.said.seen.live.filter(|_| votes && self.networks);
        Ok(Observation { live, ..self.said.seen })
    }
}

impl Trial {
    fn new(rule: Rule, networks: bool) -> Result<Self, EvaluateError> {
        let roll = RollNumber::parse("0").map_err(|error| EvaluateError::TooLittle(error.to_string()))?;
        let (enrolled, now) = (None, Duration::ZERO);
        Ok(Self { rule, networks, roll, enrolled, beginnings: Vec::new(), live: Vec::new(), now })
    }

    fn frame(&mut self, at: Duration) {
        self.now = at;
        if self.beginnings.last().is_none_or(|last| at.saturating_sub(last.at) >= BEGIN_EVERY) {
            self.beginnings.push(Beginning { at, tries: Default::default() });
        }
    }

    fn note(
        &mut self,
        landmarks: &Landmarks,
        quality: Quality,
        said: &Recorded,
        now: Duration,
    ) -> Result<(), EngineError> {
        let enrolled = self.enrolled.get_or_insert_with(|| said.face.clone());
        self.live.extend(said.seen.live);
        for beginning in &mut self.beginnings {
            let waited = now.saturating_sub(beginning.at);
            if waited > GIVE_UP {
                continue;
            }
            for ((_, rule, networks), attempt) in RULES.iter().zip(&mut beginning.tries) {
                if attempt.decided.is_some() {
                    continue;
                }
                attempt.frames += 1;
                let requirement = Requirement::new(*rule, *networks);
                let mut look = Look {
                    latch: &mut attempt.latch,
                    // A file shows no empty scene, and a recording answers no prompt.
                    surround: None,
                    exempt: &[],
                    track: 0,
                    now,
                    landmarks,
                    quality,
                    rule: self.rule,
                    requirement,
                    loading: false,
                };
                let mut heard = Heard { said, networks: *networks, roll: &self.roll, enrolled };
                let (_, decision) = attempt.subject.look(&mut look, &mut heard)?;
                if matches!(decision, Some(decision::Decision::Recognised { .. })) {
                    attempt.decided =
                        Some(Decision { frames: attempt.frames, seconds: waited.as_secs_f32() });
                }
            }
        }
        Ok(())
    }

    /// A genuine person is accepted when the door would have, from the first frame on; an attack, when it
    /// would have from any beginning.
    fn end(self, path: PathBuf, species: Option<String>) -> Presentation {
        let tries = if species.is_some() { self.beginnings.len() } else { 1 };
        let accepted = std::array::from_fn(|rule| {
            let decided = |beginning: &Beginning| beginning.tries[rule].decided.is_some();
            let (_, _, takes_networks) = RULES[rule];
            (self.networks || !takes_networks).then(|| self.beginnings.iter().take(tries).any(decided))
        });
        let long_enough = |beginning: &&Beginning| self.now.saturating_sub(beginning.at) >= SOON;
        let decided = |beginning: &Beginning| std::array::from_fn(|rule| beginning.tries[rule].decided);
        let decisions = self.beginnings.iter().filter(long_enough).map(decided).collect();
        let why = self.beginnings.first().map(|first| {
            let summary = |(try_, (name, rule, networks)): (&Try, &(&str, LivenessRule, bool))| {
                format!("{name}: {}", Requirement::new(*rule, *networks).judge(&try_.subject.liveness))
            };
            first.tries.iter().zip(&RULES).map(summary).collect::<Vec<_>>().join("; ")
        });
        let mean = self.live.iter().sum::<f32>() / self.live.len() as f32;
        Presentation {
            path,
            species,
            seen: self.enrolled.is_some(),
            passive: (!self.live.is_empty()).then_some(mean),
            accepted,
            decisions,
            why: why.unwrap_or_default(),
        }
    }
}

/// The rates over all presentations. Pure.
pub fn figures(presentations: &[Presentation]) -> Attacks {
    let genuine: Vec<_> = presentations.iter().filter(|p| p.species.is_none()).collect();
    let without = genuine.iter().filter(|p| !p.seen).count();
    Attacks {
        rules: (0..RULES.len()).map(|rule| under(rule, presentations)).collect(),
        genuine_without_face: Rate::of(without, genuine.len()),
    }
}

fn under(rule: usize, presentations: &[Presentation]) -> Figures {
    let mut species: BTreeMap<&str, Vec<&Presentation>> = BTreeMap::new();
    let mut genuine = Vec::new();
    for presentation in presentations.iter().filter(|p| p.accepted[rule].is_some()) {
        match &presentation.species {
            Some(name) => species.entry(name).or_default().push(presentation),
            None => genuine.push(presentation),
        }
    }
    let accepted = |p: &&&Presentation| p.accepted[rule] == Some(true);
    let mut species: Vec<Species> = species
        .into_iter()
        .map(|(name, of)| Species {
            name: name.to_owned(),
            apcer: Rate::of(of.iter().filter(accepted).count(), of.len()),
            without_face: Rate::of(of.iter().filter(|p| !p.seen).count(), of.len()),
        })
        .collect();
    species.sort_by(|a, b| b.apcer.rate.total_cmp(&a.apcer.rate));
    let bpcer = Rate::of(genuine.len() - genuine.iter().filter(accepted).count(), genuine.len());
    let apcer = species.first().map_or(Rate::of(0, 0), |worst| worst.apcer);
    let decisions: Vec<_> = genuine.iter().flat_map(|p| &p.decisions).map(|by_rule| by_rule[rule]).collect();
    let soon = decisions.iter().flatten().filter(|d| d.seconds <= SOON.as_secs_f32()).count();
    let mut made: Vec<Decision> = decisions.iter().flatten().copied().collect();
    let mut quantiles = |order: fn(&Decision, &Decision) -> Ordering| {
        made.sort_by(order);
        (!made.is_empty()).then(|| [0.5, 0.9].map(|q| made[(q * (made.len() - 1) as f32) as usize]))
    };
    Figures {
        rule: RULES[rule].0,
        bpcer,
        apcer,
        acer: (apcer.trials > 0 && bpcer.trials > 0).then_some((apcer.rate + bpcer.rate) / 2.0),
        species,
        soon: Rate::of(soon, decisions.len()),
        frames_to_decision: quantiles(|a, b| a.frames.cmp(&b.frames)).map(|q| q.map(|d| d.frames)),
        seconds_to_decision: quantiles(|a, b| a.seconds.total_cmp(&b.seconds)).map(|q| q.map(|d| d.seconds)),
    }
}

#[cfg(test)]
#[path = "attacks_tests.rs"]
mod tests;
