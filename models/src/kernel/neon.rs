//! NEON, which every aarch64 processor has (the Pi 5's Cortex-A76 runs two of these multiply-adds a cycle).
//! What holds for every function is said in [`super::vector`].

// SAFETY (of every block in this file): NEON is part of aarch64; pointers are valid for the lanes used by the
// contract of `Vector`, and these loads and stores need no alignment beyond that of `f32`.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::dots::Dots;
use super::vector::Vector;
use std::arch::aarch64::*;
use std::arch::asm;

/// Four lanes, thirty-two registers.
#[derive(Clone, Copy)]
pub(crate) struct Neon(float32x4_t);

impl Vector for Neon {
    const LANES: usize = 4;
    const REGISTERS: usize = 32;
    const BY_LANE: bool = true;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        unsafe { Self(vdupq_n_f32(x)) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { Self(vld1q_f32(from)) }
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize) -> Self {
        let mut lanes = [0.0f32; 4];
        unsafe {
            std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), n);
            Self::load(lanes.as_ptr())
        }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { vst1q_f32(to, self.0) }
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, n: usize) {
        let mut lanes = [0.0f32; 4];
        unsafe {
            self.store(lanes.as_mut_ptr());
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, n);
        }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { Self(vaddq_f32(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        unsafe { Self(vmaxnmq_f32(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        unsafe { Self(vminnmq_f32(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        unsafe { Self(vfmaq_f32(addend.0, self.0, factor.0)) }
    }
    #[inline(always)]
    unsafe fn mul_add_lane<const LANE: i32>(self, factors: Self, addend: Self) -> Self {
        unsafe { Self(vfmaq_laneq_f32::<LANE>(addend.0, self.0, factors.0)) }
    }
}

/// Four sums; `sdot` adds four products of 8 bits to each, two instructions a cycle on a Cortex-A76.
#[derive(Clone, Copy)]
pub(super) struct NeonDots(int32x4_t);

/// `sdot` by a lane. The intrinsic is not stable; the instruction is there, because this type is reached only
/// through `Isa::run_dots` where the processor has it.
macro_rules! sdot {
    ($sums:ident, $weights:ident, $row:ident, $lane:literal) => {
        asm!(
            concat!("sdot {sums:v}.4s, {weights:v}.16b, {row:v}.4b[", $lane, "]"),
            sums = inout(vreg) $sums,
            weights = in(vreg) $weights,
            row = in(vreg) $row,
            options(pure, nomem, nostack, preserves_flags)
        )
    };
}

impl Dots for NeonDots {
    type Float = Neon;
    type Code = i8;
    type Weights = int8x16_t;
    type Row = int8x16_t;
    const TOGETHER: usize = 4;
    const ROWS: usize = 5;
    const BY_LANE: bool = true;

    #[inline(always)]
    unsafe fn zero() -> Self {
        unsafe { Self(vdupq_n_s32(0)) }
    }
    #[inline(always)]
    unsafe fn weights(from: *const i8) -> int8x16_t {
        unsafe { vld1q_s8(from) }
    }
    #[inline(always)]
    unsafe fn row(from: *const i8) -> int8x16_t {
        unsafe { vld1q_s8(from) }
    }
    #[inline(always)]
    unsafe fn add(self, weights: int8x16_t, row: int8x16_t) -> Self {
        unsafe { self.add_lane::<0>(weights, row) }
    }
    #[inline(always)]
    unsafe fn add_lane<const LANE: i32>(self, weights: int8x16_t, row: int8x16_t) -> Self {
        let mut sums = self.0;
        unsafe {
            match LANE {
                0 => sdot!(sums, weights, row, 0),
                1 => sdot!(sums, weights, row, 1),
                2 => sdot!(sums, weights, row, 2),
                _ => sdot!(sums, weights, row, 3),
            }
        }
        Self(sums)
    }
    #[inline(always)]
    unsafe fn float(self) -> Neon {
        unsafe { Neon(vcvtq_f32_s32(self.0)) }
    }
    #[inline(always)]
    unsafe fn encode(from: *const f32, inverse: f32, to: *mut i8) {
        unsafe {
            let four = |at: usize| vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(from.add(at)), inverse));
            let eight = |at: usize| vcombine_s16(vqmovn_s32(four(at)), vqmovn_s32(four(at + 4)));
            vst1q_s8(to, vcombine_s8(vqmovn_s16(eight(0)), vqmovn_s16(eight(8))));
        }
    }
}
