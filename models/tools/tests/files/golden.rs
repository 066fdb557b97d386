//! The converted files against what the reference readers (LiteRT, numpy's and Python's own unpickler, the
//! onnx package) see in the published ones: number of floating-point tensors, number of values, their sum and
//! sum of squares in double precision, and the first values of one convolution.

use model_files::lock::lock;
use model_files::store::{self, Store};
use model_files::{Role, Sha256};
use safetensors::{Dtype, SafeTensors};

struct Golden {
    role: Role,
    tensors: usize,
    values: usize,
    sum: f64,
    squares: f64,
    name: &'static str,
    shape: [usize; 4],
    first: [f32; 3],
}

#[rustfmt::skip]
const GOLDEN: [Golden; 12] = [
    Golden { role: Role::FaceDetectorShortRange, tensors: 74, values: 101390, sum: -7.274258159e+02, squares: 1.180417738e+05, name: "conv2d_13.Kernel", shape: [96, 1, 1, 96], first: [0.015716553, 0.011940002, -0.045043945] },
    Golden { role: Role::FaceDetectorFullRange, tensors: 178, values: 514069, sum: -1.573992109e+01, squares: 1.812300924e+04, name: "conv2d_23.Kernel", shape: [96, 1, 1, 256], first: [-0.007801056, 0.0126953125, 0.031555176] },
    Golden { role: Role::FaceMesh, tensors: 113, values: 604685, sum: 4.863931860e+04, squares: 3.283106342e+04, name: "conv2d_17.Kernel", shape: [128, 1, 1, 128], first: [0.0819681, 0.07058237, -0.06548561] },
    Golden { role: Role::Iris, tensors: 215, values: 651300, sum: 1.539594807e+03, squares: 1.173416544e+04, name: "conv2d_23.Kernel", shape: [64, 1, 1, 128], first: [0.23559235, 0.15684815, 0.037996095] },
    Golden { role: Role::Embedder, tensors: 137, values: 1292992, sum: 4.133518548e+03, squares: 2.802816072e+05, name: "MobileFaceNet.Conv_16.weights.read", shape: [128, 1, 1, 256], first: [-0.07028344, -0.025048923, -0.08771544] },
    Golden { role: Role::EmbedderSface, tensors: 174, values: 111042, sum: 1.324561714e+04, squares: 2.896237256e+04, name: "conv_1_conv2d_weight", shape: [32, 3, 3, 3], first: [0.11021663, 0.019836176, -0.0036835812] },
    Golden { role: Role::EmbedderSfaceFp32, tensors: 174, values: 9667074, sum: 1.131211255e+04, squares: 3.054159135e+04, name: "conv_14_conv2d_weight", shape: [1024, 1024, 1, 1], first: [-0.0011142757, 0.0007119109, 0.008557364] },
    Golden { role: Role::AntispoofV2, tensors: 284, values: 444928, sum: 3.496072628e+04, squares: 4.867070351e+07, name: "conv_3.model.1.conv_dw.conv.weight", shape: [13, 1, 3, 3], first: [-0.02456562, -0.16018075, -0.03522026] },
    Golden { role: Role::AntispoofV1Se, tensors: 314, values: 444554, sum: 3.174245427e+04, squares: 3.832764110e+07, name: "conv_3.model.2.conv.conv.weight", shape: [13, 64, 1, 1], first: [-0.0030068199, -0.018400598, 0.014675651] },
    Golden { role: Role::Antispoof128, tensors: 149, values: 468432, sum: 2.770049933e+02, squares: 2.915788370e+05, name: "conv_3.model.model.2.conv.conv.weight", shape: [13, 64, 1, 1], first: [-0.040025257, 0.031652447, 0.023181375] },
    Golden { role: Role::DetectorYunet320, tensors: 109, values: 53112, sum: 7.036892254e+01, squares: 3.503027935e+03, name: "Conv_34.weight", shape: [64, 1, 3, 3], first: [-0.9208504, 0.12122746, 0.30945438] },
    Golden { role: Role::DetectorYunet640, tensors: 109, values: 53112, sum: 7.036892254e+01, squares: 3.503027935e+03, name: "Conv_34.weight", shape: [64, 1, 3, 3], first: [-0.9208504, 0.12122746, 0.30945438] },
];

#[test]
fn converted_weights_are_those_of_the_reference_readers() {
    let Ok(store) = Store::open(Store::default_dir()) else {
        skipped::skipped("the models; run `fetch_models`");
        return;
    };
    for golden in GOLDEN {
        let role = golden.role;
        if !store.has(role) {
            skipped::skipped(&format!("the model {role}; run `fetch_models --only {role}`"));
            continue;
        }
        let bytes = store.read(role).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let floats: Vec<(String, Vec<f32>)> = file
            .tensors()
            .into_iter()
            .filter(|(_, view)| view.dtype() == Dtype::F32)
            .map(|(name, view)| {
                (name, view.data().as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect())
            })
            .collect();
        let all = || floats.iter().flat_map(|(_, values)| values).map(|&value| f64::from(value));
        assert_eq!(floats.len(), golden.tensors, "{role}: number of tensors");
        assert_eq!(all().count(), golden.values, "{role}: number of values");
        close(all().sum(), golden.sum, role);
        close(all().map(|value| value * value).sum(), golden.squares, role);

        let view = file.tensor(golden.name).unwrap();
        assert_eq!(view.shape(), golden.shape, "{role}: {}", golden.name);
        let (_, values) = floats.iter().find(|(name, _)| name == golden.name).unwrap();
        assert_eq!(values[..3], golden.first, "{role}: {}", golden.name);
    }
}

/// Summation order differs, and the published numbers have ten digits.
fn close(found: f64, expected: f64, role: Role) {
    assert!((found - expected).abs() <= 1e-6 * expected.abs(), "{role}: {found} instead of {expected}");
}

#[test]
fn a_flipped_bit_is_noticed_and_a_missing_file_named() {
    let Some((store, pin)) = Store::open(Store::default_dir())
        .ok()
        .and_then(|store| lock().models.iter().find(|pin| store.has(pin.role)).map(|pin| (store, pin)))
    else {
        skipped::skipped("a model; run `fetch_models`");
        return;
    };
    let mut bytes = store.read(pin.role).unwrap();
    assert_eq!(store.hash(pin.role).unwrap(), Sha256::of(&bytes));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("{}.safetensors", pin.role));
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let copy = Store::open(folder.path()).unwrap();
    let error = copy.read(pin.role).unwrap_err();
    assert!(matches!(error, store::Error::NotPinned { .. }), "{error}");

    std::fs::write(&path, &bytes[..middle]).unwrap();
    assert!(!copy.has(pin.role));
    assert!(matches!(copy.read(pin.role), Err(store::Error::NotPinned { .. })));
    std::fs::remove_file(&path).unwrap();
    let error = copy.read(pin.role).unwrap_err().to_string();
    assert!(error.contains(pin.role.name()) && error.contains("fetch_models"), "{error}");
}
