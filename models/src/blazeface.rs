//! BlazeFace: faces and six points of each, from a square picture.
//!
//! Bazarevsky et al. 2019, "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs". The weights are
//! MediaPipe's `face_detection_short_range` (128×128, faces within two metres) and
//! `face_detection_full_range` (192×192, five metres).
//!
//! Every cell of a feature map predicts faces relative to its anchor, a point; boxes that overlap are one
//! face and are averaged by their scores ([`decode`], [`merge`]).

mod decode;

pub use decode::{Face, OVERLAP, POINTS, anchors, decode, intersection_over_union, merge};

use crate::layer::{Activation, AddUpsampled, Block, Conv, Depthwise, Filter, Padding, Residual};
use crate::plan::{Plan, Planner, Value};
use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

/// Which of the two models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// 128×128 input, 896 anchors.
    Short,
    /// 192×192 input, 2304 anchors.
    Full,
}

impl Range {
    /// Side of the square input in pixels.
    pub fn side(self) -> usize {
        match self {
            Range::Short => 128,
            Range::Full => 192,
        }
    }
}

/// Values that a regressor predicts: centre, size, points.
const VALUES: usize = 4 + 2 * POINTS;

/// The detector.
#[derive(Debug)]
pub struct BlazeFace {
    range: Range,
    plan: Plan,
    anchors: Vec<[f32; 2]>,
    candidates: Vec<Face>,
}

impl BlazeFace {
    /// Loads the weights, whose names are those of the TFLite graph.
    pub fn load(range: Range, vb: VarBuilder) -> Result<Self> {
        let (plan, anchors) = match range {
            Range::Short => (short_range(&vb)?, anchors(128, &[(8, 2), (16, 6)])),
            Range::Full => (full_range(&vb)?, anchors(192, &[(4, 1)])),
        };
        Ok(Self { range, plan, anchors, candidates: Vec::new() })
    }

    /// The model that was loaded.
    pub fn range(&self) -> Range {
        self.range
    }

    /// Side of the square input in pixels.
    pub fn side(&self) -> usize {
        self.range.side()
    }

    /// The model's bare answer to `[1, side, side, 3]`, RGB as x/127.5 − 1: for every anchor sixteen values
    /// (`[anchors, 16]`: centre, size and points in input pixels, relative to the anchor) and a score before
    /// the sigmoid (`[anchors, 1]`).
    pub fn forward(&mut self, input: &Tensor) -> Result<(Tensor, Tensor)> {
        self.plan.run_on(input)?;
        let (mut regressors, mut scores) = (Vec::new(), Vec::new());
        for (scale, _) in self.scales().iter().enumerate() {
            self.plan.output(2 * scale, |values| scores.extend_from_slice(values))?;
            self.plan.output(2 * scale + 1, |values| regressors.extend_from_slice(values))?;
        }
        let anchors = self.anchors.len();
        let device = input.device();
        Ok((
            Tensor::from_vec(regressors, (anchors, VALUES), device)?,
            Tensor::from_vec(scores, (anchors, 1), device)?,
        ))
    }

    /// Finds the faces in an input like [`Self::forward`]'s, which `fill` writes in place (`side × side × 3`
    /// values), best first. `min_score` is the least confidence, 0..1 (MediaPipe: 0.5).
    pub fn detect_with(&mut self, fill: impl FnOnce(&mut [f32]), min_score: f32) -> Result<Vec<Face>> {
        self.plan.run_with(fill)?;
        let Self { range, plan, anchors, candidates } = self;
        candidates.clear();
        let mut anchors = anchors.as_slice();
        for (scale, &count) in scales(*range).iter().enumerate() {
            let (here, rest) = anchors.split_at(count);
            anchors = rest;
            plan.output(2 * scale, |scores| {
                plan.output(2 * scale + 1, |regressors| {
                    decode(here, regressors, scores, range.side(), min_score, candidates)
                })
            })??;
        }
        Ok(merge(candidates, OVERLAP))
    }

    fn scales(&self) -> &'static [usize] {
        scales(self.range)
    }

    /// The model's layers, for reports.
    pub fn plan_mut(&mut self) -> &mut Plan {
        &mut self.plan
    }
}

/// Anchors of each of a model's output maps.
fn scales(range: Range) -> &'static [usize] {
    match range {
        Range::Short => &[16 * 16 * 2, 8 * 8 * 6],
        Range::Full => &[48 * 48],
    }
}

/// Kernel and bias `i` of a kind, by the names Keras gave them.
fn conv(vb: &VarBuilder, i: usize) -> Result<Filter> {
    let name = numbered("conv2d", i);
    Filter::tflite(vb, &format!("{name}.Kernel"), &format!("{name}.Bias"))
}

