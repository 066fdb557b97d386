//! TFLite: a flatbuffer of operator codes, one subgraph and the buffers it names.
//!
//! Schema: tensorflow/lite/schema/schema.fbs, version 3. Only what the pinned models need is read, by field
//! number; a generated reader for the whole schema would be some 20,000 lines.
//!
//! Weights stored as fp16 stand behind a `DEQUANTIZE` operator each. The operator disappears: the constant
//! keeps its own name (`conv2d/Kernel`, not `conv2d/Kernel_dequantize`) and becomes f32.

use std::collections::BTreeMap;

use super::bytes::Bytes;
use super::error::Error;
use super::graph::{Graph, Node, Port};
use super::half;
use super::parsed::Parsed;
use super::tensor::Data;
use super::tensor::{self, Collector};

const FORMAT: &str = "TFLite";

/// Most entries of one vector of tables or numbers; the largest model has 717 tensors.
const MAX_VECTOR: usize = 65_536;

/// Longest name; the longest seen has 150 bytes.
const MAX_NAME: usize = 4096;

/// Reads the constants and the operator list.
pub(super) fn parse(source: &[u8]) -> Result<Parsed, Error> {
    let bytes = Bytes(source);
    if bytes.slice("file identifier", 4, 4)? != b"TFL3" {
        return Err(malformed("no TFL3 identifier"));
    }
    let model = Table::at(bytes, follow(bytes, 0)?)?;
    let operators = model.tables(1)?.into_iter().map(operator_code).collect::<Result<Vec<_>, _>>()?;
    let buffers = model.tables(4)?;
    let subgraphs = model.tables(2)?;
    let [subgraph] = subgraphs.as_slice() else {
        return Err(unsupported(format!("{} subgraphs", subgraphs.len())));
    };

    let mut tensors = subgraph
        .tables(0)?
        .into_iter()
        .map(|table| read_tensor(table, &buffers))
        .collect::<Result<Vec<_>, _>>()?;
    let nodes = subgraph
        .tables(3)?
        .into_iter()
        .map(|table| read_operator(table, &operators, &mut tensors))
        .filter_map(Result::transpose)
        .collect::<Result<Vec<_>, _>>()?;
    let graph = Graph {
        inputs: ports(subgraph.ints(1)?, &tensors)?,
        outputs: ports(subgraph.ints(2)?, &tensors)?,
        nodes,
    };

    let mut collector = Collector::default();
    for tensor in &tensors {
        collect(tensor, &mut collector)?;
    }
    Ok(Parsed { tensors: collector.finish(), graph, stripped_prefix: None })
}

struct SourceTensor<'a> {
    name: String,
    shape: Vec<i64>,
    element: u8,
    /// Empty for what is computed.
    data: &'a [u8],
    sparse: bool,
    quantised: bool,
}

