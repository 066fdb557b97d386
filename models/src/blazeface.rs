//! BlazeFace: faces and six points of each, from a square picture.
//!
//! Bazarevsky et al. 2019, "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs". The weights are MediaPipe's
//! `face_detection_short_range` (128×128, faces within two metres) and `face_detection_full_range` (192×192, five metres).
//!
//! Every cell of a feature map predicts faces relative to its anchor, a point; boxes that overlap are one face and are averaged
//! by their scores ([`decode`], [`merge`]).

use crate::layer::{Activation, AddUpsampled, Block, Conv, Depthwise, Filter, Padding, Residual};
use crate::plan::{Plan, Planner, Value};
use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use rayon::ThreadPool;
use std::sync::Arc;

/// Which of the two networks.
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

/// One face. Coordinates are fractions of the input's side, x to the right and y down; they may lie a little outside 0..1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Face {
    /// Confidence, 0..1.
    pub score: f32,
    /// Left, top, right, bottom. The box spans brows to chin, narrower than a head.
    pub bounds: [f32; 4],
    /// Right eye, left eye (the person's own), nose tip, mouth centre, right and left ear.
    pub points: [[f32; 2]; POINTS],
}

/// Points of a face.
pub const POINTS: usize = 6;
/// Overlap (intersection over union) from which two boxes are one face; MediaPipe's value.
pub const OVERLAP: f32 = 0.3;
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

    /// Lets large layers split their lines among these threads.
    pub fn set_threads(&mut self, threads: Option<Arc<ThreadPool>>) {
        self.plan.set_threads(threads);
    }

    /// The network that was loaded.
    pub fn range(&self) -> Range {
        self.range
    }

    /// Side of the square input in pixels.
    pub fn side(&self) -> usize {
        self.range.side()
    }

    /// The network's bare answer to `[1, side, side, 3]`, RGB as x/127.5 − 1: for every anchor sixteen values (`[anchors, 16]`:
    /// centre, size and points in input pixels, relative to the anchor) and a score before the sigmoid (`[anchors, 1]`).
    pub fn forward(&mut self, input: &Tensor) -> Result<(Tensor, Tensor)> {
        self.plan.set_input(input)?;
        self.plan.run()?;
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

    /// Finds the faces in an input like [`Self::forward`]'s, best first. `min_score` is the least confidence, 0..1 (MediaPipe:
    /// 0.5).
    pub fn detect(&mut self, input: &Tensor, min_score: f32) -> Result<Vec<Face>> {
        self.plan.set_input(input)?;
        self.detect_loaded(min_score)
    }

    /// As [`Self::detect`], on an input that `fill` writes in place: `side × side × 3` values.
    pub fn detect_with(&mut self, fill: impl FnOnce(&mut [f32]), min_score: f32) -> Result<Vec<Face>> {
        self.plan.fill_input(fill)?;
        self.detect_loaded(min_score)
    }

    fn detect_loaded(&mut self, min_score: f32) -> Result<Vec<Face>> {
        self.plan.run()?;
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

    /// The network's layers, for reports.
    pub fn plan_mut(&mut self) -> &mut Plan {
        &mut self.plan
    }
}

/// Anchors of each of a network's output maps.
fn scales(range: Range) -> &'static [usize] {
    match range {
        Range::Short => &[16 * 16 * 2, 8 * 8 * 6],
        Range::Full => &[48 * 48],
    }
}

/// Anchor points as fractions of the side: for each `(stride, anchors a cell)` the cells' centres, line by line.
pub fn anchors(side: usize, maps: &[(usize, usize)]) -> Vec<[f32; 2]> {
    let mut anchors = Vec::new();
    for &(stride, each) in maps {
        let cells = side / stride;
        let centre = |i: usize| (i as f32 + 0.5) / cells as f32;
        for y in 0..cells {
            for x in 0..cells {
                anchors.extend(std::iter::repeat_n([centre(x), centre(y)], each));
            }
        }
    }
    anchors
}

/// Adds the faces of at least `min_score` to `faces`. Per anchor, `regressors` has sixteen values in input pixels and `scores`
/// one, before the sigmoid.
pub fn decode(
    anchors: &[[f32; 2]],
    regressors: &[f32],
    scores: &[f32],
    side: usize,
    min_score: f32,
    faces: &mut Vec<Face>,
) {
    // Compared before the sigmoid, which only candidates need then.
    let least = (min_score / (1.0 - min_score)).ln();
    let side = side as f32;
    for ((anchor, values), &score) in anchors.iter().zip(regressors.chunks_exact(VALUES)).zip(scores) {
        if score.is_nan() || score < least {
            continue;
        }
        let at = |i: usize| [values[i] / side + anchor[0], values[i + 1] / side + anchor[1]];
        let [x, y] = at(0);
        let (w, h) = (values[2] / side, values[3] / side);
        faces.push(Face {
            score: 1.0 / (1.0 + (-score).exp()),
            bounds: [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0],
            points: std::array::from_fn(|i| at(4 + 2 * i)),
        });
    }
}

/// Weighted non-maximum suppression: from the best score down, every box that overlaps the best by more than `overlap` is
/// averaged into it by its score. Leaves `candidates` empty; returns the faces best first.
pub fn merge(candidates: &mut Vec<Face>, overlap: f32) -> Vec<Face> {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut faces = Vec::new();
    while let Some(&best) = candidates.first() {
        let mut sum = Face { score: 0.0, bounds: [0.0; 4], points: [[0.0; 2]; POINTS] };
        candidates.retain(|face| {
            // The best belongs to its own group, even when its box is empty.
            let same = *face == best || intersection_over_union(&face.bounds, &best.bounds) > overlap;
            if same {
                sum.score += face.score;
                sum.bounds.iter_mut().zip(face.bounds).for_each(|(s, x)| *s += x * face.score);
                sum.points
                    .as_flattened_mut()
                    .iter_mut()
                    .zip(face.points.as_flattened())
                    .for_each(|(s, x)| *s += x * face.score);
            }
            !same
        });
        let bounds = sum.bounds.map(|x| x / sum.score);
        let points = sum.points.map(|point| point.map(|x| x / sum.score));
        faces.push(Face { score: best.score, bounds, points });
    }
    faces
}

/// Intersection over union of two boxes given as left, top, right, bottom; 0 where either is empty.
pub fn intersection_over_union(a: &[f32; 4], b: &[f32; 4]) -> f32 {
    let area = |r: &[f32; 4]| (r[2] - r[0]).max(0.0) * (r[3] - r[1]).max(0.0);
    let common = area(&[a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    let union = area(a) + area(b) - common;
    if union > 0.0 { common / union } else { 0.0 }
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

/// A 3×3 stem, fifteen double blocks (the third, sixth, ninth and twelfth halve the map), and a feature pyramid back up to a
/// quarter of the input.
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
    // Each level: narrow the coarse map, add it to the narrowed stage of twice its size, two double blocks (the last has one).
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

/// Depthwise and a narrow pointwise layer, depthwise and a wide one, and the residual around both. `window` and `kernel` number
/// the first of each pair.
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
