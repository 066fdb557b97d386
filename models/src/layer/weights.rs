//! What the layers are made of, in one layout, whatever the file's: kernels from TFLite graphs (OHWI,
//! depthwise 1HWC) and from torch and ONNX (OIHW, depthwise C1HW), with batch norm folded in.

use crate::kernel::{DepthwiseWeights, Epilogue, GemmWeights, Isa, MAX_WINDOW};
use candle_core::{DType, Result, Tensor, bail};
use candle_nn::VarBuilder;

/// A dense convolution: `outputs × height × width × inputs`, and a bias for each output.
#[derive(Clone, Debug)]
pub struct Filter {
    pub(crate) outputs: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) inputs: usize,
    pub(crate) weights: Vec<f32>,
    pub(crate) bias: Vec<f32>,
}

impl Filter {
    /// Reads a TFLite kernel (OHWI) and its bias by their tensor names.
    pub fn tflite(vb: &VarBuilder, kernel: &str, bias: &str) -> Result<Self> {
        let (outputs, height, width, inputs) = dims4(&tensor(vb, kernel)?, kernel)?;
        let weights = vector(vb, kernel)?;
        Ok(Self { outputs, height, width, inputs, weights, bias: sized(vb, bias, outputs)? })
    }

    /// Reads a torch or ONNX kernel (OIHW, or OI for a linear layer); without a name for the bias it is zero.
    pub fn torch(vb: &VarBuilder, kernel: &str, bias: Option<&str>) -> Result<Self> {
        let tensor = tensor(vb, kernel)?;
        let tensor = if tensor.rank() == 2 { tensor.unsqueeze(2)?.unsqueeze(3)? } else { tensor };
        let (outputs, inputs, height, width) = dims4(&tensor, kernel)?;
        let weights = tensor.permute((0, 2, 3, 1))?.flatten_all()?.to_vec1()?;
        let bias = match bias {
            Some(bias) => sized(vb, bias, outputs)?,
            None => vec![0.0; outputs],
        };
        Ok(Self { outputs, height, width, inputs, weights, bias })
    }

    /// Inputs and outputs exchanged: for a matrix that is stored as inputs × outputs.
    pub fn transposed(mut self) -> Result<Self> {
        if self.height * self.width != 1 || self.bias.iter().any(|b| *b != 0.0) {
            bail!("only a matrix without bias can be transposed");
        }
        self.weights = (0..self.inputs)
            .flat_map(|i| (0..self.outputs).map(move |o| (o, i)))
            .map(|(o, i)| self.weights[o * self.inputs + i])
            .collect();
        std::mem::swap(&mut self.inputs, &mut self.outputs);
        self.bias = vec![0.0; self.outputs];
        Ok(self)
    }

    /// Folds the batch norm that follows: weights and bias absorb its scale and shift.
    pub fn batch_norm(mut self, vb: &VarBuilder) -> Result<Self> {
        self.normalise(&BatchNorm::torch(vb, self.outputs)?)?;
        Ok(self)
    }

    /// The same for a norm that was read before.
    pub fn norm(mut self, norm: &BatchNorm) -> Result<Self> {
        self.normalise(norm)?;
        Ok(self)
    }

    /// Folds a batch norm of the inputs, which comes before this filter: right where no window hangs over an
    /// edge.
    pub fn after_norm(mut self, norm: &BatchNorm) -> Result<Self> {
        norm.fits(self.inputs)?;
        let fan_in = self.weights.len() / self.outputs;
        for (weights, bias) in self.weights.chunks_exact_mut(fan_in).zip(&mut self.bias) {
            let mut sum = f64::from(*bias);
            for (i, weight) in weights.iter_mut().enumerate() {
                sum += f64::from(*weight) * f64::from(norm.shift[i % self.inputs]);
                *weight *= norm.scale[i % self.inputs];
            }
            *bias = sum as f32;
        }
        Ok(self)
    }

    fn normalise(&mut self, norm: &BatchNorm) -> Result<()> {
        norm.fits(self.outputs)?;
        let BatchNorm { scale, shift } = norm;
        let fan_in = self.weights.len() / self.outputs;
        for (o, weights) in self.weights.chunks_exact_mut(fan_in).enumerate() {
            weights.iter_mut().for_each(|w| *w *= scale[o]);
            self.bias[o] = self.bias[o] * scale[o] + shift[o];
        }
        Ok(())
    }

    /// Filters over the same input as one, their outputs behind each other.
    pub fn concat(filters: &[Filter]) -> Result<Self> {
        let Some((first, rest)) = filters.split_first() else { bail!("there is no filter to join") };
        let mut all = first.clone();
        for next in rest {
            if (next.height, next.width, next.inputs) != (all.height, all.width, all.inputs) {
                bail!("filters over different windows cannot be joined");
            }
            all.outputs += next.outputs;
            all.weights.extend_from_slice(&next.weights);
            all.bias.extend_from_slice(&next.bias);
        }
        Ok(all)
    }

