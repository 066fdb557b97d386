//! A safetensors writer whose output depends on nothing but its input.
//!
//! The `safetensors` crate keeps metadata in a `HashMap`, so two runs of it may order the header differently;
//! the hash of the file is pinned here. The format is small: eight bytes with the header's length, a JSON
//! header padded with spaces to a multiple of eight, then the data.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::error::Error;
use super::tensor::{Data, Tensor};

/// Serialises `tensors`, ordered by name, with `metadata` in the header.
pub(super) fn write(mut tensors: Vec<Tensor>, metadata: BTreeMap<String, String>) -> Result<Vec<u8>, Error> {
    // Widest elements first keeps each tensor aligned to its own element size without gaps, which the format
    // forbids.
    let width = |tensor: &Tensor| match tensor.data {
        Data::I64(_) => 0,
        Data::F32(_) => 1,
        Data::U8(_) => 2,
    };
    tensors.sort_by(|a, b| (width(a), &a.name).cmp(&(width(b), &b.name)));
    let mut seen = BTreeSet::from(["__metadata__"]);
    for tensor in &tensors {
        if !seen.insert(&tensor.name) {
            return Err(Error::DuplicateName(tensor.name.clone()));
        }
    }

    let mut offset = 0;
    let entries = tensors
        .iter()
        .map(|tensor| {
            let start = offset;
            offset += tensor.data.byte_len();
            let dtype = match tensor.data {
                Data::F32(_) => "F32",
                Data::I64(_) => "I64",
                Data::U8(_) => "U8",
            };
            (tensor.name.as_str(), Entry { dtype, shape: &tensor.shape, data_offsets: [start, offset] })
        })
        .collect();
    let header = Header { metadata, entries };
    // Strings, numbers and string keys only: serialising cannot fail.
    let mut header = serde_json::to_vec(&header).unwrap_or_default();
    header.resize(header.len().next_multiple_of(8), b' ');

    let mut file = Vec::with_capacity(8 + header.len() + offset);
    file.extend_from_slice(&(header.len() as u64).to_le_bytes());
    file.extend_from_slice(&header);
    for tensor in tensors {
        match tensor.data {
            Data::F32(values) => file.extend(values.iter().flat_map(|value| value.to_le_bytes())),
            Data::I64(values) => file.extend(values.iter().flat_map(|value| value.to_le_bytes())),
            Data::U8(codes) => file.extend(codes),
        }
    }
    Ok(file)
}

#[derive(Serialize)]
struct Header<'a> {
    #[serde(rename = "__metadata__")]
    metadata: BTreeMap<String, String>,
    #[serde(flatten)]
    entries: BTreeMap<&'a str, Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    dtype: &'static str,
    shape: &'a [usize],
    data_offsets: [usize; 2],
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_official_reader_understands_it() {
        let tensors = vec![
            Tensor { name: "b".into(), shape: vec![2, 1], data: Data::F32(vec![1.5, -2.0]) },
            Tensor { name: "a".into(), shape: vec![], data: Data::I64(vec![-7]) },
            Tensor { name: "empty".into(), shape: vec![0], data: Data::F32(vec![]) },
        ];
        let metadata = BTreeMap::from([("role".to_owned(), "iris".to_owned())]);
        let file = write(tensors.clone(), metadata.clone()).unwrap();
        assert_eq!(file, write(tensors, metadata).unwrap());

        let read = ::safetensors::SafeTensors::deserialize(&file).unwrap();
        assert_eq!(
            read.tensor("b").unwrap().data(),
            [1.5_f32.to_le_bytes(), (-2.0_f32).to_le_bytes()].concat()
        );
        assert_eq!(read.tensor("b").unwrap().shape(), [2, 1]);
        assert_eq!(read.tensor("a").unwrap().data(), (-7_i64).to_le_bytes());
        assert_eq!(read.tensor("empty").unwrap().shape(), [0]);
    }

    #[test]
    fn two_of_one_name_are_refused() {
        let tensor = Tensor { name: "a".into(), shape: vec![1], data: Data::F32(vec![0.0]) };
        let error = write(vec![tensor.clone(), tensor], BTreeMap::new()).unwrap_err();
        assert!(matches!(error, Error::DuplicateName(name) if name == "a"));
    }
}
