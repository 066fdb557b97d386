//! Conversion of the published weight files to safetensors: TFLite, legacy torch pickles and ONNX.
//!
//! # What comes out
//! - One tensor a constant of the source, under the source's own name, with `/` written as `.` so that
//!   candle's `VarBuilder::pp` walks it (`conv2d/Kernel` becomes `conv2d.Kernel`). Two constants that end up
//!   with one name are an error: a silent `name_1` would hide that a model reads the wrong one.
//! - Shapes and layouts stay the source's: TFLite convolutions OHWI, depthwise ones 1HWC; torch and ONNX
//!   OIHW.
//! - Element types: every floating type becomes `F32` (exact for fp16), every integer `I64`. Where the pin
//!   asks for weights of 8 bits, the module `quantise` says what becomes `U8`.
//! - The metadata hold the source's SHA-256, the converter's version, and the operator list ([`Graph`]) as
//!   JSON.
//!
//! The same bytes in give the same bytes out, on every machine: `models.lock` pins the results as well.
//!
//! # Trust
//! The files are pinned by hash, yet the parsers treat them as hostile: no panic, no unbounded memory, an
//! error that names what was found.

mod bytes;
mod graph;
mod half;
mod onnx;
mod protobuf;
mod quantise;
mod safetensors;
mod tensor;
mod tflite;
mod torch;

use std::collections::BTreeMap;

use model_files::lock::{Format, Weights};

pub use graph::{Graph, Node, Port};
pub use tensor::{Data, Tensor};

/// Part of every output, for whoever finds one; raise it when the same source comes out differently.
pub const CONVERTER_VERSION: u32 = 1;

/// Largest source file that is parsed. The largest pinned one has 39 MB; 64 MiB leaves room and bounds
/// memory.
pub const MAX_SOURCE_BYTES: usize = 64 << 20;

/// Largest sum of all converted tensors: a small file may name the same buffer many times.
pub const MAX_TENSOR_BYTES: usize = 128 << 20;

/// Why a source file cannot be converted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file ends before something that it announces.
    #[error("file is truncated or damaged: {what} needs bytes {start}..{end} of {len}")]
    OutOfBounds {
        /// What was being read.
        what: &'static str,
        /// First byte wanted.
        start: usize,
        /// One past the last byte wanted.
        end: usize,
        /// Bytes there are.
        len: usize,
    },
    /// A number is larger than any sound file needs.
    #[error("{what} is {found}, more than the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Size found.
        found: usize,
        /// Size allowed.
        limit: usize,
    },
    /// The file breaks its format's rules.
    #[error("not a valid {format} file: {reason}")]
    Malformed {
        /// Format that was expected.
        format: &'static str,
        /// Rule that is broken.
        reason: String,
    },
    /// The file is sound, but holds something this converter does not do.
    #[error("{format} feature not supported: {what}")]
    Unsupported {
        /// Format of the file.
        format: &'static str,
        /// Feature found.
        what: String,
    },
    /// Two constants have the same name after `/` became `.`.
    #[error("two tensors are called {0:?}")]
    DuplicateName(String),
}

/// What a source file holds: its constants in the file's order, and how they are used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// All constants.
    pub tensors: Vec<Tensor>,
    /// Operator list; empty for state dicts, which have none.
    pub graph: Graph,
    /// Prefix that every name bore and that was removed (`module.` of torch's `DataParallel`).
    pub stripped_prefix: Option<String>,
}

/// Parses a source file without writing anything.
///
/// # Errors
/// Any [`Error`], if the file is damaged, too large or uses a feature that none of the pinned models uses.
pub fn parse(format: Format, source: &[u8]) -> Result<Parsed, Error> {
    if source.len() > MAX_SOURCE_BYTES {
        return Err(Error::TooLarge { what: "file", found: source.len(), limit: MAX_SOURCE_BYTES });
    }
    match format {
        Format::Tflite => tflite::parse(source),
        Format::TorchLegacy => torch::parse(source),
        Format::Onnx => onnx::parse(source),
    }
}

/// Converts a source file to the bytes of a safetensors file.
///
/// `role` and `source_sha256` go into the metadata. Deterministic.
///
/// # Errors
/// As [`parse`].
pub fn convert(
    format: Format,
    weights: Weights,
    source: &[u8],
    role: &str,
    source_sha256: &str,
) -> Result<Vec<u8>, Error> {
    let mut parsed = parse(format, source)?;
    if weights == Weights::Int8 {
        parsed.tensors = quantise::weights(parsed.tensors);
    }
    let mut metadata = BTreeMap::from([
        ("converter".to_owned(), CONVERTER_VERSION.to_string()),
        ("role".to_owned(), role.to_owned()),
        ("source-sha256".to_owned(), source_sha256.to_owned()),
    ]);
    if !parsed.graph.nodes.is_empty() {
        metadata.insert("graph".to_owned(), parsed.graph.to_json());
    }
    if let Some(prefix) = parsed.stripped_prefix {
        metadata.insert("stripped-prefix".to_owned(), prefix);
    }
    safetensors::write(parsed.tensors, metadata)
}
