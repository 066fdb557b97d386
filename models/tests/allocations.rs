//! What a model allocates once it is warm: candle's list of the output's strides for every op that writes
//! in place (some bytes, gone at once; see `Layout::has_internal_overlap`), and what the model returns.

#![allow(clippy::unwrap_used, unsafe_code)]

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use models::Role;
use models::blazeface::{BlazeFace, Range};
use models::face_mesh::FaceMesh;
use models::iris::Iris;
use models::layer::{Activation, Block, Conv, Depthwise, Filter, Padding, Residual};
use models::minifas::{MiniFas, Variant};
use models::mobilefacenet::MobileFaceNet;
use models::plan::{Plan, Planner};
use models::sface::Sface;
use models::store::Store;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::HashMap;

/// The system's allocator, counting what the current thread asks for.
struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's contract.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of the third run; the first two fill what is kept.
fn third_run(mut run: impl FnMut()) -> usize {
    run();
    run();
    let before = COUNT.with(Cell::get);
    run();
    COUNT.with(Cell::get) - before
}

/// In-place ops of a run, the most that candle can list: one fills the input, one is each layer.
fn ops(plan: &Plan) -> usize {
    1 + plan.layers()
}

#[test]
fn a_plan_allocates_candles_stride_lists_only() {
    let ones = |shape: (usize, usize, usize, usize)| Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap();
    let mut tensors: HashMap<String, Tensor> = HashMap::new();
    tensors.insert("stem".into(), ones((24, 3, 3, 3)));
    tensors.insert("window".into(), ones((1, 3, 3, 24)));
    tensors.insert("wide".into(), ones((24, 1, 1, 24)));
    tensors.insert("bias".into(), Tensor::zeros(24, DType::F32, &Device::Cpu).unwrap());
    let vb = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
    let (mut planner, input) = Planner::new(40, 40, 3);
    let stem = Filter::tflite(&vb, "stem", "bias").unwrap();
    let x = planner.add(Conv::new(&stem, 2, Padding::Same, &Activation::Relu).unwrap(), &[input]).unwrap();
    let window = Depthwise::tflite(&vb, "window", "bias").unwrap();
    let wide = Filter::tflite(&vb, "wide", "bias").unwrap();
    let block = Block::new(&window, 1, Padding::Same, &Activation::None).unwrap();
    let block = block.project(&wide, Residual::Input, &Activation::Relu).unwrap();
    let x = planner.add(block, &[x]).unwrap();
    let mut plan = planner.finish(&[x]).unwrap();
    let mut sum = 0.0;
    let allocations = third_run(|| {
        plan.fill_input(|values| values.fill(0.5)).unwrap();
        plan.run().unwrap();
        sum = plan.output(0, |values| values.iter().sum::<f32>()).unwrap();
    });
    assert!(sum > 0.0);
    assert_eq!(allocations, ops(&plan));
}

#[test]
fn models_allocate_their_answers_besides() {
    let Ok(store) = Store::open(Store::default_dir()) else {
        skipped::skipped("the models; run `fetch_models`");
        return;
    };
    let weights = |role: Role| match models::store::load(&store, role, &Device::Cpu) {
        Ok(vb) => Some(vb),
        Err(error) => {
            skipped::skipped(&format!("{error}"));
            None
        }
    };
    let grey = |values: &mut [f32]| values.fill(0.25);
    if let Some(vb) = weights(Role::FaceDetectorShortRange) {
        let mut network = BlazeFace::load(Range::Short, vb).unwrap();
        // Nothing is found in grey, so the answer is an empty list, which needs no memory.
        assert!(third_run(|| drop(network.detect_with(grey, 0.5).unwrap())) <= ops(network.plan_mut()));
    }
    if let Some(vb) = weights(Role::Embedder) {
        let mut network = MobileFaceNet::load(vb).unwrap();
        assert!(third_run(|| _ = network.embed_with(grey).unwrap()) <= ops(network.plan_mut()));
    }
    if let Some(vb) = weights(Role::EmbedderSface) {
        let mut network = Sface::load(vb).unwrap();
        assert!(third_run(|| _ = network.embed_with(grey).unwrap()) <= ops(network.plan_mut()));
    }
    for (role, variant) in [(Role::AntispoofV2, Variant::V2), (Role::AntispoofV1Se, Variant::V1Se)] {
        if let Some(vb) = weights(role) {
            let mut network = MiniFas::load(variant, vb).unwrap();
            assert!(third_run(|| _ = network.classify_with(grey).unwrap()) <= ops(network.plan_mut()));
        }
    }
    // The mesh is a list.
    if let Some(vb) = weights(Role::FaceMesh) {
        let mut network = FaceMesh::load(vb).unwrap();
        assert!(third_run(|| drop(network.mesh_with(grey).unwrap())) <= ops(network.plan_mut()) + 1);
    }
    if let Some(vb) = weights(Role::Iris) {
        let mut network = Iris::load_lids(vb).unwrap();
        assert!(third_run(|| _ = network.opening_with(grey).unwrap()) <= ops(network.plan_mut()));
    }
}
