//! ONNX: a protobuf message with the operator list and the constants ("initializers").
//!
//! Schema: onnx/onnx.proto. The fields that matter are read by number, everything else is skipped as protobuf
//! asks for.
//!
//! Exporters fold batch normalisation into the convolution before it and call what comes out `420` or
//! `onnx::Conv_641`. Such a constant is named after the first operator that reads it, as torch would have
//! named it: `/conv_6_dw/conv/Conv` gives `conv_6_dw.conv.weight` and `.bias`, `Conv_0` gives
//! `Conv_0.weight`.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::error::Error;
use super::graph::{Graph, Node, Port};
use super::half;
use super::parsed::Parsed;
use super::protobuf::{FORMAT, Field, Fields, Message, Varints, malformed, nested, number, text};
use super::tensor::{self, Collector};
use super::tensor::{Data, Tensor};

/// Most operators; the largest pinned model has some 200.
const MAX_NODES: usize = 16_384;

/// Longest list of numbers in an attribute that is kept for the operator list.
const MAX_ATTRIBUTE: usize = 64;

/// Reads the constants and the operator list.
pub(super) fn parse(source: &[u8]) -> Result<Parsed, Error> {
    let mut graph_bytes = None;
    let mut ir_version = None;
    for field in Fields(Message::new(source)) {
        match field? {
            (1, Field::Number(version)) => ir_version = Some(version),
            (7, Field::Bytes(graph)) => graph_bytes = Some(graph),
            _ => {}
        }
    }
    let (Some(_), Some(graph_bytes)) = (ir_version, graph_bytes) else {
        return Err(malformed("no IR version or no graph"));
    };

    let mut collector = Collector::default();
    let mut graph = Graph::default();
    let mut node_names = Vec::new();
    for field in Fields(Message::new(graph_bytes)) {
        match field? {
            (1, Field::Bytes(node)) => {
                if graph.nodes.len() >= MAX_NODES {
                    let found = MAX_NODES + 1;
                    return Err(Error::TooLarge { what: "number of operators", found, limit: MAX_NODES });
                }
                if let Some((name, node)) = read_node(node, &mut collector)? {
                    node_names.push(name);
                    graph.nodes.push(node);
                }
            }
            (5, Field::Bytes(tensor)) => read_tensor(tensor, None, &mut collector)?,
            (11, Field::Bytes(port)) => graph.inputs.push(read_port(port)?),
            (12, Field::Bytes(port)) => graph.outputs.push(read_port(port)?),
            (15, _) => return Err(unsupported("sparse initializers")),
            _ => {}
        }
    }
    let mut tensors = collector.finish();
    name_anonymous(&mut tensors, &mut graph.nodes, &node_names);
    // Files of IR version 3 list initializers among the inputs as well.
    graph.inputs.retain(|input| tensors.iter().all(|tensor| tensor.name != input.name));
    Ok(Parsed { tensors, graph, stripped_prefix: None })
}

/// Gives constants without a telling name that of their first reader.
fn name_anonymous(tensors: &mut [Tensor], nodes: &mut [Node], node_names: &[String]) {
    let mut renamed = HashMap::new();
    let anonymous: HashSet<_> =
        tensors.iter().map(|tensor| tensor.name.clone()).filter(|name| is_anonymous(name)).collect();
    for (node, node_name) in nodes.iter_mut().zip(node_names) {
        let path = node_name.as_str();
        let path = path.strip_suffix(&format!(".{}", node.op)).unwrap_or(path).to_owned();
        for (slot, input) in node.inputs.iter_mut().enumerate() {
            if path.is_empty() || !anonymous.contains(input) {
                continue;
            }
            let role = match (node.op.as_str(), slot) {
                ("Conv" | "PRelu" | "MatMul" | "Gemm", 1) => "weight".to_owned(),
                ("Conv" | "Gemm", 2) => "bias".to_owned(),
                _ => format!("input{slot}"),
            };
            *input = renamed.entry(input.clone()).or_insert_with(|| format!("{path}.{role}")).clone();
        }
    }
    for tensor in tensors {
        if let Some(name) = renamed.remove(&tensor.name) {
            tensor.name = name;
        }
    }
}

