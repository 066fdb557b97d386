//! A face as a point on the unit sphere.

use serde::{Deserialize, Serialize};

/// Most numbers in an embedding: those of SFace (128) and of MobileFaceNet (sirius-ai, 192) joined.
pub const DIMENSIONS: usize = 320;

/// Numbers that an embedding may have.
const ALLOWED: [usize; 3] = [128, 192, DIMENSIONS];

/// An L2-normalised embedding: the scalar product of two is their cosine similarity, −1 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<f32>", into = "Vec<f32>")]
pub struct Embedding(Box<[f32]>);

/// The numbers are not an embedding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an embedding: 128, 192 or 320 finite numbers, not all zero, are needed; embed the picture again"
)]
pub struct NotAnEmbedding;

impl Embedding {
    /// Normalises a model's raw output.
    ///
    /// # Errors
    /// [`NotAnEmbedding`] when the count is wrong, a number is not finite, or all are zero.
    pub fn normalised(raw: &[f32]) -> Result<Self, NotAnEmbedding> {
        if !ALLOWED.contains(&raw.len()) {
            return Err(NotAnEmbedding);
        }
        let norm = raw.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        if !norm.is_finite() || norm < 1e-12 {
            return Err(NotAnEmbedding);
        }
        Ok(Self(raw.iter().map(|x| (f64::from(*x) / norm) as f32).collect()))
    }

    /// The embedding in the middle of two.
    ///
    /// # Errors
    /// [`NotAnEmbedding`] when the two are opposite: there is no middle.
    pub fn mean(one: &Self, other: &Self) -> Result<Self, NotAnEmbedding> {
        let sum: Vec<f32> = one.0.iter().zip(other.0.iter()).map(|(a, b)| a + b).collect();
        Self::normalised(&sum)
    }

    /// Two embeddings of one face by two embedders as one. Its similarity to another of the same kind is the
    /// weighted mean of the two similarities: `weight` (0 to 1) is that of the first.
    ///
    /// # Errors
    /// [`NotAnEmbedding`] when the two together have a count of numbers that no embedding has.
    pub fn joined(first: &Self, second: &Self, weight: f32) -> Result<Self, NotAnEmbedding> {
        let scaled = |part: &Self, weight: f32| part.0.iter().map(|x| x * weight.sqrt()).collect::<Vec<_>>();
        Self::normalised(&[scaled(first, weight), scaled(second, 1.0 - weight)].concat())
    }

    /// The first of two joined embeddings, which has `count` numbers.
    ///
    /// # Errors
    /// [`NotAnEmbedding`] when no embedding has `count` numbers, or this one has fewer.
    pub fn first(&self, count: usize) -> Result<Self, NotAnEmbedding> {
        Self::normalised(self.0.get(..count).ok_or(NotAnEmbedding)?)
    }

    /// Cosine similarity, −1 to 1. Embeddings of different embedders are not comparable: −1.
    pub fn similarity(&self, other: &Self) -> f32 {
        if self.0.len() != other.0.len() {
            return -1.0;
        }
        self.0.iter().zip(other.0.iter()).map(|(a, b)| a * b).sum()
    }

    /// The numbers.
    pub fn values(&self) -> &[f32] {
        &self.0
    }
}

impl TryFrom<Vec<f32>> for Embedding {
    type Error = NotAnEmbedding;

    fn try_from(values: Vec<f32>) -> Result<Self, NotAnEmbedding> {
        Self::normalised(&values)
    }
}

impl From<Embedding> for Vec<f32> {
    fn from(embedding: Embedding) -> Self {
        embedding.0.into_vec()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn embedding_is_normalised() {
        let raw: Vec<f32> = (0..DIMENSIONS).map(|i| i as f32 - 90.0).collect();
        let embedding = Embedding::normalised(&raw).unwrap();
        assert!((embedding.similarity(&embedding) - 1.0).abs() < 1e-5);
        for bad in [vec![0.0; DIMENSIONS], vec![f32::NAN; DIMENSIONS], vec![1.0; DIMENSIONS - 1], vec![]] {
            assert!(Embedding::normalised(&bad).is_err());
        }
    }

    #[test]
    fn those_of_two_embedders_never_match() {
        let one = Embedding::normalised(&[1.0; 128]).unwrap();
        let other = Embedding::normalised(&[1.0; DIMENSIONS]).unwrap();
        assert_eq!(one.similarity(&other), -1.0);
    }

    #[test]
    fn the_mean_is_as_like_one_as_the_other() {
        let axis = |at: usize| {
            Embedding::normalised(&std::array::from_fn::<f32, DIMENSIONS, _>(|i| {
                f32::from(u8::from(i == at))
            }))
        };
        let (one, other) = (axis(0).unwrap(), axis(1).unwrap());
        let mean = Embedding::mean(&one, &other).unwrap();
        assert!(
            (mean.similarity(&one) - mean.similarity(&other)).abs() < 1e-6 && mean.similarity(&one) > 0.7
        );
        let opposite =
            Embedding::normalised(&one.values().iter().map(|value| -value).collect::<Vec<_>>()).unwrap();
        assert!(Embedding::mean(&one, &opposite).is_err());
    }

    #[test]
    fn two_joined_embeddings_compare_by_the_weighted_mean() {
        let unit = |count: usize, cosine: f32| {
            let mut raw = vec![0.0; count];
            (raw[0], raw[1]) = (cosine, (1.0 - cosine * cosine).sqrt());
            Embedding::normalised(&raw).unwrap()
        };
        let joined = |one: f32, two: f32| Embedding::joined(&unit(128, one), &unit(192, two), 0.6).unwrap();
        let similarity = joined(1.0, 1.0).similarity(&joined(0.8, 0.3));
        assert!((similarity - (0.6 * 0.8 + 0.4 * 0.3)).abs() < 1e-5, "{similarity}");
        assert!(joined(0.8, 0.3).first(128).unwrap().similarity(&unit(128, 0.8)) > 0.999_99);
        assert!(unit(128, 1.0).first(192).is_err());
        assert!(Embedding::joined(&unit(128, 1.0), &unit(128, 1.0), 0.5).is_err());
    }

    #[test]
    fn it_survives_json() {
        let embedding = Embedding::normalised(&[0.5; DIMENSIONS]).unwrap();
        let text = serde_json::to_string(&embedding).unwrap();
        let back: Embedding = serde_json::from_str(&text).unwrap();
        assert!(embedding.similarity(&back) > 0.999_99);
    }
}
