//! A model as a fixed list of layers with fixed buffers.
//!
//! The model's code says what follows what, once, when it is loaded; [`Planner::finish`] then gives every
//! value a place. A buffer is free again after its value's last use, and the smallest free one that fits is
//! taken, so that a model lives in few buffers that stay in the cache, and running it allocates nothing of
//! its own (candle, before it lets an op write in place, lists the output's strides: some bytes a layer, gone
//! at once; `tests/allocations.rs` counts them).

use crate::layer::{Layer, Shape, apply};
use candle_core::{CpuStorage, Device, InplaceOp1, Layout, Result, Storage, Tensor, bail};
use std::fmt;
use std::time::{Duration, Instant};

/// A value in a model that is being planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value(usize);

/// Collects the layers of a model.
#[derive(Debug)]
pub struct Planner {
    shapes: Vec<Shape>,
    /// Value `i + 1` is made by step `i`; value 0 is the input.
    steps: Vec<(Box<dyn Layer>, Vec<Value>)>,
}

impl Planner {
    /// Begins a model with one input, whose value is returned.
    pub fn new(height: usize, width: usize, channels: usize) -> (Self, Value) {
        (Self { shapes: vec![Shape { height, width, channels }], steps: Vec::new() }, Value(0))
    }

    /// Adds a layer and returns what it makes. Fails when the inputs do not fit it.
    pub fn add(&mut self, layer: impl Layer + 'static, inputs: &[Value]) -> Result<Value> {
        let shapes: Vec<Shape> = inputs.iter().map(|value| self.shapes[value.0]).collect();
        let shape = match layer.output(&shapes) {
            Ok(shape) => shape,
            Err(error) => bail!("step {}: {error}", self.steps.len()),
        };
        self.shapes.push(shape);
        self.steps.push((Box::new(layer), inputs.to_vec()));
        Ok(Value(self.steps.len()))
    }

    /// Places every value; `outputs` keep theirs until the next run.
    pub fn finish(self, outputs: &[Value]) -> Result<Plan> {
        let mut last_use: Vec<usize> = (0..self.shapes.len()).map(|value| value.saturating_sub(1)).collect();
        for (step, (_, inputs)) in self.steps.iter().enumerate() {
            for input in inputs {
                last_use[input.0] = step;
            }
        }
        // The input keeps its place too: a caller may run the same picture again.
        for value in outputs.iter().chain([&Value(0)]) {
            last_use[value.0] = usize::MAX;
        }

        let mut sizes: Vec<usize> = Vec::new();
        let mut free: Vec<usize> = Vec::new();
        let mut place = vec![0; self.shapes.len()];
        for (value, shape) in self.shapes.iter().enumerate() {
            let need = shape.len();
            let best = free.iter().enumerate().min_by_key(|&(_, &slot)| {
                let size: usize = sizes[slot];
                // Those that fit come first, smallest leading; of those that must grow, the largest.
                (size < need, if size < need { need - size } else { size })
            });
            let slot = match best.map(|(i, _)| i) {
                Some(i) => free.swap_remove(i),
                None => {
                    sizes.push(0);
                    sizes.len() - 1
                }
            };
            sizes[slot] = sizes[slot].max(need);
            place[value] = slot;
            // Step `value − 1` has made this value; what it used last is free from now on.
            if let Some(step) = value.checked_sub(1) {
                free.extend((0..=value).filter(|&v| last_use[v] == step).map(|v| place[v]));
            }
        }

        let slots = sizes.iter().map(|&size| aligned(size)).collect::<Result<Vec<_>>>()?;
        let tensors = self
            .shapes
            .iter()
            .zip(&place)
            .map(|(shape, &slot)| {
                slots[slot].narrow(0, 0, shape.len())?.reshape((1, shape.height, shape.width, shape.channels))
            })
            .collect::<Result<Vec<_>>>()?;
        let steps = self.steps.into_iter().enumerate().map(|(i, (layer, inputs))| {
            let operations =
                layer.operations(&inputs.iter().map(|value| self.shapes[value.0]).collect::<Vec<_>>());
            let inputs = inputs.iter().map(|value| tensors[value.0].clone()).collect();
            Step { layer, inputs, output: tensors[i + 1].clone(), operations }
        });
        Ok(Plan {
            input: tensors[0].clone(),
            steps: steps.collect(),
            outputs: outputs.iter().map(|value| tensors[value.0].clone()).collect(),
            bytes: sizes.iter().sum::<usize>() * size_of::<f32>(),
        })
    }
}

/// A model that is ready to run.
pub struct Plan {
    input: Tensor,
    steps: Vec<Step>,
    outputs: Vec<Tensor>,
    bytes: usize,
}

#[derive(Debug)]
struct Step {
    layer: Box<dyn Layer>,
    inputs: Vec<Tensor>,
    output: Tensor,
    operations: usize,
}

