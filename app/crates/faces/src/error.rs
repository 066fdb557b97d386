//! What can go wrong with a model, wherever it is used.

use candle_core::Device;
use candle_nn::VarBuilder;
use models::Role;
use models::store::{self, LoadError, Store};

use base::failure::{Diagnosis, Fault};

/// A model cannot be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A weight file is missing or damaged.
    #[error("{}", self.fault())]
    Load {
        /// Which model.
        role: String,
        /// What is wrong with it and what to do.
        reason: Fault,
    },
    /// A model failed on a picture.
    #[error("{}", self.fault())]
    Run {
        /// Which model.
        role: &'static str,
        /// What it said.
        reason: String,
    },
}

impl EngineError {
    /// A model that failed on a picture.
    pub fn run(role: &'static str, error: &dyn std::fmt::Display) -> Self {
        Self::Run { role, reason: error.to_string() }
    }

    /// Loads one model from the store.
    pub fn load<N>(
        store: &Store,
        role: Role,
        make: impl FnOnce(VarBuilder<'static>) -> candle_core::Result<N>,
    ) -> Result<N, Self> {
        let weights = models::store::load(store, role, &Device::Cpu).map_err(|error| match error {
            LoadError::Store(error) => Self::store(role, &error),
            other => Self::Load { role: role.to_string(), reason: other.to_string().into() },
        })?;
        make(weights).map_err(|error| Self::Load { role: role.to_string(), reason: error.to_string().into() })
    }

    /// The store of weights does not give what is needed of it.
    pub fn store(role: impl ToString, error: &store::Error) -> Self {
        let reason = Fault { advice: error.advice(), ..Fault::new(error.what()) };
        Self::Load { role: role.to_string(), reason }
    }
}

impl Diagnosis for EngineError {
    fn fault(&self) -> Fault {
        match self {
            Self::Load { role, reason } => {
                reason.clone().described(|what| format!("cannot load the model {role}: {what}"))
            }
            Self::Run { role, reason } => Fault::new(format!("the model {role} failed: {reason}")),
        }
    }
}
