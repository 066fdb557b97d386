//! Memory that begins on a cache line, so that a full-width load never straddles two.

use std::ops::{Deref, DerefMut};

/// Values in one cache line of the processors we run on.
const LINE: usize = 16;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// A buffer of `f32` that begins on a 64-byte boundary.
#[derive(Clone, Default)]
pub(crate) struct Aligned {
    lines: Vec<Line>,
    len: usize,
}

impl Aligned {
    /// `len` zeros.
    pub(crate) fn zeroed(len: usize) -> Self {
        Self { lines: vec![Line([0.0; LINE]); len.div_ceil(LINE)], len }
    }

    /// Grows to at least `len` values; what was there keeps its place, what is new is zero.
    pub(crate) fn grow(&mut self, len: usize) {
        if len > self.len {
            self.lines.resize(len.div_ceil(LINE), Line([0.0; LINE]));
            self.len = len;
        }
    }

    /// The same memory as bytes: four for each value.
    pub(crate) fn bytes_mut(&mut self) -> &mut [i8] {
        let len = self.len * size_of::<f32>();
        // SAFETY: `lines` holds at least `len` initialised bytes without padding between them, every bit
        // pattern is a byte, and the exclusive borrow of `self` makes this the only reference.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), len) }
    }
}

impl Deref for Aligned {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        // SAFETY: `lines` holds at least `len` initialised values without padding between them (`Line` is 64
        // bytes of 16 values, `repr(C)`), and the borrow of `self` keeps them alive.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `deref`; the exclusive borrow of `self` makes this the only reference.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}
