//! The iris model: the lids' contour and the iris of one eye, for blinks.
//!
//! Ablavatski et al. 2020, "Real-time Pupil Tracking from Monocular Video for Digital Puppetry". The weights
//! are MediaPipe's `iris_landmark`. The height of the lid contour over its width tells an open eye (.36) from
//! a closed one (.09), which the face mesh's own eye points do not.

use crate::layer::{Activation, Block, Conv, Depthwise, Filter, Padding, Residual};
use crate::plan::{Plan, Planner, Value};
use candle_core::{Result, Tensor, bail};
use candle_nn::VarBuilder;

/// Side of the square input in pixels.
pub const SIDE: usize = 64;
/// Points of the eye's contour and brow. The first sixteen are the lids: 0 is the outer corner, 8 the inner
/// one; 1 to 7 the lower lid, 9 to 15 the upper one, both counted from the outer corner.
pub const CONTOUR_POINTS: usize = 71;
/// Points of the iris.
const IRIS_POINTS: usize = 5;

/// How far the lids of a contour are open: the mean height between its middle points over the distance of the
/// corners. About .36 open and .09 closed.
pub fn opening(contour: &[[f32; 3]; CONTOUR_POINTS]) -> f32 {
    let distance = |a: usize, b: usize| {
        let (a, b) = (contour[a], contour[b]);
        (a[0] - b[0]).hypot(a[1] - b[1])
    };
    // The three middle pairs: near the corners the lids meet, whatever the eye does.
    let height = (3..=5).map(|i| distance(i, i + 8)).sum::<f32>() / 3.0;
    height / distance(0, 8).max(f32::EPSILON)
}

/// The iris model. It expects a left eye; a right one is mirrored going in.
#[derive(Debug)]
pub struct Iris {
    plan: Plan,
}

impl Iris {
    /// Loads the weights, whose names are those of the TFLite graph.
    pub fn load(vb: VarBuilder) -> Result<Self> {
        Ok(Self { plan: network(&vb, true)? })
    }

    /// Loads what the lids need: the branch to the iris is left out, 7 % of the work and a third of the
    /// layers.
    pub fn load_lids(vb: VarBuilder) -> Result<Self> {
        Ok(Self { plan: network(&vb, false)? })
    }

    /// The whole model's bare answer to `[1, 64, 64, 3]`, RGB as x/255, a square around the eye's centre
    /// with 2.3 × the distance of its corners as side: contour and brow (`[1, 213]`) and iris (`[1, 15]`: its
    /// centre, then right, top, left, bottom), x and y in input pixels (0..64), z in the same unit.
    pub fn forward(&mut self, input: &Tensor) -> Result<(Tensor, Tensor)> {
        self.plan.run_on(input)?;
        let contour = self.plan.output_tensor(0, (1, 3 * CONTOUR_POINTS))?;
        Ok((contour, self.plan.output_tensor(1, (1, 3 * IRIS_POINTS))?))
    }

