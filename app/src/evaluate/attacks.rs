//! Is it a living person? Genuine presentations and attacks (ISO/IEC 30107-3).
//!
//! A still is judged by the passive networks alone, for a still can neither blink nor turn; a video by the site's whole rule, as
//! at the door. Attacks are grouped into species by the folder they lie in, and the worst species counts: a door is as safe as
//! its weakest side.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::pictures::{self, EvaluateError};
use super::statistics::Rate;
use crate::camera::replay::{Pace, Replay};
use crate::camera::{Frame, Grab, Source as _};
use crate::liveness::passive::LIVE_FROM;
use crate::liveness::{Checker, State, Verdict};
use crate::moment::Clock;
use crate::recognition::Engine;

/// Most frames judged of one video: half a minute at 30 frames a second.
const MAX_FRAMES: u64 = 900;

/// Most files of a folder.
const MAX_FILES: usize = 100_000;

/// One still or video.
#[derive(Debug, Clone, Serialize)]
pub struct Presentation {
    /// The file.
    pub path: PathBuf,
    /// The kind of attack; `None` for a genuine person.
    pub species: Option<String>,
    /// Mean P(live) of the passive networks, 0 to 1; `None` without a face.
    pub passive: Option<f32>,
    /// Whether it was taken for a living person.
    pub accepted: bool,
    /// The scores behind it, in words.
    pub why: String,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Attacks {
    /// Genuine presentations that were refused (BPCER).
    pub bpcer: Rate,
    /// Accepted attacks (APCER) of the worst species.
    pub apcer: Rate,
    /// Mean of both.
    pub acer: f64,
    /// Every species, the worst first.
    pub species: Vec<Species>,
    /// Genuine presentations without a face; they count as refused.
    pub genuine_without_face: Rate,
}

/// One kind of attack.
#[derive(Debug, Clone, Serialize)]
pub struct Species {
    /// The folder's name.
    pub name: String,
    /// Attacks taken for living people.
    pub apcer: Rate,
    /// Attacks in which no face was found; they count as refused.
    pub without_face: Rate,
}

/// The files of both folders. Attacks in `attacks/<species>/` are of that species, those directly in `attacks` of the species
/// named as the folder.
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
fn below(folder: &Path) -> Result<Vec<PathBuf>, EvaluateError> {
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

/// Judges one file: a video when the replay can read it as one, else a still.
///
/// # Errors
/// [`EvaluateError`] names the file.
pub fn present(
    engine: &mut Engine,
    checker: &mut Checker,
    clock: &Arc<dyn Clock>,
    path: PathBuf,
    species: Option<String>,
) -> Result<Presentation, EvaluateError> {
    let is_video = path.extension().is_some_and(|extension| {
        ["y4m", "mjpeg", "mjpg"].iter().any(|known| extension.eq_ignore_ascii_case(known))
    });
    let (passive, accepted, why) = if is_video {
        video(engine, checker, clock, &path)?
    } else {
        let picture = pictures::open(&path)?;
        let faces = engine.detect(&picture)?;
        let landmarks = match pictures::central(&picture, &faces) {
            Some(face) => engine.landmarks(&picture, face)?,
            None => None,
        };
        match landmarks {
            None => (None, false, "no face".to_owned()),
            Some(landmarks) => {
                let live = checker.single(&picture, &landmarks)?;
                let accepted = live.is_some_and(|live| live >= LIVE_FROM);
                (
                    live,
                    accepted,
                    live.map_or("no anti-spoof network".to_owned(), |l| format!("passive {l:.3}")),
                )
            }
        }
    };
    Ok(Presentation { path, species, passive, accepted, why })
}

/// Judges a video frame by frame; it is accepted when the site's rule is satisfied at some frame, as at the door.
fn video(
    engine: &mut Engine,
    checker: &mut Checker,
    clock: &Arc<dyn Clock>,
    path: &Path,
) -> Result<(Option<f32>, bool, String), EvaluateError> {
    let failed = |error: crate::camera::CameraError| EvaluateError::TooLittle(error.to_string());
    let pace = Pace { speed: f32::INFINITY, frame_rate: 30.0, repeat: false };
    let mut replay = Replay::open(&[path.to_owned()], pace, Arc::clone(clock)).map_err(failed)?;
    let (mut frame, mut picture, mut state) =
        (Frame::default(), image::RgbImage::default(), State::default());
    let mut accepted = None;
    while frame.number < MAX_FRAMES
        && replay.next_frame(&mut frame, Duration::ZERO).map_err(failed)? == Grab::Filled
    {
        frame.picture.write_rgb(&mut picture);
        let faces = engine.detect(&picture)?;
        let Some(face) = pictures::central(&picture, &faces) else { continue };
        let Some(landmarks) = engine.landmarks(&picture, face)? else { continue };
        checker.look(&picture, &landmarks, true, &mut state, frame.at.since_boot)?;
        if accepted.is_none() && checker.judge(&state).verdict == Verdict::Live {
            accepted = Some(frame.number);
        }
    }
    let summary = checker.judge(&state);
    let why = match accepted {
        Some(frame) => format!("accepted at frame {frame}; at the end {summary}"),
        None => summary.to_string(),
    };
    Ok((summary.passive, accepted.is_some(), why))
}

/// The rates over all presentations. Pure.
pub fn figures(presentations: &[Presentation]) -> Attacks {
    let mut species: BTreeMap<&str, Vec<&Presentation>> = BTreeMap::new();
    let mut genuine = Vec::new();
    for presentation in presentations {
        match &presentation.species {
            Some(name) => species.entry(name).or_default().push(presentation),
            None => genuine.push(presentation),
        }
    }
    let count = |of: &[&Presentation], what: fn(&Presentation) -> bool| {
        Rate::of(of.iter().filter(|presentation| what(presentation)).count(), of.len())
    };
    let mut species: Vec<Species> = species
        .into_iter()
        .map(|(name, of)| Species {
            name: name.to_owned(),
            apcer: count(&of, |p| p.accepted),
            without_face: count(&of, |p| p.passive.is_none()),
        })
        .collect();
    species.sort_by(|a, b| b.apcer.rate.total_cmp(&a.apcer.rate));
    let bpcer = count(&genuine, |p| !p.accepted);
    let apcer = species.first().map_or(Rate::of(0, 0), |worst| worst.apcer);
    Attacks {
        bpcer,
        apcer,
        acer: (apcer.rate + bpcer.rate) / 2.0,
        species,
        genuine_without_face: count(&genuine, |p| p.passive.is_none()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn shown(species: Option<&str>, passive: Option<f32>, accepted: bool) -> Presentation {
        Presentation {
            path: "x".into(),
            species: species.map(str::to_owned),
            passive,
            accepted,
            why: String::new(),
        }
    }

    #[test]
    fn the_worst_species_counts_and_a_missing_face_is_refused() {
        let figures = figures(&[
            shown(None, Some(0.99), true),
            shown(None, Some(0.99), true),
            shown(None, None, false),
            shown(Some("paper"), Some(0.01), false),
            shown(Some("paper"), None, false),
            shown(Some("screen"), Some(0.9), true),
            shown(Some("screen"), Some(0.1), false),
        ]);
        assert_eq!((figures.bpcer.events, figures.bpcer.trials), (1, 3));
        assert_eq!(
            (figures.species[0].name.as_str(), figures.apcer.events, figures.apcer.trials),
            ("screen", 1, 2)
        );
        assert_eq!(figures.species[1].without_face.events, 1);
        assert!((figures.acer - (0.5 + 1.0 / 3.0) / 2.0).abs() < 1e-9);
        assert_eq!(figures.genuine_without_face.events, 1);
    }

    #[test]
    fn folders_name_the_species_and_both_kinds_are_needed() {
        let dir = tempfile::tempdir().unwrap();
        let (genuine, attacks) = (dir.path().join("genuine"), dir.path().join("attacks"));
        std::fs::create_dir_all(genuine.join("deep")).unwrap();
        std::fs::create_dir_all(attacks.join("screen/phone")).unwrap();
        std::fs::write(attacks.join("a.jpg"), "").unwrap();
        assert!(files(&genuine, &attacks).is_err());
        std::fs::write(genuine.join("deep/g.jpg"), "").unwrap();
        std::fs::write(attacks.join("screen/phone/b.jpg"), "").unwrap();
        let species: Vec<_> =
            files(&genuine, &attacks).unwrap().into_iter().map(|(_, species)| species).collect();
        assert_eq!(species, [None, Some("attacks".to_owned()), Some("screen".to_owned())]);
    }
}
