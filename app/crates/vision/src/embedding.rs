//! A face as a point on the unit sphere.

use serde::{Deserialize, Serialize};

/// Numbers in an embedding (MobileFaceNet, sirius-ai).
pub const DIMENSIONS: usize = 192;

/// An L2-normalised embedding: the scalar product of two is their cosine similarity, −1 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<f32>", into = "Vec<f32>")]
pub struct Embedding(Box<[f32; DIMENSIONS]>);

/// The numbers are no embedding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an embedding: {DIMENSIONS} finite numbers, not all zero, are needed; embed the picture anew")]
pub struct NotAnEmbedding;

impl Embedding {
    /// Normalises a network's raw answer.
    ///
    /// # Errors
    /// [`NotAnEmbedding`] when the count is wrong, a number is not finite, or all are zero.
    pub fn normalised(raw: &[f32]) -> Result<Self, NotAnEmbedding> {
        let mut values = Box::new([0.0; DIMENSIONS]);
        if raw.len() != DIMENSIONS {
            return Err(NotAnEmbedding);
        }
        let norm = raw.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        if !norm.is_finite() || norm < 1e-12 {
            return Err(NotAnEmbedding);
        }
        for (value, x) in values.iter_mut().zip(raw) {
            *value = (f64::from(*x) / norm) as f32;
        }
        Ok(Self(values))
    }

    /// The embedding in the middle of two.
    ///
    /// # Errors
    /// [`NotAnEmbedding`] when the two are opposite: there is no middle.
    pub fn mean(one: &Self, other: &Self) -> Result<Self, NotAnEmbedding> {
        let sum: Vec<f32> = one.0.iter().zip(other.0.iter()).map(|(a, b)| a + b).collect();
        Self::normalised(&sum)
    }

    /// Cosine similarity, −1 to 1.
    pub fn similarity(&self, other: &Self) -> f32 {
        self.0.iter().zip(other.0.iter()).map(|(a, b)| a * b).sum()
    }

    /// The numbers.
    pub fn values(&self) -> &[f32; DIMENSIONS] {
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
        embedding.0.to_vec()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn any_length_becomes_one_and_nonsense_is_refused() {
        let raw: Vec<f32> = (0..DIMENSIONS).map(|i| i as f32 - 90.0).collect();
        let embedding = Embedding::normalised(&raw).unwrap();
        assert!((embedding.similarity(&embedding) - 1.0).abs() < 1e-5);
        for bad in [vec![0.0; DIMENSIONS], vec![f32::NAN; DIMENSIONS], vec![1.0; DIMENSIONS - 1], vec![]] {
            assert!(Embedding::normalised(&bad).is_err());
        }
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
        let opposite = Embedding::normalised(&one.values().map(|value| -value)).unwrap();
        assert!(Embedding::mean(&one, &opposite).is_err());
    }

    #[test]
    fn it_survives_json() {
        let embedding = Embedding::normalised(&[0.5; DIMENSIONS]).unwrap();
        let text = serde_json::to_string(&embedding).unwrap();
        let back: Embedding = serde_json::from_str(&text).unwrap();
        assert!(embedding.similarity(&back) > 0.999_99);
    }
}
