//! Milliseconds and GFLOP/s of every model whose weights have been fetched.
//!
//! `cargo run --release -p models --example models [-- --layers] [NAME ...]`; with `--layers` every layer
//! of them too. With `--answer` alone it answers the questions of `scripts/bench`.
#![allow(clippy::print_stdout)]

mod answer;

use answer::Question;
use candle_core::{Device, Error, Result, Tensor};
use candle_nn::VarBuilder;
use models::Role;
use models::blazeface::{BlazeFace, Range};
use models::face_mesh::FaceMesh;
use models::iris::Iris;
use models::layer::{Activation, Conv, Filter, Padding};
use models::minifas::{MiniFas, Variant};
use models::mobilefacenet::MobileFaceNet;
use models::plan::{Plan, Planner};
use models::sface::Sface;
use models::store::Store;
use models::yunet::YuNet;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Runs of each model; the shortest counts, as the one that nothing disturbed, and the median shows how far
/// that is off.
const RUNS: usize = 200;

type Visit<'a> = &'a mut dyn FnMut(&str, &mut Plan) -> Result<()>;

fn main() -> Result<()> {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    if names == ["--answer"] {
        return Ok(answer::every_question(|question| timed(question).map_err(|error| error.to_string()))?);
    }
    let layers = names.iter().any(|name| name == "--layers");
    names.retain(|name| name != "--layers");
    println!(
        "{:60} {:>8} {:>8} {:>8} {:>8} {:>10}",
        "network", "min ms", "median", "MMAC", "GFLOP/s", "buffers KB"
    );
    each(
        &|role| names.is_empty() || names.iter().any(|name| role.contains(name.as_str())),
        &mut |role, plan| {
            fill(plan)?;
            let mut times = Vec::with_capacity(RUNS);
            for _ in 0..RUNS {
                let begin = Instant::now();
                plan.run()?;
                times.push(begin.elapsed());
            }
            times.sort();
            line(role, times[0], Some((times[RUNS / 2], plan.buffer_bytes())), plan.operations());
            if layers {
                for (layer, operations, time) in plan.profile(RUNS)? {
                    line(&format!("  {layer}"), time, None, operations);
                }
            }
            Ok(())
        },
    )
}

/// A ramp, which is what the peers get too.
fn fill(plan: &mut Plan) -> Result<()> {
    plan.fill_input(|values| values.iter_mut().enumerate().for_each(|(i, x)| *x = (i % 251) as f32 / 250.0))
}

/// Shortest time of the model that is asked for.
fn timed(question: &Question<'_>) -> Result<f64> {
    if let Some((side, window)) = question.name.split_once('-').filter(|(side, _)| WHOSE.contains(side)) {
        return convolution(question, side, window);
    }
    let mut answer = Err(Error::msg("this program does not have it, or its weights have not been fetched"));
    each(&|role| role == question.name, &mut |_, plan| {
        fill(plan)?;
        answer = question.shortest(|| plan.run());
        Ok(())
    })?;
    answer
}

/// Who computes a convolution: our layer, or candle's own operation.
const WHOSE: [&str; 2] = ["convolution", "candle"];

/// Shortest time of one convolution as SFace has it on its fourteen lines, or of a window as its stem has it:
/// what our kernels are for.
fn convolution(question: &Question<'_>, side: &str, window: &str) -> Result<f64> {
    let (k, padding, size, inputs, outputs) = match window {
        "1x1" => (1, 0, 14, 512, 512),
        "3x3" => (3, 1, 112, 3, 32),
        _ => return Err(Error::msg("there is no such window")),
    };
    let values = |n: usize| (0..n).map(|i| (i % 251) as f32 / 250.0 - 0.5).collect::<Vec<_>>();
    let kernel = Tensor::from_vec(values(outputs * inputs * k * k), (outputs, inputs, k, k), &Device::Cpu)?;
    if side == "candle" {
        let x = Tensor::from_vec(values(inputs * size * size), (1, inputs, size, size), &Device::Cpu)?;
        return question.shortest(|| x.conv2d(&kernel, padding, 1, 1, 1).map(|_| ()));
    }
    let vb = VarBuilder::from_tensors(
        HashMap::from([("kernel".to_owned(), kernel)]),
        candle_core::DType::F32,
        &Device::Cpu,
    );
    let filter = Filter::torch(&vb, "kernel", None)?;
    let (mut planner, input) = Planner::new(size, size, inputs);
    let layer = Conv::new(&filter, 1, Padding::Each(padding), &Activation::None)?;
    let output = planner.add(layer, &[input])?;
    let mut plan = planner.finish(&[output])?;
    fill(&mut plan)?;
    question.shortest(|| plan.run())
}

/// One line of the table; a whole model has a median and buffers besides.
fn line(name: &str, time: Duration, whole: Option<(Duration, usize)>, operations: usize) {
    let ms = |time: Duration| format!("{:.3}", time.as_secs_f64() * 1e3);
    let (median, buffers) =
        whole.map_or(Default::default(), |(median, bytes)| (ms(median), (bytes / 1024).to_string()));
    let rate = 2.0 * operations as f64 / time.as_secs_f64() / 1e9;
    let millions = operations as f64 / 1e6;
    println!("{name:60} {:>8} {median:>8} {millions:>8.2} {rate:>8.1} {buffers:>10}", ms(time));
}

/// Visits the models whose role is wanted and whose weights are there.
fn each(wanted: &dyn Fn(&str) -> bool, visit: Visit<'_>) -> Result<()> {
    let store = Store::open(Store::default_dir()).map_err(Error::wrap)?;
    let weights = |role: Role| -> Result<Option<VarBuilder<'static>>> {
        if !wanted(role.name()) || !store.has(role) {
            return Ok(None);
        }
        models::store::load(&store, role, &Device::Cpu).map(Some).map_err(Error::wrap)
    };
    for (role, range) in
        [(Role::FaceDetectorShortRange, Range::Short), (Role::FaceDetectorFullRange, Range::Full)]
    {
        if let Some(vb) = weights(role)? {
            visit(role.name(), BlazeFace::load(range, vb)?.plan_mut())?;
        }
    }
    if let Some(vb) = weights(Role::FaceMesh)? {
        visit(Role::FaceMesh.name(), FaceMesh::load(vb)?.plan_mut())?;
    }
    if let Some(vb) = weights(Role::Iris)? {
        visit(Role::Iris.name(), Iris::load(vb)?.plan_mut())?;
    }
    if let Some(vb) = weights(Role::Embedder)? {
        visit(Role::Embedder.name(), MobileFaceNet::load(vb)?.plan_mut())?;
    }
    for role in [Role::EmbedderSface, Role::EmbedderSfaceFp32] {
        if let Some(vb) = weights(role)? {
            visit(role.name(), Sface::load(vb)?.plan_mut())?;
        }
    }
    for (role, variant) in [
        (Role::AntispoofV2, Variant::V2),
        (Role::AntispoofV1Se, Variant::V1Se),
        (Role::Antispoof128, Variant::Se128),
    ] {
        if let Some(vb) = weights(role)? {
            visit(role.name(), MiniFas::load(variant, vb)?.plan_mut())?;
        }
    }
    for (role, side) in [(Role::DetectorYunet320, 320), (Role::DetectorYunet640, 640)] {
        if let Some(vb) = weights(role)? {
            visit(role.name(), YuNet::load(side, side, vb)?.plan_mut())?;
        }
    }
    Ok(())
}
