"""Reading a ViT out of an ONNX graph whose linear weights lost their names."""

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from demos.training import teacher


def test_a_nameless_weight_gets_the_name_of_the_bias_that_follows():
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    nodes = [
        helper.make_node("MatMul", ["x", "onnx::MatMul_7"], ["product"]),
        helper.make_node("Add", ["backbone.encoder.layer.0.mlp.fc1.bias", "product"], ["y"]),
    ]
    stored = [numpy_helper.from_array(weight, "onnx::MatMul_7"), numpy_helper.from_array(np.zeros(3, np.float32), "backbone.encoder.layer.0.mlp.fc1.bias")]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, k]) for n, k in (("x", 2), ("y", 3))]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], stored)
    onnx.checker.check_graph(graph)
    arrays = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    found = teacher.matmul_weights(graph, arrays)
    assert list(found) == ["backbone.encoder.layer.0.mlp.fc1.weight"]
    np.testing.assert_array_equal(found["backbone.encoder.layer.0.mlp.fc1.weight"], weight.T)


def test_names_become_timms():
    names = {
        "backbone.embeddings.patch_embeddings.projection.weight": "patch_embed.proj.weight",
        "backbone.encoder.layer.3.attention.output.dense.bias": "blocks.3.attn.proj.bias",
        "backbone.encoder.layer.3.layer_scale2.lambda1": "blocks.3.ls2.gamma",
        "backbone.layernorm.bias": "norm.bias",
    }
    assert {theirs: teacher.rename(theirs) for theirs in names} == names


def test_query_key_and_value_become_one_in_that_order():
    state = {
        f"blocks.{layer}.attention.attention.{which}.{kind}": torch.full((2,), float(value))
        for layer in range(12) for kind in ("weight", "bias")
        for value, which in enumerate(("query", "key", "value"))
    }
    teacher.join_qkv(state)
    assert len(state) == 24
    torch.testing.assert_close(state["blocks.7.attn.qkv.bias"], torch.tensor([0.0, 0, 1, 1, 2, 2]))
