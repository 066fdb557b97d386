//! Every layer on every instruction set of this processor against candle's own operations, over random
//! shapes.

#![allow(clippy::unwrap_used)]

mod oracle;

use self::oracle::{Numbers, assert_near, dense, filtered, padding, pooled};
use super::*;
use crate::kernel::Isa;
use candle_nn::VarBuilder;
use proptest::prelude::*;
use std::collections::HashMap;

#[test]
fn a_block_of_8_bits_is_near_to_the_same_in_f32() {
    let mut numbers = Numbers(3);
    for (stride, channels, outputs, side) in [(1, 32, 64, 9), (2, 64, 48, 12), (1, 16, 16, 1)] {
        let depthwise = numbers.depthwise(3, channels);
        let (slopes, last) =
            (Activation::PRelu(numbers.take(channels)), Activation::PRelu(numbers.take(outputs)));
        let filter = numbers.filter(outputs, (1, 1), channels);
        // Weights that 8 bits hold exactly: what differs then comes from the input's codes alone.
        let codes: Vec<u8> = filter.weights.iter().map(|w| ((w * 127.0).round() + 128.0) as u8).collect();
        let scale = vec![1.0 / 127.0; outputs];
        let exact = codes.iter().map(|code| (f32::from(*code) - 128.0) / 127.0).collect();
        let filter = Filter { weights: exact, ..filter };
        let tensors = HashMap::from([
            ("k".to_owned(), Tensor::from_vec(codes, (outputs, channels, 1, 1), &Device::Cpu).unwrap()),
            ("k.scale".to_owned(), Tensor::from_vec(scale, outputs, &Device::Cpu).unwrap()),
            ("b".to_owned(), Tensor::from_vec(filter.bias.clone(), outputs, &Device::Cpu).unwrap()),
        ]);
        let vb = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        let coded = Coded::torch(&vb, "k", (1, 1), Some("b")).unwrap();
        let input = numbers.tensor((1, side, side, channels));
        for isa in Isa::available() {
            let block = || Block::packed_for(isa, &depthwise, stride, Padding::Each(1), &slopes).unwrap();
            let wanted = block().project(&filter, Residual::None, &last).unwrap();
            let found = block().project_coded(&coded, &last).unwrap();
            let [wanted, found] = [wanted, found].map(|block| {
                forward(&block, &[&input]).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
            });
            let largest = wanted.iter().fold(0f32, |largest, x| largest.max(x.abs()));
            for (found, wanted) in found.iter().zip(&wanted) {
                assert!((found - wanted).abs() < 0.02 * largest, "{isa}: {found}, not {wanted}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn conv_is_candles(
        seed: u64, batch in 1usize..3, (h, w) in (1usize..20, 1usize..20), (kh, kw) in (1usize..6, 1usize..6),
        (cin, cout) in (1usize..40, 1usize..90), stride in 1usize..4, padding in padding(), act: u8,
    ) {
        let mut numbers = Numbers(seed);
        let x = numbers.tensor((batch, h, w, cin));
        let filter = numbers.filter(cout, (kh, kw), cin);
        let activation = numbers.activation(act, cout);
        let fits = padding.along(h, kh, stride).0 > 0 && padding.along(w, kw, stride).0 > 0;
        for isa in Isa::available() {
            let conv = Conv::packed_for(isa, &filter, stride, padding, &activation).unwrap();
            let found = forward(&conv, &[&x]);
            prop_assert_eq!(found.is_ok(), fits);
            if let Ok(found) = found {
                assert_near(&found, &dense(&x, &filter, stride, padding, &activation), &format!("{isa} {conv:?}"));
            }
        }
    }

    #[test]
    fn block_is_candles_layers_one_after_the_other(
        seed: u64, batch in 1usize..3, (h, w) in (1usize..24, 1usize..24), window in 1usize..9, stride in 1usize..4,
        padding in padding(), (cin, middle, cout) in (1usize..40, 1usize..70, 1usize..90),
        (expands, projects, pools) in (any::<bool>(), any::<bool>(), any::<bool>()), kind in 0u8..3, acts: [u8; 3],
    ) {
        let mut numbers = Numbers(seed);
        let middle = if expands { middle } else { cin };
        let x = numbers.tensor((batch, h, w, cin));
        let expand = numbers.filter(middle, (1, 1), cin);
        let depthwise = numbers.depthwise(window, middle);
        let project = numbers.filter(cout, (1, 1), middle);
        let [first, second, third] =
            [(0, middle), (1, middle), (2, cout)].map(|(i, channels)| numbers.activation(acts[i], channels));
        if padding.along(h, window, stride).0 == 0 || padding.along(w, window, stride).0 == 0 {
            return Ok(());
        }

        let inside = if expands { dense(&x, &expand, 1, Padding::VALID, &first) } else { x.clone() };
        let inside = filtered(&inside, &depthwise, stride, padding, &second);
        let (_, out_h, out_w, _) = inside.dims4().unwrap();
        // A residual of its own, with fewer channels or as many, in the size that its kind needs.
        let residual = [Residual::None, Residual::Input, Residual::Pooled][usize::from(kind)];
        let channels = 1 + seed as usize % cout;
        let side = match residual {
            Residual::Pooled => numbers.tensor((batch, 2 * out_h - seed as usize % 2, 2 * out_w, channels)),
            _ => numbers.tensor((batch, out_h, out_w, channels)),
        };
        let wanted = if !projects {
            if pools { pooled(&inside) } else { inside }
        } else {
            let sum = dense(&inside, &project, 1, Padding::VALID, &Activation::None);
            let added = match residual {
                Residual::None => sum,
                Residual::Input => (sum + side.pad_with_zeros(3, 0, cout - channels).unwrap()).unwrap(),
                Residual::Pooled => (sum + pooled(&side).pad_with_zeros(3, 0, cout - channels).unwrap()).unwrap(),
            };
            // The activation alone, by way of a convolution that changes nothing.
            let mut same = Filter { weights: vec![0.0; cout * cout], bias: vec![0.0; cout], inputs: cout, ..project.clone() };
            (0..cout).for_each(|c| same.weights[c * cout + c] = 1.0);
            dense(&added, &same, 1, Padding::VALID, &third)
        };

        for isa in Isa::available() {
            let mut block = Block::packed_for(isa, &depthwise, stride, padding, &second).unwrap();
            if expands {
                block = block.expand(&expand, &first).unwrap();
            }
            if projects {
                block = block.project(&project, residual, &third).unwrap();
            } else if pools {
                block = block.pool().unwrap();
            }
            let inputs: &[&Tensor] = if projects && residual != Residual::None { &[&x, &side] } else { &[&x] };
            assert_near(&forward(&block, inputs).unwrap(), &wanted, &format!("{isa} {block:?}"));
        }
    }

    #[test]
    fn pooling_upsampling_and_gates_are_candles(
        seed: u64, batch in 1usize..3, (h, w, c) in (1usize..12, 1usize..12, 1usize..70),
    ) {
        let mut numbers = Numbers(seed);
        let coarse = numbers.tensor((batch, h, w, c));
        assert_near(&forward(&MaxPool, &[&coarse]).unwrap(), &pooled(&coarse), "pool");

        let fine = numbers.tensor((batch, 2 * h, 2 * w, c));
        let planes = coarse.permute((0, 3, 1, 2)).unwrap().contiguous().unwrap();
        let nearest = planes.upsample_nearest2d(2 * h, 2 * w).unwrap().permute((0, 2, 3, 1)).unwrap();
        let found = forward(&AddUpsampled::NEAREST, &[&fine, &coarse]).unwrap();
        assert_near(&found, &(&fine + nearest).unwrap(), "nearest");
        let bilinear = planes.upsample_bilinear2d(2 * h, 2 * w, false).unwrap().permute((0, 2, 3, 1)).unwrap();
        let found = forward(&AddUpsampled::BILINEAR, &[&fine, &coarse]).unwrap();
        assert_near(&found, &(&fine + bilinear).unwrap(), "bilinear");

        let narrow = 1 + seed as usize % 9;
        let (squeeze, excite) = (numbers.filter(narrow, (1, 1), c), numbers.filter(c, (1, 1), narrow));
        let residual = numbers.tensor((batch, h, w, c));
        let mean = coarse.mean_keepdim((1, 2)).unwrap();
        let gate = dense(&mean, &squeeze, 1, Padding::VALID, &Activation::Relu);
        let gate = candle_nn::ops::sigmoid(&dense(&gate, &excite, 1, Padding::VALID, &Activation::None)).unwrap();
        let wanted = (coarse.broadcast_mul(&gate).unwrap() + &residual).unwrap();
        let found = forward(&Gate::new(&squeeze, &excite).unwrap(), &[&coarse, &residual]).unwrap();
        assert_near(&found, &wanted, "gate");
    }

    #[test]
    fn joined_layers_are_the_layers_one_after_the_other(seed: u64, (a, b, c) in (1usize..30, 1usize..30, 1usize..30)) {
        let mut numbers = Numbers(seed);
        let x = numbers.tensor((1, 3, 3, a));
        let (first, second) = (numbers.filter(b, (1, 1), a), numbers.filter(c, (1, 1), b));
        let wanted = dense(
            &dense(&x, &first, 1, Padding::VALID, &Activation::None), &second, 1, Padding::VALID, &Activation::None,
        );
        let joined = Conv::pointwise(&first.then(&second).unwrap(), &Activation::None).unwrap();
        assert_near(&forward(&joined, &[&x]).unwrap(), &wanted, "joined");
    }
}

#[test]
fn what_does_not_fit_is_refused_with_its_shape() {
    let mut numbers = Numbers(1);
    let conv = Conv::pointwise(&numbers.filter(4, (1, 1), 3), &Activation::None).unwrap();
    let error = forward(&conv, &[&numbers.tensor((1, 2, 2, 5))]).unwrap_err().to_string();
    assert!(error.contains("3->4") && error.contains("channels: 5"), "{error}");
    let strided = numbers.tensor((1, 4, 4, 3)).narrow(2, 0, 2).unwrap();
    let error = forward(&conv, &[&strided]).unwrap_err().to_string();
    assert!(error.contains("contiguous"), "{error}");
    assert!(Block::new(&numbers.depthwise(9, 4), 1, Padding::Same, &Activation::None).is_err());
    assert!(Conv::pointwise(&numbers.filter(4, (1, 1), 3), &Activation::PRelu(vec![0.1; 3])).is_err());
}

#[test]
fn files_of_either_layout_make_the_same_filter() {
    let mut numbers = Numbers(2);
    let ohwi = numbers.tensor((5, 3, 3, 4));
    let oihw = ohwi.permute((0, 3, 1, 2)).unwrap().contiguous().unwrap();
    let hwc = numbers.tensor((1, 3, 3, 6));
    let chw = hwc.permute((3, 0, 1, 2)).unwrap().contiguous().unwrap();
    let bias = |n: usize, numbers: &mut Numbers| Tensor::new(numbers.take(n), &Device::Cpu).unwrap();
    let tensors = [("a", ohwi), ("b", oihw), ("c", hwc), ("d", chw)];
    let mut tensors: HashMap<String, Tensor> =
        tensors.into_iter().map(|(name, t)| (name.to_owned(), t)).collect();
    tensors.insert("five".into(), bias(5, &mut numbers));
    tensors.insert("six".into(), bias(6, &mut numbers));
    let vb = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
    let (a, b) = (Filter::tflite(&vb, "a", "five").unwrap(), Filter::torch(&vb, "b", Some("five")).unwrap());
    assert_eq!((a.weights, a.inputs, a.outputs), (b.weights, b.inputs, b.outputs));
    let (c, d) =
        (Depthwise::tflite(&vb, "c", "six").unwrap(), Depthwise::torch(&vb, "d", Some("six")).unwrap());
    assert_eq!((c.weights, c.channels, c.window), (d.weights, d.channels, d.window));
    assert!(Filter::tflite(&vb, "a", "six").unwrap_err().to_string().contains("6 values where 5"));
    assert!(Filter::tflite(&vb, "missing", "six").is_err());
}
