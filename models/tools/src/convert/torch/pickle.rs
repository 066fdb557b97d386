//! A pickle interpreter that can build state dicts and nothing else.
//!
//! Pickle is a program for a stack machine that may call any Python function. Here the opcodes are those that
//! protocol 2 writes for dicts of tensors, the callables are two (`collections.OrderedDict`,
//! `torch._utils._rebuild_tensor_v2`), and nothing is executed: a "call" makes a plain [`Value`]. Everything
//! else is an error that names what was found.

use std::collections::HashMap;

use super::value::{Arena, Element, Global, Id, StorageRef, TensorView, Value};
use super::{FORMAT, malformed};
use crate::convert::bytes::Bytes;
use crate::convert::error::Error;

/// Longest string; names and storage keys have less than 100 bytes.
const MAX_TEXT: usize = 4096;

/// Runs the pickle that begins at `start`. Returns its values, the one it leaves, and where it ends.
pub(super) fn load(bytes: Bytes<'_>, start: usize) -> Result<(Arena, Id, usize), Error> {
    let mut machine = Machine {
        bytes,
        at: start,
        arena: Arena::default(),
        stack: vec![],
        marks: vec![],
        memo: HashMap::new(),
    };
    while machine.step()? {}
    match machine.stack.as_slice() {
        [root] => Ok((machine.arena, *root, machine.at)),
        stack => Err(malformed(format!("a pickle leaves {} values", stack.len()))),
    }
}

