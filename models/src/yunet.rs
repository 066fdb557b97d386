//! YuNet: faces and five points of each, from a picture of any size.
//!
//! Wu et al. 2023, "YuNet: A Tiny Millisecond-level Face Detector". Every cell of three maps (strides 8, 16
//! and 32) predicts one face relative to its own corner; of boxes that overlap, the best stays.

use crate::blazeface::intersection_over_union;
use crate::layer::{Activation, AddUpsampled, Block, Conv, Depthwise, Filter, MaxPool, Padding};
use crate::plan::{Plan, Planner, Value};
use candle_core::{Result, Tensor, bail};
use candle_nn::VarBuilder;

/// One face. Coordinates are input pixels; they may lie a little outside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Face {
    /// Confidence, 0..1.
    pub score: f32,
    /// Left, top, right, bottom.
    pub bounds: [f32; 4],
    /// Right eye, left eye (the person's own), nose tip, right and left corner of the mouth.
    pub points: [[f32; 2]; POINTS],
}

/// Points of a face.
pub const POINTS: usize = 5;
/// Overlap (intersection over union) from which the lesser of two boxes is dropped; upstream's value.
pub const OVERLAP: f32 = 0.3;
/// Pixels between the cells of each map.
pub const STRIDES: [usize; 3] = [8, 16, 32];