fn read_tensor<'a>(table: Table<'a>, buffers: &[Table<'a>]) -> Result<SourceTensor<'a>, Error> {
    let buffer = table.u32(2)?.unwrap_or(0) as usize;
    let data = buffers
        .get(buffer)
        .ok_or_else(|| malformed(format!("buffer {buffer} of {}", buffers.len())))?
        .vector(0, 1)?
        .map_or(Ok(&[][..]), |vector| table.bytes.slice("buffer", vector.start, vector.len))?;
    let quantised = match table.table(4)? {
        // A quantisation table without scales is how converters write "not quantised".
        Some(quantisation) => quantisation.vector(2, 4)?.is_some_and(|scales| scales.len > 0),
        None => false,
    };
    Ok(SourceTensor {
        name: tensor::name(table.string(3)?.unwrap_or_default()),
        shape: table.ints(0)?.into_iter().map(i64::from).collect(),
        element: table.u8(1)?.unwrap_or(0),
        data,
        sparse: table.field(6)?.is_some(),
        quantised,
    })
}

fn collect(tensor: &SourceTensor<'_>, collector: &mut Collector) -> Result<(), Error> {
    if tensor.data.is_empty() {
        return Ok(());
    }
    if tensor.sparse || tensor.quantised {
        return Err(unsupported(format!("sparse or integer-quantised constant {:?}", tensor.name)));
    }
    let (shape, count) = tensor::elements(FORMAT, &tensor.shape)?;
    // TensorType of the schema.
    let (width, out) = match tensor.element {
        0 => (4, 4),
        1 => (2, 4),
        2 => (4, 8),
        4 => (8, 8),
        other => {
            return Err(unsupported(format!("element type {other} of constant {:?}", tensor.name)));
        }
    };
    if tensor.data.len() != count * width {
        return Err(malformed(format!(
            "constant {:?} of shape {shape:?} has {} bytes, not {}",
            tensor.name,
            tensor.data.len(),
            count * width
        )));
    }
    collector.reserve(count * out)?;
    let words = tensor.data.as_chunks::<4>().0.iter();
    let data = match tensor.element {
        0 => Data::F32(words.map(|word| f32::from_le_bytes(*word)).collect()),
        1 => Data::F32(half::decode(tensor.data)),
        2 => Data::I64(words.map(|word| i32::from_le_bytes(*word).into()).collect()),
        _ => Data::I64(tensor.data.as_chunks::<8>().0.iter().map(|word| i64::from_le_bytes(*word)).collect()),
    };
    collector.push(&tensor.name, shape, data);
    Ok(())
}

fn ports(indices: Vec<i32>, tensors: &[SourceTensor<'_>]) -> Result<Vec<Port>, Error> {
    indices
        .into_iter()
        .map(|index| {
            let tensor = tensor_at(index, tensors)?;
            Ok(Port { name: tensor.name.clone(), shape: tensor.shape.clone() })
        })
        .collect()
}

fn tensor_at<'t, 'a>(index: i32, tensors: &'t [SourceTensor<'a>]) -> Result<&'t SourceTensor<'a>, Error> {
    usize::try_from(index)
        .ok()
        .and_then(|index| tensors.get(index))
        .ok_or_else(|| malformed(format!("tensor {index} of {}", tensors.len())))
}

/// Number of an operator in the schema. Old files keep it in a byte, new ones in an int; the larger one
/// counts.
fn operator_code(table: Table<'_>) -> Result<u32, Error> {
    Ok(u32::from(table.u8(0)?.unwrap_or(0)).max(table.u32(3)?.unwrap_or(0)))
}

/// Reads one operator; `None` for the `DEQUANTIZE` of a constant, whose output then takes the constant's
/// name.
fn read_operator(
    table: Table<'_>,
    codes: &[u32],
    tensors: &mut [SourceTensor<'_>],
) -> Result<Option<Node>, Error> {
    let code = table.u32(0)?.unwrap_or(0) as usize;
    let code =
        *codes.get(code).ok_or_else(|| malformed(format!("operator code {code} of {}", codes.len())))?;
    let inputs = table.ints(1)?;
    let outputs = table.ints(2)?;
    let Some((_, op, options)) = OPERATORS.iter().find(|(number, ..)| *number == code) else {
        return Err(unsupported(format!("builtin operator {code}")));
    };

    if let (&"DEQUANTIZE", [input], [output]) = (op, inputs.as_slice(), outputs.as_slice()) {
        let constant = tensor_at(*input, tensors)?;
        if !constant.data.is_empty() {
            let name = constant.name.clone();
            tensor_at(*output, tensors)?;
            // The line above proved the index good.
            if let Some(output) = tensors.get_mut(*output as usize) {
                output.name = name;
            }
            return Ok(None);
        }
    }

    let mut attributes = BTreeMap::new();
    if let Some(table) = table.table(4)? {
        for &(field, name, kind) in *options {
            if let Some(value) = kind.read(table, field)? {
                attributes.insert(name.to_owned(), value);
            }
        }
    }
    let names =
        |indices: Vec<i32>| {
            indices
                .into_iter()
                // -1 stands for an optional input that is absent.
                .map(|index| {
                    if index == -1 { Ok(String::new()) } else { Ok(tensor_at(index, tensors)?.name.clone()) }
                })
                .collect::<Result<Vec<_>, Error>>()
        };
    Ok(Some(Node { op: (*op).to_owned(), inputs: names(inputs)?, outputs: names(outputs)?, attributes }))
}

/// How an option is stored and shown.
#[derive(Clone, Copy)]
enum Kind {
    Activation,
    Padding,
    Int,
    Flag,
    Float,
}

impl Kind {
    /// `None` where the option has its default of zero, so that only what matters is listed.
    fn read(self, table: Table<'_>, field: usize) -> Result<Option<String>, Error> {
        Ok(match self {
            Self::Activation => match table.u8(field)?.unwrap_or(0) {
                0 => None,
                1 => Some("RELU".to_owned()),
                3 => Some("RELU6".to_owned()),
                other => return Err(unsupported(format!("fused activation {other}"))),
            },
            Self::Padding => Some(match table.u8(field)?.unwrap_or(0) {
                0 => "SAME".to_owned(),
                1 => "VALID".to_owned(),
                other => return Err(malformed(format!("padding {other}"))),
            }),
            Self::Int => table.u32(field)?.map(|value| (value as i32).to_string()),
            Self::Flag => table.u8(field)?.filter(|&value| value != 0).map(|_| "true".to_owned()),
            Self::Float => table.u32(field)?.map(|bits| f32::from_bits(bits).to_string()),
        })
    }
}

type Options = &'static [(usize, &'static str, Kind)];

