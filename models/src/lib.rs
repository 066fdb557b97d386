//! The networks of the attendance appliance on candle, and the pinned weight files they run on.
//!
//! - [`convert`]: published weight files (TFLite, legacy torch, ONNX) become safetensors.

pub mod convert;
