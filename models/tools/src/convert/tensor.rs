//! A constant on its way from any source format to safetensors.

use super::error::Error;

/// Largest sum of all converted tensors: a small file may name the same buffer many times.
pub const MAX_TENSOR_BYTES: usize = 128 << 20;

/// Most dimensions a tensor may have; the models use four.
const MAX_RANK: usize = 8;

/// Most constants in one file; the largest model has 239.
const MAX_TENSORS: usize = 16_384;

/// A named constant.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Name in the source, with `/` written as `.`.
    pub name: String,
    /// Shape in the source's layout.
    pub shape: Vec<usize>,
    /// Elements, row-major; as many as the shape says.
    pub data: Data,
}

/// Elements of a [`Tensor`].
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Floating point.
    F32(Vec<f32>),
    /// Integers: shapes, paddings, counters.
    I64(Vec<i64>),
    /// Codes of quantised weights.
    U8(Vec<u8>),
}

impl Data {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::I64(values) => values.len(),
            Self::U8(codes) => codes.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes the elements take in the output.
    pub(super) fn byte_len(&self) -> usize {
        match self {
            Self::F32(values) => values.len() * 4,
            Self::I64(values) => values.len() * 8,
            Self::U8(codes) => codes.len(),
        }
    }
}

/// The one rule for names, used for tensors and operators alike. Torch's exporter begins paths with a slash.
pub(super) fn name(source: &str) -> String {
    source.trim_start_matches('/').replace('/', ".")
}

/// Number of elements of a shape from an untrusted file, none negative, the product bounded.
pub(super) fn elements(format: &'static str, shape: &[i64]) -> Result<(Vec<usize>, usize), Error> {
    if shape.len() > MAX_RANK {
        return Err(Error::TooLarge { what: "rank of a tensor", found: shape.len(), limit: MAX_RANK });
    }
    let mut count = 1_usize;
    let mut dims = Vec::with_capacity(shape.len());
    for &dim in shape {
        let dim = usize::try_from(dim)
            .map_err(|_| Error::Malformed { format, reason: format!("negative dimension in {shape:?}") })?;
        count = count.saturating_mul(dim);
        dims.push(dim);
    }
    // Four bytes are the least an element takes.
    let limit = MAX_TENSOR_BYTES / 4;
    if count > limit {
        return Err(Error::TooLarge { what: "number of elements of a tensor", found: count, limit });
    }
    Ok((dims, count))
}

/// Collects the constants of one file and keeps their number and total size bounded.
#[derive(Default)]
pub(super) struct Collector {
    tensors: Vec<Tensor>,
    bytes: usize,
}

impl Collector {
    /// Announces `bytes` more of output before they are allocated.
    pub(super) fn reserve(&mut self, bytes: usize) -> Result<(), Error> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > MAX_TENSOR_BYTES {
            return Err(Error::TooLarge {
                what: "sum of all tensors",
                found: self.bytes,
                limit: MAX_TENSOR_BYTES,
            });
        }
        if self.tensors.len() >= MAX_TENSORS {
            return Err(Error::TooLarge {
                what: "number of tensors",
                found: self.tensors.len() + 1,
                limit: MAX_TENSORS,
            });
        }
        Ok(())
    }

    pub(super) fn push(&mut self, source_name: &str, shape: Vec<usize>, data: Data) {
        self.tensors.push(Tensor { name: name(source_name), shape, data });
    }

    pub(super) fn finish(self) -> Vec<Tensor> {
        self.tensors
    }
}
