//! Whether a face is good enough to be named.

use serde::{Deserialize, Serialize};

/// What is measured about one face in one frame.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Quality {
    /// Width of the face, pixels of the picture.
    pub width: f32,
    /// Variance of the Laplacian of the aligned face: higher is sharper.
    pub sharpness: f32,
    /// Mean brightness of the aligned face, 0 to 255.
    pub brightness: f32,
    /// Turn to the side, degrees; positive to the person's left.
    pub yaw: f32,
    /// Nod, degrees; positive is up.
    pub pitch: f32,
    /// Tilt of the head, degrees.
    pub roll: f32,
}
