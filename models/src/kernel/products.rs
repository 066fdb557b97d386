//! One vector against many, in fixed point: how a probe is compared with every enrolled face.
//!
//! Plain Rust; compiled with the wider instruction sets the compiler makes multiply-add instructions of it
//! (`vpmaddwd` on 32 values with AVX-512 and on 16 with AVX2, `smlal` with NEON).

use super::{Isa, Work};

/// Writes the scalar product of `probe` with each of `rows` into `products`, for as many as both have.
///
/// A product must fit an `i32`: with rows and probe of length at most 2¹⁴ · √2 it does, by Cauchy-Schwarz.
pub fn scalar_products<const N: usize>(rows: &[[i16; N]], probe: &[i16; N], products: &mut [i32]) {
    Isa::best().work(ScalarProducts { rows, probe, products });
}

struct ScalarProducts<'a, const N: usize> {
    rows: &'a [[i16; N]],
    probe: &'a [i16; N],
    products: &'a mut [i32],
}

impl<const N: usize> Work for ScalarProducts<'_, N> {
    #[inline(always)]
    fn run(self) {
        for (product, row) in self.products.iter_mut().zip(self.rows) {
            *product = row.iter().zip(self.probe).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_instruction_set_gives_the_exact_products(
            rows in proptest::collection::vec(proptest::array::uniform32(-2000i16..2000), 0..9),
            probe in proptest::array::uniform32(-2000i16..2000),
        ) {
            let exact: Vec<i64> =
                rows.iter().map(|row| row.iter().zip(&probe).map(|(a, b)| i64::from(*a) * i64::from(*b)).sum()).collect();
            for isa in Isa::available() {
                let mut products = vec![0; rows.len()];
                isa.work(ScalarProducts { rows: &rows, probe: &probe, products: &mut products });
                let found: Vec<i64> = products.iter().copied().map(i64::from).collect();
                prop_assert_eq!(&found, &exact, "{}", isa);
            }
        }
    }
}
