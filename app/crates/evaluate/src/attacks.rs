//! Is it a living person? Genuine presentations and attacks (ISO/IEC 30107-3).
//!
//! A video is judged by every rule that a site can choose, frame by frame and by the door's own decisions:
//! the first usable face is enrolled, and whoever is recognised as a living person was accepted. Unlike the
//! door, the detector looks at every frame. A still is judged by the anti-spoof models alone, for a still
//! can neither blink nor turn. Attacks are grouped into species by the folder they lie in, and the worst
//! species counts: a door is as safe as its weakest side.

mod figures;
mod trial;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use image::RgbImage;

pub use self::figures::{Attacks, ByRule, Decision, Figures, Presentation, RULES, Species, figures};
use self::trial::{Recorded, Trial};
use super::pictures::EvaluateError;
use super::sheet::{Sheet, Still};
use super::{pictures, sheet};
use base::moment::Clock;
use camera::replay::{Pace, Replay};
use camera::{Grab, Source as _};
use liveness::Checker;
use liveness::config::LivenessRule;
use liveness::passive::LIVE_FROM;
use recognition::Engine;
use recognition::naming::vote::Rule;
use vision::frame::Frame;

/// Most frames judged of one video: half a minute at 30 frames a second.
const MAX_FRAMES: u64 = 900;

/// Most files of a folder.
const MAX_FILES: usize = 100_000;

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
            Some((landmarks, _)) => self.checker.observe(&picture, landmarks, true, None)?.live,
            None => None,
        };
        let why = match (&seen, live) {
            (None, _) => "no face".to_owned(),
            (_, None) => "no anti-spoof models".to_owned(),
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
        let face = self.engine.embed_first()?;
        let seen = self.checker.observe(picture, &landmarks, true, Some(at))?;
        Ok(trial.note(&landmarks, quality, &Recorded { face, seen }, at)?)
    }
}

#[cfg(test)]
#[path = "attacks_tests.rs"]
mod tests;