    /// Joins this pointwise convolution and the next one into one, where nothing lies in between:
    /// `W = W₂·W₁`, `b = W₂·b₁ + b₂`.
    pub fn then(self, next: &Filter) -> Result<Self> {
        if self.height * self.width * next.height * next.width != 1 || next.inputs != self.outputs {
            bail!("only pointwise convolutions that follow each other can be joined");
        }
        let mut weights = vec![0.0; next.outputs * self.inputs];
        let mut bias = next.bias.clone();
        for (o, row) in weights.chunks_exact_mut(self.inputs).enumerate() {
            // Summed in f64: what two layers rounded one after the other is to be rounded once here.
            let mut sums = vec![0.0f64; self.inputs];
            let mut sum = f64::from(bias[o]);
            for (m, first) in self.weights.chunks_exact(self.inputs).enumerate() {
                let second = f64::from(next.weights[o * next.inputs + m]);
                for (s, w) in sums.iter_mut().zip(first) {
                    *s += second * f64::from(*w);
                }
                sum += second * f64::from(self.bias[m]);
            }
            row.iter_mut().zip(&sums).for_each(|(w, s)| *w = *s as f32);
            bias[o] = sum as f32;
        }
        Ok(Self { outputs: next.outputs, weights, bias, ..self })
    }
}

/// A depthwise convolution: `window × window × channels`, and a bias for each channel.
#[derive(Clone, Debug)]
pub struct Depthwise {
    pub(crate) window: usize,
    pub(crate) channels: usize,
    pub(crate) weights: Vec<f32>,
    pub(crate) bias: Vec<f32>,
}

impl Depthwise {
    /// Reads a TFLite kernel (1HWC) and its bias by their tensor names.
    pub fn tflite(vb: &VarBuilder, kernel: &str, bias: &str) -> Result<Self> {
        let (one, height, window, channels) = dims4(&tensor(vb, kernel)?, kernel)?;
        if one != 1 || height != window {
            bail!(
                "{kernel} is {one}x{height}x{window}x{channels}, a depthwise kernel is 1 x k x k x channels"
            );
        }
        Ok(Self { window, channels, weights: vector(vb, kernel)?, bias: sized(vb, bias, channels)? })
    }

    /// Reads a torch or ONNX kernel (C1HW); without a name for the bias it is zero.
    pub fn torch(vb: &VarBuilder, kernel: &str, bias: Option<&str>) -> Result<Self> {
        let tensor = tensor(vb, kernel)?;
        let (channels, one, height, window) = dims4(&tensor, kernel)?;
        if one != 1 || height != window {
            bail!(
                "{kernel} is {channels}x{one}x{height}x{window}, a depthwise kernel is channels x 1 x k x k"
            );
        }
        let weights = tensor.permute((1, 2, 3, 0))?.flatten_all()?.to_vec1()?;
        let bias = match bias {
            Some(bias) => sized(vb, bias, channels)?,
            None => vec![0.0; channels],
        };
        Ok(Self { window, channels, weights, bias })
    }

    /// Depthwise kernels of one size as one, their channels behind each other.
    pub fn concat(filters: &[Depthwise]) -> Result<Self> {
        let Some(window) = filters.first().map(|f| f.window) else { bail!("there is no filter to join") };
        if filters.iter().any(|f| f.window != window) {
            bail!("depthwise kernels of different windows cannot be joined");
        }
        let pixel =
            |tap: usize| filters.iter().flat_map(move |f| &f.weights[tap * f.channels..][..f.channels]);
        Ok(Self {
            window,
            channels: filters.iter().map(|f| f.channels).sum(),
            weights: (0..window * window).flat_map(pixel).copied().collect(),
            bias: filters.iter().flat_map(|f| &f.bias).copied().collect(),
        })
    }

    /// Folds the batch norm that follows.
    pub fn batch_norm(self, vb: &VarBuilder) -> Result<Self> {
        let norm = BatchNorm::torch(vb, self.channels)?;
        self.norm(&norm)
    }

    /// The same for a norm that was read before.
    pub fn norm(mut self, norm: &BatchNorm) -> Result<Self> {
        norm.fits(self.channels)?;
        let BatchNorm { scale, shift } = norm;
        for pixel in self.weights.chunks_exact_mut(self.channels) {
            pixel.iter_mut().zip(scale).for_each(|(w, s)| *w *= s);
        }
        for (c, bias) in self.bias.iter_mut().enumerate() {
            *bias = *bias * scale[c] + shift[c];
        }
        Ok(self)
    }
}

/// A batch norm as a scale and a shift for each channel.
#[derive(Clone, Debug)]
pub struct BatchNorm {
    pub(crate) scale: Vec<f32>,
    pub(crate) shift: Vec<f32>,
}

