//! Reading little-endian numbers from untrusted bytes: every access is checked, no offset can overflow.

use super::error::Error;

/// Untrusted bytes with absolute addressing.
#[derive(Clone, Copy)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    /// The `len` bytes from `start`.
    pub(super) fn slice(self, what: &'static str, start: usize, len: usize) -> Result<&'a [u8], Error> {
        let end = start.saturating_add(len);
        self.0.get(start..end).ok_or(Error::OutOfBounds { what, start, end, len: self.0.len() })
    }

    pub(super) fn u8(self, what: &'static str, at: usize) -> Result<u8, Error> {
        Ok(self.array::<1>(what, at)?[0])
    }

    pub(super) fn u16(self, what: &'static str, at: usize) -> Result<u16, Error> {
        Ok(u16::from_le_bytes(self.array(what, at)?))
    }

    pub(super) fn u32(self, what: &'static str, at: usize) -> Result<u32, Error> {
        Ok(u32::from_le_bytes(self.array(what, at)?))
    }

    pub(super) fn i32(self, what: &'static str, at: usize) -> Result<i32, Error> {
        Ok(i32::from_le_bytes(self.array(what, at)?))
    }

    pub(super) fn u64(self, what: &'static str, at: usize) -> Result<u64, Error> {
        Ok(u64::from_le_bytes(self.array(what, at)?))
    }

    fn array<const N: usize>(self, what: &'static str, at: usize) -> Result<[u8; N], Error> {
        let mut array = [0; N];
        array.copy_from_slice(self.slice(what, at, N)?);
        Ok(array)
    }
}
