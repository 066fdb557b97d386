//! Small valid files of each format.

use flatbuffers::{FlatBufferBuilder, TableFinishedWIPOffset, WIPOffset};
use model_files::lock::Format;

/// A file of each format. Each holds a convolution's weights; what they are is asserted in `hostile`.
pub(crate) fn all() -> [(Format, Vec<u8>); 3] {
    [(Format::Tflite, tflite(1)), (Format::TorchLegacy, torch()), (Format::Onnx, onnx())]
}

/// `y = conv(x)` with an fp16 kernel behind DEQUANTIZE and an f32 bias; the bias appears `biases` times,
/// sharing a buffer.
pub(crate) fn tflite(biases: usize) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::new();
    let mut tensors = vec![
        tensor(&mut builder, "x", &[1, 1, 1, 2], 0, 0),
        tensor(&mut builder, "c/Kernel", &[1, 1, 1, 2], 1, 1),
        tensor(&mut builder, "c/Kernel_dequantize", &[1, 1, 1, 2], 0, 0),
        tensor(&mut builder, "y", &[1, 1, 1, 1], 0, 0),
    ];
    for index in 0..biases {
        tensors.push(tensor(&mut builder, &format!("c/Bias{index}"), &[1], 0, 2));
    }
    let tensors = builder.create_vector(&tensors);

    let padding_valid = table(&mut builder, |b| b.push_slot_always(4, 1_u8));
    let conv = operator(&mut builder, 1, &[0, 2, 4], &[3], Some(padding_valid));
    let dequantize = operator(&mut builder, 0, &[1], &[2], None);
    let operators = builder.create_vector(&[dequantize, conv]);
    let inputs = builder.create_vector(&[0_i32]);
    let outputs = builder.create_vector(&[3_i32]);
    let subgraph = table(&mut builder, |b| {
        b.push_slot_always(4, tensors);
        b.push_slot_always(6, inputs);
        b.push_slot_always(8, outputs);
        b.push_slot_always(10, operators);
    });
    let subgraphs = builder.create_vector(&[subgraph]);

    let codes = [6_u8, 3].map(|code| table(&mut builder, |b| b.push_slot_always(4, code)));
    let codes = builder.create_vector(&codes);
    // 1.0 and -2.0 in fp16; 0.5 in f32.
    let buffers = [&[][..], &[0x00, 0x3c, 0x00, 0xc0], &0.5_f32.to_le_bytes()].map(|data: &[u8]| {
        let data = builder.create_vector(data);
        table(&mut builder, |b| b.push_slot_always(4, data))
    });
    let buffers = builder.create_vector(&buffers);
    let model = table(&mut builder, |b| {
        b.push_slot_always(4, 3_u32);
        b.push_slot_always(6, codes);
        b.push_slot_always(8, subgraphs);
        b.push_slot_always(12, buffers);
    });
    builder.finish(model, Some("TFL3"));
    builder.finished_data().to_vec()
}

type Table = WIPOffset<TableFinishedWIPOffset>;

fn table(builder: &mut FlatBufferBuilder<'_>, fill: impl FnOnce(&mut FlatBufferBuilder<'_>)) -> Table {
    let start = builder.start_table();
    fill(builder);
    builder.end_table(start)
}

fn tensor(builder: &mut FlatBufferBuilder<'_>, name: &str, shape: &[i32], element: u8, buffer: u32) -> Table {
    let shape = builder.create_vector(shape);
    let name = builder.create_string(name);
    table(builder, |b| {
        b.push_slot_always(4, shape);
        b.push_slot_always(6, element);
        b.push_slot_always(8, buffer);
        b.push_slot_always(10, name);
    })
}

fn operator(
    builder: &mut FlatBufferBuilder<'_>,
    code: u32,
    inputs: &[i32],
    outputs: &[i32],
    options: Option<Table>,
) -> Table {
    let inputs = builder.create_vector(inputs);
    let outputs = builder.create_vector(outputs);
    table(builder, |b| {
        b.push_slot_always(4, code);
        b.push_slot_always(6, inputs);
        b.push_slot_always(8, outputs);
        if let Some(options) = options {
            b.push_slot_always(12, options);
        }
    })
}