struct Machine<'a> {
    bytes: Bytes<'a>,
    at: usize,
    arena: Arena,
    stack: Vec<Id>,
    /// Heights of the stack where `MARK` was met.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    /// Runs one opcode; `false` at the end. Every opcode takes at least a byte, so that the file's length
    /// bounds the run.
    fn step(&mut self) -> Result<bool, Error> {
        let opcode = self.take(1)?[0];
        match opcode {
            b'.' => return Ok(false),
            0x80 => match self.take(1)?[0] {
                2 => {}
                other => return Err(unsupported(format!("pickle protocol {other}"))),
            },
            b'(' => self.marks.push(self.stack.len()),
            b'N' => self.make(Value::None)?,
            0x88 => self.make(Value::Bool(true))?,
            0x89 => self.make(Value::Bool(false))?,
            b'K' => {
                let value = self.take(1)?[0];
                self.make(Value::Int(value.into()))?;
            }
            b'M' => {
                let value = self.u16()?;
                self.make(Value::Int(value.into()))?;
            }
            b'J' => {
                let value = self.u32()? as i32;
                self.make(Value::Int(value.into()))?;
            }
            0x8a => {
                let len = self.take(1)?[0];
                let digits = self.take(len.into())?.to_vec();
                self.make(long(digits))?;
            }
            b'X' => {
                let len = self.u32()? as usize;
                let text = self.text(len)?;
                self.make(Value::Text(text))?;
            }
            b'c' => {
                let global = self.global()?;
                self.make(Value::Global(global))?;
            }
            b')' => self.make(Value::Tuple(vec![]))?,
            b'}' => self.make(Value::Dict(vec![]))?,
            b']' => self.make(Value::List(vec![]))?,
            b't' => {
                let items = self.pop_mark()?;
                self.make(Value::Tuple(items))?;
            }
            0x85 => self.tuple(1)?,
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            b'q' => {
                let key = self.take(1)?[0];
                self.memoise(key.into())?;
            }
            b'r' => {
                let key = self.u32()?;
                self.memoise(key)?;
            }
            b'h' => {
                let key = self.take(1)?[0];
                self.recall(key.into())?;
            }
            b'j' => {
                let key = self.u32()?;
                self.recall(key)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set_items(&[key, value])?;
            }
            b'u' => {
                let items = self.pop_mark()?;
                self.set_items(&items)?;
            }
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            b'e' => {
                let items = self.pop_mark()?;
                self.append(&items)?;
            }
            b'Q' => self.persistent()?,
            b'R' => self.call()?,
            b'b' => self.build()?,
            other => {
                return Err(unsupported(format!("pickle opcode {:?} ({other:#04x})", char::from(other))));
            }
        }
        Ok(true)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let taken = self.bytes.slice("pickle", self.at, len)?;
        self.at += len;
        Ok(taken)
    }

    fn u16(&mut self) -> Result<u16, Error> {
        let value = self.bytes.u16("pickle", self.at)?;
        self.at += 2;
        Ok(value)
    }

    fn u32(&mut self) -> Result<u32, Error> {
        let value = self.bytes.u32("pickle", self.at)?;
        self.at += 4;
        Ok(value)
    }

    fn text(&mut self, len: usize) -> Result<String, Error> {
        if len > MAX_TEXT {
            return Err(Error::TooLarge { what: "pickled string", found: len, limit: MAX_TEXT });
        }
        let text = self.take(len)?;
        str::from_utf8(text).map(str::to_owned).map_err(|_| malformed("a string is not UTF-8"))
    }

    /// A line up to its newline, which is consumed.
    fn line(&mut self) -> Result<String, Error> {
        let rest = self.bytes.0.get(self.at..).unwrap_or_default();
        let len = rest
            .iter()
            .take(MAX_TEXT)
            .position(|&byte| byte == b'\n')
            .ok_or_else(|| malformed("a line without end"))?;
        let line = self.text(len)?;
        self.at += 1;
        Ok(line)
    }

    fn global(&mut self) -> Result<Global, Error> {
        let module = self.line()?;
        let name = self.line()?;
        Ok(match (module.as_str(), name.as_str()) {
            ("collections", "OrderedDict") => Global::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Global::RebuildTensor,
            ("torch", "FloatStorage") => Global::StorageType(Element::Float),
            ("torch", "LongStorage") => Global::StorageType(Element::Long),
            _ => return Err(unsupported(format!("pickled global {module}.{name}"))),
        })
    }

    fn make(&mut self, value: Value) -> Result<(), Error> {
        let id = self.arena.push(value)?;
        self.stack.push(id);
        Ok(())
    }

    fn top(&self) -> Result<Id, Error> {
        match self.marks.last() {
            Some(mark) if self.stack.len() <= *mark => None,
            _ => self.stack.last().copied(),
        }
        .ok_or_else(|| malformed("the pickle's stack is empty"))
    }

    fn pop(&mut self) -> Result<Id, Error> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>, Error> {
        let mark = self.marks.pop().ok_or_else(|| malformed("no mark on the pickle's stack"))?;
        // `top` never lets the stack sink below the last mark.
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn tuple(&mut self, len: usize) -> Result<(), Error> {
        let mut items = (0..len).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
        items.reverse();
        self.make(Value::Tuple(items))
    }

    fn memoise(&mut self, key: u32) -> Result<(), Error> {
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: u32) -> Result<(), Error> {
        let id = *self.memo.get(&key).ok_or_else(|| malformed(format!("nothing was memoised as {key}")))?;
        self.stack.push(id);
        Ok(())
    }

    fn set_items(&mut self, items: &[Id]) -> Result<(), Error> {
        let target = self.top()?;
        let (pairs, []) = items.as_chunks::<2>() else {
            return Err(malformed("a key without a value"));
        };
        let Some(Value::Dict(entries)) = self.arena.value_mut(target) else {
            return Err(malformed("items set on something that is not a dict"));
        };
        entries.extend(pairs.iter().map(|[key, value]| (*key, *value)));
        Ok(())
    }

    fn append(&mut self, items: &[Id]) -> Result<(), Error> {
        let target = self.top()?;
        let Some(Value::List(list)) = self.arena.value_mut(target) else {
            return Err(malformed("items appended to something that is not a list"));
        };
        list.extend(items);
        Ok(())
    }

    /// `('storage', type, key, location, elements, view)` on the stack becomes a storage.
    fn persistent(&mut self) -> Result<(), Error> {
        let id = self.pop()?;
        let Value::Tuple(parts) = self.arena.value(id) else {
            return Err(malformed("a persistent id is not a tuple"));
        };
        let [tag, kind, key, _location, elements, view] = parts[..] else {
            return Err(malformed(format!("a persistent id of {} parts", parts.len())));
        };
        let (Value::Global(Global::StorageType(element)), Value::None) =
            (self.arena.value(kind), self.arena.value(view))
        else {
            return Err(unsupported("a storage of an unknown type, or a view of one".to_owned()));
        };
        if self.arena.text(tag)? != "storage" {
            return Err(malformed("a persistent id that is not a storage"));
        }
        let elements = usize::try_from(self.arena.int(elements)?)
            .map_err(|_| malformed("a storage of negative size"))?;
        let storage = StorageRef { element: *element, key: self.arena.text(key)?.to_owned(), elements };
        self.make(Value::Storage(storage))
    }

    fn call(&mut self) -> Result<(), Error> {
        let arguments = self.pop()?;
        let callable = self.pop()?;
        let Value::Tuple(arguments) = self.arena.value(arguments) else {
            return Err(malformed("arguments that are not a tuple"));
        };
        let made = match (self.arena.value(callable), &arguments[..]) {
            (Value::Global(Global::OrderedDict), []) => Value::Dict(vec![]),
            (
                Value::Global(Global::RebuildTensor),
                [storage, offset, shape, strides, _requires_grad, _hooks],
            ) => {
                let Value::Storage(storage) = self.arena.value(*storage) else {
                    return Err(malformed("a tensor without storage"));
                };
                Value::View(TensorView {
                    storage: storage.clone(),
                    offset: self.arena.int(*offset)?,
                    shape: self.arena.ints(*shape)?,
                    strides: self.arena.ints(*strides)?,
                })
            }
            (callable, arguments) => {
                return Err(unsupported(format!("calling {callable:?} with {} arguments", arguments.len())));
            }
        };
        self.make(made)
    }

    /// Attributes set on an object. State dicts carry one, `_metadata`, with the versions of torch's modules;
    /// it holds no weights and is dropped.
    fn build(&mut self) -> Result<(), Error> {
        self.pop()?;
        match self.arena.value(self.top()?) {
            Value::Dict(_) => Ok(()),
            other => Err(unsupported(format!("attributes set on {other:?}"))),
        }
    }
}

