//! One to many, open set: who of the roster is it, and is a stranger told apart? (ISO/IEC 19795-1: FPIR,
//! FNIR.)
//!
//! Half of the people are enrolled from their first picture (or as many as asked), the others are strangers.
//! Every other picture is a probe. The split is by a fixed order of the names' hashes, so that it is the same
//! on every machine.

mod in_doubt;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use self::in_doubt::InDoubt;
use super::groups;
use super::groups::{Group, Labels};
use super::pictures::{Embed, EvaluateError, embed_all, people};
use super::statistics::{Rate, Scores};
use base::identity::RollNumber;
use recognition::Gallery;
use recognition::naming::gallery::Match;
use recognition::naming::threshold::{Calibrated, Calibration};
use vision::embedding::Embedding;

/// False-match rates for which the calibration names a threshold.
const CALIBRATED_FMR: [f64; 10] = [1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6];

/// False positives for which the working point is shown that the present calibration chooses for the roster.
const ACCEPTED_FPIR: [f32; 5] = [0.1, 0.03, 0.01, 0.003, 0.001];

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Identification {
    /// People on the roster.
    pub enrolled: usize,
    /// Pictures each was enrolled from, at most.
    pub pictures_each: usize,
    /// Probes of people on the roster.
    pub mated_probes: usize,
    /// Probes of strangers, those without a face that counts among them.
    pub stranger_probes: usize,
    /// Pictures without a face, or whose face the caller does not count. As probes of people on the roster
    /// they count as not identified; as probes of strangers they do not count, because no search was made
    /// with them (ISO/IEC 19795-1 counts a failure to acquire apart).
    pub without_face: Rate,
    /// Mated probes whose best match is the right person, whatever the similarity (rank 1).
    pub rank_one: Rate,
    /// The working points.
    pub points: Vec<Point>,
    /// Errors by group at the threshold in use, where labels were given.
    pub groups: Vec<Group>,
    /// One-to-one thresholds from every pair of pictures of two people.
    pub calibration: Calibration,
}

/// The figures and the scores behind them.
#[derive(Debug, Clone)]
pub struct Measured {
    /// The figures.
    pub figures: Identification,
    /// Every probe: its picture, whom it shows (a name on the roster), and whom it was taken for.
    pub probes: Vec<Probe>,
}

/// One search.
#[derive(Debug, Clone)]
pub struct Probe {
    /// The picture.
    pub picture: PathBuf,
    /// Who of the roster it shows; `None` for a stranger.
    pub truth: Option<String>,
    /// Who was found, with the similarity and the distance to the second-best person; `None` without a face.
    pub found: Option<(String, f32, f32)>,
}

impl Measured {
    /// Similarities of probes to the right person (mated; no better than nothing when another was found, or
    /// no face), and of strangers with a face to the most similar person.
    pub fn scores(&self) -> Scores {
        let of = |mated: bool| {
            let counts = |probe: &&Probe| probe.truth.is_some() == mated && (mated || probe.found.is_some());
            let probes = self.probes.iter().filter(counts);
            probes
                .map(|probe| match &probe.found {
                    Some((name, similarity, _)) if !mated || probe.truth.as_ref() == Some(name) => {
                        *similarity
                    }
                    _ => -1.0,
                })
                .collect()
        };
        Scores::new(of(true), of(false))
    }
}

/// One working point of identification.
#[derive(Debug, Clone, Serialize)]
pub struct Point {
    /// The FPIR asked for, where the threshold was chosen for it by the calibration in use.
    pub accepted_fpir: Option<f32>,
    /// Similarity threshold.
    pub threshold: f32,
    /// Of two embedders: how often the second was asked, which is done in doubt only. The threshold is then
    /// that of the first. `None`: one embedder, or both were always asked.
    pub second_asked: Option<Asked>,
    /// Least distance to the second-best person.
    pub margin: f32,
    /// Strangers taken for somebody, of those with a face that counts.
    pub fpir: Rate,
    /// People on the roster not recognised, or taken for somebody else; of all, also those without a face
    /// that counts.
    pub fnir: Rate,
    /// Of these, taken for somebody else.
    pub misidentified: Rate,
}

/// How often the second of two embedders was asked.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Asked {
    /// Of the probes of people on the roster.
    pub mated: Rate,
    /// Of the strangers' probes.
    pub strangers: Rate,
}

