//! Weights for candle, from the folder of weight files.

use candle_core::{DType, Device};
use candle_nn::VarBuilder;

pub use model_files::store::{Error, Store};

use crate::Role;

/// Why a model's weights cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The folder has not got the pinned file.
    #[error(transparent)]
    Store(#[from] Error),
    /// candle does not accept the file.
    #[error("weights for {role}: {source}")]
    Candle {
        /// What was asked for.
        role: Role,
        /// Reason.
        source: candle_core::Error,
    },
}

/// Reads the weights of `role` and checks their hash. All are f32, named and laid out as `models/tools`
/// converts them.
///
/// # Errors
/// Any [`LoadError`].
pub fn load(store: &Store, role: Role, device: &Device) -> Result<VarBuilder<'static>, LoadError> {
    let bytes = store.read(role)?;
    VarBuilder::from_buffered_safetensors(bytes, DType::F32, device)
        .map_err(|source| LoadError::Candle { role, source })
}
