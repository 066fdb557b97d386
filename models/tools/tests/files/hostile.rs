//! The parsers against what they may meet: damaged files, wrong sizes, and features that nobody
//! reviewed.

use model_files::lock::Format;
use model_tools::convert::{Data, Error, MAX_SOURCE_BYTES, parse};
use proptest::prelude::*;

use crate::seeds;

#[test]
fn the_seeds_are_understood() {
    let tflite = parse(Format::Tflite, &seeds::tflite(1)).unwrap();
    let names: Vec<_> = tflite.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(names, ["c.Kernel", "c.Bias0"]);
    assert_eq!(tflite.tensors[0].shape, [1, 1, 1, 2]);
    assert_eq!(tflite.tensors[0].data, Data::F32(vec![1.0, -2.0]));
    let [conv] = &tflite.graph.nodes[..] else { panic!("DEQUANTIZE is gone: {:?}", tflite.graph) };
    assert_eq!((conv.op.as_str(), conv.inputs[1].as_str()), ("CONV_2D", "c.Kernel"));
    assert_eq!(conv.attributes["padding"], "VALID");

    let torch = parse(Format::TorchLegacy, &seeds::torch()).unwrap();
    assert_eq!(torch.stripped_prefix.as_deref(), Some("module."));
    assert_eq!(torch.tensors[0].name, "c.weight");
    assert_eq!(torch.tensors[0].data, Data::F32(vec![1.0, -2.0]), "the window begins at the second element");
    assert_eq!(torch.tensors[0].shape, [1, 2]);
    assert_eq!((torch.tensors[1].name.as_str(), &torch.tensors[1].data), ("c.count", &Data::I64(vec![77])));

    let onnx = parse(Format::Onnx, &seeds::onnx()).unwrap();
    let tensor = |name: &str| onnx.tensors.iter().find(|tensor| tensor.name == name).unwrap();
    assert_eq!(tensor("c.conv.weight").data, Data::F32(vec![1.0, -2.0]));
    assert_eq!(tensor("c.conv.weight").shape, [1, 1, 2, 1]);
    assert_eq!(tensor("bn.mean").data, Data::F32(vec![0.5]));
    assert_eq!(tensor("shape").data, Data::I64(vec![1, 2]));
    assert_eq!(onnx.graph.nodes[0].inputs, ["x", "c.conv.weight"]);
    assert_eq!(onnx.graph.nodes[0].attributes["strides"], "2,2");
}

#[test]
fn truncated_files_are_refused() {
    for (format, seed) in seeds::all() {
        let whole = parse(format, &seed).unwrap();
        for len in 0..seed.len() {
            if let Ok(part) = parse(format, &seed[..len]) {
                // A flatbuffer may end in padding; anything else must be missed.
                assert_eq!(part, whole, "{format:?} cut to {len} of {}", seed.len());
            }
        }
    }
}

/// Every byte of every seed with every value: the parser may say yes or no, but must say it.
#[test]
fn changed_bytes_never_panic() {
    for (format, seed) in seeds::all() {
        let mut file = seed.clone();
        for at in 0..file.len() {
            for value in 0..=u8::MAX {
                file[at] = value;
                let _ = parse(format, &file);
            }
            file[at] = seed[at];
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nor_do_several(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        moved in any::<(prop::sample::Index, prop::sample::Index)>(),
        which in 0_usize..3,
    ) {
        let (format, mut file) = seeds::all()[which].clone();
        for (at, value) in changes {
            let at = at.index(file.len());
            file[at] = value;
        }
        // A part in the wrong place: offsets and lengths that are plausible but not true.
        let (from, to) = (moved.0.index(file.len()), moved.1.index(file.len()));
        let len = (file.len() - from.max(to)).min(16);
        file.copy_within(from..from + len, to);
        let _ = parse(format, &file);
    }

    #[test]
    fn nor_does_noise(noise in proptest::collection::vec(any::<u8>(), 0..400), which in 0_usize..3) {
        let (format, seed) = seeds::all()[which].clone();
        let _ = parse(format, &noise);
        // Noise behind a credible beginning gets further.
        let mut file = seed[..seed.len().min(24)].to_vec();
        file.extend(noise);
        let _ = parse(format, &file);
    }
}

#[test]
fn memory_is_bounded() {
    // A tensor that claims 2^40 elements.
    let dims = [0x80, 0x80, 0x80, 0x80, 0x80, 0x20];
    let tensor = [seeds::bytes(1, &dims), seeds::varint(2, 1), seeds::bytes(8, b"a")].concat();
    let onnx = [seeds::varint(1, 8), seeds::bytes(7, &seeds::bytes(5, &tensor))].concat();
    assert!(matches!(parse(Format::Onnx, &onnx), Err(Error::TooLarge { .. })));

    // A small file that names one buffer 40,000 times.
    let error = parse(Format::Tflite, &seeds::tflite(40_000)).unwrap_err();
    assert!(matches!(error, Error::TooLarge { what: "number of tensors", .. }), "{error}");

    // A file beyond any of ours is not even looked at.
    let huge = vec![0; MAX_SOURCE_BYTES + 1];
    assert!(matches!(parse(Format::Tflite, &huge), Err(Error::TooLarge { what: "file", .. })));
}

#[test]
fn a_format_is_not_taken_for_another() {
    for (format, _) in seeds::all() {
        for (other, seed) in seeds::all() {
            assert_eq!(parse(format, &seed).is_ok(), format == other, "{other:?} read as {format:?}");
        }
    }
}

#[test]
fn views_outside_their_storage_are_refused() {
    let sound = seeds::torch();
    // offset 1, shape (1, 2), strides (2, 1) of a storage of three.
    let view = b"K\x01K\x01K\x02\x86K\x02K\x01\x86";
    let at = sound.windows(view.len()).position(|window| window == view).unwrap();
    for (index, value, named) in
        [(1, 2, "tensor in its storage"), (10, 2, "strides"), (5, 3, "tensor in its storage")]
    {
        let mut file = sound.clone();
        file[at + index] = value;
        let error = parse(Format::TorchLegacy, &file).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
}