/// What to measure.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Pictures to enrol each person from, at most; at least one stays a probe.
    pub pictures_each: usize,
    /// Thresholds to measure at.
    pub thresholds: Vec<f32>,
    /// Least distance to the second-best person.
    pub margin: f32,
    /// The calibration in use.
    pub calibration: Calibration,
    /// The groups of people, for the errors by group at the threshold of `groups_at`; empty: none.
    pub labels: Labels,
    /// That threshold.
    pub groups_at: f32,
}

/// Measures a folder of people.
///
/// # Errors
/// [`EvaluateError`]; at least two people with two pictures are needed.
pub fn identification(
    folder: &Path,
    plan: &Plan,
    embed: &mut Embed<'_>,
    looked_at: &dyn Fn(usize, usize),
) -> Result<Measured, EvaluateError> {
    let people = people(folder)?;
    let embedded = embed_all(folder, people.values().flatten().cloned(), embed, looked_at)?;
    measure(&people, &embedded, plan)
}

fn measure(
    people: &BTreeMap<String, Vec<PathBuf>>,
    embedded: &BTreeMap<PathBuf, Option<Embedding>>,
    plan: &Plan,
) -> Result<Measured, EvaluateError> {
    let (roster, strangers) = split(people);
    let mut enrolled = Vec::new();
    let mut probes: Vec<(Option<RollNumber>, &PathBuf)> = Vec::new();
    for (index, person) in roster.iter().enumerate() {
        let Ok(roll) = RollNumber::parse(&format!("{index}")) else { continue };
        let (gallery, rest) =
            people[*person].split_at(plan.pictures_each.min(people[*person].len() - 1).max(1));
        enrolled.extend(gallery.iter().filter_map(|path| Some((roll.clone(), embedded[path].clone()?))));
        probes.extend(rest.iter().map(|path| (Some(roll.clone()), path)));
    }
    let mated_probes = probes.len();
    probes.extend(strangers.iter().flat_map(|person| &people[*person]).map(|path| (None, path)));
    if mated_probes == 0 || probes.len() == mated_probes {
        let lack = "people with two or more pictures, and others as strangers, are needed".to_owned();
        return Err(EvaluateError::TooLittle(lack));
    }
    let gallery = Gallery::new(enrolled);
    let found: Vec<_> = probes
        .iter()
        .map(|(truth, path)| (truth, embedded[*path].as_ref().and_then(|probe| gallery.search(probe))))
        .collect();
    let is_right = |truth: &&Option<RollNumber>, roll: &RollNumber| truth.as_ref() == Some(roll);
    let ranked = found
        .iter()
        .filter(|(truth, found)| found.as_ref().is_some_and(|found| is_right(truth, &found.roll)));
    let stranger_probes = probes.len() - mated_probes;
    let strangers_seen = found.iter().filter(|(truth, found)| truth.is_none() && found.is_some()).count();
    let fixed = plan.thresholds.iter().map(|threshold| (None, *threshold));
    let chosen = ACCEPTED_FPIR.map(|fpir| (Some(fpir), plan.calibration.threshold(gallery.faces(), fpir)));
    let point = |accepted_fpir, threshold, found: &[Option<Match>]| {
        let (mut false_positives, mut missed, mut wrong) = (0, 0, 0);
        for ((truth, _), found) in probes.iter().zip(found) {
            let named =
                found.as_ref().filter(|found| found.similarity >= threshold && found.margin() >= plan.margin);
            match (truth, named) {
                (None, Some(_)) => false_positives += 1,
                (Some(_), None) => missed += 1,
                (Some(roll), Some(found)) if found.roll != *roll => {
                    missed += 1;
                    wrong += 1;
                }
                _ => {}
            }
        }
        Point {
            accepted_fpir,
            threshold,
            second_asked: None,
            margin: plan.margin,
            fpir: Rate::of(false_positives, strangers_seen),
            fnir: Rate::of(missed, mated_probes),
            misidentified: Rate::of(wrong, mated_probes),
        }
    };
    let matches: Vec<Option<Match>> = found.iter().map(|(_, found)| found.clone()).collect();
    let mut points: Vec<Point> =
        fixed.chain(chosen).map(|(fpir, threshold)| point(fpir, threshold, &matches)).collect();
    if let Some(doubt) = InDoubt::of(&gallery, &plan.calibration)? {
        for fpir in ACCEPTED_FPIR {
            let of_probes = probes.iter().map(|(_, path)| embedded[*path].as_ref());
            let (thresholds, matches, asked) = doubt.search(of_probes, plan, fpir);
            let (mated, strangers) = asked.split_at(mated_probes);
            let share =
                |asked: &[bool], of: usize| Rate::of(asked.iter().filter(|asked| **asked).count(), of);
            points.push(Point {
                second_asked: Some(Asked {
                    mated: share(mated, mated_probes),
                    strangers: share(strangers, strangers_seen),
                }),
                ..point(Some(fpir), thresholds.first, &matches)
            });
        }
    }
    let impostors = impostor_scores(people, embedded);
    let without = embedded.values().filter(|embedding| embedding.is_none()).count();
    let name = |roll: &RollNumber| {
        let index = roll.as_str().parse::<usize>().ok();
        index.and_then(|index| roster.get(index)).map_or(String::new(), |name| (*name).clone())
    };
    let searched = probes.iter().zip(&found).map(|((truth, picture), (_, found))| Probe {
        picture: (*picture).clone(),
        truth: truth.as_ref().map(name),
        found: found.as_ref().map(|found| (name(&found.roll), found.similarity, found.margin())),
    });
    let probes = searched.collect();
    let figures = Identification {
        enrolled: gallery.people(),
        pictures_each: plan.pictures_each,
        mated_probes,
        stranger_probes,
        without_face: Rate::of(without, embedded.len()),
        rank_one: Rate::of(ranked.count(), mated_probes),
        points,
        groups: groups::errors(people, embedded, &plan.labels, plan.groups_at),
        calibration: Calibration {
            embedder: gallery.embedder().unwrap_or_default(),
            comparisons: impostors.impostor().len(),
            points: CALIBRATED_FMR
                .into_iter()
                // Below ten events a threshold depends on chance.
                .filter(|fmr| fmr * impostors.impostor().len() as f64 >= 10.0)
                .map(|fmr| Calibrated { fmr, threshold: impostors.threshold_at_far(fmr) })
                .collect(),
        },
    };
    Ok(Measured { figures, probes })
}

