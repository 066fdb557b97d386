//! Every layer on every instruction set of this processor against candle's own operations, over random
//! shapes.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::kernel::Isa;
use candle_nn::VarBuilder;
use proptest::prelude::*;
use std::collections::HashMap;

/// A reproducible stream of numbers in −1..1.
struct Numbers(u64);

impl Numbers {
    fn take(&mut self, n: usize) -> Vec<f32> {
        let mut next = || {
            self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        };
        (0..n).map(|_| next()).collect()
    }

    fn tensor(&mut self, shape: (usize, usize, usize, usize)) -> Tensor {
        Tensor::from_vec(self.take(shape.0 * shape.1 * shape.2 * shape.3), shape, &Device::Cpu).unwrap()
    }

    fn filter(&mut self, outputs: usize, (height, width): (usize, usize), inputs: usize) -> Filter {
        let weights = self.take(outputs * height * width * inputs);
        Filter { outputs, height, width, inputs, weights, bias: self.take(outputs) }
    }

    fn depthwise(&mut self, window: usize, channels: usize) -> Depthwise {
        Depthwise {
            window,
            channels,
            weights: self.take(window * window * channels),
            bias: self.take(channels),
        }
    }

    fn activation(&mut self, kind: u8, channels: usize) -> Activation {
        match kind % 3 {
            0 => Activation::None,
            1 => Activation::Relu,
            _ => Activation::PRelu(self.take(channels)),
        }
    }
}

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

/// Candle's convolution of an NHWC tensor, with the padding written out. `kernel` is OIHW.
fn oracle(
    x: &Tensor,
    kernel: &Tensor,
    bias: &[f32],
    (stride, groups): (usize, usize),
    padding: Padding,
    activation: &Activation,
) -> Tensor {
    let (_, _, kh, kw) = kernel.dims4().unwrap();
    let mut x = x.permute((0, 3, 1, 2)).unwrap().contiguous().unwrap();
    for (axis, window) in [(2, kh), (3, kw)] {
        let n = x.dim(axis).unwrap();
        let (out, before) = padding.along(n, window, stride);
        let after = ((out - 1) * stride + window).saturating_sub(n + before);
        x = x.pad_with_zeros(axis, before, after).unwrap();
    }
    let y = x.conv2d(kernel, 0, stride, 1, groups).unwrap().permute((0, 2, 3, 1)).unwrap();
    let channels = bias.len();
    let y = y.broadcast_add(&Tensor::new(bias, &Device::Cpu).unwrap()).unwrap();
    match activation {
        Activation::None => y,
        Activation::Relu => y.relu().unwrap(),
        Activation::PRelu(slope) => {
            let slope = Tensor::new(slope.as_slice(), &Device::Cpu).unwrap();
            assert_eq!(slope.dims1().unwrap(), channels);
            let negative = (&y - y.relu().unwrap()).unwrap();
            (y.relu().unwrap() + negative.broadcast_mul(&slope).unwrap()).unwrap()
        }
    }
}

fn dense(x: &Tensor, f: &Filter, stride: usize, padding: Padding, activation: &Activation) -> Tensor {
    let kernel = Tensor::new(f.weights.as_slice(), &Device::Cpu).unwrap();
    let kernel =
        kernel.reshape((f.outputs, f.height, f.width, f.inputs)).unwrap().permute((0, 3, 1, 2)).unwrap();
    oracle(x, &kernel.contiguous().unwrap(), &f.bias, (stride, 1), padding, activation)
}

fn filtered(x: &Tensor, f: &Depthwise, stride: usize, padding: Padding, activation: &Activation) -> Tensor {
    let kernel = Tensor::new(f.weights.as_slice(), &Device::Cpu).unwrap();
    let kernel = kernel.reshape((1, f.window, f.window, f.channels)).unwrap().permute((3, 0, 1, 2)).unwrap();
    oracle(x, &kernel.contiguous().unwrap(), &f.bias, (stride, f.channels), padding, activation)
}

/// Maximum of each 2×2 square, an odd last line or column standing alone.
fn pooled(x: &Tensor) -> Tensor {
    let (_, h, w, _) = x.dims4().unwrap();
    let x = x.permute((0, 3, 1, 2)).unwrap().contiguous().unwrap();
    let x = x.pad_with_same(2, 0, h % 2).unwrap().pad_with_same(3, 0, w % 2).unwrap();
    x.max_pool2d(2).unwrap().permute((0, 2, 3, 1)).unwrap()
}

#[track_caller]
fn assert_near(found: &Tensor, wanted: &Tensor, what: &str) {
    assert_eq!(found.dims(), wanted.dims(), "{what}");
    let (found, wanted): (Vec<f32>, Vec<f32>) =
        (found.flatten_all().unwrap().to_vec1().unwrap(), wanted.flatten_all().unwrap().to_vec1().unwrap());
    let scale = wanted.iter().fold(1f32, |most, x| most.max(x.abs()));
    for (i, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
        assert!((found - wanted).abs() <= 1e-4 * scale, "{what}: value {i} is {found}, not {wanted}");
    }
}

fn padding() -> impl Strategy<Value = Padding> {
    prop_oneof![Just(Padding::Same), (0usize..3).prop_map(Padding::Each)]
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
