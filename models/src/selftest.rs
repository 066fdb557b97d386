//! Golden answers: does a loaded model, on this processor, say what the reference runtimes say?
//!
//! Each model is fed a ramp (value at index i: lo + (hi − lo)·((i mod 251) / 250), counted in the layout of
//! the original graph) and its answer is held against the first values and the norm that ONNX Runtime or
//! LiteRT gave for the same file. It takes some milliseconds, finds a damaged file as well as a kernel that a
//! processor does not like, and is a condition for keeping an update.

use crate::blazeface::{BlazeFace, Range};
use crate::face_mesh::FaceMesh;
use crate::iris::Iris;
use crate::minifas::{MiniFas, Variant};
use crate::mobilefacenet::MobileFaceNet;
use crate::sface::Sface;
use crate::yunet::YuNet;
use candle_core::{Device, Tensor};

/// Largest relative error that passes; of the norm, and of each value against the greatest of its neighbours.
pub const TOLERANCE: f32 = 1e-3;

/// The same for a model in 8 bits: where a value lies between two codes, the last bit of a sum in f32
/// decides which one it becomes, and layers carry that on. Numpy's sums and fused ones differ by 1.2 %.
const TOLERANCE_CODED: f32 = 0.025;

/// A model that does not answer as it must.
#[derive(Debug, thiserror::Error)]
#[error(
    "{network} does not compute what it must: {reason}; fetch its file again, and if that does not help, do not use this build on this processor"
)]
pub struct Failure {
    /// The model's name.
    pub network: &'static str,
    /// What was found instead.
    pub reason: String,
}

/// A model that can test itself.
pub trait SelfTest {
    /// Runs the model on the ramp and compares. Leaves the ramp in its input.
    fn self_test(&mut self) -> Result<(), Failure>;
}

/// Tests all and returns those that failed.
pub fn run(models: &mut [&mut dyn SelfTest]) -> Vec<Failure> {
    models.iter_mut().filter_map(|network| network.self_test().err()).collect()
}

/// First values and Euclidean norm of one output.
struct Golden<'a> {
    first: &'a [f32],
    norm: f32,
}

impl SelfTest for BlazeFace {
    fn self_test(&mut self) -> Result<(), Failure> {
        let (name, regressors, scores) = match self.range() {
            Range::Short => (
                "BlazeFace short range",
                Golden {
                    first: &[0.33762, -0.15234, 29.04018, 29.03978, -3.38726, -3.49092],
                    norm: 2619.502,
                },
                Golden { first: &[-5.29286, -4.18965, -4.9252, -3.58698, -4.2994, -3.29349], norm: 162.7087 },
            ),
            Range::Full => (
                "BlazeFace full range",
                Golden { first: &FULL_REGRESSORS, norm: FULL_REGRESSORS_NORM },
                Golden { first: &FULL_SCORES, norm: FULL_SCORES_NORM },
            ),
        };
        let side = self.side();
        check(
            name,
            (|| {
                let (r, s) = self.forward(&ramp(side, side, -1.0, 1.0, Layout::Nhwc)?)?;
                Ok(vec![(values(&r)?, regressors), (values(&s)?, scores)])
            })(),
        )
    }
}

/// LiteRT's answers for the full-range model, which is not in the table of the other models.
const FULL_REGRESSORS: [f32; 6] = [-3.716_18, -2.986_98, 21.375_68, 21.380_53, -6.774_05, -8.245_82];
const FULL_REGRESSORS_NORM: f32 = 1641.3147;
const FULL_SCORES: [f32; 6] = [-6.420_87, -6.381_72, -7.053_97, -7.069_39, -7.194_66, -7.379_56];
const FULL_SCORES_NORM: f32 = 267.6453;

impl SelfTest for FaceMesh {
    fn self_test(&mut self) -> Result<(), Failure> {
        let points =
            Golden { first: &[99.56434, 111.617, -11.17716, 98.07803, 96.60757, -23.7687], norm: 3006.8023 };
        let presence = Golden { first: &[-10.9424], norm: 10.9424 };
        check(
            "face mesh",
            (|| {
                let (p, s) = self.forward(&ramp(192, 192, 0.0, 1.0, Layout::Nhwc)?)?;
                Ok(vec![(values(&p)?, points), (values(&s)?, presence)])
            })(),
        )
    }
}

impl SelfTest for Iris {
    fn self_test(&mut self) -> Result<(), Failure> {
        let contour =
            Golden { first: &[22.07446, 34.25465, 3.80167, 24.37478, 35.28654, 2.64554], norm: 404.8415 };
        let iris =
            Golden { first: &[36.91388, 35.81903, 3.26396, 40.44176, 35.46529, 3.24787], norm: 115.3832 };
        check(
            "iris",
            (|| {
                let (c, i) = self.forward(&ramp(64, 64, 0.0, 1.0, Layout::Nhwc)?)?;
                Ok(vec![(values(&c)?, contour), (values(&i)?, iris)])
            })(),
        )
    }
}