fn is_anonymous(name: &str) -> bool {
    name.starts_with("onnx::") || name.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads one operator and its name. A `Constant` is not an operator but a tensor under the name of its
/// output.
fn read_node(bytes: &[u8], collector: &mut Collector) -> Result<Option<(String, Node)>, Error> {
    let mut node_name = String::new();
    let mut node = Node { op: String::new(), inputs: vec![], outputs: vec![], attributes: BTreeMap::new() };
    let mut value = None;
    for field in Fields(Message::new(bytes)) {
        match field? {
            (1, Field::Bytes(name)) => node.inputs.push(tensor::name(text(name)?)),
            (2, Field::Bytes(name)) => node.outputs.push(tensor::name(text(name)?)),
            (3, Field::Bytes(name)) => node_name = tensor::name(text(name)?),
            (4, Field::Bytes(op)) => node.op = text(op)?.to_owned(),
            (5, Field::Bytes(attribute)) => {
                let (name, shown, tensor) = read_attribute(attribute)?;
                value = tensor.or(value);
                node.attributes.insert(name, shown);
            }
            _ => {}
        }
    }
    match (node.op.as_str(), value, node.outputs.as_slice()) {
        ("Constant", Some(tensor), [output]) => {
            read_tensor(tensor, Some(output), collector)?;
            Ok(None)
        }
        _ => Ok(Some((node_name, node))),
    }
}

/// Name, value as text, and the tensor if the attribute holds one.
fn read_attribute(bytes: &[u8]) -> Result<(String, String, Option<&[u8]>), Error> {
    let mut name = String::new();
    let mut shown = Vec::new();
    let mut tensor = None;
    for field in Fields(Message::new(bytes)) {
        match field? {
            (1, Field::Bytes(found)) => name = text(found)?.to_owned(),
            (2 | 7, Field::Word(bits)) => shown.push(f32::from_bits(bits).to_string()),
            (3 | 8, Field::Number(number)) => shown.push((number as i64).to_string()),
            (4 | 9, Field::Bytes(found)) => shown.push(text(found)?.to_owned()),
            (5, Field::Bytes(found)) => tensor = Some(found),
            (7, Field::Bytes(packed)) => {
                shown.extend(floats(packed)?.iter().take(MAX_ATTRIBUTE).map(ToString::to_string));
            }
            (8, Field::Bytes(packed)) => {
                for number in Varints(Message::new(packed)).take(MAX_ATTRIBUTE) {
                    shown.push((number? as i64).to_string());
                }
            }
            (6 | 11, _) => return Err(unsupported("operators that hold graphs")),
            _ => {}
        }
    }
    shown.truncate(MAX_ATTRIBUTE);
    Ok((name, shown.join(","), tensor))
}

fn read_tensor(bytes: &[u8], name: Option<&str>, collector: &mut Collector) -> Result<(), Error> {
    let mut dims = Vec::new();
    let mut element = 0;
    let mut own_name = "";
    let mut raw = None;
    let mut typed: Vec<Field<'_>> = Vec::new();
    for field in Fields(Message::new(bytes)) {
        match field? {
            (1, Field::Number(dim)) => dims.push(dim as i64),
            (1, Field::Bytes(packed)) => {
                for dim in Varints(Message::new(packed)) {
                    dims.push(dim? as i64);
                    // More dimensions than any tensor may have: `elements` below says so.
                    if dims.len() > MAX_ATTRIBUTE {
                        break;
                    }
                }
            }
            (2, Field::Number(found)) => element = found,
            (8, Field::Bytes(found)) => own_name = text(found)?,
            (9, Field::Bytes(found)) => raw = Some(found),
            (4 | 5 | 7, field) => typed.push(field),
            (13, _) | (14, Field::Number(1)) => return Err(unsupported("weights in another file")),
            _ => {}
        }
    }
    let name = name.unwrap_or(own_name);
    let (shape, count) = tensor::elements(FORMAT, &dims)?;
    // Every element is there as at least one byte, so that a shape alone cannot make us allocate.
    if count > bytes.len() {
        return Err(malformed(format!("{name:?} of shape {shape:?} in {} bytes", bytes.len())));
    }
    // TensorProto.DataType.
    let data = match element {
        1 => {
            collector.reserve(count * 4)?;
            Data::F32(match raw {
                Some(raw) => floats(raw)?,
                None => typed_floats(&typed)?,
            })
        }
        10 => {
            collector.reserve(count * 4)?;
            let raw = raw.ok_or_else(|| unsupported("fp16 that is not raw"))?;
            Data::F32(half::decode(raw))
        }
        6 | 7 => {
            collector.reserve(count * 8)?;
            Data::I64(match (raw, element) {
                (Some(raw), 7) => {
                    whole(raw, 8)?;
                    raw.as_chunks::<8>().0.iter().map(|word| i64::from_le_bytes(*word)).collect()
                }
                (Some(raw), _) => {
                    whole(raw, 4)?;
                    raw.as_chunks::<4>().0.iter().map(|word| i32::from_le_bytes(*word).into()).collect()
                }
                (None, _) => typed_ints(&typed)?,
            })
        }
        other => return Err(unsupported(format!("element type {other} of {name:?}"))),
    };
    if data.len() != count {
        return Err(malformed(format!("{name:?} of shape {shape:?} has {} elements", data.len())));
    }
    collector.push(name, shape, data);
    Ok(())
}

fn typed_floats(fields: &[Field<'_>]) -> Result<Vec<f32>, Error> {
    let mut values = Vec::new();
    for field in fields {
        match field {
            Field::Word(bits) => values.push(f32::from_bits(*bits)),
            Field::Bytes(packed) => values.extend(floats(packed)?),
            Field::Number(_) => return Err(malformed("an integer among floats")),
        }
    }
    Ok(values)
}

fn typed_ints(fields: &[Field<'_>]) -> Result<Vec<i64>, Error> {
    let mut values = Vec::new();
    for field in fields {
        match field {
            Field::Number(number) => values.push(*number as i64),
            Field::Bytes(packed) => {
                for number in Varints(Message::new(packed)) {
                    values.push(number? as i64);
                }
            }
            Field::Word(_) => return Err(malformed("a float among integers")),
        }
    }
    Ok(values)
}

fn floats(raw: &[u8]) -> Result<Vec<f32>, Error> {
    whole(raw, 4)?;
    Ok(raw.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect())
}

fn whole(raw: &[u8], width: usize) -> Result<(), Error> {
    match raw.len() % width {
        0 => Ok(()),
        _ => Err(malformed(format!("{} bytes for elements of {width}", raw.len()))),
    }
}

/// ValueInfoProto: name = 1, type = 2; TypeProto: tensor = 1; its shape = 2; its dim = 1; its value = 1.
fn read_port(bytes: &[u8]) -> Result<Port, Error> {
    let mut port = Port { name: String::new(), shape: vec![] };
    for field in Fields(Message::new(bytes)) {
        match field? {
            (1, Field::Bytes(name)) => port.name = tensor::name(text(name)?),
            (2, Field::Bytes(kind)) => {
                let shape = nested(kind, 1)?.map_or(Ok(None), |tensor| nested(tensor, 2))?;
                for dim in Fields(Message::new(shape.unwrap_or_default())) {
                    if let (1, Field::Bytes(dim)) = dim?
                        && port.shape.len() < MAX_ATTRIBUTE
                    {
                        // A dimension with a name instead of a number is open.
                        port.shape.push(number(dim, 1)?.map_or(-1, |value| value as i64));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(port)
}

fn unsupported(what: impl Into<String>) -> Error {
    Error::Unsupported { format: FORMAT, what: what.into() }
}
