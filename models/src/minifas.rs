//! MiniFASNet: is it a living face or a picture of one?
//!
//! Minivision's Silent-Face-Anti-Spoofing (MobileFaceNet pruned channel by channel, hence its odd widths): V2
//! on a crop of 2.7 × the face's box, V1SE, with squeeze-and-excitation gates, on 4.0 ×. Their softmaxes are
//! averaged. MiniFAS 128 (johnraivenolazo) is V1SE's graph on 128×128 with two classes. All are very
//! sensitive to the crop, which is the caller's.

use crate::layer::{Activation, Block, Conv, Depthwise, Filter, Gate, Padding, Residual};
use crate::plan::{Plan, Planner, Value};
use candle_core::{Result, Tensor, bail};
use candle_nn::VarBuilder;

/// Which of the models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// 80×80, BGR as 0..255, crop 2.7; three classes, of which 1 is a living face.
    V2,
    /// 80×80, BGR as 0..255, crop 4.0; three classes, of which 1 is a living face.
    V1Se,
    /// 128×128, values 0..1; two classes.
    Se128,
}

impl Variant {
    /// Side of the square input in pixels.
    pub fn side(self) -> usize {
        match self {
            Variant::V2 | Variant::V1Se => 80,
            Variant::Se128 => 128,
        }
    }

    /// Classes that the model tells apart.
    pub fn classes(self) -> usize {
        match self {
            Variant::V2 | Variant::V1Se => 3,
            Variant::Se128 => 2,
        }
    }
}

/// The class of a living face in minivision's models; 0 and 2 are kinds of attack.
pub const LIVE: usize = 1;

/// One anti-spoof model.
#[derive(Debug)]
pub struct MiniFas {
    variant: Variant,
    plan: Plan,
}

impl MiniFas {
    /// Loads the weights, whose names are those of the checkpoint (without `module.`) or of the ONNX graph.
    pub fn load(variant: Variant, vb: VarBuilder) -> Result<Self> {
        Ok(Self { variant, plan: network(variant, &vb)? })
    }

    /// The model that was loaded.
    pub fn variant(&self) -> Variant {
        self.variant
    }

    /// The classes' logits for `[1, side, side, 3]`, NHWC, in the range and order of [`Variant`]. Returns
    /// `[1, classes]`.
    pub fn forward(&mut self, input: &Tensor) -> Result<Tensor> {
        self.plan.run_on(input)?;
        self.plan.output_tensor(0, (1, self.variant.classes()))
    }

    /// The classes' probabilities for an input like [`Self::forward`]'s, which `fill` writes in place: `side
    /// × side × 3` values. Of two classes the third value is 0.
    pub fn classify_with(&mut self, fill: impl FnOnce(&mut [f32])) -> Result<[f32; 3]> {
        self.plan.run_with(fill)?;
        self.plan.output(0, softmax)
    }

    /// The model's layers, for reports.
    pub fn plan_mut(&mut self) -> &mut Plan {
        &mut self.plan
    }
}

/// Probabilities of at most three classes from their logits; those that are not there get 0.
pub fn softmax(logits: &[f32]) -> [f32; 3] {
    let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut probabilities = [0.0; 3];
    for (p, logit) in probabilities.iter_mut().zip(logits) {
        *p = (logit - greatest).exp();
    }
    let sum: f32 = probabilities.iter().sum();
    probabilities.map(|p| p / sum)
}

/// Reads the graph's layers, whether batch norm stands beside the kernel (torch) or is folded into it (ONNX).
struct Layers<'a> {
    vb: &'a VarBuilder<'a>,
}

