//! A face in a picture, as the detector finds it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A place in a picture, pixels from the upper left corner.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Point {
    /// To the right.
    pub x: f32,
    /// Down.
    pub y: f32,
}

/// An upright rectangle, pixels; it may reach over the picture's edge.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Bounds {
    /// Left edge.
    pub x: f32,
    /// Upper edge.
    pub y: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
}

impl Bounds {
    /// The rectangle between its upper left and its lower right corner.
    pub fn between(upper_left: Point, lower_right: Point) -> Self {
        let (x, y) = (upper_left.x, upper_left.y);
        Self { x, y, width: lower_right.x - x, height: lower_right.y - y }
    }

    /// Area, square pixels.
    pub fn area(&self) -> f32 {
        self.width.max(0.0) * self.height.max(0.0)
    }

    /// The middle.
    pub fn centre(&self) -> Point {
        Point { x: self.x + self.width / 2.0, y: self.y + self.height / 2.0 }
    }

    /// The rectangle about the same middle, `scale` times as wide and high.
    #[must_use]
    pub fn scaled(&self, scale: f32) -> Self {
        let (width, height) = (self.width * scale, self.height * scale);
        let middle = self.centre();
        Self { x: middle.x - width / 2.0, y: middle.y - height / 2.0, width, height }
    }

    /// Intersection over union, 0 to 1.
    pub fn overlap(&self, other: &Self) -> f32 {
        let width = (self.x + self.width).min(other.x + other.width) - self.x.max(other.x);
        let height = (self.y + self.height).min(other.y + other.height) - self.y.max(other.y);
        let shared = width.max(0.0) * height.max(0.0);
        let union = self.area() + other.area() - shared;
        if union > 0.0 { shared / union } else { 0.0 }
    }
}

/// The face detectors to choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DetectorChoice {
    /// BlazeFace short range, 128×128.
    Blazeface,
    /// BlazeFace full range, 192×192.
    BlazefaceFullRange,
    /// YuNet, with five points.
    Yunet,
    /// SeetaFace through rustface.
    Rustface,
}

/// A detected face.
#[derive(Debug, Clone, PartialEq)]
pub struct Face {
    /// Where it is.
    pub bounds: Bounds,
    /// The detector's certainty, 0 to 1.
    pub score: f32,
    /// Who found it.
    pub by: DetectorChoice,
    /// Right eye, left eye (of the person: the right eye is on the picture's left), nose tip, right and left
    /// mouth corner; BlazeFace gives the mouth's centre twice; rustface gives none.
    pub points: Option<[Point; 5]>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_is_one_for_equal_boxes() {
        let bounds = Bounds { x: 10.0, y: 10.0, width: 20.0, height: 10.0 };
        let half = Bounds { x: 20.0, ..bounds };
        assert_eq!(bounds.overlap(&bounds), 1.0);
        assert!((bounds.overlap(&half) - 1.0 / 3.0).abs() < 1e-6);
        assert_eq!(bounds.overlap(&Bounds { x: 40.0, ..bounds }), 0.0);
        assert_eq!(Bounds::default().overlap(&Bounds::default()), 0.0);
    }
}