impl SelfTest for MobileFaceNet {
    fn self_test(&mut self) -> Result<(), Failure> {
        let embedding =
            Golden { first: &[-0.05525, 0.67794, 0.15727, -0.37377, -1.27964, 0.99391], norm: 28.1967 };
        check(
            "MobileFaceNet",
            (|| Ok(vec![(values(&self.forward(&ramp(112, 112, -1.0, 1.0, Layout::Nhwc)?)?)?, embedding)]))(),
        )
    }
}

impl SelfTest for Sface {
    fn self_test(&mut self) -> Result<(), Failure> {
        // For the weights as published, this is ONNX Runtime's answer. For those in 8 bits, it is that of the
        // same arithmetic in numpy, which is as near to ONNX Runtime's as 8 bits allow.
        let (name, tolerance, embedding) = if self.is_coded() {
            ("SFace", TOLERANCE_CODED, Golden { first: &SFACE_CODED, norm: SFACE_CODED_NORM })
        } else {
            let first = &[0.191_077, 0.341_618, -0.335_122, 0.403_936, -0.319_459, -0.142_768];
            ("SFace, published weights", TOLERANCE, Golden { first, norm: 3.299_054 })
        };
        check_within(
            name,
            tolerance,
            (|| {
                // The graph's own ramp is one of 0 to 255, by planes.
                let input = ramp(112, 112, -127.5 / 128.0, 127.5 / 128.0, Layout::Nchw)?;
                Ok(vec![(values(&self.forward(&input)?)?, embedding)])
            })(),
        )
    }
}

impl SelfTest for MiniFas {
    fn self_test(&mut self) -> Result<(), Failure> {
        let (name, most, logits): (_, _, &[f32]) = match self.variant() {
            Variant::V2 => ("MiniFASNetV2", 255.0, &[-4.39215, -2.3028, 6.69682]),
            Variant::V1Se => ("MiniFASNetV1SE", 255.0, &[-2.93616, 1.84005, 1.0957]),
            Variant::Se128 => ("MiniFAS 128", 1.0, &[-0.23872, 0.24162]),
        };
        let side = self.variant().side();
        check(
            name,
            (|| {
                let answer = values(&self.forward(&ramp(side, side, 0.0, most, Layout::Nchw)?)?)?;
                Ok(vec![(answer, Golden { first: logits, norm: norm(logits) })])
            })(),
        )
    }
}

impl SelfTest for YuNet {
    fn self_test(&mut self) -> Result<(), Failure> {
        let (height, width) = self.size();
        if (height, width) != (320, 320) {
            return Err(Failure {
                network: "YuNet",
                reason: format!("golden answers are for 320x320, it was loaded for {width}x{height}"),
            });
        }
        let classes = Golden { first: &[0.59145, 0.58827, 0.57186, 0.57508, 0.57307, 0.5796], norm: 25.2483 };
        let points = Golden { first: &[-0.06878, -0.16926, 0.5357, -0.24287, 0.18999, 0.88411], norm: 132.3 };
        check(
            "YuNet",
            (|| {
                let maps = self.forward(&ramp(height, width, 0.0, 255.0, Layout::Nchw)?)?;
                let fine = &maps[0];
                let scores =
                    values(&fine.narrow(1, 0, 1)?)?.into_iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect();
                Ok(vec![(scores, classes), (values(&fine.narrow(1, 6, 10)?)?, points)])
            })(),
        )
    }
}

/// The answer in 8 bits.
const SFACE_CODED: [f32; 6] = [0.125_730, 0.356_711, -0.347_531, 0.444_561, -0.303_211, -0.136_979];
const SFACE_CODED_NORM: f32 = 3.267_425;

/// The order in which the ramp runs over the picture.
#[derive(Clone, Copy, PartialEq)]
enum Layout {
    Nhwc,
    Nchw,
}

/// The test picture as `[1, height, width, 3]`.
fn ramp(height: usize, width: usize, lo: f32, hi: f32, layout: Layout) -> candle_core::Result<Tensor> {
    let value = |i: usize| lo + (hi - lo) * ((i % 251) as f32 / 250.0);
    let plane = height * width;
    let values: Vec<f32> = (0..plane * 3)
        .map(|i| value(if layout == Layout::Nhwc { i } else { i % 3 * plane + i / 3 }))
        .collect();
    Tensor::from_vec(values, (1, height, width, 3), &Device::Cpu)
}

fn values(tensor: &Tensor) -> candle_core::Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

fn norm(values: &[f32]) -> f32 {
    values.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt() as f32
}

/// No further apart than `allowed`; never for NaN.
fn near(found: f32, wanted: f32, allowed: f32) -> bool {
    (found - wanted).abs() <= allowed
}

