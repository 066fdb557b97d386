//! Legacy torch checkpoints: the format of `torch.save` before version 1.6.
//!
//! Five pickles one after the other (magic number, protocol version, facts about the machine, the state dict,
//! the list of storage keys), then every storage in the list's order: eight bytes with the number of
//! elements, then the elements. Tensors are views into storages; the pickle holds a persistent id for each
//! storage, never the numbers.
//!
//! A `module.` in front of every name comes from `DataParallel`; it is removed and recorded.

mod pickle;
mod value;

use std::collections::HashMap;

use super::bytes::Bytes;
use super::error::Error;
use super::parsed::Parsed;
use super::tensor::Data;
use super::tensor::{self, Collector};
use value::{Arena, Element, Id, TensorView, Value};

pub(super) const FORMAT: &str = "legacy torch";

/// First pickle of the file, as `torch.serialization.MAGIC_NUMBER` in pickle's own long notation
/// (little-endian).
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// `torch.serialization.PROTOCOL_VERSION`, unchanged since the format exists.
const PROTOCOL: i64 = 1001;

/// What `DataParallel` puts in front of every name.
const PREFIX: &str = "module.";

/// Reads the state dict.
pub(super) fn parse(source: &[u8]) -> Result<Parsed, Error> {
    let bytes = Bytes(source);
    let mut at = 0;
    let mut next = || -> Result<(Arena, Id), Error> {
        let (arena, root, end) = pickle::load(bytes, at)?;
        at = end;
        Ok((arena, root))
    };

    let (arena, magic) = next()?;
    if !matches!(arena.value(magic), Value::Long(digits) if digits[..] == MAGIC) {
        return Err(malformed("no magic number of torch.save; the newer zip format is not read"));
    }
    let (arena, protocol) = next()?;
    if !matches!(arena.value(protocol), Value::Int(PROTOCOL)) {
        return Err(malformed(format!("protocol version is not {PROTOCOL}")));
    }
    let (arena, facts) = next()?;
    if !little_endian(&arena, facts) {
        return Err(malformed("not written on a little-endian machine"));
    }
    let (state, root) = next()?;
    let (arena, keys) = next()?;
    let keys = storage_keys(&arena, keys)?;

    let storages = read_storages(bytes, at, &keys, &state)?;
    let views = views(&state, root)?;
    let prefixed = !views.is_empty() && views.iter().all(|(name, _)| name.starts_with(PREFIX));

    let mut collector = Collector::default();
    for (name, view) in views {
        let name = if prefixed { name.strip_prefix(PREFIX).unwrap_or(name) } else { name };
        let storage = storages.get(view.storage.key.as_str()).ok_or_else(|| {
            malformed(format!("{name:?} lies in storage {:?}, which is absent", view.storage.key))
        })?;
        let (shape, data) = read_view(name, view, storage, &mut collector)?;
        collector.push(name, shape, data);
    }
    Ok(Parsed {
        tensors: collector.finish(),
        stripped_prefix: prefixed.then(|| PREFIX.to_owned()),
        ..Parsed::default()
    })
}

/// The third pickle says how the machine wrote numbers: `little_endian: True`.
fn little_endian(arena: &Arena, facts: Id) -> bool {
    let Value::Dict(entries) = arena.value(facts) else {
        return false;
    };
    entries.iter().any(|(key, value)| {
        matches!(arena.value(*key), Value::Text(key) if key == "little_endian")
            && matches!(arena.value(*value), Value::Bool(true))
    })
}

fn storage_keys(arena: &Arena, root: Id) -> Result<Vec<String>, Error> {
    let Value::List(keys) = arena.value(root) else {
        return Err(malformed("the storage keys are not a list"));
    };
    keys.iter()
        .map(|key| match arena.value(*key) {
            Value::Text(key) => Ok(key.clone()),
            _ => Err(malformed("a storage key is not a string")),
        })
        .collect()
}

/// Numbers of one storage.
struct Storage<'a> {
    element: Element,
    data: &'a [u8],
}

fn read_storages<'a>(
    bytes: Bytes<'a>,
    mut at: usize,
    keys: &[String],
    state: &Arena,
) -> Result<HashMap<String, Storage<'a>>, Error> {
    let declared: HashMap<_, _> = state
        .values()
        .filter_map(|value| match value {
            Value::Storage(storage) => Some((storage.key.as_str(), storage)),
            _ => None,
        })
        .collect();
    let mut storages = HashMap::new();
    for key in keys {
        let storage = declared
            .get(key.as_str())
            .ok_or_else(|| malformed(format!("storage {key:?} belongs to no tensor")))?;
        let count = usize::try_from(bytes.u64("storage", at)?).unwrap_or(usize::MAX);
        if count != storage.elements {
            return Err(malformed(format!(
                "storage {key:?} holds {count} elements, declared were {}",
                storage.elements
            )));
        }
        let data = bytes.slice("storage", at + 8, count.saturating_mul(storage.element.width()))?;
        at += 8 + data.len();
        if storages.insert(key.clone(), Storage { element: storage.element, data }).is_some() {
            return Err(malformed(format!("storage {key:?} is listed twice")));
        }
    }
    if at != bytes.0.len() {
        return Err(malformed(format!("{} bytes follow the last storage", bytes.0.len() - at)));
    }
    Ok(storages)
}

fn views(state: &Arena, root: Id) -> Result<Vec<(&str, &TensorView)>, Error> {
    let Value::Dict(entries) = state.value(root) else {
        return Err(malformed("the checkpoint is not a state dict"));
    };
    entries
        .iter()
        .map(|(name, value)| match (state.value(*name), state.value(*value)) {
            (Value::Text(name), Value::View(view)) => Ok((name.as_str(), view)),
            _ => Err(malformed("an entry of the state dict is not a named tensor")),
        })
        .collect()
}

fn read_view(
    name: &str,
    view: &TensorView,
    storage: &Storage<'_>,
    collector: &mut Collector,
) -> Result<(Vec<usize>, Data), Error> {
    let (shape, count) = tensor::elements(FORMAT, &view.shape)?;
    if !row_major(&view.shape, &view.strides) {
        return Err(Error::Unsupported {
            format: FORMAT,
            what: format!("strides {:?} of {name:?} with shape {:?}", view.strides, view.shape),
        });
    }
    let width = storage.element.width();
    let start = usize::try_from(view.offset).unwrap_or(usize::MAX).saturating_mul(width);
    let data = Bytes(storage.data).slice("tensor in its storage", start, count * width)?;
    collector.reserve(count * width)?;
    let data = match storage.element {
        Element::Float => {
            Data::F32(data.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect())
        }
        Element::Long => {
            Data::I64(data.as_chunks::<8>().0.iter().map(|word| i64::from_le_bytes(*word)).collect())
        }
    };
    Ok((shape, data))
}

/// Whether elements lie in the order of the shape, without gaps. The stride of a dimension of one does not
/// matter.
fn row_major(shape: &[i64], strides: &[i64]) -> bool {
    let mut expected = 1_i64;
    shape.len() == strides.len()
        && shape.iter().zip(strides).rev().all(|(&dim, &stride)| {
            let fits = dim == 1 || stride == expected;
            expected = expected.saturating_mul(dim);
            fits
        })
}

pub(super) fn malformed(reason: impl Into<String>) -> Error {
    Error::Malformed { format: FORMAT, reason: reason.into() }
}
