//! One vector against many, in fixed point: how a probe is compared with every enrolled face.
//!
//! Plain Rust; compiled with the wider instruction sets the compiler makes multiply-add instructions of it
//! (`vpmaddwd` on 32 values with AVX-512 and on 16 with AVX2, `smlal` with NEON).

use super::{Isa, Work};

/// Writes the scalar product of `probe` with each of `rows`, which lie one behind the other, into `products`,
/// for as many as both have.
///
/// A product must fit an `i32`: with rows and probe of length at most 2¹⁴ · √2 it does, by Cauchy-Schwarz.
pub fn scalar_products(rows: &[i16], probe: &[i16], products: &mut [i32]) {
    Isa::best().work(ScalarProducts { rows, probe, products });
}

struct ScalarProducts<'a> {
    rows: &'a [i16],
    probe: &'a [i16],
    products: &'a mut [i32],
}

impl Work for ScalarProducts<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { rows, probe, products } = self;
        // With a length that it knows the compiler unrolls the whole row.
        if let Ok(probe) = <&[i16; 128]>::try_from(probe) {
            known(rows.as_chunks().0, probe, products);
        } else if let Ok(probe) = <&[i16; 192]>::try_from(probe) {
            known(rows.as_chunks().0, probe, products);
        } else if let Ok(probe) = <&[i16; 320]>::try_from(probe) {
            known(rows.as_chunks().0, probe, products);
        } else if !probe.is_empty() {
            for (product, row) in products.iter_mut().zip(rows.chunks_exact(probe.len())) {
                *product = scalar_product(row, probe);
            }
        }
    }
}

#[inline(always)]
fn known<const N: usize>(rows: &[[i16; N]], probe: &[i16; N], products: &mut [i32]) {
    for (product, row) in products.iter_mut().zip(rows) {
        *product = scalar_product(row, probe);
    }
}

#[inline(always)]
fn scalar_product(row: &[i16], probe: &[i16]) -> i32 {
    row.iter().zip(probe).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_instruction_set_gives_the_exact_products(
            dimensions in proptest::sample::select(vec![32, 128, 192, 320]),
            values in proptest::collection::vec(-1200i16..1200, 320 * 9),
            count in 0usize..9,
        ) {
            let (probe, rows) = (&values[..dimensions], &values[320..][..count * dimensions]);
            let exact = |row: &[i16]| row.iter().zip(probe).map(|(a, b)| i64::from(*a) * i64::from(*b)).sum();
            let exact: Vec<i64> = rows.chunks_exact(dimensions).map(exact).collect();
            for isa in Isa::available() {
                let mut products = vec![0; count];
                isa.work(ScalarProducts { rows, probe, products: &mut products });
                let found: Vec<i64> = products.iter().copied().map(i64::from).collect();
                prop_assert_eq!(&found, &exact, "{}", isa);
            }
        }
    }
}