fn check(
    network: &'static str,
    outputs: candle_core::Result<Vec<(Vec<f32>, Golden<'_>)>>,
) -> Result<(), Failure> {
    check_within(network, TOLERANCE, outputs)
}

fn check_within(
    network: &'static str,
    tolerance: f32,
    outputs: candle_core::Result<Vec<(Vec<f32>, Golden<'_>)>>,
) -> Result<(), Failure> {
    let outputs = outputs.map_err(|error| Failure { network, reason: error.to_string() })?;
    for (i, (answer, golden)) in outputs.iter().enumerate() {
        let reason = |what: String| Failure { network, reason: format!("output {i}: {what}") };
        let scale = golden.first.iter().fold(0f32, |most, x| most.max(x.abs()));
        for (found, wanted) in answer.iter().zip(golden.first) {
            if !near(*found, *wanted, tolerance * scale) {
                return Err(reason(format!("{found} instead of {wanted}")));
            }
        }
        let found = norm(answer);
        if !near(found, golden.norm, tolerance * golden.norm) {
            return Err(reason(format!("norm {found} instead of {}", golden.norm)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Role;
    use crate::store::{LoadError, Store, load};
    use candle_nn::VarBuilder;

    /// The weights of a role, where they have been fetched; says loudly when not.
    fn weights(role: Role) -> Option<VarBuilder<'static>> {
        let store = Store::open(Store::default_dir()).map_err(LoadError::from);
        match store.and_then(|store| load(&store, role, &Device::Cpu)) {
            Ok(vb) => Some(vb),
            Err(error) => {
                skipped::skipped(&format!("{role}: {error}"));
                None
            }
        }
    }

    fn passes<N: SelfTest>(role: Role, load: impl FnOnce(VarBuilder<'static>) -> candle_core::Result<N>) {
        if let Some(vb) = weights(role) {
            load(vb).unwrap().self_test().unwrap();
        }
    }

    #[test]
    fn short_range_answers_as_litert() {
        passes(Role::FaceDetectorShortRange, |vb| BlazeFace::load(Range::Short, vb));
    }

    #[test]
    fn full_range_answers_as_litert() {
        passes(Role::FaceDetectorFullRange, |vb| BlazeFace::load(Range::Full, vb));
    }

    #[test]
    fn mesh_answers_as_litert() {
        passes(Role::FaceMesh, FaceMesh::load);
    }

    #[test]
    fn iris_answers_as_litert() {
        passes(Role::Iris, Iris::load);
    }

    #[test]
    fn the_lids_alone_are_those_of_the_whole_network() {
        if let Some(vb) = weights(Role::Iris) {
            let ramp = ramp(64, 64, 0.0, 1.0, Layout::Nhwc).unwrap();
            let (mut whole, mut lids) = (Iris::load(vb.clone()).unwrap(), Iris::load_lids(vb).unwrap());
            let contour = values(&whole.forward(&ramp).unwrap().0).unwrap();
            let picture = values(&ramp).unwrap();
            let opening = lids.opening_with(|input| input.copy_from_slice(&picture)).unwrap();
            assert_eq!(opening, crate::iris::opening(contour.as_chunks().0.try_into().unwrap()));
            assert!(lids.plan_mut().operations() < whole.plan_mut().operations());
            assert!(lids.forward(&ramp).is_err());
        }
    }

    #[test]
    fn embedder_answers_as_litert() {
        passes(Role::Embedder, MobileFaceNet::load);
    }

    #[test]
    fn sface_answers_as_the_same_arithmetic_in_numpy() {
        passes(Role::EmbedderSface, Sface::load);
    }

    #[test]
    fn sface_with_published_weights_answers_as_onnx() {
        passes(Role::EmbedderSfaceFp32, Sface::load);
    }

    #[test]
    fn antispoof_v2_answers_as_torch() {
        passes(Role::AntispoofV2, |vb| MiniFas::load(Variant::V2, vb));
    }

    #[test]
    fn antispoof_v1se_answers_as_torch() {
        passes(Role::AntispoofV1Se, |vb| MiniFas::load(Variant::V1Se, vb));
    }

    #[test]
    fn antispoof_128_answers_as_onnx() {
        passes(Role::Antispoof128, |vb| MiniFas::load(Variant::Se128, vb));
    }

    #[test]
    fn yunet_answers_as_onnx() {
        passes(Role::DetectorYunet320, |vb| YuNet::load(320, 320, vb));
    }

    #[test]
    fn another_models_file_is_refused_by_name_or_by_answer() {
        if let (Some(v2), Some(mesh)) = (weights(Role::AntispoofV2), weights(Role::FaceMesh)) {
            // V1SE's graph is V2's with gates: V2's file lacks nothing that V1SE needs to load, so the answer
            // tells.
            let mut wrong = MiniFas::load(Variant::V1Se, v2).unwrap();
            assert!(wrong.self_test().unwrap_err().to_string().contains("MiniFASNetV1SE"));
            assert!(BlazeFace::load(Range::Short, mesh).is_err());
        }
    }
}
