"""MiniFASNetV2 and V1SE as ONNX. They are published as PyTorch checkpoints alone; here is the graph of
models/src/minifas.rs over the weights that the appliance converted, batch norm folded as an exporter folds
it, and held against upstream's own answers."""

import json
from pathlib import Path

import numpy as np

SIDE = 80
# Logits of the ramp, PyTorch's, as in models/src/selftest.rs.
ANSWERS = {"antispoof-v2": (-4.39215, -2.3028, 6.69682), "antispoof-v1se": (-2.93616, 1.84005, 1.0957)}


def write(role, weights, path):
    """Writes the model's file, unless it is there. LookupError when it does not answer as PyTorch does."""
    if path.exists() and path.stat().st_mtime >= weights.stat().st_mtime:
        return
    import onnxruntime

    model = Graph(safetensors(weights)).network()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    ramp = np.arange(3 * SIDE * SIDE) % 251 * (255 / 250)
    found = session.run(None, {"input": ramp.astype(np.float32).reshape(1, 3, SIDE, SIDE)})[0].ravel()
    if not np.allclose(found, ANSWERS[role], rtol=0, atol=1e-3 * 7):
        raise LookupError(f"the ONNX file made of {weights.name} answers {found}")
    path.write_bytes(model)


def safetensors(path):
    data = Path(path).read_bytes()
    size = int.from_bytes(data[:8], "little")
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + size]).items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            begin, end = (8 + size + offset for offset in entry["data_offsets"])
            tensors[name] = np.frombuffer(data[begin:end], np.float32).reshape(entry["shape"])
    return tensors


class Graph:
    def __init__(self, tensors):
        self.tensors, self.nodes, self.constants = tensors, [], []

    def network(self):
        from onnx import TensorProto, helper

        x = self.prelu(self.conv("input", "conv1.conv", "conv1.bn", 2, 1), "conv1")
        x = self.prelu(self.conv(x, "conv2_dw.conv", "conv2_dw.bn", 1, 1), "conv2_dw")
        x = self.block(x, "conv_23", 2)
        x = self.stage(x, "conv_3", 4)
        x = self.stage(self.block(x, "conv_34", 2), "conv_4", 6)
        x = self.stage(self.block(x, "conv_45", 2), "conv_5", 2)
        x = self.prelu(self.conv(x, "conv_6_sep.conv", "conv_6_sep.bn", 1, 0), "conv_6_sep")
        x = self.conv(x, "conv_6_dw.conv", "conv_6_dw.bn", 1, 0)
        linear, bias = self.folded(self.tensors["linear.weight"], "bn")
        prob = self.tensors["prob.weight"]
        x = self.add("Flatten", [x])
        x = self.add("Gemm", [x, self.constant(prob @ linear), self.constant(prob @ bias)], transB=1)
        ports = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in (("input", [1, 3, SIDE, SIDE]), (x, [1, len(prob)]))
        ]
        graph = helper.make_graph(self.nodes, "minifas", ports[:1], ports[1:], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()

    def stage(self, x, name, blocks):
        nested = f"{name}.model.model.0.project.conv.weight" in self.tensors
        for number in range(blocks):
            block = f"{name}.model.{'model.' if nested else ''}{number}"
            inside = self.block(x, block, 1)
            if f"{block}.se_module.fc1.weight" in self.tensors:
                inside = self.gated(inside, f"{block}.se_module")
            x = self.add("Add", [inside, x])
        return x

    def block(self, x, name, stride):
        x = self.prelu(self.conv(x, f"{name}.conv.conv", f"{name}.conv.bn", 1, 0), f"{name}.conv")
        x = self.prelu(self.conv(x, f"{name}.conv_dw.conv", f"{name}.conv_dw.bn", stride, 1), f"{name}.conv_dw")
        return self.conv(x, f"{name}.project.conv", f"{name}.project.bn", 1, 0)

    def gated(self, x, name):
        gate = self.conv(self.add("GlobalAveragePool", [x]), f"{name}.fc1", f"{name}.bn1", 1, 0)
        gate = self.conv(self.add("Relu", [gate]), f"{name}.fc2", f"{name}.bn2", 1, 0)
        return self.add("Mul", [x, self.add("Sigmoid", [gate])])

    def conv(self, x, name, norm, stride, padding):
        weight, bias = self.folded(self.tensors[f"{name}.weight"], norm)
        # One input channel each is a depthwise layer: no other here has so few.
        groups = len(weight) if weight.shape[1] == 1 else 1
        inputs = [x, self.constant(weight), self.constant(bias)]
        return self.add("Conv", inputs, strides=[stride] * 2, pads=[padding] * 4, group=groups)

    def prelu(self, x, name):
        return self.add("PRelu", [x, self.constant(self.tensors[f"{name}.prelu.weight"].reshape(-1, 1, 1))])

    def folded(self, weight, norm):
        scale = self.tensors[f"{norm}.weight"] / np.sqrt(self.tensors[f"{norm}.running_var"] + 1e-5)
        bias = self.tensors[f"{norm}.bias"] - self.tensors[f"{norm}.running_mean"] * scale
        return weight * scale.reshape(-1, *[1] * (weight.ndim - 1)), bias

    def constant(self, values):
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name))
        return name

    def add(self, op, inputs, **attributes):
        from onnx import helper

        name = f"x{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], **attributes))
        return name
