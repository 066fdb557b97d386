//! Working memory of the layers: one buffer a thread, grown to the largest need and kept.
//!
//! All layers of all models on a thread share it, one after the other, so it stays warm in the cache and
//! costs memory once.

use crate::kernel::Aligned;
use std::cell::RefCell;

thread_local! {
    static BUFFER: RefCell<Aligned> = RefCell::default();
}

/// Values in a cache line; parts begin on one.
const LINE: usize = 16;

/// Lends parts of the given sizes to `work`. Their contents are what the last user left. Not to be nested.
pub(crate) fn with<const N: usize>(sizes: [usize; N], work: impl FnOnce([&mut [f32]; N])) {
    let rounded = sizes.map(|size| size.next_multiple_of(LINE));
    BUFFER.with_borrow_mut(|buffer| {
        buffer.grow(rounded.iter().sum());
        let mut rest = &mut buffer[..];
        work(std::array::from_fn(|i| {
            let (part, tail) = std::mem::take(&mut rest).split_at_mut(rounded[i]);
            rest = tail;
            &mut part[..sizes[i]]
        }));
    });
}