impl Plan {
    /// Runs on a tensor, which must have the planned shape with a batch of one.
    pub fn run_on(&mut self, input: &Tensor) -> Result<()> {
        if input.shape() != self.input.shape() {
            bail!("the model takes {:?}, not {:?}", self.input.dims(), input.dims());
        }
        let (storage, layout) = input.storage_and_layout();
        let (Storage::Cpu(storage), Some((begin, end))) = (&*storage, layout.contiguous_offsets()) else {
            bail!("the input must be contiguous and in main memory")
        };
        let source = &storage.as_slice::<f32>()?[begin..end];
        self.run_with(|values| values.copy_from_slice(source))
    }

    /// Runs on an input that `fill` writes as in [`Self::fill_input`].
    pub fn run_with(&mut self, fill: impl FnOnce(&mut [f32])) -> Result<()> {
        self.fill_input(fill)?;
        self.run()
    }

    /// Lets `fill` write the input where the model reads it: NHWC, every value.
    pub fn fill_input(&mut self, fill: impl FnOnce(&mut [f32])) -> Result<()> {
        self.input.inplace_op1(&Fill(std::cell::Cell::new(Some(fill))))
    }

    /// Runs every layer once.
    pub fn run(&mut self) -> Result<()> {
        for step in &self.steps {
            step.run()?;
        }
        Ok(())
    }

    /// Shape of the input, `[1, height, width, channels]`.
    pub fn input_dims(&self) -> &[usize] {
        self.input.dims()
    }

    /// Lends the values of an output, in the order given to [`Planner::finish`]. They hold until the next
    /// run.
    pub fn output<T>(&self, index: usize, read: impl FnOnce(&[f32]) -> T) -> Result<T> {
        let Some(output) = self.outputs.get(index) else {
            bail!("this plan makes {} outputs, none with index {index}", self.outputs.len())
        };
        let (storage, layout) = output.storage_and_layout();
        match (&*storage, layout.contiguous_offsets()) {
            (Storage::Cpu(storage), Some((begin, end))) => Ok(read(&storage.as_slice::<f32>()?[begin..end])),
            _ => bail!("an output is not contiguous in main memory"),
        }
    }

    /// The values of an output as a tensor of `dims`.
    pub fn output_tensor(&self, index: usize, dims: impl Into<candle_core::Shape>) -> Result<Tensor> {
        self.output(index, |values| Tensor::from_slice(values, dims, &Device::Cpu))?
    }

    /// Layers, each of them one candle op.
    pub fn layers(&self) -> usize {
        self.steps.len()
    }

    /// Multiply-adds of one run.
    pub fn operations(&self) -> usize {
        self.steps.iter().map(|step| step.operations).sum()
    }

    /// Bytes of the buffers between the layers.
    pub fn buffer_bytes(&self) -> usize {
        self.bytes
    }

    /// Runs every layer `runs` times in turn and returns for each its description, its multiply-adds and its
    /// shortest time.
    pub fn profile(&mut self, runs: usize) -> Result<Vec<(String, usize, Duration)>> {
        let mut best = vec![Duration::MAX; self.steps.len()];
        for _ in 0..runs {
            for (step, best) in self.steps.iter().zip(&mut best) {
                let begin = Instant::now();
                step.run()?;
                *best = begin.elapsed().min(*best);
            }
        }
        let line = |(step, best): (&Step, Duration)| {
            (format!("{:?} {:?}", &step.output.dims()[1..], step.layer), step.operations, best)
        };
        Ok(self.steps.iter().zip(best).map(line).collect())
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} layers, {} MMAC, {} KB",
            self.steps.len(),
            self.operations() / 1_000_000,
            self.bytes / 1024
        )
    }
}

impl Step {
    fn run(&self) -> Result<()> {
        match self.inputs.as_slice() {
            [a] => apply(self.layer.as_ref(), &[a], &self.output),
            [a, b] => apply(self.layer.as_ref(), &[a, b], &self.output),
            _ => bail!("a layer takes one or two inputs"),
        }
    }
}

/// A buffer that begins on a cache line, so that full-width loads of it do not straddle two.
fn aligned(len: usize) -> Result<Tensor> {
    const LINE: usize = 64;
    let slack = LINE / size_of::<f32>();
    let tensor = Tensor::from_vec(vec![0f32; len + slack], len + slack, &Device::Cpu)?;
    let address = match &*tensor.storage_and_layout().0 {
        Storage::Cpu(storage) => storage.as_slice::<f32>()?.as_ptr().addr(),
        _ => bail!("the buffer is not in main memory"),
    };
    tensor.narrow(0, (address.next_multiple_of(LINE) - address) / size_of::<f32>(), len)
}

/// Hands a tensor's memory to a closure, once.
struct Fill<F>(std::cell::Cell<Option<F>>);

impl<F: FnOnce(&mut [f32])> InplaceOp1 for Fill<F> {
    fn name(&self) -> &'static str {
        "fill"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let Some((begin, end)) = layout.contiguous_offsets() else {
            bail!("the input buffer is not contiguous")
        };
        let CpuStorage::F32(values) = storage else { bail!("the input buffer is not f32") };
        if let Some(fill) = self.0.take() {
            fill(&mut values[begin..end]);
        }
        Ok(())
    }
}
