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
mod error;
mod graph;
mod half;
mod onnx;
mod parsed;
mod protobuf;
mod quantise;
mod safetensors;
mod tensor;
mod tflite;
mod torch;

use std::collections::BTreeMap;

use model_files::lock::{Format, Weights};

pub use error::Error;
pub use graph::{Graph, Node, Port};
pub use parsed::Parsed;
pub use tensor::{Data, MAX_TENSOR_BYTES, Tensor};

/// Part of every output, so that a found file shows its version; raise it when the same source gives a
/// different output.
pub const CONVERTER_VERSION: u32 = 1;

/// Largest source file that is parsed. The largest pinned one has 39 MB; 64 MiB leaves room and bounds
/// memory.
pub const MAX_SOURCE_BYTES: usize = 64 << 20;

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
