//! SFace: a face as a direction, near to that of other pictures of the same person.
//!
//! Zhong et al. 2021, "SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition", the OpenCV
//! Zoo's training: MobileNet's 13 pairs of a depthwise and a pointwise convolution on 112×112 pixels, and one
//! fully connected layer from the whole last map to 128 numbers, which has two thirds of all weights.
//!
//! Where the file has the pointwise and the last layer in 8 bits, they are computed in 8 bits: `models/tools`
//! quantises the weights with a scale for each output, and each pixel of a layer's input is quantised here,
//! by its own largest value, while the model runs. So no set of pictures calibrates anything. The stem and
//! the depthwise layers, 6 % of the operations, stay in f32.

use crate::layer::{Activation, BatchNorm, Block, Coded, Conv, Depthwise, Filter, Padding, Residual, Whole};
use crate::plan::{Plan, Planner};
use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

/// Side of the square input in pixels.
pub const SIDE: usize = 112;
/// Dimensions of an embedding.
pub const DIMENSIONS: usize = 128;

/// Side of the last map.
const LAST: (usize, usize) = (7, 7);
/// What the graph adds to the variance in its batch norms, and in the two around its last layer.
const EPS: f64 = 1e-3;
const LAST_EPS: f64 = 2e-5;

/// The pairs of a depthwise and a pointwise convolution that halve the map.
const HALVING: [usize; 4] = [3, 5, 7, 13];

/// The embedding model.
#[derive(Debug)]
pub struct Sface {
    plan: Plan,
    coded: bool,
}

impl Sface {
    /// Loads the weights, whose names are those of the ONNX graph.
    pub fn load(vb: VarBuilder) -> Result<Self> {
        Ok(Self { plan: network(&vb)?, coded: Coded::has(&vb, "pre_fc1_weight") })
    }

    /// Whether its weights have 8 bits.
    pub fn is_coded(&self) -> bool {
        self.coded
    }

    /// The model's bare answer, not scaled to length 1, to one aligned face: `[1, 112, 112, 3]`, RGB as
    /// (x − 127.5) / 128, warped to ArcFace's five-point template. (The graph itself takes 0 to 255 and
    /// begins with this.) Returns `[1, 128]`.
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

fn norm(vb: &VarBuilder, name: &str, channels: usize, eps: f64) -> Result<BatchNorm> {
    let names = ["gamma", "beta", "moving_mean", "moving_var"].map(|part| format!("{name}_{part}"));
    BatchNorm::read(vb, names.each_ref().map(String::as_str), channels, eps)
}

fn prelu(vb: &VarBuilder, place: &str) -> Result<Activation> {
    Activation::prelu(vb, &format!("{place}_relu_gamma"))
}

fn network(vb: &VarBuilder) -> Result<Plan> {
    let (mut plan, input) = Planner::new(SIDE, SIDE, 3);
    let stem = Filter::torch(vb, "conv_1_conv2d_weight", None)?;
    let stem = stem.norm(&norm(vb, "conv_1_batchnorm", 32, EPS)?)?;
    let mut x = plan.add(Conv::new(&stem, 1, Padding::Each(1), &prelu(vb, "conv_1")?)?, &[input])?;
    let mut channels = 32;
    for pair in 2..=14 {
        let place = format!("conv_{pair}_dw");
        let window = Depthwise::torch(vb, &format!("{place}_conv2d_weight"), None)?;
        let window = window.norm(&norm(vb, &format!("{place}_batchnorm"), channels, EPS)?)?;
        let stride = if HALVING.contains(&pair) { 2 } else { 1 };
        let block = Block::new(&window, stride, Padding::Each(1), &prelu(vb, &place)?)?;
        // The map's channels double with each halving and in the first pair.
        channels *= if pair == 2 || HALVING.contains(&pair) { 2 } else { 1 };
        let place = format!("conv_{pair}");
        let kernel = format!("{place}_conv2d_weight");
        let after = norm(vb, &format!("{place}_batchnorm"), channels, EPS)?;
        let activation = prelu(vb, &place)?;
        let block = if Coded::has(vb, &kernel) {
            block.project_coded(&Coded::torch(vb, &kernel, (1, 1), None)?.norm(&after)?, &activation)?
        } else {
            let filter = Filter::torch(vb, &kernel, None)?.norm(&after)?;
            block.project(&filter, Residual::None, &activation)?
        };
        x = plan.add(block, &[x])?;
    }
    let before = norm(vb, "bn1", channels, LAST_EPS)?;
    let after = norm(vb, "fc1", DIMENSIONS, LAST_EPS)?;
    let (kernel, bias) = ("pre_fc1_weight", "pre_fc1_bias");
    x = if Coded::has(vb, kernel) {
        let coded = Coded::torch(vb, kernel, LAST, Some(bias))?.norm(&after)?;
        plan.add(Whole::new(before, &coded, &Activation::None)?, &[x])?
    } else {
        let filter = Filter::flattened(vb, kernel, LAST, bias)?.after_norm(&before)?.norm(&after)?;
        plan.add(Conv::new(&filter, 1, Padding::VALID, &Activation::None)?, &[x])?
    };
    plan.finish(&[x])
}
