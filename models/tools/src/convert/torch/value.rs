//! What a pickle can make: plain values in an arena, which a state dict is read from.

use super::malformed;
use crate::convert::error::Error;

/// Most values one pickle may make; the largest pinned one makes some 9,000.
const MAX_VALUES: usize = 1 << 20;

/// Index of a value in its [`Arena`]. Dicts and lists are filled after they were memoised, hence no plain
/// tree of values.
pub(super) type Id = usize;

/// What a pickle can make.
#[derive(Debug)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// Little-endian two's complement of any length.
    Long(Vec<u8>),
    Text(String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// `dict` and `OrderedDict` alike, in order of insertion.
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage(StorageRef),
    View(TensorView),
}

/// The globals that may be named.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    StorageType(Element),
}

/// Element type of a storage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Element {
    Float,
    Long,
}

impl Element {
    /// Bytes an element takes.
    pub(super) fn width(self) -> usize {
        match self {
            Self::Float => 4,
            Self::Long => 8,
        }
    }
}

/// A storage, whose numbers follow later in the file.
#[derive(Clone, Debug)]
pub(super) struct StorageRef {
    pub(super) element: Element,
    pub(super) key: String,
    pub(super) elements: usize,
}

/// A tensor: a window on a storage.
#[derive(Debug)]
pub(super) struct TensorView {
    pub(super) storage: StorageRef,
    pub(super) offset: i64,
    pub(super) shape: Vec<i64>,
    pub(super) strides: Vec<i64>,
}

/// All values that one pickle made.
#[derive(Debug, Default)]
pub(super) struct Arena(Vec<Value>);

impl Arena {
    /// The value of an id that this arena gave out.
    pub(super) fn value(&self, id: Id) -> &Value {
        // Ids come from `push` alone and values are never removed.
        self.0.get(id).unwrap_or(&Value::None)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Value> {
        self.0.iter()
    }

    pub(super) fn push(&mut self, value: Value) -> Result<Id, Error> {
        if self.0.len() >= MAX_VALUES {
            return Err(Error::TooLarge {
                what: "number of pickled values",
                found: MAX_VALUES + 1,
                limit: MAX_VALUES,
            });
        }
        self.0.push(value);
        Ok(self.0.len() - 1)
    }

    /// The value of an id, to be filled.
    pub(super) fn value_mut(&mut self, id: Id) -> Option<&mut Value> {
        self.0.get_mut(id)
    }

    pub(super) fn ints(&self, id: Id) -> Result<Vec<i64>, Error> {
        let Value::Tuple(items) = self.value(id) else {
            return Err(malformed("a shape is not a tuple"));
        };
        items.iter().map(|item| self.int(*item)).collect()
    }

    pub(super) fn int(&self, id: Id) -> Result<i64, Error> {
        match self.value(id) {
            Value::Int(value) => Ok(*value),
            other => Err(malformed(format!("{other:?} where a number belongs"))),
        }
    }

    pub(super) fn text(&self, id: Id) -> Result<&str, Error> {
        match self.value(id) {
            Value::Text(text) => Ok(text),
            other => Err(malformed(format!("{other:?} where a string belongs"))),
        }
    }
}