/// The roster and the strangers. People with one picture can only be strangers; of the rest, every second.
fn split(people: &BTreeMap<String, Vec<PathBuf>>) -> (Vec<&String>, Vec<&String>) {
    let mut names: Vec<_> = people.keys().collect();
    names.sort_by_key(|name| Sha256::digest(name.as_bytes()));
    let (several, single): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| people[*name].len() > 1);
    let (mut roster, mut strangers) = (Vec::new(), single);
    for (index, name) in several.into_iter().enumerate() {
        if index % 2 == 0 { roster.push(name) } else { strangers.push(name) }
    }
    (roster, strangers)
}

/// Similarities of every pair of pictures of two people.
fn impostor_scores(
    people: &BTreeMap<String, Vec<PathBuf>>,
    embedded: &BTreeMap<PathBuf, Option<Embedding>>,
) -> Scores {
    let faces: Vec<(usize, &Embedding)> = people
        .values()
        .enumerate()
        .flat_map(|(person, paths)| {
            paths.iter().filter_map(move |path| Some((person, embedded[path].as_ref()?)))
        })
        .collect();
    let mut impostor = Vec::new();
    for (index, (person, face)) in faces.iter().enumerate() {
        let others = faces[index + 1..].iter().filter(|(other, _)| other != person);
        impostor.extend(others.map(|(_, other)| face.similarity(other)));
    }
    Scores::new(Vec::new(), impostor)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use faces::embedder::EmbedderChoice;

    /// What is measured of forty people with three pictures each, in some of which nobody is seen.
    fn measured(is_seen: impl Fn(usize, usize) -> bool) -> Measured {
        measured_by(EmbedderChoice::Mobilefacenet, is_seen)
    }

    fn measured_by(embedder: EmbedderChoice, is_seen: impl Fn(usize, usize) -> bool) -> Measured {
        let mut people = BTreeMap::new();
        let mut embedded = BTreeMap::new();
        for person in 0..40 {
            let name = format!("p{person}");
            for picture in 0..3 {
                let mut raw = vec![0.0; embedder.dimensions()];
                raw[person] = 1.0;
                raw[100 + picture] = 0.3;
                let path = PathBuf::from(format!("{name}/{picture}.jpg"));
                let seen = is_seen(person, picture);
                embedded.insert(path.clone(), seen.then(|| Embedding::normalised(&raw).unwrap()));
                people.entry(name.clone()).or_insert_with(Vec::new).push(path);
            }
        }
        let plan = Plan {
            pictures_each: 1,
            thresholds: vec![0.0, 0.5, 1.1],
            margin: 0.0,
            calibration: Calibration::of(None, embedder).unwrap(),
            labels: Labels::new(),
            groups_at: 0.5,
        };
        measure(&people, &embedded, &plan).unwrap()
    }

    #[test]
    fn fpir_and_fnir_are_counted() {
        // One picture in which nobody is found.
        let Measured { figures: measured, probes } = measured(|person, picture| person != 7 || picture != 2);
        assert_eq!(probes.len(), 100);
        assert!(probes.iter().all(|p| p.found.as_ref().is_none_or(|(name, ..)| name.starts_with('p'))));
        assert_eq!((measured.enrolled, measured.mated_probes, measured.stranger_probes), (20, 40, 60));
        assert!(measured.rank_one.events >= 39);
        let [everyone, good, nobody, ..] = &measured.points[..] else { unreachable!("three thresholds") };
        assert_eq!(measured.points.len(), 3 + ACCEPTED_FPIR.len());
        assert!(everyone.fpir.events >= 59);
        assert!(good.fpir.events == 0 && good.fnir.events <= 1);
        assert_eq!(nobody.fnir.events, 40);
        assert!(measured.calibration.comparisons > 6000 && !measured.calibration.points.is_empty());
    }

    /// Twenty people on the roster and as many strangers; the first embedder finds every probe this like its
    /// person, and the second recognises everybody.
    fn in_doubt(similarity: f32) -> Vec<Point> {
        let unit = |count: usize, person: usize, picture: usize, cosine: f32| {
            let mut raw = vec![0.0; count];
            raw[person] = cosine;
            raw[60 + picture] = (1.0 - cosine * cosine).sqrt();
            Embedding::normalised(&raw).unwrap()
        };
        let (mut people, mut embedded) = (BTreeMap::new(), BTreeMap::new());
        for person in 0..40 {
            let name = format!("p{person}");
            for picture in 0..2 {
                let first = if picture == 0 { 1.0 } else { similarity };
                let faces = (unit(128, person, picture, first), unit(192, person, picture, 0.99));
                let path = PathBuf::from(format!("{name}/{picture}.jpg"));
                embedded.insert(path.clone(), Some(Embedding::joined(&faces.0, &faces.1, 0.5).unwrap()));
                people.entry(name.clone()).or_insert_with(Vec::new).push(path);
            }
        }
        let calibration = Calibration::of(None, EmbedderChoice::Both).unwrap();
        let plan = Plan {
            pictures_each: 1,
            thresholds: Vec::new(),
            margin: 0.05,
            calibration,
            labels: Labels::new(),
            groups_at: 0.5,
        };
        let points = measure(&people, &embedded, &plan).unwrap().figures.points;
        points.into_iter().filter(|point| point.second_asked.is_some()).collect()
    }

    #[test]
    fn the_second_embedder_is_asked_in_doubt_only_and_then_decides() {
        let least = in_doubt(0.9)[2].threshold;
        let asked = |similarity: f32| {
            let point = &in_doubt(similarity)[2];
            (point.second_asked.unwrap().mated.events, point.fnir.events)
        };
        assert_eq!(asked(least + 0.2), (0, 0), "the first is sure");
        assert_eq!(asked(least - 0.2), (0, 20), "the first is sure that it is somebody else");
        assert_eq!(asked(least - 0.03), (20, 0), "the second decides, and recognises everybody");
    }

    #[test]
    fn unseen_stranger_is_no_trial_and_unseen_member_is_missed() {
        // Of each person the third picture shows nobody: one of two probes of those on the roster, one of a
        // stranger's three.
        let measured = measured(|_, picture| picture != 2);
        let everyone = &measured.figures.points[0];
        assert_eq!((everyone.fpir.trials, everyone.fnir.trials), (40, 40));
        assert!(everyone.fnir.events >= 20);
        assert_eq!((measured.figures.mated_probes, measured.figures.stranger_probes), (40, 60));
        let scores = measured.scores();
        assert_eq!((scores.genuine().len(), scores.impostor().len()), (40, 40));
    }
}
