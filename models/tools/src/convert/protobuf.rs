//! Protobuf's wire format: fields by number, and what they hold. Only [`super::onnx`] uses it, which knows
//! the schema; so errors here name that format.

use super::bytes::Bytes;
use super::error::Error;

/// The one format that is read through this module.
pub(super) const FORMAT: &str = "ONNX";

pub(super) fn malformed(reason: impl Into<String>) -> Error {
    Error::Malformed { format: FORMAT, reason: reason.into() }
}

pub(super) fn nested(bytes: &[u8], wanted: u32) -> Result<Option<&[u8]>, Error> {
    for field in Fields(Message::new(bytes)) {
        if let (number, Field::Bytes(found)) = field?
            && number == wanted
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

pub(super) fn number(bytes: &[u8], wanted: u32) -> Result<Option<u64>, Error> {
    for field in Fields(Message::new(bytes)) {
        if let (number, Field::Number(found)) = field?
            && number == wanted
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

pub(super) fn text(bytes: &[u8]) -> Result<&str, Error> {
    str::from_utf8(bytes).map_err(|_| malformed("a name is not UTF-8"))
}

/// Value of one protobuf field.
pub(super) enum Field<'a> {
    Number(u64),
    Word(u32),
    Bytes(&'a [u8]),
}

/// A position in a protobuf message.
pub(super) struct Message<'a> {
    bytes: Bytes<'a>,
    at: usize,
}

impl<'a> Message<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes: Bytes(bytes), at: 0 }
    }

    fn at_end(&self) -> bool {
        self.at >= self.bytes.0.len()
    }

    fn varint(&mut self) -> Result<u64, Error> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = self.bytes.u8("number", self.at)?;
            self.at += 1;
            // The tenth byte holds the last bit; what does not fit is dropped, as protobuf does.
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(malformed("a number of more than ten bytes"))
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let taken = self.bytes.slice("field", self.at, len)?;
        self.at += len;
        Ok(taken)
    }

    fn field(&mut self) -> Result<(u32, Field<'a>), Error> {
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).map_err(|_| malformed("a field number out of range"))?;
        let field = match key & 7 {
            0 => Field::Number(self.varint()?),
            1 => Field::Bytes(self.take(8)?),
            2 => {
                let len = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
                Field::Bytes(self.take(len)?)
            }
            5 => {
                let word = self.bytes.u32("field", self.at)?;
                self.at += 4;
                Field::Word(word)
            }
            other => return Err(malformed(format!("wire type {other}"))),
        };
        Ok((number, field))
    }
}

/// All fields of a message. Ends after the first error, so that no caller can loop on it.
pub(super) struct Fields<'a>(pub(super) Message<'a>);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Field<'a>), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.at_end() {
            return None;
        }
        let field = self.0.field();
        if field.is_err() {
            self.0.at = usize::MAX;
        }
        Some(field)
    }
}

/// All numbers of a packed field.
pub(super) struct Varints<'a>(pub(super) Message<'a>);

impl Iterator for Varints<'_> {
    type Item = Result<u64, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.at_end() {
            return None;
        }
        let number = self.0.varint();
        if number.is_err() {
            self.0.at = usize::MAX;
        }
        Some(number)
    }
}
