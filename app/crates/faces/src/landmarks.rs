//! Where eyes, nose and mouth are, and which way the head is turned: from the 468-point mesh.

use image::RgbImage;
use models::face_mesh::{FaceMesh, SIDE};

use super::error::EngineError;
use super::warp::{Affine, fill};
use vision::face::{Face, Point};

/// The crop is this many times the detector's box: what the model was trained with (MediaPipe).
const CROP: f32 = 1.5;

/// Below this presence the detector was wrong and there is no face; MediaPipe's value.
const MIN_PRESENCE: f32 = 0.5;

/// Mesh points: outer and inner corner of the right and of the left eye.
pub const EYE_CORNERS: [[usize; 2]; 2] = [[33, 133], [263, 362]];
const NOSE_TIP: usize = 4;
const MOUTH_CORNERS: [usize; 2] = [61, 291];
const FOREHEAD: usize = 10;
const CHIN: usize = 152;

/// What the mesh says of one face.
#[derive(Debug, Clone)]
pub struct Landmarks {
    /// All points: x and y in pixels of the picture; z in the same unit, smaller is nearer.
    pub mesh: Vec<[f32; 3]>,
    /// Right eye, left eye, nose tip, right and left mouth corner: the points that faces are aligned by.
    ///
    /// Measured on LFW's first three folds with MobileFaceNet: 99.56 % by these, 99.00 % by BlazeFace's own
    /// points (of which the mouth has only one).
    pub five: [Point; 5],
    /// Which way the head is turned.
    pub pose: Pose,
    /// How surely there is a face, 0 to 1.
    pub presence: f32,
}

/// Which way a head is turned, degrees.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pose {
    /// To the side; positive to the picture's right.
    pub yaw: f32,
    /// Up or down; positive is down.
    pub pitch: f32,
    /// Tilted; positive is clockwise in the picture.
    pub roll: f32,
}

impl Landmarks {
    /// Runs the mesh on one face; `None` when the model sees no face there.
    ///
    /// # Errors
    /// [`EngineError::Run`] when the model fails.
    pub fn find(
        network: &mut FaceMesh,
        picture: &RgbImage,
        face: &Face,
    ) -> Result<Option<Self>, EngineError> {
        let map = crop(face);
        let found = network
            .mesh_with(|input| fill(picture, &map, SIDE, input, |colour| colour / 255.0))
            .map_err(|error| EngineError::run("face mesh", &error))?;
        if found.presence < MIN_PRESENCE {
            return Ok(None);
        }
        Ok(Self::from_mesh(&found.points, &map).map(|it| Self { presence: found.presence, ..it }))
    }

    /// Places a mesh, given in pixels of the crop, into the picture; `None` when a point is not finite.
    fn from_mesh(points: &[[f32; 3]], map: &Affine) -> Option<Self> {
        let scale = map.x[0].hypot(map.y[0]);
        let mesh: Vec<[f32; 3]> = points
            .iter()
            .map(|[x, y, z]| {
                // The model counts from the crop's edge, the map from the middle of its first pixel.
                let at = map.apply(Point { x: x - 0.5, y: y - 0.5 });
                [at.x, at.y, z * scale]
            })
            .collect();
        let finite = mesh.len() > EYE_CORNERS[1][1] && mesh.as_flattened().iter().all(|x| x.is_finite());
        finite.then(|| Self { five: five(&mesh), pose: Pose::of(&mesh), presence: 1.0, mesh })
    }
}

/// From the pixels of the model's input to the picture: a square about the face, turned so that the eyes
/// are level.
fn crop(face: &Face) -> Affine {
    let angle = face.points.map_or(0.0, |[right, left, ..]| (left.y - right.y).atan2(left.x - right.x));
    let size = CROP * face.bounds.width.max(face.bounds.height);
    Affine::square(face.bounds.centre(), size, angle, SIDE)
}

fn five(mesh: &[[f32; 3]]) -> [Point; 5] {
    let point = |i: usize| Point { x: mesh[i][0], y: mesh[i][1] };
    let middle =
        |[a, b]: [usize; 2]| Point { x: (mesh[a][0] + mesh[b][0]) / 2.0, y: (mesh[a][1] + mesh[b][1]) / 2.0 };
    [
        middle(EYE_CORNERS[0]),
        middle(EYE_CORNERS[1]),
        point(NOSE_TIP),
        point(MOUTH_CORNERS[0]),
        point(MOUTH_CORNERS[1]),
    ]
}

impl Pose {
    /// From two lines across the face: outer eye corner to outer eye corner, and forehead to chin.
    fn of(mesh: &[[f32; 3]]) -> Self {
        let line = |a: usize, b: usize| std::array::from_fn::<f32, 3, _>(|i| mesh[b][i] - mesh[a][i]);
        let across = line(EYE_CORNERS[0][0], EYE_CORNERS[1][0]);
        let down = line(FOREHEAD, CHIN);
        Self {
            yaw: across[2].atan2(across[0].hypot(across[1])).to_degrees(),
            pitch: down[2].atan2(down[0].hypot(down[1])).to_degrees(),
            roll: across[1].atan2(across[0]).to_degrees(),
        }
    }
}
