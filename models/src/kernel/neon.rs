//! NEON, which every aarch64 processor has (the Pi 5's Cortex-A76 runs two of these multiply-adds a cycle).
//! What holds for every function is said in [`super::vector`].

// SAFETY (of every block in this file): NEON is part of aarch64; pointers are valid for the lanes used by the
// contract of `Vector`, and these loads and stores need no alignment beyond that of `f32`.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::vector::Vector;
use std::arch::aarch64::*;

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