    /// How far the lids of the eye are open ([`opening`]) in an input like [`Self::forward`]'s, which `fill`
    /// writes in place: 64 × 64 × 3 values.
    pub fn opening_with(&mut self, fill: impl FnOnce(&mut [f32])) -> Result<f32> {
        self.plan.run_with(fill)?;
        self.plan.output(0, |values| match values.as_chunks().0.try_into() {
            Ok(contour) => Ok(opening(contour)),
            Err(_) => bail!("{} values are not a contour", values.len()),
        })?
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

/// The numbers of a block's first pointwise layer (its PReLU has the same) and of its depthwise layer.
#[derive(Clone, Copy)]
struct At {
    kernel: usize,
    window: usize,
}

impl Layers<'_> {
    fn conv(&self, i: usize) -> Result<Filter> {
        let name = numbered("conv2d", i);
        Filter::tflite(self.vb, &format!("{name}.Kernel"), &format!("{name}.Bias"))
    }

    fn prelu(&self, i: usize) -> Result<Activation> {
        Activation::prelu(self.vb, &format!("{}.Alpha", numbered("p_re_lu", i)))
    }

    /// Narrow, filter, widen, with a residual around; or, where the map is halved, the same with a 2×2 kernel
    /// at stride 2 for the narrow layer and a pooled residual.
    fn block(&self, plan: &mut Planner, x: Value, at: At, halves: bool) -> Result<Value> {
        let name = numbered("depthwise_conv2d", at.window);
        let window = Depthwise::tflite(self.vb, &format!("{name}.Kernel"), &format!("{name}.Bias"))?;
        let (narrow, wide) = (self.conv(at.kernel)?, self.conv(at.kernel + 1)?);
        let (slope, last_slope) = (self.prelu(at.kernel)?, self.prelu(at.kernel + 1)?);
        let block = Block::new(&window, 1, Padding::Same, &Activation::None)?;
        if halves {
            let narrow = plan.add(Conv::new(&narrow, 2, Padding::VALID, &slope)?, &[x])?;
            plan.add(block.project(&wide, Residual::Pooled, &last_slope)?, &[narrow, x])
        } else {
            plan.add(block.expand(&narrow, &slope)?.project(&wide, Residual::Input, &last_slope)?, &[x])
        }
    }

    /// Eight blocks from 8×8 down to 2×2 and a product over the whole rest.
    fn branch(&self, plan: &mut Planner, mut x: Value, mut at: At, head: &str) -> Result<Value> {
        for i in 0..8 {
            x = self.block(plan, x, at, matches!(i, 2 | 5))?;
            at = At { kernel: at.kernel + 2, window: at.window + 1 };
        }
        let filter = Filter::tflite(self.vb, &format!("{head}.Kernel"), &format!("{head}.Bias"))?;
        plan.add(Conv::new(&filter, 1, Padding::VALID, &Activation::None)?, &[x])
    }
}

fn numbered(kind: &str, i: usize) -> String {
    if i == 0 { kind.to_owned() } else { format!("{kind}_{i}") }
}

fn network(vb: &VarBuilder, whole: bool) -> Result<Plan> {
    let layers = Layers { vb };
    let (mut plan, input) = Planner::new(SIDE, SIDE, 3);
    let mut x = plan.add(Conv::new(&layers.conv(0)?, 2, Padding::Same, &layers.prelu(0)?)?, &[input])?;
    for i in 0..10 {
        x = layers.block(&mut plan, x, At { kernel: 2 * i + 1, window: i }, matches!(i, 4 | 9))?;
    }
    let contour = At { kernel: 21, window: 10 };
    let mut outputs = vec![layers.branch(&mut plan, x, contour, "conv_eyes_contours_and_brows")?];
    if whole {
        outputs.push(layers.branch(&mut plan, x, At { kernel: 37, window: 18 }, "conv_iris")?);
    }
    plan.finish(&outputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lids that are `height` apart and whose corners lie 30 apart, seen at any angle.
    fn lids(height: f32, angle: f32) -> [[f32; 3]; CONTOUR_POINTS] {
        let mut contour = [[0.0; 3]; CONTOUR_POINTS];
        let (sin, cos) = angle.sin_cos();
        let mut put =
            |i: usize, x: f32, y: f32| contour[i] = [32.0 + x * cos - y * sin, 32.0 + x * sin + y * cos, 0.0];
        put(0, -15.0, 0.0);
        put(8, 15.0, 0.0);
        for i in 1..8 {
            let x = -15.0 + 30.0 * i as f32 / 8.0;
            put(i, x, height / 2.0);
            put(i + 8, x, -height / 2.0);
        }
        contour
    }

    #[test]
    fn opening_is_height_over_width_at_any_angle() {
        for angle in [0.0, 0.4, -1.2] {
            assert!((opening(&lids(10.5, angle)) - 0.35).abs() < 1e-5);
            assert!((opening(&lids(3.0, angle)) - 0.1).abs() < 1e-5);
        }
        assert!(opening(&[[0.0; 3]; CONTOUR_POINTS]).is_finite());
    }
}
