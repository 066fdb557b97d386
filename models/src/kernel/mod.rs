//! The inner loops: one source, compiled for each instruction set, chosen when the program runs.
//!
//! A kernel is a struct of its arguments with [`Kernel::run`] generic over [`vector::Vector`]; [`Isa::run`]
//! enters it through a function that has the instruction set enabled. All code inside is `inline(always)`, so
//! that the whole kernel is compiled with those instructions. The functions that the layers call ([`gemm`],
//! [`depthwise_row`], …) take slices and check every bound once before the loops; nothing outside this folder
//! is `unsafe`. What needs no pointers at all, anywhere in the program, is a [`Work`].

// Loops over constant bounds that are to be unrolled are clearer with indices.
#![allow(clippy::needless_range_loop)]

mod aligned;
mod depthwise;
mod dot;
mod dots;
mod elementwise;
mod gemm;
#[cfg(target_arch = "aarch64")]
mod neon;
mod packed;
mod products;
#[cfg(test)]
mod tests;
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use aligned::Aligned;
pub(crate) use depthwise::{DepthwiseWeights, MAX_WINDOW, RowArgs, depthwise_row};
pub(crate) use dot::{DotArgs, DotWeights, dot_product};
pub(crate) use elementwise::{Upsample, add_upsampled_2x, channel_means, max_pool_2x2_row, scale_add};
pub(crate) use gemm::{GemmArgs, gemm};
pub(crate) use packed::GemmWeights;
pub use products::scalar_products;

use std::fmt;
use std::sync::OnceLock;

/// What is done to a sum before it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Epilogue {
    /// Nothing.
    None,
    /// `max(x, 0)`
    Relu,
    /// `x` where positive, else `x` times the channel's slope.
    PRelu,
}

/// An instruction set that this processor has, and that code can be compiled for.
///
/// Only [`Isa::available`] makes them: who holds one may run what is compiled for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isa(Set);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    /// What the compiler makes of plain Rust for the baseline target.
    Portable,
    /// 8 lanes with fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 16 lanes, 32 registers.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// 4 lanes, 32 registers.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// The same with products of 8 bits (`sdot`).
    #[cfg(target_arch = "aarch64")]
    NeonDot,
}

