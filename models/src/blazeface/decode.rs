//! From the model's answer to faces: anchors, and merging what overlaps.

use super::VALUES;

/// One face. Coordinates are fractions of the input's side, x to the right and y down; they may lie a little
/// outside 0..1.
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

/// Anchor points as fractions of the side: for each `(stride, anchors a cell)` the cells' centres, line by
/// line.
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

/// Adds the faces of at least `min_score` to `faces`. Per anchor, `regressors` has sixteen values in input
/// pixels and `scores` one, before the sigmoid.
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
        // What is not a number is not a face: a damaged input must not reach the tracker.
        if score.is_nan() || score < least || !values.iter().all(|x| x.is_finite()) {
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

/// Weighted non-maximum suppression: from the best score down, every box that overlaps the best by more than
/// `overlap` is averaged into it by its score. Leaves `candidates` empty; returns the faces best first.
pub fn merge(candidates: &mut Vec<Face>, overlap: f32) -> Vec<Face> {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut faces = Vec::new();
    while !candidates.is_empty() {
        let best = candidates.remove(0);
        let mut sum = Face { score: 0.0, bounds: [0.0; 4], points: [[0.0; 2]; POINTS] };
        let mut add = |face: &Face| {
            let weighted = |sum: &mut [f32], values: &[f32]| {
                sum.iter_mut().zip(values).for_each(|(sum, x)| *sum += x * face.score);
            };
            weighted(&mut sum.bounds, &face.bounds);
            weighted(sum.points.as_flattened_mut(), face.points.as_flattened());
            sum.score += face.score;
        };
        add(&best);
        candidates.retain(|face| {
            let same = intersection_over_union(&face.bounds, &best.bounds) > overlap;
            if same {
                add(face);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn face(score: f32, [left, top, right, bottom]: [f32; 4]) -> Face {
        Face { score, bounds: [left, top, right, bottom], points: [[left, top]; POINTS] }
    }

    #[test]
    fn anchors_are_the_cells_centres() {
        let short = anchors(128, &[(8, 2), (16, 6)]);
        assert_eq!(short.len(), 896);
        assert_eq!(short[0], [0.5 / 16.0, 0.5 / 16.0]);
        assert_eq!(short[1], short[0]);
        assert_eq!(short[2], [1.5 / 16.0, 0.5 / 16.0]);
        assert_eq!(short[512], [0.5 / 8.0, 0.5 / 8.0]);
        assert_eq!(anchors(192, &[(4, 1)]).len(), 2304);
    }

    #[test]
    fn an_answer_is_relative_to_its_anchor_and_in_input_pixels() {
        let mut values = [0f32; 32];
        values[16..20].copy_from_slice(&[12.8, -12.8, 25.6, 51.2]);
        values[20..22].copy_from_slice(&[6.4, 0.0]);
        let mut faces = Vec::new();
        decode(&[[0.5, 0.5], [0.25, 0.75]], &values, &[-3.0, 2.0], 128, 0.5, &mut faces);
        assert_eq!(faces.len(), 1);
        let near = |a: f32, b: f32| assert!((a - b).abs() < 1e-6, "{a} {b}");
        near(faces[0].score, 1.0 / (1.0 + (-2f32).exp()));
        faces[0].bounds.iter().zip([0.25, 0.45, 0.45, 0.85]).for_each(|(a, b)| near(*a, b));
        faces[0].points[0].iter().zip([0.3, 0.75]).for_each(|(a, b)| near(*a, b));
        faces[0].points[5].iter().zip([0.25, 0.75]).for_each(|(a, b)| near(*a, b));
    }

    #[test]
    fn what_is_no_number_is_no_face() {
        let mut faces = Vec::new();
        decode(&[[0.5, 0.5]], &[0.0; 16], &[f32::NAN], 128, 0.5, &mut faces);
        decode(&[[0.5, 0.5]], &[f32::NAN; 16], &[5.0], 128, 0.5, &mut faces);
        decode(&[[0.5, 0.5]], &[f32::INFINITY; 16], &[5.0], 128, 0.5, &mut faces);
        assert_eq!(faces, []);
        // And should one come all the same, merging ends.
        assert_eq!(merge(&mut vec![face(f32::NAN, [f32::NAN; 4]); 3], OVERLAP).len(), 3);
    }

    #[test]
    fn overlapping_boxes_are_one_face_averaged_by_score() {
        let mut candidates = vec![
            face(0.3, [0.2, 0.0, 1.2, 1.0]),
            face(0.8, [5.0, 5.0, 6.0, 6.0]),
            face(0.9, [0.0, 0.0, 1.0, 1.0]),
        ];
        let faces = merge(&mut candidates, OVERLAP);
        assert!(candidates.is_empty());
        assert_eq!(faces.iter().map(|f| f.score).collect::<Vec<_>>(), [0.9, 0.8]);
        assert!((faces[0].bounds[0] - 0.05).abs() < 1e-6 && (faces[0].bounds[2] - 1.05).abs() < 1e-6);
        assert!((faces[0].points[3][0] - 0.05).abs() < 1e-6);
        assert_eq!(faces[1].bounds, [5.0, 5.0, 6.0, 6.0]);
        assert_eq!(merge(&mut Vec::new(), OVERLAP), []);
    }

    #[test]
    fn overlap_of_boxes() {
        assert_eq!(intersection_over_union(&[0.0, 0.0, 2.0, 2.0], &[1.0, 0.0, 3.0, 2.0]), 1.0 / 3.0);
        assert_eq!(intersection_over_union(&[0.0, 0.0, 1.0, 1.0], &[2.0, 2.0, 3.0, 3.0]), 0.0);
        assert_eq!(intersection_over_union(&[1.0, 1.0, 0.0, 0.0], &[0.0, 0.0, 1.0, 1.0]), 0.0);
    }
}
