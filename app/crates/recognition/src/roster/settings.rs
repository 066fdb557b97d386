//! What making a roster needs of the configuration.

use std::path::PathBuf;

use crate::config::Recognition;
use base::erasure::Erased;
use vision::photos::Photos;

/// What making a roster needs of the configuration.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Where the photos lie, and how roll numbers look.
    pub photos: Photos,
    /// Which models look at them.
    pub recognition: Recognition,
    /// Folder that holds the mirror and the cache of embeddings.
    pub data_dir: PathBuf,
    /// Folder of the models' weights.
    pub models_dir: PathBuf,
    /// Students who are not enrolled, whatever photos lie there.
    pub erased: Erased,
    /// Whether pictures that were taken at the door are used.
    pub at_the_door: bool,
}
