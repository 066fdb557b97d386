//! One vector of `f32` lanes, as every instruction set spells it.
//!
//! The kernels are written once over [`Vector`] and compiled once for each instruction set. The `pulp` crate
//! offers such a trait too; its partial loads and stores go through a table of function pointers, which costs
//! more than a whole row of our narrow layers, so the dozen operations needed stand here as intrinsics.
//!
//! Every function is `unsafe` for the same two reasons, not repeated below: the processor must have the
//! instruction set ([`super::Isa`] sees to that), and pointers must be valid for the lanes that are read or
//! written. No alignment is required.

/// A register of [`Self::LANES`] values of type `f32`.
pub(crate) trait Vector: Copy {
    /// Lanes in one register.
    const LANES: usize;
    /// Registers of this kind that the instruction set has; bounds the size of the accumulator tiles.
    const REGISTERS: usize;
    /// Whether [`Self::mul_add_lane`] beats loading a value into all lanes first. On x86 a load can do that
    /// on the way; on the Cortex-A76 it takes one of the two slots that the multiply-adds need.
    const BY_LANE: bool = false;

    /// All lanes `x`.
    unsafe fn splat(x: f32) -> Self;
    /// Lanes from `LANES` consecutive values.
    unsafe fn load(from: *const f32) -> Self;
    /// The first `n < LANES` lanes from memory, the others zero; memory behind them is not touched.
    unsafe fn load_first(from: *const f32, n: usize) -> Self;
    /// All lanes to memory.
    unsafe fn store(self, to: *mut f32);
    /// The first `n < LANES` lanes to memory; memory behind them is not touched.
    unsafe fn store_first(self, to: *mut f32, n: usize);
    /// `self + other`
    unsafe fn add(self, other: Self) -> Self;
    /// The greater of each lane; `other` where `self` is not a number. (NEON gives the number also where
    /// `other` is none.)
    unsafe fn max(self, other: Self) -> Self;
    /// The smaller of each lane, otherwise as [`Self::max`].
    unsafe fn min(self, other: Self) -> Self;
    /// `self · factor + addend`, rounded once where the processor can.
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// `self · factors[LANE] + addend`, where [`Self::BY_LANE`] is set.
    #[inline(always)]
    unsafe fn mul_add_lane<const LANE: i32>(self, _factors: Self, _addend: Self) -> Self {
        unreachable!("not an instruction of this set")
    }
}

/// Eight lanes in plain Rust, for processors without a kernel of their own and as a second opinion in tests.
/// The compiler turns it into whatever the baseline target has (SSE2, NEON).
#[derive(Clone, Copy)]
pub(crate) struct Portable([f32; 8]);

impl Portable {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|i| f(self.0[i], other.0[i])))
    }
}

// SAFETY (of the blocks below): the caller promises that the pointer is valid for the lanes used, see the
// module's text.
impl Vector for Portable {
    const LANES: usize = 8;
    const REGISTERS: usize = 16;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self([x; 8])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: valid for eight values; the read is unaligned.
        Self(unsafe { from.cast::<[f32; 8]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize) -> Self {
        let mut lanes = [0.0; 8];
        // SAFETY: valid for `n` values, and `n < 8`.
        unsafe { std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), n) };
        Self(lanes)
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: valid for eight values; the write is unaligned.
        unsafe { to.cast::<[f32; 8]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, n: usize) {
        // SAFETY: valid for `n` values, and `n < 8`.
        unsafe { std::ptr::copy_nonoverlapping(self.0.as_ptr(), to, n) };
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        self.zip(other, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        // Not `f32::mul_add`: without the instruction that is a call into libm for every lane.
        Self(std::array::from_fn(|i| self.0[i] * factor.0[i] + addend.0[i]))
    }
}