const FUSED: (&str, Kind) = ("activation", Kind::Activation);

const POOL: Options = &[
    (0, "padding", Kind::Padding),
    (1, "stride_w", Kind::Int),
    (2, "stride_h", Kind::Int),
    (3, "filter_w", Kind::Int),
    (4, "filter_h", Kind::Int),
    (5, FUSED.0, FUSED.1),
];

/// Operators of the pinned models: number in the schema, name, options by field number.
const OPERATORS: &[(u32, &str, Options)] = &[
    (0, "ADD", &[(0, FUSED.0, FUSED.1)]),
    (1, "AVERAGE_POOL_2D", POOL),
    (2, "CONCATENATION", &[(0, "axis", Kind::Int), (1, FUSED.0, FUSED.1)]),
    (
        3,
        "CONV_2D",
        &[
            (0, "padding", Kind::Padding),
            (1, "stride_w", Kind::Int),
            (2, "stride_h", Kind::Int),
            (3, FUSED.0, FUSED.1),
            (4, "dilation_w", Kind::Int),
            (5, "dilation_h", Kind::Int),
        ],
    ),
    (
        4,
        "DEPTHWISE_CONV_2D",
        &[
            (0, "padding", Kind::Padding),
            (1, "stride_w", Kind::Int),
            (2, "stride_h", Kind::Int),
            (3, "depth_multiplier", Kind::Int),
            (4, FUSED.0, FUSED.1),
            (5, "dilation_w", Kind::Int),
            (6, "dilation_h", Kind::Int),
        ],
    ),
    (6, "DEQUANTIZE", &[]),
    (9, "FULLY_CONNECTED", &[(0, FUSED.0, FUSED.1)]),
    (14, "LOGISTIC", &[]),
    (17, "MAX_POOL_2D", POOL),
    (18, "MUL", &[(0, FUSED.0, FUSED.1)]),
    (19, "RELU", &[]),
    (22, "RESHAPE", &[]),
    (23, "RESIZE_BILINEAR", &[(2, "align_corners", Kind::Flag), (3, "half_pixel_centers", Kind::Flag)]),
    (34, "PAD", &[]),
    (41, "SUB", &[(0, FUSED.0, FUSED.1)]),
    (
        45,
        "STRIDED_SLICE",
        &[
            (0, "begin_mask", Kind::Int),
            (1, "end_mask", Kind::Int),
            (2, "ellipsis_mask", Kind::Int),
            (3, "new_axis_mask", Kind::Int),
            (4, "shrink_axis_mask", Kind::Int),
        ],
    ),
    (53, "CAST", &[]),
    (54, "PRELU", &[]),
    (58, "LESS", &[]),
    (62, "GREATER_EQUAL", &[]),
    (98, "LEAKY_RELU", &[(0, "alpha", Kind::Float)]),
    (101, "ABS", &[]),
];

