//! A converted file in words, for writing a model against it.

use std::fmt::Write as _;

use safetensors::SafeTensors;

use crate::convert::Graph;

/// Lists every tensor with type and shape, then the metadata, then the operators of a converted file.
///
/// # Errors
/// If `file` is not a safetensors file.
pub fn describe(file: &[u8]) -> Result<String, String> {
    let (_, metadata) = SafeTensors::read_metadata(file).map_err(|error| error.to_string())?;
    let mut text = String::new();
    let mut tensors: Vec<_> = metadata.tensors().into_iter().collect();
    tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
    // Writing to a string cannot fail.
    for (name, info) in tensors {
        let _ = writeln!(text, "tensor {name} {:?} {:?}", info.dtype, info.shape);
    }
    let mut notes: Vec<_> = metadata.metadata().iter().flatten().collect();
    notes.sort();
    for (key, value) in notes {
        if key == "graph" {
            let graph: Graph = serde_json::from_str(value).map_err(|error| error.to_string())?;
            let _ = write!(text, "{graph}");
        } else {
            let _ = writeln!(text, "{key} {value}");
        }
    }
    Ok(text)
}
