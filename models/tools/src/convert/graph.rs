//! The operator list of a source file, for writing the model as candle modules and for `fetch_models
//! --describe`.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

/// Inputs, outputs and operators in execution order. Names are those of the source, with `/` written as `.`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Graph {
    /// The model's input.
    pub inputs: Vec<Port>,
    /// What it answers.
    pub outputs: Vec<Port>,
    /// Operators in execution order.
    pub nodes: Vec<Node>,
}

/// A named input or output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Port {
    /// Name in the source.
    pub name: String,
    /// Shape; empty if the source leaves it open.
    pub shape: Vec<i64>,
}

/// One operator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Operator as its format calls it (`CONV_2D`, `Conv`).
    pub op: String,
    /// Tensors read; empty names stand for optional inputs that are absent.
    pub inputs: Vec<String>,
    /// Tensors written.
    pub outputs: Vec<String>,
    /// Settings such as strides, padding and fused activation.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

impl Graph {
    /// Compact JSON with a fixed order of keys.
    pub(super) fn to_json(&self) -> String {
        // Strings, integers and maps with string keys only: serde_json cannot fail on these.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for input in &self.inputs {
            writeln!(f, "input  {} {:?}", input.name, input.shape)?;
        }
        for output in &self.outputs {
            writeln!(f, "output {} {:?}", output.name, output.shape)?;
        }
        for node in &self.nodes {
            write!(f, "{:<20} {} <- {}", node.op, node.outputs.join(", "), node.inputs.join(", "))?;
            for (name, value) in &node.attributes {
                write!(f, "  {name}={value}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
