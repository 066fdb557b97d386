//! What can go wrong with a network, wherever it is used.

use candle_core::Device;
use candle_nn::VarBuilder;
use models::Role;
use models::store::Store;

/// A network cannot be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A weight file is missing or damaged.
    #[error("cannot load the network {role}: {reason}")]
    Load {
        /// Which network.
        role: String,
        /// What is wrong with it and what to do.
        reason: String,
    },
    /// A network failed on a picture.
    #[error("the network {role} failed: {reason}")]
    Run {
        /// Which network.
        role: &'static str,
        /// What it said.
        reason: String,
    },
}

impl EngineError {
    pub(crate) fn run(role: &'static str, error: &dyn std::fmt::Display) -> Self {
        Self::Run { role, reason: error.to_string() }
    }

    /// Loads one network from the store.
    pub(crate) fn load<N>(
        store: &Store,
        role: Role,
        make: impl FnOnce(VarBuilder<'static>) -> candle_core::Result<N>,
    ) -> Result<N, Self> {
        let failed = |reason: String| Self::Load { role: role.to_string(), reason };
        let weights =
            models::store::load(store, role, &Device::Cpu).map_err(|error| failed(error.to_string()))?;
        make(weights).map_err(|error| failed(error.to_string()))
    }
}