fn depthwise(vb: &VarBuilder, i: usize) -> Result<Depthwise> {
    let name = numbered("depthwise_conv2d", i);
    Depthwise::tflite(vb, &format!("{name}.Kernel"), &format!("{name}.Bias"))
}

fn numbered(kind: &str, i: usize) -> String {
    if i == 0 { kind.to_owned() } else { format!("{kind}_{i}") }
}

fn head(vb: &VarBuilder, name: &str) -> Result<Conv> {
    let filter = Filter::tflite(vb, &format!("{name}.Kernel"), &format!("{name}.Bias"))?;
    Conv::pointwise(&filter, &Activation::None)
}

/// A 5×5 stem and sixteen single blocks; the third, sixth and twelfth halve the map.
fn short_range(vb: &VarBuilder) -> Result<Plan> {
    let (mut plan, input) = Planner::new(128, 128, 3);
    let mut x = plan.add(Conv::new(&conv(vb, 0)?, 2, Padding::Same, &Activation::Relu)?, &[input])?;
    let mut fine = x;
    for i in 0..16 {
        let halves = matches!(i, 2 | 5 | 11);
        if i == 11 {
            fine = x;
        }
        let (stride, residual) = if halves { (2, Residual::Pooled) } else { (1, Residual::Input) };
        let block = Block::new(&depthwise(vb, i)?, stride, Padding::Same, &Activation::None)?;
        x = plan.add(block.project(&conv(vb, i + 1)?, residual, &Activation::Relu)?, &[x])?;
    }
    let mut outputs = Vec::new();
    for (value, scale) in [(fine, 8), (x, 16)] {
        outputs.push(plan.add(head(vb, &format!("classificator_{scale}"))?, &[value])?);
        outputs.push(plan.add(head(vb, &format!("regressor_{scale}"))?, &[value])?);
    }
    plan.finish(&outputs)
}

/// A 3×3 stem, fifteen double blocks (the third, sixth, ninth and twelfth halve the map), and a feature
/// pyramid back up to a quarter of the input.
fn full_range(vb: &VarBuilder) -> Result<Plan> {
    let (mut plan, input) = Planner::new(192, 192, 3);
    let mut x = plan.add(Conv::new(&conv(vb, 0)?, 2, Padding::Same, &Activation::Relu)?, &[input])?;
    let mut stages = Vec::new();
    for i in 0..15 {
        let halves = matches!(i, 2 | 5 | 8 | 11);
        if halves {
            stages.push(x);
        }
        x = double(vb, &mut plan, x, 2 * i, 2 * i + 1, halves)?;
    }
    // Each level: narrow the coarse map, add it to the narrowed stage of twice its size, two double blocks
    // (the last has one).
    let (mut kernel, mut window) = (31, 30);
    for (level, stage) in stages.into_iter().rev().take(3).enumerate() {
        let coarse = plan.add(Conv::pointwise(&conv(vb, kernel)?, &Activation::Relu)?, &[x])?;
        let fine = plan.add(Conv::pointwise(&conv(vb, kernel + 1)?, &Activation::Relu)?, &[stage])?;
        x = plan.add(AddUpsampled::BILINEAR, &[fine, coarse])?;
        kernel += 2;
        for _ in 0..if level < 2 { 2 } else { 1 } {
            x = double(vb, &mut plan, x, window, kernel, false)?;
            (kernel, window) = (kernel + 2, window + 2);
        }
    }
    let scores = plan.add(head(vb, "classifier_face_4")?, &[x])?;
    let regressors = plan.add(head(vb, "regressor_face_4")?, &[x])?;
    plan.finish(&[scores, regressors])
}

/// Depthwise and a narrow pointwise layer, depthwise and a wide one, and the residual around both. `window`
/// and `kernel` number the first of each pair.
fn double(
    vb: &VarBuilder,
    plan: &mut Planner,
    x: Value,
    window: usize,
    kernel: usize,
    halves: bool,
) -> Result<Value> {
    let (stride, residual) = if halves { (2, Residual::Pooled) } else { (1, Residual::Input) };
    let narrow = Block::new(&depthwise(vb, window)?, stride, Padding::Same, &Activation::None)?.project(
        &conv(vb, kernel)?,
        Residual::None,
        &Activation::Relu,
    )?;
    let wide = Block::new(&depthwise(vb, window + 1)?, 1, Padding::Same, &Activation::None)?.project(
        &conv(vb, kernel + 1)?,
        residual,
        &Activation::Relu,
    )?;
    let inside = plan.add(narrow, &[x])?;
    plan.add(wide, &[inside, x])
}
