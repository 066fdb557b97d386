//! AVX2 with FMA, and AVX-512 (Foundation; `Isa` asks for byte and word instructions besides). What holds for
//! every function is said in [`super::vector`].

// SAFETY (of every block in this file): the instruction set is there, because these types are reached only
// through `Isa::run`; pointers are valid for the lanes used by the contract of `Vector`, and the unaligned
// forms are used throughout.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::dots::Dots;
use super::vector::Vector;
use std::arch::x86_64::*;

/// Eight lanes, sixteen registers.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(__m256);

/// `MASKS[8 - n..]` are eight words of which the first `n` have their sign bit set, as `maskload` wants it.
static MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

#[inline(always)]
unsafe fn first(n: usize) -> __m256i {
    unsafe { _mm256_loadu_si256(MASKS.as_ptr().add(8 - n).cast()) }
}

impl Vector for Avx2 {
    const LANES: usize = 8;
    const REGISTERS: usize = 16;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        unsafe { Self(_mm256_set1_ps(x)) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { Self(_mm256_loadu_ps(from)) }
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize) -> Self {
        unsafe { Self(_mm256_maskload_ps(from, first(n))) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm256_storeu_ps(to, self.0) }
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, n: usize) {
        unsafe { _mm256_maskstore_ps(to, first(n), self.0) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { Self(_mm256_add_ps(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        unsafe { Self(_mm256_max_ps(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        unsafe { Self(_mm256_min_ps(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        unsafe { Self(_mm256_fmadd_ps(self.0, factor.0, addend.0)) }
    }
}

/// Sixteen lanes, thirty-two registers.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(__m512);

impl Vector for Avx512 {
    const LANES: usize = 16;
    const REGISTERS: usize = 32;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        unsafe { Self(_mm512_set1_ps(x)) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { Self(_mm512_loadu_ps(from)) }
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize) -> Self {
        unsafe { Self(_mm512_maskz_loadu_ps((1 << n) - 1, from)) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm512_storeu_ps(to, self.0) }
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, n: usize) {
        unsafe { _mm512_mask_storeu_ps(to, (1 << n) - 1, self.0) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { Self(_mm512_add_ps(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        unsafe { Self(_mm512_max_ps(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        unsafe { Self(_mm512_min_ps(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        unsafe { Self(_mm512_fmadd_ps(self.0, factor.0, addend.0)) }
    }
}

/// Eight sums of products of 16 bits: of 8 bits there is only a product that saturates.
#[derive(Clone, Copy)]
pub(super) struct Avx2Dots(__m256i);

impl Dots for Avx2Dots {
    type Float = Avx2;
    type Code = i16;
    type Weights = __m256i;
    type Row = __m256i;
    const TOGETHER: usize = 2;
    const ROWS: usize = 6;
    const BY_LANE: bool = false;

    #[inline(always)]
    unsafe fn zero() -> Self {
        unsafe { Self(_mm256_setzero_si256()) }
    }
    #[inline(always)]
    unsafe fn weights(from: *const i8) -> __m256i {
        unsafe { _mm256_cvtepi8_epi16(_mm_loadu_si128(from.cast())) }
    }
    #[inline(always)]
    unsafe fn row(from: *const i16) -> __m256i {
        unsafe { _mm256_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn add(self, weights: __m256i, row: __m256i) -> Self {
        unsafe { Self(_mm256_add_epi32(self.0, _mm256_madd_epi16(weights, row))) }
    }
    #[inline(always)]
    unsafe fn add_lane<const LANE: i32>(self, _: __m256i, _: __m256i) -> Self {
        unreachable!("not an instruction of this set")
    }
    #[inline(always)]
    unsafe fn float(self) -> Avx2 {
        unsafe { Avx2(_mm256_cvtepi32_ps(self.0)) }
    }
    #[inline(always)]
    unsafe fn encode(from: *const f32, inverse: f32, to: *mut i16) {
        unsafe {
            let inverse = _mm256_set1_ps(inverse);
            let low = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(from), inverse));
            let high = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(from.add(8)), inverse));
            // The pack takes halves of both in turn; the permutation puts them in order.
            let packed = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(low, high));
            _mm256_storeu_si256(to.cast(), packed);
        }
    }
}
