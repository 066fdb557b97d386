//! MobileFaceNet: a face as a direction, near to that of other pictures of the same person.
//!
//! Chen et al. 2018, "MobileFaceNets: Efficient CNNs for Accurate Real-Time Face Verification on Mobile
//! Devices", in sirius-ai's training with 192 dimensions. The graph is fixed at a batch of two and writes
//! PReLU as relu(x) + a·(x − |x|); here the batch is one and the slope is 2a. Pointwise layers with nothing
//! in between are joined when loaded.

use crate::layer::{Activation, Block, Conv, Depthwise, Filter, Padding, Residual, vector};
use crate::plan::{Plan, Planner};
use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

/// Side of the square input in pixels.
pub const SIDE: usize = 112;
/// Dimensions of an embedding.
pub const DIMENSIONS: usize = 192;

/// The embedding model.
#[derive(Debug)]
pub struct MobileFaceNet {
    plan: Plan,
}

impl MobileFaceNet {
    /// Loads the weights, whose names are those of the TFLite graph.
    pub fn load(vb: VarBuilder) -> Result<Self> {
        Ok(Self { plan: network(&vb)? })
    }

    /// The model's bare answer, not scaled to length 1, to one aligned face: `[1, 112, 112, 3]`, RGB as (x
    /// − 127.5) / 128, warped to ArcFace's five-point template. Returns `[1, 192]`.
    pub fn forward(&mut self, input: &Tensor) -> Result<Tensor> {
        self.plan.run_on(input)?;
        self.plan.output_tensor(0, (1, DIMENSIONS))
    }

    /// The same for an input that `fill` writes in place: 112 × 112 × 3 values.
    pub fn embed_with(&mut self, fill: impl FnOnce(&mut [f32])) -> Result<[f32; DIMENSIONS]> {
        self.plan.run_with(fill)?;
        let mut answer = [0.0; DIMENSIONS];
        self.plan.output(0, |values| answer.copy_from_slice(values))?;
        Ok(answer)
    }

    /// The model's layers, for reports.
    pub fn plan_mut(&mut self) -> &mut Plan {
        &mut self.plan
    }
}

/// Names in the graph: each layer's kernel stands under its scope (`Conv_3`), bias and slope under its place
/// (`Conv2d_2_…`).
struct Names<'a> {
    vb: &'a VarBuilder<'a>,
    pointwise: usize,
    separable: usize,
}

impl Names<'_> {
    /// The next 1×1 kernel, with the bias of its place.
    fn pointwise(&mut self, place: &str) -> Result<Filter> {
        let kernel = format!("MobileFaceNet.{}.weights.read", numbered("Conv", self.pointwise));
        self.pointwise += 1;
        Filter::tflite(self.vb, &kernel, &format!("MobileFaceNet.MobileFaceNet.{place}.Conv2D_bias"))
    }

    /// The next depthwise kernel, with the bias of its place.
    fn separable(&mut self, place: &str) -> Result<Depthwise> {
        let kernel =
            format!("MobileFaceNet.{}.depthwise_weights.read", numbered("SeparableConv2d", self.separable));
        self.separable += 1;
        Depthwise::tflite(self.vb, &kernel, &format!("MobileFaceNet.MobileFaceNet.{place}.depthwise_bias"))
    }

    fn prelu(&self, place: &str) -> Result<Activation> {
        let mut slope = vector(self.vb, &format!("MobileFaceNet.MobileFaceNet.{place}.mul"))?;
        // a·(x − |x|) is 2a·x where x is negative.
        slope.iter_mut().for_each(|a| *a *= 2.0);
        Ok(Activation::PRelu(slope))
    }
}

fn numbered(kind: &str, i: usize) -> String {
    if i == 0 { kind.to_owned() } else { format!("{kind}_{i}") }
}

fn network(vb: &VarBuilder) -> Result<Plan> {
    let (mut plan, input) = Planner::new(SIDE, SIDE, 3);
    let mut names = Names { vb, pointwise: 0, separable: 0 };

    let stem = Filter::tflite(
        vb,
        "MobileFaceNet.Conv2d_0.weights.read",
        "MobileFaceNet.MobileFaceNet.Conv2d_0.Conv2D_bias",
    )?;
    let stem = Conv::new(&stem, 2, Padding::Same, &names.prelu("Conv2d_0")?)?;
    let mut x = plan.add(stem, &[input])?;

    // A linear bottleneck ends each block and the next begins with a linear expansion's input, so where no
    // residual needs what lies between, the two products are one.
    let separable =
        Block::new(&names.separable("SeparableConv2d")?, 1, Padding::Same, &names.prelu("SeparableConv2d")?)?;
    let bottleneck = names.pointwise("Conv")?;
    let place = "Conv2d_2_InvResBlock_0.Conv";
    let joined = bottleneck.then(&names.pointwise(place)?)?;
    x = plan.add(separable.project(&joined, Residual::None, &names.prelu(place)?)?, &[x])?;
    let place = "Conv2d_2_InvResBlock_0.SeparableConv2d";
    let halving = Block::new(&names.separable(place)?, 2, Padding::Same, &names.prelu(place)?)?;
    let project = names.pointwise("Conv2d_2_InvResBlock_0.Conv_1")?;
    x = plan.add(halving.project(&project, Residual::None, &Activation::None)?, &[x])?;

    // Stage, blocks of it from the first to the last, and the stride of the first.
    for (stage, blocks, first_stride) in
        [(2, 1..5, 1), (3, 0..1, 2), (4, 0..6, 1), (5, 0..1, 2), (6, 0..2, 1)]
    {
        for block in blocks {
            let stride = if block == 0 { first_stride } else { 1 };
            let place = |part: &str| format!("Conv2d_{stage}_InvResBlock_{block}.{part}");
            let expand = names.pointwise(&place("Conv"))?;
            let separable = names.separable(&place("SeparableConv2d"))?;
            let residual = if stride == 1 { Residual::Input } else { Residual::None };
            let block =
                Block::new(&separable, stride, Padding::Same, &names.prelu(&place("SeparableConv2d"))?)?
                    .expand(&expand, &names.prelu(&place("Conv"))?)?
                    .project(&names.pointwise(&place("Conv_1"))?, residual, &Activation::None)?;
            x = plan.add(block, &[x])?;
        }
    }

    let last = Filter::tflite(
        vb,
        "MobileFaceNet.Conv2d_7.weights.read",
        "MobileFaceNet.MobileFaceNet.Conv2d_7.Conv2D_bias",
    )?;
    x = plan.add(Conv::pointwise(&last, &names.prelu("Conv2d_7")?)?, &[x])?;
    // One window over the whole 7×7 map, then two linear layers, joined.
    let logits = |name: &str| format!("MobileFaceNet.Logits.{name}");
    let whole = Depthwise::tflite(
        vb,
        &logits("SeparableConv2d.depthwise_weights.read"),
        &logits("SeparableConv2d.depthwise_bias"),
    )?;
    let linear = Filter::tflite(vb, &logits("Conv.weights.read"), &logits("Conv.Conv2D_bias"))?.then(
        &Filter::tflite(vb, &logits("LinearConv1x1.weights.read"), &logits("LinearConv1x1.Conv2D_bias"))?,
    )?;
    let block = Block::new(&whole, 1, Padding::VALID, &Activation::None)?.project(
        &linear,
        Residual::None,
        &Activation::None,
    )?;
    x = plan.add(block, &[x])?;
    plan.finish(&[x])
}
