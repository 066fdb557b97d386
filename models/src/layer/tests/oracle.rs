//! Random numbers, and the same operations by candle.

use super::super::*;
use proptest::prelude::*;

/// A reproducible stream of numbers in −1..1.
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn take(&mut self, n: usize) -> Vec<f32> {
        let mut next = || {
            self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        };
        (0..n).map(|_| next()).collect()
    }

    pub(super) fn tensor(&mut self, shape: (usize, usize, usize, usize)) -> Tensor {
        Tensor::from_vec(self.take(shape.0 * shape.1 * shape.2 * shape.3), shape, &Device::Cpu).unwrap()
    }

    pub(super) fn filter(
        &mut self,
        outputs: usize,
        (height, width): (usize, usize),
        inputs: usize,
    ) -> Filter {
        let weights = self.take(outputs * height * width * inputs);
        Filter { outputs, height, width, inputs, weights, bias: self.take(outputs) }
    }

    pub(super) fn depthwise(&mut self, window: usize, channels: usize) -> Depthwise {
        Depthwise {
            window,
            channels,
            weights: self.take(window * window * channels),
            bias: self.take(channels),
        }
    }

    pub(super) fn activation(&mut self, kind: u8, channels: usize) -> Activation {
        match kind % 3 {
            0 => Activation::None,
            1 => Activation::Relu,
            _ => Activation::PRelu(self.take(channels)),
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

pub(super) fn dense(
    x: &Tensor,
    f: &Filter,
    stride: usize,
    padding: Padding,
    activation: &Activation,
) -> Tensor {
    let kernel = Tensor::new(f.weights.as_slice(), &Device::Cpu).unwrap();
    let kernel =
        kernel.reshape((f.outputs, f.height, f.width, f.inputs)).unwrap().permute((0, 3, 1, 2)).unwrap();
    oracle(x, &kernel.contiguous().unwrap(), &f.bias, (stride, 1), padding, activation)
}

pub(super) fn filtered(
    x: &Tensor,
    f: &Depthwise,
    stride: usize,
    padding: Padding,
    activation: &Activation,
) -> Tensor {
    let kernel = Tensor::new(f.weights.as_slice(), &Device::Cpu).unwrap();
    let kernel = kernel.reshape((1, f.window, f.window, f.channels)).unwrap().permute((3, 0, 1, 2)).unwrap();
    oracle(x, &kernel.contiguous().unwrap(), &f.bias, (stride, f.channels), padding, activation)
}

/// Maximum of each 2×2 square, an odd last line or column standing alone.
pub(super) fn pooled(x: &Tensor) -> Tensor {
    let (_, h, w, _) = x.dims4().unwrap();
    let x = x.permute((0, 3, 1, 2)).unwrap().contiguous().unwrap();
    let x = x.pad_with_same(2, 0, h % 2).unwrap().pad_with_same(3, 0, w % 2).unwrap();
    x.max_pool2d(2).unwrap().permute((0, 2, 3, 1)).unwrap()
}

#[track_caller]
pub(super) fn assert_near(found: &Tensor, wanted: &Tensor, what: &str) {
    assert_eq!(found.dims(), wanted.dims(), "{what}");
    let (found, wanted): (Vec<f32>, Vec<f32>) =
        (found.flatten_all().unwrap().to_vec1().unwrap(), wanted.flatten_all().unwrap().to_vec1().unwrap());
    let scale = wanted.iter().fold(1f32, |most, x| most.max(x.abs()));
    for (i, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
        assert!((found - wanted).abs() <= 1e-4 * scale, "{what}: value {i} is {found}, not {wanted}");
    }
}

pub(super) fn padding() -> impl Strategy<Value = Padding> {
    prop_oneof![Just(Padding::Same), (0usize..3).prop_map(Padding::Each)]
}