/// What a cell predicts, as the heads stand in the graph, and how many values each has. They read the same
/// map, so here they are one head with sixteen channels.
const HEADS: [(&str, usize); 4] = [("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 2 * POINTS)];
const CHANNELS: usize = 16;

/// The detector, for one size of picture.
#[derive(Debug)]
pub struct YuNet {
    height: usize,
    width: usize,
    plan: Plan,
    candidates: Vec<Face>,
}

impl YuNet {
    /// Loads the weights, whose names are those of the ONNX graph, for pictures of `height × width` pixels,
    /// both multiples of 32. The files for 320 and 640 hold the same weights.
    pub fn load(height: usize, width: usize, vb: VarBuilder) -> Result<Self> {
        if height == 0 || width == 0 || !height.is_multiple_of(32) || !width.is_multiple_of(32) {
            bail!("YuNet takes pictures whose sides are multiples of 32, not {height}x{width}");
        }
        Ok(Self { height, width, plan: network(height, width, &vb)?, candidates: Vec::new() })
    }

    /// Height and width of the input in pixels.
    pub fn size(&self) -> (usize, usize) {
        (self.height, self.width)
    }

    /// The model's bare answer to `[1, height, width, 3]`, BGR as 0..255: for each stride a map `[cells,
    /// 16]` of class and object scores (before the sigmoid), box and points, all relative to the cell and in
    /// units of the stride.
    pub fn forward(&mut self, input: &Tensor) -> Result<Vec<Tensor>> {
        self.plan.run_on(input)?;
        let cells = STRIDES.map(|stride| self.height / stride * (self.width / stride));
        cells.iter().enumerate().map(|(i, cells)| self.plan.output_tensor(i, (*cells, CHANNELS))).collect()
    }

    /// Finds the faces in an input like [`Self::forward`]'s, which `fill` writes in place (`height × width ×
    /// 3` values), best first. `min_score` is the least confidence, 0..1 (upstream: 0.9 for few false finds,
    /// 0.6 for distant faces).
    pub fn detect_with(&mut self, fill: impl FnOnce(&mut [f32]), min_score: f32) -> Result<Vec<Face>> {
        self.plan.run_with(fill)?;
        self.candidates.clear();
        for (i, stride) in STRIDES.into_iter().enumerate() {
            self.plan.output(i, |cells| {
                decode(cells, self.width / stride, stride, min_score, &mut self.candidates)
            })?;
        }
        Ok(suppress(&mut self.candidates, OVERLAP))
    }

    /// The model's layers, for reports.
    pub fn plan_mut(&mut self) -> &mut Plan {
        &mut self.plan
    }
}

/// Adds the faces of at least `min_score` to `faces`, from a map as [`YuNet::forward`] gives it, `columns`
/// cells wide.
pub fn decode(cells: &[f32], columns: usize, stride: usize, min_score: f32, faces: &mut Vec<Face>) {
    let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
    // score² = sigmoid(class) · sigmoid(object) can reach the least only if each of them does alone: no
    // exponentials otherwise.
    let least = min_score * min_score;
    let least_logit = (least / (1.0 - least)).ln();
    let unit = stride as f32;
    for (i, cell) in cells.as_chunks::<CHANNELS>().0.iter().enumerate() {
        let &[class, object, dx, dy, w, h, ref points @ ..] = cell;
        // What is not a number is not a face: a damaged input must not reach the tracker.
        if class.min(object) < least_logit || !cell.iter().all(|x| x.is_finite()) {
            continue;
        }
        let score = (sigmoid(class) * sigmoid(object)).sqrt();
        if score < min_score {
            continue;
        }
        let (column, row) = ((i % columns) as f32, (i / columns) as f32);
        let (x, y) = ((column + dx) * unit, (row + dy) * unit);
        let (w, h) = (w.exp() * unit, h.exp() * unit);
        faces.push(Face {
            score,
            bounds: [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0],
            points: std::array::from_fn(|p| {
                [(column + points[2 * p]) * unit, (row + points[2 * p + 1]) * unit]
            }),
        });
    }
}

/// Non-maximum suppression: from the best score down, whatever overlaps a better face by more than `overlap`
/// is dropped. Leaves `candidates` empty; returns the faces best first.
pub fn suppress(candidates: &mut Vec<Face>, overlap: f32) -> Vec<Face> {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut faces: Vec<Face> = Vec::new();
    for face in candidates.drain(..) {
        if faces.iter().all(|better| intersection_over_union(&better.bounds, &face.bounds) <= overlap) {
            faces.push(face);
        }
    }
    faces
}

/// The graph's layers: kernels that batch norm was folded into have lost their names to numbers.
struct Layers<'a> {
    vb: &'a VarBuilder<'a>,
}

impl Layers<'_> {
    /// Pointwise layer `name` and depthwise layer `Conv_{number}`, with ReLU behind both.
    fn unit(&self, name: &str, number: usize) -> Result<Block> {
        let window = Depthwise::torch(
            self.vb,
            &format!("Conv_{number}.weight"),
            Some(&format!("Conv_{number}.bias")),
        )?;
        let kernel =
            Filter::torch(self.vb, &format!("{name}.conv1.weight"), Some(&format!("{name}.conv1.bias")))?;
        Block::new(&window, 1, Padding::Each(1), &Activation::Relu)?.expand(&kernel, &Activation::None)
    }

    /// All heads of one level.
    fn heads(&self, level: usize) -> Result<Block> {
        let mut pointwise = Vec::new();
        let mut windows = Vec::new();
        for (head, values) in HEADS {
            let part =
                |layer: &str, part: &str| format!("bbox_head.multi_level_{head}.{level}.{layer}.{part}");
            pointwise.push(Filter::torch(self.vb, &part("conv1", "weight"), Some(&part("conv1", "bias")))?);
            windows.push(Depthwise::torch(self.vb, &part("conv2", "weight"), Some(&part("conv2", "bias")))?);
            if windows.last().is_some_and(|w| w.channels != values) {
                bail!(
                    "{} does not predict {values} values a cell: another model's file?",
                    part("conv2", "weight")
                );
            }
        }
        Block::new(&Depthwise::concat(&windows)?, 1, Padding::Each(1), &Activation::None)?
            .expand(&Filter::concat(&pointwise)?, &Activation::None)
    }
}

