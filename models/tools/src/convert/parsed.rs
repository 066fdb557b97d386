//! What every format is parsed into.

use super::graph::Graph;
use super::tensor::Tensor;

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
