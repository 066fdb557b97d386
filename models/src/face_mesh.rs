//! The face mesh: 468 points of a face in three dimensions, for pose and the corners of the eyes.
//!
//! Kartynnik et al. 2019, "Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs". The
//! weights are MediaPipe's `face_landmark`. It hardly reacts to closed eyes; the lids are [`crate::iris`]'s
//! business.

use crate::layer::{Activation, Block, Conv, Depthwise, Filter, Padding, Residual};
use crate::plan::{Plan, Planner, Value};
use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

/// Side of the square input in pixels.
pub const SIDE: usize = 192;
/// Points of the mesh, numbered as MediaPipe's canonical face model.
pub const POINTS: usize = 468;

/// What the model says of one crop.
#[derive(Clone, Debug, PartialEq)]
pub struct Mesh {
    /// x and y in input pixels (0..192), z in the same unit, smaller is nearer, its origin about the head's
    /// centre.
    pub points: Vec<[f32; 3]>,
    /// How surely there is a face in the crop, 0..1.
    pub presence: f32,
}

/// The mesh model.
#[derive(Debug)]
pub struct FaceMesh {
    plan: Plan,
}

impl FaceMesh {
    /// Loads the weights, whose names are those of the TFLite graph.
    pub fn load(vb: VarBuilder) -> Result<Self> {
        Ok(Self { plan: network(&vb)? })
    }

    /// The model's bare answer to `[1, 192, 192, 3]`, RGB as x/255, an upright face in the middle, cropped
    /// to a square 1.5 × the detector's box: the points (`[1, 1404]`) and the presence before the sigmoid
    /// (`[1, 1]`).
    pub fn forward(&mut self, input: &Tensor) -> Result<(Tensor, Tensor)> {
        self.plan.run_on(input)?;
        Ok((self.plan.output_tensor(0, (1, 3 * POINTS))?, self.plan.output_tensor(1, (1, 1))?))
    }

    /// The mesh in an input like [`Self::forward`]'s, which `fill` writes in place: 192 × 192 × 3 values.
    pub fn mesh_with(&mut self, fill: impl FnOnce(&mut [f32])) -> Result<Mesh> {
        self.plan.run_with(fill)?;
        let points = self.plan.output(0, |values| values.as_chunks().0.to_vec())?;
        let presence = self.plan.output(1, |values| 1.0 / (1.0 + (-values[0]).exp()))?;
        Ok(Mesh { points, presence })
    }

    /// The model's layers, for reports.
    pub fn plan_mut(&mut self) -> &mut Plan {
        &mut self.plan
    }
}

/// The graph's layers by the numbers Keras gave them.
struct Layers<'a> {
    vb: &'a VarBuilder<'a>,
}

impl Layers<'_> {
    fn conv(&self, i: usize) -> Result<Filter> {
        let name = numbered("conv2d", i);
        Filter::tflite(self.vb, &format!("{name}.Kernel"), &format!("{name}.Bias"))
    }

    fn prelu(&self, i: usize) -> Result<Activation> {
        Activation::prelu(self.vb, &format!("{}.Alpha", numbered("p_re_lu", i)))
    }

    /// Depthwise layer `window`, pointwise layer `kernel`, PReLU `slope`, and a residual around them.
    fn block(&self, window: usize, kernel: usize, slope: usize, halves: bool) -> Result<Block> {
        let name = numbered("depthwise_conv2d", window);
        let window = Depthwise::tflite(self.vb, &format!("{name}.Kernel"), &format!("{name}.Bias"))?;
        let (stride, residual) = if halves { (2, Residual::Pooled) } else { (1, Residual::Input) };
        Block::new(&window, stride, Padding::Same, &Activation::None)?.project(
            &self.conv(kernel)?,
            residual,
            &self.prelu(slope)?,
        )
    }

    /// A head: narrow to 32 channels, one block, and a product over the whole 3×3 map.
    fn head(
        &self,
        plan: &mut Planner,
        x: Value,
        window: usize,
        kernel: usize,
        slope: usize,
    ) -> Result<Value> {
        let narrow = plan.add(Conv::pointwise(&self.conv(kernel)?, &self.prelu(slope)?)?, &[x])?;
        let block = plan.add(self.block(window, kernel + 1, slope + 1, false)?, &[narrow])?;
        plan.add(Conv::new(&self.conv(kernel + 2)?, 3, Padding::VALID, &Activation::None)?, &[block])
    }
}

fn numbered(kind: &str, i: usize) -> String {
    if i == 0 { kind.to_owned() } else { format!("{kind}_{i}") }
}

fn network(vb: &VarBuilder) -> Result<Plan> {
    let layers = Layers { vb };
    let (mut plan, input) = Planner::new(SIDE, SIDE, 3);
    let mut x = plan.add(Conv::new(&layers.conv(0)?, 2, Padding::Same, &layers.prelu(0)?)?, &[input])?;
    let mut shared = x;
    for i in 0..17 {
        // The presence branches off before the last halving.
        if i == 14 {
            shared = x;
        }
        x = plan.add(layers.block(i, i + 1, i + 1, matches!(i, 2 | 5 | 8 | 11 | 14))?, &[x])?;
    }
    let points = layers.head(&mut plan, x, 17, 18, 18)?;
    let branch = plan.add(layers.block(22, 27, 25, true)?, &[shared])?;
    let presence = layers.head(&mut plan, branch, 23, 28, 26)?;
    plan.finish(&[points, presence])
}