fn network(height: usize, width: usize, vb: &VarBuilder) -> Result<Plan> {
    let layers = Layers { vb };
    let (mut plan, input) = Planner::new(height, width, 3);
    let stem = Filter::torch(vb, "Conv_0.weight", Some("Conv_0.bias"))?;
    let mut x = plan.add(Conv::new(&stem, 2, Padding::Each(1), &Activation::Relu)?, &[input])?;
    // A pooling stands before stages 1, 3, 4 and 5. Where nobody else needs the map before it, the block does
    // it itself.
    x = plan.add(layers.unit("backbone.model0.conv2", 3)?.pool()?, &[x])?;
    let mut levels: Vec<Value> = Vec::new();
    // The numbers are those of the depthwise layers in the graph.
    for (stage, [first, second]) in [(1, [7, 10]), (2, [13, 16]), (3, [20, 23]), (4, [27, 30]), (5, [34, 37])]
    {
        x = plan.add(layers.unit(&format!("backbone.model{stage}.conv1"), first)?, &[x])?;
        let unit = layers.unit(&format!("backbone.model{stage}.conv2"), second)?;
        x = plan.add(if stage == 2 { unit.pool()? } else { unit }, &[x])?;
        if stage >= 3 {
            levels.push(x);
        }
        if stage == 3 || stage == 4 {
            x = plan.add(MaxPool, &[x])?;
        }
    }
    // The pyramid, from the coarsest level up.
    let mut outputs = Vec::new();
    let mut coarse = None;
    for (level, number) in [(2, 40), (1, 46), (0, 52)] {
        let mut x = levels[level];
        if let Some(coarse) = coarse {
            x = plan.add(AddUpsampled::NEAREST, &[x, coarse])?;
        }
        x = plan.add(layers.unit(&format!("neck.lateral_convs.{level}"), number)?, &[x])?;
        coarse = Some(x);
        outputs.insert(0, plan.add(layers.heads(level)?, &[x])?);
    }
    plan.finish(&outputs)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_cell_predicts_from_its_own_corner_in_units_of_the_stride() {
        // Two lines of three cells; the last has a face.
        let mut cells = [-9.0f32; 6 * CHANNELS];
        cells[5 * CHANNELS..].copy_from_slice(&[
            3.0,
            3.0,
            0.5,
            0.25,
            2f32.ln(),
            4f32.ln(),
            0.0,
            0.0,
            1.0,
            0.0,
            0.0,
            1.0,
            -1.0,
            0.5,
            0.5,
            0.5,
        ]);
        let mut faces = Vec::new();
        decode(&cells, 3, 8, 0.6, &mut faces);
        assert_eq!(faces.len(), 1);
        let near = |a: f32, b: f32| assert!((a - b).abs() < 1e-4, "{a} {b}");
        near(faces[0].score, 1.0 / (1.0 + (-3f32).exp()));
        faces[0].bounds.iter().zip([12.0, -6.0, 28.0, 26.0]).for_each(|(a, b)| near(*a, b));
        let points = [[16.0, 8.0], [24.0, 8.0], [16.0, 16.0], [8.0, 12.0], [20.0, 12.0]];
        faces[0].points.as_flattened().iter().zip(points.as_flattened()).for_each(|(a, b)| near(*a, *b));
    }

    #[test]
    fn a_score_is_the_geometric_mean_of_both_and_numbers_only() {
        let mut faces = Vec::new();
        for (class, object, x) in [(9.0, -1.0, 0.0), (f32::NAN, 9.0, 0.0), (9.0, 9.0, f32::INFINITY)] {
            let mut cell = [0f32; CHANNELS];
            (cell[0], cell[1], cell[2]) = (class, object, x);
            decode(&cell, 1, 8, 0.6, &mut faces);
        }
        assert_eq!(faces.len(), 0);
        let mut cell = [0f32; CHANNELS];
        (cell[0], cell[1]) = (9.0, -1.0);
        decode(&cell, 1, 8, 0.5, &mut faces);
        assert_eq!(faces.len(), 1);
    }

    #[test]
    fn the_better_of_two_overlapping_faces_stays() {
        let face =
            |score, left| Face { score, bounds: [left, 0.0, left + 10.0, 10.0], points: [[0.0; 2]; POINTS] };
        let mut candidates = vec![face(0.7, 1.0), face(0.9, 0.0), face(0.8, 9.0)];
        let kept: Vec<f32> = suppress(&mut candidates, OVERLAP).iter().map(|f| f.score).collect();
        assert_eq!(kept, [0.9, 0.8]);
        assert!(candidates.is_empty());
    }
}