/// A state dict `module.c.weight` (two floats, in a storage of three) and `module.c.count` (one long).
pub(crate) fn torch() -> Vec<u8> {
    let mut file = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.".to_vec();
    file.extend(b"\x80\x02}q\x00X\x0d\x00\x00\x00little_endianq\x01\x88s.");
    file.extend(b"\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01(");
    file.extend(b"X\x0f\x00\x00\x00module.c.weightq\x02ctorch._utils\n_rebuild_tensor_v2\nq\x03(");
    file.extend(b"(X\x07\x00\x00\x00storageq\x04ctorch\nFloatStorage\nX\x01\x00\x00\x007X\x03\x00\x00\x00cpuq\x05K\x03NtQ");
    file.extend(b"K\x01K\x01K\x02\x86K\x02K\x01\x86\x89h\x00)RtR");
    file.extend(
        b"X\x0e\x00\x00\x00module.c.counth\x03((h\x04ctorch\nLongStorage\nX\x01\x00\x00\x008h\x05K\x01NtQ",
    );
    file.extend(b"K\x00))\x89h\x00)RtRu}X\x09\x00\x00\x00_metadatah\x01sb.");
    file.extend(b"\x80\x02]q\x00(X\x01\x00\x00\x007X\x01\x00\x00\x008e.");
    file.extend(3_u64.to_le_bytes());
    file.extend([9.0_f32, 1.0, -2.0].iter().flat_map(|value| value.to_le_bytes()));
    file.extend(1_u64.to_le_bytes());
    file.extend(77_i64.to_le_bytes());
    file
}

/// `y = Conv(x)` with anonymous weights, a constant node, and a named vector stored as packed floats.
pub(crate) fn onnx() -> Vec<u8> {
    let weight = [
        [1, 1, 2, 1].map(|dim| varint(1, dim)).concat(),
        varint(2, 1),
        bytes(8, b"onnx::Conv_7"),
        bytes(9, &[1.0_f32.to_le_bytes(), (-2.0_f32).to_le_bytes()].concat()),
    ];
    let named = [varint(1, 1), varint(2, 1), bytes(8, b"/bn/mean"), bytes(4, &0.5_f32.to_le_bytes())];
    let shape = [varint(1, 2), varint(2, 7), bytes(7, &[1, 2])];
    let constant = [
        bytes(2, b"shape"),
        bytes(4, b"Constant"),
        bytes(5, &[bytes(1, b"value"), bytes(5, &shape.concat()), varint(20, 4)].concat()),
    ];
    let conv = [
        bytes(1, b"x"),
        bytes(1, b"onnx::Conv_7"),
        bytes(2, b"y"),
        bytes(3, b"/c/conv/Conv"),
        bytes(4, b"Conv"),
        bytes(5, &[bytes(1, b"strides"), varint(8, 2), varint(8, 2)].concat()),
    ];
    let graph = [
        bytes(1, &constant.concat()),
        bytes(1, &conv.concat()),
        bytes(5, &weight.concat()),
        bytes(5, &named.concat()),
        bytes(11, &bytes(1, b"x")),
        bytes(12, &bytes(1, b"y")),
    ];
    [varint(1, 8), bytes(7, &graph.concat())].concat()
}

/// A number field of a protobuf message; single-byte values are all that is needed.
pub(crate) fn varint(field: u8, value: u8) -> Vec<u8> {
    let mut bytes = key(field, 0);
    bytes.push(value);
    bytes
}

/// A length-delimited field of a protobuf message.
pub(crate) fn bytes(field: u8, contents: &[u8]) -> Vec<u8> {
    let mut bytes = key(field, 2);
    let mut len = contents.len();
    while len > 0x7f {
        bytes.push(len as u8 | 0x80);
        len >>= 7;
    }
    bytes.push(len as u8);
    bytes.extend(contents);
    bytes
}

fn key(field: u8, wire: u8) -> Vec<u8> {
    match field {
        0..16 => vec![field << 3 | wire],
        _ => vec![field << 3 | wire | 0x80, field >> 4],
    }
}