impl BatchNorm {
    /// Reads gain, bias, mean and variance by their tensor names; `eps` is what is added to the variance.
    pub fn read(vb: &VarBuilder, names: [&str; 4], channels: usize, eps: f64) -> Result<Self> {
        let [gain, bias, mean, variance] = names.map(|name| sized(vb, name, channels));
        let (gain, bias, mean, variance) = (gain?, bias?, mean?, variance?);
        let scale: Vec<f32> = gain
            .iter()
            .zip(&variance)
            .map(|(g, v)| (f64::from(*g) / (f64::from(*v) + eps).sqrt()) as f32)
            .collect();
        let shift = (0..channels).map(|c| bias[c] - mean[c] * scale[c]).collect();
        Ok(Self { scale, shift })
    }

    /// Reads a torch batch norm (`eps` 1e-5, torch's default, which the models from torch use).
    fn torch(vb: &VarBuilder, channels: usize) -> Result<Self> {
        Self::read(vb, ["weight", "bias", "running_mean", "running_var"], channels, 1e-5)
    }

    /// Whether it is one of so many channels.
    pub(crate) fn fits(&self, channels: usize) -> Result<()> {
        match self.scale.len() {
            own if own == channels => Ok(()),
            own => bail!("a batch norm of {own} channels does not fit {channels}"),
        }
    }
}

/// What follows a sum.
#[derive(Clone, Debug)]
pub enum Activation {
    /// Nothing.
    None,
    /// `max(x, 0)`
    Relu,
    /// `x` where positive, else `x` times the channel's slope.
    PRelu(Vec<f32>),
}

impl Activation {
    /// PReLU with its slopes by name, in any shape that holds one a channel.
    pub fn prelu(vb: &VarBuilder, slopes: &str) -> Result<Self> {
        Ok(Self::PRelu(vector(vb, slopes)?))
    }
}

/// Zeros around the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// TFLite's and TensorFlow's: as many outputs as `⌈n / stride⌉`; an odd rest goes below and to the right.
    Same,
    /// That many on every side (torch).
    Each(usize),
}

impl Padding {
    /// None at all.
    pub const VALID: Self = Self::Each(0);

    /// Outputs along one axis, and zeros before the first value.
    pub fn along(self, n: usize, window: usize, stride: usize) -> (usize, usize) {
        match self {
            Self::Same => {
                let out = n.div_ceil(stride);
                (out, (((out.max(1) - 1) * stride + window).saturating_sub(n)) / 2)
            }
            Self::Each(zeros) => {
                ((n + 2 * zeros).checked_sub(window).map_or(0, |rest| rest / stride + 1), zeros)
            }
        }
    }
}

/// All values of a tensor by name.
pub fn vector(vb: &VarBuilder, name: &str) -> Result<Vec<f32>> {
    tensor(vb, name)?.flatten_all()?.to_vec1()
}

pub(super) fn sized(vb: &VarBuilder, name: &str, len: usize) -> Result<Vec<f32>> {
    let values = vector(vb, name)?;
    if values.len() != len {
        bail!("{name} has {} values where {len} are needed", values.len());
    }
    Ok(values)
}

fn tensor(vb: &VarBuilder, name: &str) -> Result<Tensor> {
    vb.get_unchecked(name)?.to_dtype(DType::F32)?.contiguous()
}

pub(super) fn dims4(tensor: &Tensor, name: &str) -> Result<(usize, usize, usize, usize)> {
    match *tensor.dims() {
        [a, b, c, d] if a * b * c * d > 0 => Ok((a, b, c, d)),
        ref other => bail!("{name} is {other:?} where a kernel of four dimensions is needed"),
    }
}

/// Packs a filter and its activation; fails when the slopes are not one an output.
pub(super) fn pack(isa: Isa, filter: &Filter, activation: &Activation) -> Result<GemmWeights> {
    let (epilogue, slope) = epilogue(activation, filter.outputs)?;
    let inputs = filter.height * filter.width * filter.inputs;
    Ok(GemmWeights::pack(isa, inputs, &filter.weights, &filter.bias, epilogue, slope))
}

/// Packs a depthwise kernel and its activation; fails when the slopes are not one a channel, or the window is
/// too large.
pub(super) fn pack_depthwise(
    isa: Isa,
    filter: &Depthwise,
    stride: usize,
    activation: &Activation,
) -> Result<DepthwiseWeights> {
    if filter.window > MAX_WINDOW || stride == 0 {
        bail!("a depthwise window of {} at stride {stride} has no kernel", filter.window);
    }
    let (epilogue, slope) = epilogue(activation, filter.channels)?;
    Ok(DepthwiseWeights::pack(isa, filter.window, stride, &filter.weights, &filter.bias, epilogue, slope))
}

pub(super) fn epilogue(activation: &Activation, channels: usize) -> Result<(Epilogue, &[f32])> {
    Ok(match activation {
        Activation::None => (Epilogue::None, &[]),
        Activation::Relu => (Epilogue::Relu, &[]),
        Activation::PRelu(slope) if slope.len() == channels => (Epilogue::PRelu, slope),
        Activation::PRelu(slope) => bail!("{} slopes for {channels} channels", slope.len()),
    })
}
