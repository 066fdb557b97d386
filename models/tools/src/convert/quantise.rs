//! Weights in 8 bits: a quarter of the size, and what the integer kernels of the crate `models` read.
//!
//! Only matrices are quantised: pointwise kernels and fully connected layers, which hold nearly all weights.
//! Each output has a scale of its own, its largest weight divided by 127, so that an output with small
//! weights loses no more than one with large ones; a batch norm that follows multiplies the scale and changes
//! no code. `NAME` becomes codes of type `U8` (128 stands for zero, since candle has no signed bytes), and
//! `NAME.scale` holds the scales.

use super::tensor::{Data, Tensor};

/// Weights of an output below which a matrix stays as it is: small layers are fast anyway.
const MIN_INPUTS: usize = 16;

/// The code of zero.
const ZERO: f32 = 128.0;

/// Quantises the matrices among the tensors.
pub(super) fn weights(tensors: Vec<Tensor>) -> Vec<Tensor> {
    let mut all = Vec::with_capacity(tensors.len());
    for tensor in tensors {
        let matrix = match *tensor.shape.as_slice() {
            [outputs, inputs] | [outputs, inputs, 1, 1] => outputs > 0 && inputs >= MIN_INPUTS,
            _ => false,
        };
        match tensor.data {
            Data::F32(values) if matrix => all.extend(quantised(tensor.name, tensor.shape, &values)),
            data => all.push(Tensor { data, ..tensor }),
        }
    }
    all
}

fn quantised(name: String, shape: Vec<usize>, values: &[f32]) -> [Tensor; 2] {
    let outputs = shape[0];
    let mut codes = Vec::with_capacity(values.len());
    let mut scales = Vec::with_capacity(outputs);
    for row in values.chunks_exact(values.len() / outputs) {
        let scale = row.iter().fold(0f32, |most, value| most.max(value.abs())) / 127.0;
        // Division and rounding are exact by IEEE 754: the same codes on every machine.
        let code = |value: &f32| if scale > 0.0 { (value / scale).round_ties_even() } else { 0.0 };
        codes.extend(row.iter().map(|value| (code(value) + ZERO) as u8));
        scales.push(scale);
    }
    let of_outputs = vec![outputs];
    let scale = Tensor { name: format!("{name}.scale"), shape: of_outputs, data: Data::F32(scales) };
    [Tensor { name, shape, data: Data::U8(codes) }, scale]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tensor(shape: &[usize], values: Vec<f32>) -> Tensor {
        Tensor { name: "c".to_owned(), shape: shape.to_vec(), data: Data::F32(values) }
    }

    #[test]
    fn only_matrices_are_quantised() {
        let kept = vec![
            tensor(&[2, 16, 3, 3], vec![1.0; 288]),
            tensor(&[16], vec![1.0; 16]),
            tensor(&[4, 8], vec![1.0; 32]),
        ];
        assert_eq!(weights(kept.clone()), kept);
        let codes: Vec<_> = weights(vec![tensor(&[1, 16, 1, 1], vec![0.0; 16])]);
        assert_eq!(codes[0].data, Data::U8(vec![128; 16]));
        assert_eq!((codes[1].name.as_str(), &codes[1].data), ("c.scale", &Data::F32(vec![0.0])));
    }

    proptest! {
        #[test]
        fn a_weight_moves_by_half_a_step_at_most(values in proptest::collection::vec(-3f32..3.0, 48)) {
            let found = weights(vec![tensor(&[3, 16], values.clone())]);
            let (Data::U8(codes), Data::F32(scales)) = (&found[0].data, &found[1].data) else { panic!() };
            for (i, (code, value)) in codes.iter().zip(&values).enumerate() {
                let scale = scales[i / 16];
                prop_assert!((f32::from(*code) - 128.0).abs() <= 127.0);
                prop_assert!(((f32::from(*code) - 128.0) * scale - value).abs() <= 0.501 * scale);
            }
        }
    }
}