/// A flatbuffer table: its address and that of its vtable, which says where each field lies.
#[derive(Clone, Copy)]
struct Table<'a> {
    bytes: Bytes<'a>,
    start: usize,
    vtable: usize,
    vtable_len: usize,
}

/// Where a vector's elements lie, proved to be inside the file.
struct Vector {
    start: usize,
    /// Number of elements.
    len: usize,
}

impl<'a> Table<'a> {
    fn at(bytes: Bytes<'a>, start: usize) -> Result<Self, Error> {
        let back = i64::from(bytes.i32("table", start)?);
        let vtable = usize::try_from(start as i64 - back).map_err(|_| malformed("vtable before the file"))?;
        let vtable_len = bytes.u16("vtable", vtable)?.into();
        Ok(Self { bytes, start, vtable, vtable_len })
    }

    /// Address of field `number`, if the table has it.
    fn field(self, number: usize) -> Result<Option<usize>, Error> {
        let slot = 4 + 2 * number;
        if slot + 2 > self.vtable_len {
            return Ok(None);
        }
        let offset = usize::from(self.bytes.u16("vtable", self.vtable + slot)?);
        Ok((offset != 0).then(|| self.start + offset))
    }

    fn u8(self, number: usize) -> Result<Option<u8>, Error> {
        self.field(number)?.map(|at| self.bytes.u8("field", at)).transpose()
    }

    fn u32(self, number: usize) -> Result<Option<u32>, Error> {
        self.field(number)?.map(|at| self.bytes.u32("field", at)).transpose()
    }

    fn table(self, number: usize) -> Result<Option<Table<'a>>, Error> {
        self.field(number)?.map(|at| Table::at(self.bytes, follow(self.bytes, at)?)).transpose()
    }

    /// The vector in field `number` whose elements have `width` bytes.
    fn vector(self, number: usize, width: usize) -> Result<Option<Vector>, Error> {
        let Some(at) = self.field(number)? else {
            return Ok(None);
        };
        let at = follow(self.bytes, at)?;
        let len = self.bytes.u32("vector", at)? as usize;
        self.bytes.slice("vector", at + 4, len.saturating_mul(width))?;
        Ok(Some(Vector { start: at + 4, len }))
    }

    /// A vector of four-byte things, limited in length; empty if absent.
    fn words(self, number: usize) -> Result<impl Iterator<Item = usize>, Error> {
        let Vector { start, len } = self.vector(number, 4)?.unwrap_or(Vector { start: 0, len: 0 });
        if len > MAX_VECTOR {
            return Err(Error::TooLarge { what: "vector", found: len, limit: MAX_VECTOR });
        }
        Ok((0..len).map(move |index| start + 4 * index))
    }

    fn tables(self, number: usize) -> Result<Vec<Table<'a>>, Error> {
        self.words(number)?.map(|at| Table::at(self.bytes, follow(self.bytes, at)?)).collect()
    }

    fn ints(self, number: usize) -> Result<Vec<i32>, Error> {
        self.words(number)?.map(|at| self.bytes.i32("vector", at)).collect()
    }

    fn string(self, number: usize) -> Result<Option<&'a str>, Error> {
        let Some(vector) = self.vector(number, 1)? else {
            return Ok(None);
        };
        if vector.len > MAX_NAME {
            return Err(Error::TooLarge { what: "name", found: vector.len, limit: MAX_NAME });
        }
        let text = self.bytes.slice("string", vector.start, vector.len)?;
        str::from_utf8(text).map(Some).map_err(|_| malformed("a name is not UTF-8"))
    }
}

/// The address that the offset at `at` points to.
fn follow(bytes: Bytes<'_>, at: usize) -> Result<usize, Error> {
    Ok(at.saturating_add(bytes.u32("offset", at)? as usize))
}

fn malformed(reason: impl Into<String>) -> Error {
    Error::Malformed { format: FORMAT, reason: reason.into() }
}

fn unsupported(what: impl Into<String>) -> Error {
    Error::Unsupported { format: FORMAT, what: what.into() }
}