impl Isa {
    /// The best that this processor has, found once.
    pub fn best() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| Self::available().last().copied().unwrap_or(Isa(Set::Portable)))
    }

    /// All that this processor has, slowest first.
    pub fn available() -> Vec<Self> {
        let mut found = vec![Isa(Set::Portable)];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                found.push(Isa(Set::Avx2));
            }
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
                found.push(Isa(Set::Avx512));
            }
        }
        #[cfg(target_arch = "aarch64")]
        {
            found.push(Isa(Set::Neon));
            if std::arch::is_aarch64_feature_detected!("dotprod") {
                found.push(Isa(Set::NeonDot));
            }
        }
        found
    }

    /// Lanes in one register; the packed layouts depend on it.
    pub(crate) fn lanes(self) -> usize {
        use vector::Vector;
        match self.0 {
            Set::Portable => vector::Portable::LANES,
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => x86::Avx2::LANES,
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => x86::Avx512::LANES,
            #[cfg(target_arch = "aarch64")]
            Set::Neon | Set::NeonDot => neon::Neon::LANES,
        }
    }

    /// Neighbouring inputs whose codes lie together; the packed layout of [`DotWeights`] depends on it.
    fn codes_together(self) -> usize {
        use dots::Dots;
        match self.0 {
            Set::Portable => dots::PortableDots::TOGETHER,
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 | Set::Avx512 => x86::Avx2Dots::TOGETHER,
            #[cfg(target_arch = "aarch64")]
            Set::Neon => dots::PortableDots::TOGETHER,
            #[cfg(target_arch = "aarch64")]
            Set::NeonDot => neon::NeonDots::TOGETHER,
        }
    }

    /// Does a work as compiled for this instruction set.
    #[inline]
    pub fn work<W: Work>(self, work: W) {
        // SAFETY: the kernel has no pointers.
        unsafe { self.run(Plain(work)) }
    }

    /// Runs a kernel compiled for this instruction set.
    ///
    /// # Safety
    /// The kernel's own contract about its pointers must hold.
    #[inline]
    unsafe fn run<K: Kernel>(self, kernel: K) {
        // SAFETY: the caller's contract; that the processor has the instruction set is the promise of this
        // type, whose values `available` alone makes.
        unsafe {
            match self.0 {
                Set::Portable => kernel.run::<vector::Portable>(),
                #[cfg(target_arch = "x86_64")]
                Set::Avx2 => avx2(kernel),
                #[cfg(target_arch = "x86_64")]
                Set::Avx512 => avx512(kernel),
                #[cfg(target_arch = "aarch64")]
                Set::Neon | Set::NeonDot => kernel.run::<neon::Neon>(),
            }
        }
    }

    /// Runs a kernel of codes compiled for this instruction set. AVX-512 takes AVX2's.
    ///
    /// # Safety
    /// As [`Self::run`].
    #[inline]
    unsafe fn run_dots<K: DotKernel>(self, kernel: K) {
        // SAFETY: as in `run`.
        unsafe {
            match self.0 {
                Set::Portable => kernel.run::<dots::PortableDots>(),
                #[cfg(target_arch = "x86_64")]
                Set::Avx2 | Set::Avx512 => avx2_dots(kernel),
                #[cfg(target_arch = "aarch64")]
                Set::Neon => kernel.run::<dots::PortableDots>(),
                #[cfg(target_arch = "aarch64")]
                Set::NeonDot => neon_dots(kernel),
            }
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Plain Rust that is worth compiling for each instruction set, and its arguments. The compiler makes vector
/// instructions of simple loops over slices and arrays; it never joins a product and a sum to one rounding,
/// so the answers are the same to the last bit.
pub trait Work {
    /// Does it. Implementations are `inline(always)`, and so is what they call.
    fn run(self);
}

/// A work as a kernel.
struct Plain<W>(W);

impl<W: Work> Kernel for Plain<W> {
    #[inline(always)]
    unsafe fn run<V: vector::Vector>(self) {
        self.0.run();
    }
}

/// The arguments of a kernel, and the kernel.
trait Kernel {
    /// # Safety
    /// Pointers in `self` must be valid as the kernel documents. Implementations are `inline(always)`.
    unsafe fn run<V: vector::Vector>(self);
}

/// The same for sums of products of codes.
trait DotKernel {
    /// # Safety
    /// As [`Kernel::run`].
    unsafe fn run<D: dots::Dots>(self);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2_dots<K: DotKernel>(kernel: K) {
    // SAFETY: the caller's contract is this function's.
    unsafe { kernel.run::<x86::Avx2Dots>() }
}

#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon,dotprod")]
unsafe fn neon_dots<K: DotKernel>(kernel: K) {
    // SAFETY: the caller's contract is this function's.
    unsafe { kernel.run::<neon::NeonDots>() }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<K: Kernel>(kernel: K) {
    // SAFETY: the caller's contract is this function's.
    unsafe { kernel.run::<x86::Avx2>() }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx2,fma")]
unsafe fn avx512<K: Kernel>(kernel: K) {
    // SAFETY: the caller's contract is this function's.
    unsafe { kernel.run::<x86::Avx512>() }
}

/// PReLU: `x` where positive, else `x · slope`.
///
/// # Safety
/// As every function of [`vector::Vector`].
#[inline(always)]
unsafe fn leaky<V: vector::Vector>(x: V, slope: V) -> V {
    // SAFETY: forwarded.
    unsafe {
        let zero = V::splat(0.0);
        x.min(zero).mul_add(slope, x.max(zero))
    }
}
