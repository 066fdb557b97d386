//! One to one: are two pictures one person? (LFW View 2; Huang et al. 2007.)

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::pairs::Pair;
use super::pictures::{Embed, EvaluateError, embed_all};
use super::statistics::{Rate, Scores, mean_and_error};
use vision::embedding::Embedding;

/// Similarity of a pair one of whose pictures shows no face: never a match, as at the door.
const NO_FACE: f32 = -1.0;

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Verification {
    /// Pictures looked at.
    pub pictures: usize,
    /// Pictures in which no face was found (failure to acquire).
    pub without_face: Rate,
    /// Pairs decided rightly, with the threshold of each fold chosen on the others.
    pub accuracy: Rate,
    /// Mean of the folds' accuracies, and its standard error.
    pub fold_accuracy: (f64, f64),
    /// Accuracy of each fold.
    pub folds: Vec<f64>,
    /// TAR at FAR 1e-2, 1e-3 and 1e-4, where there are pairs enough to tell.
    pub tar_at_far: Vec<TarAtFar>,
    /// Equal error rate, and its threshold.
    pub equal_error_rate: f64,
    /// Threshold of the equal error rate.
    pub equal_error_threshold: f32,
    /// Mean similarity of pairs of one person.
    pub mean_genuine: f32,
    /// Mean similarity of pairs of two people.
    pub mean_impostor: f32,
}

/// One working point.
#[derive(Debug, Clone, Serialize)]
pub struct TarAtFar {
    /// The FAR asked for.
    pub far: f64,
    /// The lowest threshold that keeps it.
    pub threshold: f32,
    /// The FAR seen there: with too few pairs of different people none, and the interval says how little that
    /// proves.
    pub far_seen: Rate,
    /// The TAR there.
    pub tar: Rate,
}

/// The figures and the scores behind them.
#[derive(Debug, Clone)]
pub struct Measured {
    /// The figures.
    pub figures: Verification,
    /// Similarities of all pairs.
    pub scores: Scores,
    /// Every pair with its similarity, in the order of the list.
    pub pairs: Vec<(Pair, f32)>,
}

/// Measures `pairs` of pictures below `folder`.
///
/// # Errors
/// [`EvaluateError`].
pub fn verification(
    folder: &Path,
    pairs: Vec<Pair>,
    embed: &mut Embed<'_>,
    looked_at: &dyn Fn(usize, usize),
) -> Result<Measured, EvaluateError> {
    let pictures = pairs.iter().flat_map(|pair| [pair.one.clone(), pair.other.clone()]);
    let embedded = embed_all(folder, pictures, embed, looked_at)?;
    measure(pairs, &embedded)
}

fn measure(
    pairs: Vec<Pair>,
    embedded: &BTreeMap<PathBuf, Option<Embedding>>,
) -> Result<Measured, EvaluateError> {
    let similarity = |pair: &Pair| match (&embedded[&pair.one], &embedded[&pair.other]) {
        (Some(one), Some(other)) => one.similarity(other),
        _ => NO_FACE,
    };
    let pairs: Vec<(Pair, f32)> =
        pairs.into_iter().map(|pair| (similarity(&pair), pair)).map(|(s, p)| (p, s)).collect();
    let scores = scores_of(&pairs, |_| true);
    if scores.genuine().is_empty() || scores.impostor().is_empty() {
        return Err(EvaluateError::TooLittle("matched and mismatched pairs are both needed".to_owned()));
    }
    let fold_count = pairs.iter().map(|(pair, _)| pair.fold + 1).max().unwrap_or(0);
    let (mut right, mut folds) = (0, Vec::new());
    for fold in 0..fold_count {
        let tested = scores_of(&pairs, |pair| pair.fold == fold);
        // With one fold there is no other to choose on, and the figure is the best that one threshold can do.
        let chosen_on =
            if fold_count == 1 { scores.clone() } else { scores_of(&pairs, |pair| pair.fold != fold) };
        let correct = tested.right_at(chosen_on.most_accurate_threshold());
        right += correct;
        folds.push(correct as f64 / tested.len().max(1) as f64);
    }
    let tar_at_far = [1e-2, 1e-3, 1e-4]
        .into_iter()
        .map(|far| {
            let threshold = scores.threshold_at_far(far);
            TarAtFar { far, threshold, far_seen: scores.far(threshold), tar: scores.tar(threshold) }
        })
        .collect();
    let mean = |scores: &[f32]| scores.iter().sum::<f32>() / scores.len() as f32;
    let (equal_error_threshold, equal_error_rate) = scores.equal_error();
    let without = embedded.values().filter(|embedding| embedding.is_none()).count();
    let figures = Verification {
        pictures: embedded.len(),
        without_face: Rate::of(without, embedded.len()),
        accuracy: Rate::of(right, pairs.len()),
        fold_accuracy: mean_and_error(&folds),
        folds,
        tar_at_far,
        equal_error_rate,
        equal_error_threshold,
        mean_genuine: mean(scores.genuine()),
        mean_impostor: mean(scores.impostor()),
    };
    Ok(Measured { figures, scores, pairs })
}

fn scores_of(pairs: &[(Pair, f32)], wanted: impl Fn(&Pair) -> bool) -> Scores {
    let of =
        |same| pairs.iter().filter(|(pair, _)| pair.same == same && wanted(pair)).map(|(_, s)| *s).collect();
    Scores::new(of(true), of(false))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use vision::embedding::DIMENSIONS;

    fn face(person: usize, noise: f32) -> Option<Embedding> {
        let mut raw = [0.0; DIMENSIONS];
        raw[person] = 1.0;
        raw[DIMENSIONS - 1] = noise;
        Some(Embedding::normalised(&raw).unwrap())
    }

    #[test]
    fn fold_threshold_is_chosen_on_the_other_folds() {
        let embedded = BTreeMap::from([
            ("a1".into(), face(0, 0.1)),
            ("a2".into(), face(0, 0.2)),
            ("b1".into(), face(1, 0.1)),
            ("b2".into(), None),
            ("b3".into(), face(1, 0.2)),
        ]);
        let pair =
            |one: &str, other: &str, same, fold| Pair { one: one.into(), other: other.into(), same, fold };
        let pairs = vec![
            pair("a1", "a2", true, 0),
            pair("a1", "b1", false, 0),
            pair("b1", "b3", true, 1),
            pair("a2", "b1", false, 1),
            pair("b1", "b2", true, 2),
            pair("a2", "b3", false, 2),
        ];
        let figures = measure(pairs, &embedded).unwrap().figures;
        assert_eq!(figures.folds, [1.0, 1.0, 0.5]);
        assert_eq!((figures.accuracy.events, figures.accuracy.trials), (5, 6));
        assert_eq!(figures.without_face.events, 1);
        // Three impostor pairs prove little of a FAR of 1 %, and the figure says so.
        assert_eq!(figures.tar_at_far.len(), 3);
        assert!(figures.tar_at_far.iter().all(|p| p.far_seen.events == 0 && p.far_seen.high > 0.5));
    }
}