/// A long that fits becomes a plain number.
fn long(digits: Vec<u8>) -> Value {
    if digits.len() > 8 {
        return Value::Long(digits);
    }
    let fill = if digits.last().is_some_and(|&byte| byte & 0x80 != 0) { 0xff } else { 0 };
    let mut word = [fill; 8];
    word[..digits.len()].copy_from_slice(&digits);
    Value::Int(i64::from_le_bytes(word))
}

fn unsupported(what: String) -> Error {
    Error::Unsupported { format: FORMAT, what }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn run(program: &[u8]) -> Result<(Arena, Id, usize), Error> {
        load(Bytes(program), 0)
    }

    #[test]
    fn memoised_dict_keeps_later_entries() {
        // {} memoised as 0, filled, dropped into a tuple with itself recalled.
        let (arena, root, end) = run(b"\x80\x02}q\x00K\x01K\x02sh\x00\x86.rest").unwrap();
        assert_eq!(end, 14);
        let Value::Tuple(items) = arena.value(root) else { panic!("no tuple") };
        assert_eq!(items[0], items[1]);
        assert!(matches!(arena.value(items[1]), Value::Dict(entries) if entries.len() == 1));
    }

    #[test]
    fn code_in_a_pickle_is_refused() {
        for (program, named) in [
            (&b"\x80\x02cos\nsystem\n."[..], "os.system"),
            (b"\x80\x02cbuiltins\neval\n.", "builtins.eval"),
            (b"\x80\x02ccollections\nOrderedDict\nK\x01\x85R.", "1 arguments"),
            (b"\x80\x04.", "protocol 4"),
            (b"\x80\x02i", "opcode"),
        ] {
            let error = run(program).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn marks_protect_lower_stack_entries() {
        // POP below a mark, a mark that nobody takes, an empty stack.
        for program in [&b"\x80\x02K\x01(\x85."[..], b"\x80\x02t.", b"\x80\x02.", b"\x80\x02K\x01K\x02."] {
            assert!(run(program).is_err(), "{program:?}");
        }
    }

    #[test]
    fn longs() {
        assert!(matches!(long(vec![]), Value::Int(0)));
        assert!(matches!(long(vec![0xff]), Value::Int(-1)));
        assert!(matches!(long(vec![0x00, 0x01]), Value::Int(256)));
        assert!(matches!(long(vec![1; 9]), Value::Long(_)));
    }
}
