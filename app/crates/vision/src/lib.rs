//! Pictures and what is in them: frames, photos, faces, embeddings. No neural network is needed for any of
//! it, so camera and backend compile without candle.
#![forbid(unsafe_code)]

mod cost;
pub mod embedding;
pub mod face;
pub mod frame;
pub mod jpeg;
pub mod kind;
pub mod latest;
pub mod photo;
pub mod photos;
pub mod scan;
pub mod shrink;
pub mod size;
