//! Squeeze and excitation (Hu et al. 2018): a gate for each channel from the mean of all, and the residual
//! behind it.

use super::{Filter, Layer, Map, Shape};
use crate::kernel::{GemmArgs, GemmWeights, Isa, channel_means, gemm, scale_add};
use crate::scratch;
use candle_core::{Result, bail};
use std::fmt;

/// `first · sigmoid(W₂·relu(W₁·mean(first))) + second`
pub struct Gate {
    squeeze: GemmWeights,
    excite: GemmWeights,
}

impl Gate {
    /// From the two fully connected layers: to few channels and back.
    pub fn new(squeeze: &Filter, excite: &Filter) -> Result<Self> {
        if squeeze.outputs != excite.inputs || squeeze.inputs != excite.outputs {
            bail!(
                "the gate narrows {} channels to {} and widens {} to {}",
                squeeze.inputs,
                squeeze.outputs,
                excite.inputs,
                excite.outputs
            );
        }
        Ok(Self {
            squeeze: super::weights::pack(Isa::best(), squeeze, &super::Activation::Relu)?,
            excite: super::weights::pack(Isa::best(), excite, &super::Activation::None)?,
        })
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gate {}->{}", self.squeeze.inputs(), self.squeeze.outputs())
    }
}

impl Layer for Gate {
    fn output(&self, inputs: &[Shape]) -> Result<Shape> {
        match *inputs {
            [values, residual]
                if values == residual && values.channels == self.squeeze.inputs() && !values.is_empty() =>
            {
                Ok(values)
            }
            _ => bail!("{self:?} cannot take {inputs:?}"),
        }
    }

    fn operations(&self, inputs: &[Shape]) -> usize {
        2 * inputs[0].len() + 2 * self.squeeze.inputs() * self.squeeze.outputs()
    }

    fn run(&self, inputs: &[Map<'_>], out: &mut [f32]) {
        let [values, residual] = [inputs[0].values, inputs[1].values];
        let channels = self.squeeze.inputs();
        scratch::with([channels, self.squeeze.outputs(), channels], |[means, narrow, gate]| {
            let product = |w: &GemmWeights, a: &[f32], out: &mut [f32]| {
                gemm(
                    w,
                    GemmArgs { a, stride: 0, segments: 1, segment_stride: 0, rows: 1, residual: None, out },
                );
            };
            channel_means(Isa::best(), values, means);
            product(&self.squeeze, means, narrow);
            product(&self.excite, narrow, gate);
            for x in gate.iter_mut() {
                *x = 1.0 / (1.0 + (-*x).exp());
            }
            scale_add(Isa::best(), values, gate, residual, out);
        });
    }
}
