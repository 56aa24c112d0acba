"""onnxruntime: inference of a graph written with the `onnx` helpers."""

from __future__ import annotations

from typing import Any

import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.layers import (
    Activation,
    BatchNorm,
    Conv,
    Flatten,
    GlobalAverage,
    Layer,
    Linear,
    Pool,
    Residual,
)
from benchmarks.peers import Job, Program
from benchmarks.workloads import Weights, Workload

OPSET = 17


def prepare(job: Job, weights: Weights, x: Any, y: Any) -> Program:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job.options.get("threads", job.threads)
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    model = Graph(weights).model(job.workload, x.shape)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    feed = {"x": x}
    return Program(lambda: session.run(None, feed)[0], lambda out: out.ravel().tolist())


class Graph:
    """An ONNX graph in the making; every layer's output is named by a running number."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        output = f"y{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def layer(self, layer: Layer, name: str, x: str) -> str:
        weight, bias = f"{name}.weight", f"{name}.bias"
        match layer:
            case Conv():
                extra = [bias] if layer.bias else []
                return self.node(
                    "Conv", x, weight, *extra,
                    strides=2 * [layer.stride], pads=4 * [layer.padding],
                )  # fmt: skip
            case BatchNorm():
                statistics = f"{name}.running_mean", f"{name}.running_var"
                return self.node("BatchNormalization", x, weight, bias, *statistics, epsilon=1e-5)
            case Activation():
                return self.node({"relu": "Relu", "sigmoid": "Sigmoid"}[layer.kind], x)
            case Pool():
                kind = {"max": "MaxPool", "average": "AveragePool"}[layer.kind]
                window = 2 * [layer.size]
                return self.node(kind, x, kernel_shape=window, strides=window)
            case GlobalAverage():
                return self.node("Flatten", self.node("GlobalAveragePool", x))
            case Flatten():
                return self.node("Flatten", x)
            case Linear():
                return self.node("Gemm", x, weight, bias, transB=1)
            case Residual():
                return self.residual(layer, name, x)
        raise TypeError(f"no node for {layer}")

    def residual(self, layer: Residual, name: str, x: str) -> str:
        parts = layer.parts()

        def run(x: str, *names: str) -> str:
            for part in names:
                x = self.layer(parts[part], f"{name}.{part}", x)
            return x

        y = run(self.node("Relu", run(x, "conv1", "norm1")), "conv2", "norm2")
        shortcut = run(x, "shortcut.0", "shortcut.1") if layer.projects else x
        return self.node("Relu", self.node("Add", y, shortcut))

    def model(self, workload: Workload, shape: tuple[int, ...]) -> onnx.ModelProto:
        x = "x"
        for i, layer in enumerate(workload.layers):
            x = self.layer(layer, str(i), x)
        graph = helper.make_graph(
            self.nodes,
            "net",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(x, TensorProto.FLOAT, (shape[0], workload.classes))],
            [numpy_helper.from_array(value, name) for name, value in self.weights.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        # An older runtime refuses the newest file version even where it knows every operation.
        model.ir_version = 10
        onnx.checker.check_model(model)
        return model
