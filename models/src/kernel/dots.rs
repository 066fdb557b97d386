//! Products of 8-bit codes, for each instruction set.
//!
//! A sum of products of codes is exact in 32 bits, in whatever order it is taken, so the answers are the same
//! on every processor to the last bit. What follows the sum (scales, bias, activation) is done in f32 by
//! single operations, each rounded as IEEE 754 says, and never by a fused one.
//!
//! Every function is `unsafe` for the reasons that `vector.rs` names.

use super::vector::{Portable, Vector};

/// Columns that are computed at once: a panel.
pub(super) const PANEL: usize = 16;

/// Inputs come in steps of this many, which every instruction set takes whole.
pub(super) const STEP: usize = 16;

/// A register of sums of [`Self::Float::LANES`] columns.
pub(super) trait Dots: Copy {
    /// As many values in f32.
    type Float: Vector;
    /// How a code of the left side is kept: in 8 bits, or in the 16 that the product reads.
    type Code: Copy;
    /// A register of weights: [`Self::TOGETHER`] codes for each column.
    type Weights: Copy;
    /// A register with codes of a row: one group of [`Self::TOGETHER`] in all lanes or, with
    /// [`Self::BY_LANE`], a whole step.
    type Row: Copy;
    /// Neighbouring inputs that one instruction multiplies and adds.
    const TOGETHER: usize;
    /// Rows of a tile, so that sums, weights and codes fit the registers.
    const ROWS: usize;
    /// Whether [`Self::add_lane`] takes a group from its place in a register.
    const BY_LANE: bool;

    /// Sums of nothing.
    unsafe fn zero() -> Self;
    /// Weights of `PANEL`'s columns of this register, `16` codes.
    unsafe fn weights(from: *const i8) -> Self::Weights;
    /// Codes of a row.
    unsafe fn row(from: *const Self::Code) -> Self::Row;
    /// Adds the products with the row's group.
    unsafe fn add(self, weights: Self::Weights, row: Self::Row) -> Self;
    /// Adds the products with group `LANE` of the row, where [`Self::BY_LANE`] is set.
    unsafe fn add_lane<const LANE: i32>(self, weights: Self::Weights, row: Self::Row) -> Self;
    /// The sums in f32, rounded to the nearest.
    unsafe fn float(self) -> Self::Float;
    /// Makes codes of [`STEP`] values: each times `inverse`, rounded to the nearest, ties to even.
    unsafe fn encode(from: *const f32, inverse: f32, to: *mut Self::Code);
}

/// Plain Rust, for processors without a kernel of their own and as a second opinion in tests.
#[derive(Clone, Copy)]
pub(super) struct PortableDots([i32; 8]);

/// 1.5 · 2²³: added to a number below 2²², it leaves the nearest whole number in the lowest bits.
const ROUND: f32 = 12_582_912.0;

// SAFETY (of the blocks below): pointers are valid for what is read and written by the trait's contract.
impl Dots for PortableDots {
    type Float = Portable;
    type Code = i16;
    type Weights = [i16; 16];
    type Row = [i16; 2];
    const TOGETHER: usize = 2;
    const ROWS: usize = 4;
    const BY_LANE: bool = false;

    #[inline(always)]
    unsafe fn zero() -> Self {
        Self([0; 8])
    }
    #[inline(always)]
    unsafe fn weights(from: *const i8) -> [i16; 16] {
        // SAFETY: valid for 16 codes.
        unsafe { from.cast::<[i8; 16]>().read_unaligned() }.map(i16::from)
    }
    #[inline(always)]
    unsafe fn row(from: *const i16) -> [i16; 2] {
        // SAFETY: valid for a group.
        unsafe { from.cast::<[i16; 2]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn add(self, weights: [i16; 16], row: [i16; 2]) -> Self {
        let product = |at: usize| i32::from(weights[at]) * i32::from(row[at % 2]);
        Self(std::array::from_fn(|i| self.0[i] + product(2 * i) + product(2 * i + 1)))
    }
    #[inline(always)]
    unsafe fn add_lane<const LANE: i32>(self, _: [i16; 16], _: [i16; 2]) -> Self {
        unreachable!("not an instruction of this set")
    }
    #[inline(always)]
    unsafe fn float(self) -> Portable {
        let values = self.0.map(|sum| sum as f32);
        // SAFETY: eight values.
        unsafe { Portable::load(values.as_ptr()) }
    }
    #[inline(always)]
    unsafe fn encode(from: *const f32, inverse: f32, to: *mut i16) {
        // SAFETY: valid for a step.
        unsafe {
            let values = from.cast::<[f32; STEP]>().read_unaligned();
            let code = |x: f32| ((x * inverse + ROUND).to_bits() as i32 - ROUND.to_bits() as i32) as i16;
            to.cast::<[i16; STEP]>().write_unaligned(values.map(code));
        }
    }
}