impl Layers<'_> {
    fn conv(&self, name: &str) -> Result<Filter> {
        let (kernel, bias) = (format!("{name}.conv.weight"), format!("{name}.conv.bias"));
        if self.vb.contains_tensor(&bias) {
            return Filter::torch(self.vb, &kernel, Some(&bias));
        }
        Filter::torch(self.vb, &kernel, None)?.batch_norm(&self.vb.pp(name).pp("bn"))
    }

    fn depthwise(&self, name: &str) -> Result<Depthwise> {
        let (kernel, bias) = (format!("{name}.conv.weight"), format!("{name}.conv.bias"));
        if self.vb.contains_tensor(&bias) {
            return Depthwise::torch(self.vb, &kernel, Some(&bias));
        }
        Depthwise::torch(self.vb, &kernel, None)?.batch_norm(&self.vb.pp(name).pp("bn"))
    }

    fn prelu(&self, name: &str) -> Result<Activation> {
        Activation::prelu(self.vb, &format!("{name}.prelu.weight"))
    }

    /// Expand, filter, project; a linear bottleneck.
    fn block(&self, name: &str, residual: Residual) -> Result<Block> {
        let part = |part: &str| format!("{name}.{part}");
        let stride = if residual == Residual::None && !name.contains("model") { 2 } else { 1 };
        Block::new(
            &self.depthwise(&part("conv_dw"))?,
            stride,
            Padding::Each(1),
            &self.prelu(&part("conv_dw"))?,
        )?
        .expand(&self.conv(&part("conv"))?, &self.prelu(&part("conv"))?)?
        .project(&self.conv(&part("project"))?, residual, &Activation::None)
    }

    /// Blocks with residuals; the last may have a gate before its residual.
    fn stage(&self, plan: &mut Planner, mut x: Value, name: &str, blocks: usize) -> Result<Value> {
        let nested = self.vb.contains_tensor(&format!("{name}.model.model.0.project.conv.weight"));
        for i in 0..blocks {
            let block = format!("{name}.model.{}{i}", if nested { "model." } else { "" });
            let gate = format!("{block}.se_module");
            x = if self.vb.contains_tensor(&format!("{gate}.fc1.weight")) {
                let inside = plan.add(self.block(&block, Residual::None)?, &[x])?;
                plan.add(self.gate(&gate)?, &[inside, x])?
            } else {
                plan.add(self.block(&block, Residual::Input)?, &[x])?
            };
        }
        Ok(x)
    }

    fn gate(&self, name: &str) -> Result<Gate> {
        let connected = |layer: &str, norm: &str| -> Result<Filter> {
            let (kernel, bias) = (format!("{name}.{layer}.weight"), format!("{name}.{layer}.bias"));
            if self.vb.contains_tensor(&bias) {
                return Filter::torch(self.vb, &kernel, Some(&bias));
            }
            Filter::torch(self.vb, &kernel, None)?.batch_norm(&self.vb.pp(name).pp(norm))
        };
        Gate::new(&connected("fc1", "bn1")?, &connected("fc2", "bn2")?)
    }

    /// The two linear layers at the end and the batch norm between them, as one.
    fn head(&self, classes: usize) -> Result<Filter> {
        let (linear, norm, last) = if self.vb.contains_tensor("prob.weight") {
            (
                Filter::torch(self.vb, "linear.weight", None)?,
                self.vb.pp("bn"),
                Filter::torch(self.vb, "prob.weight", None)?,
            )
        } else {
            // ONNX keeps the matrices of a product as inputs × outputs.
            let matrix = |name| Filter::torch(self.vb, name, None)?.transposed();
            (matrix("linear.weight")?, self.vb.pp("model").pp("bn"), matrix("logits.weight")?)
        };
        let head = linear.batch_norm(&norm)?.then(&last)?;
        if head.outputs != classes {
            bail!(
                "the weights tell {} classes apart, this model {classes}: another model's file?",
                head.outputs
            );
        }
        Ok(head)
    }
}

fn network(variant: Variant, vb: &VarBuilder) -> Result<Plan> {
    let layers = Layers { vb };
    let (mut plan, input) = Planner::new(variant.side(), variant.side(), 3);
    let stem = Conv::new(&layers.conv("conv1")?, 2, Padding::Each(1), &layers.prelu("conv1")?)?;
    let mut x = plan.add(stem, &[input])?;
    // The first depthwise layer has no projection of its own: the next block's expansion follows at once.
    let first = Block::new(&layers.depthwise("conv2_dw")?, 1, Padding::Each(1), &layers.prelu("conv2_dw")?)?
        .project(&layers.conv("conv_23.conv")?, Residual::None, &layers.prelu("conv_23.conv")?)?;
    x = plan.add(first, &[x])?;
    let second = Block::new(
        &layers.depthwise("conv_23.conv_dw")?,
        2,
        Padding::Each(1),
        &layers.prelu("conv_23.conv_dw")?,
    )?
    .project(&layers.conv("conv_23.project")?, Residual::None, &Activation::None)?;
    x = plan.add(second, &[x])?;
    x = layers.stage(&mut plan, x, "conv_3", 4)?;
    x = plan.add(layers.block("conv_34", Residual::None)?, &[x])?;
    x = layers.stage(&mut plan, x, "conv_4", 6)?;
    x = plan.add(layers.block("conv_45", Residual::None)?, &[x])?;
    x = layers.stage(&mut plan, x, "conv_5", 2)?;
    let whole = Block::new(&layers.depthwise("conv_6_dw")?, 1, Padding::VALID, &Activation::None)?
        .expand(&layers.conv("conv_6_sep")?, &layers.prelu("conv_6_sep")?)?
        .project(&layers.head(variant.classes())?, Residual::None, &Activation::None)?;
    x = plan.add(whole, &[x])?;
    plan.finish(&[x])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one_even_for_large_logits() {
        let p = softmax(&[-4.392, -2.303, 6.697]);
        assert!((p.iter().sum::<f32>() - 1.0).abs() < 1e-6 && p[2] > 0.999);
        assert_eq!(softmax(&[1e4, -1e4, 0.0]), [1.0, 0.0, 0.0]);
        let two = softmax(&[0.0, 0.0]);
        assert_eq!(two, [0.5, 0.5, 0.0]);
    }
}
