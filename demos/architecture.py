"""From a file of tensors to a model: strict names, the right size, or a clear error."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

# One quantity, two authors' names for it.
SYNONYMS = (
    ("dim", "embed_dim"), ("heads", "num_heads"),
    ("embed_dim", "dim"), ("num_heads", "heads"),
)
# What timm calls differently from the official code, whose names our modules keep.
TIMM_NAMES = {
    ".ls1.gamma": ".gamma_1", ".ls2.gamma": ".gamma_2", "reg_token": "register_tokens",
}

NO_DECODER = (
    "{name} holds the encoder only: the decoder, which paints the hidden patches, "
    "was not published with it, and an invented one would paint noise"
)


class WeightsError(ValueError):
    """Weights that do not fit; the message names what is missing or too much."""


def read(file: Path) -> dict[str, Tensor]:
    """A safetensors file as a state dict. Raises WeightsError where it is not one."""
    try:
        return load_file(file)
    except SafetensorError as error:
        raise WeightsError(f"{file.name} is no safetensors file ({error})") from error


def official_names(
    state: Mapping[str, Tensor], module: ModuleType
) -> dict[str, Tensor]:
    """timm's tensors under the official names, by the paper's own table if it has one.
    """
    if hasattr(module, "from_timm"):
        return module.from_timm(state)
    return {official_name(key): value for key, value in state.items()}


def official_name(key: str) -> str:
    """timm's parameter name as the official code has it."""
    for theirs, ours in TIMM_NAMES.items():
        key = key.replace(theirs, ours)
    return key


def construct(
    model_class: type[nn.Module],
    described: Mapping[str, object] | None,
    state: Mapping[str, Tensor],
) -> nn.Module:
    """The class with the described arguments, or with those that the state implies.

    What the constructor does not take (a recipe's learning rate) is left out.
    """
    wanted = dict(described or implied_by(state))
    accepted = arguments(model_class)
    for one, other in SYNONYMS:
        if one in wanted and one not in accepted and other in accepted:
            wanted[other] = wanted.pop(one)
    return model_class(**{k: v for k, v in wanted.items() if k in accepted})


def arguments(model_class: type) -> set[str]:
    """Names that the constructor takes; its parents' too where it hands them on."""
    names: set[str] = set()
    for ancestor in model_class.__mro__:
        parameters = inspect.signature(ancestor).parameters
        names |= {n for n, p in parameters.items() if p.kind is not p.VAR_KEYWORD}
        if len(names & parameters.keys()) == len(parameters):
            break
    return names


def implied_by(state: Mapping[str, Tensor]) -> dict[str, object]:
    """A network's arguments from its tensors; in a ViT 64 channels a head, as in S/B/L.
    """
    if "downsample_layers.0.0.weight" in state:
        return implied_stages(state)
    try:
        dim, _, patch, _ = state["patch_embed.proj.weight"].shape
        positions = state["pos_embed"].shape[1]
    except (KeyError, ValueError):
        raise WeightsError(
            "these are not a ViT's weights: patch_embed.proj.weight and pos_embed "
            "are missing; put a card with the architecture beside the file"
        ) from None
    prefix = positions - int(positions**0.5) ** 2
    hidden = state.get("blocks.0.mlp.fc1.weight", torch.empty(4 * dim, dim)).shape[0]
    return {
        "img_size": patch * int((positions - prefix) ** 0.5),
        "patch_size": patch,
        "dim": dim,
        "depth": len({key.split(".")[1] for key in state if key.startswith("blocks.")}),
        "heads": max(1, dim // 64),
        "mlp_ratio": hidden / dim,
        "num_classes": len(state.get("head.weight", ())),
        **implied_decoder(state),
        **implied_registers(state, prefix),
    }


def implied_stages(state: Mapping[str, Tensor]) -> dict[str, object]:
    """The same of a ConvNeXt V2: its stages' widths and numbers of blocks."""
    blocks = {tuple(k.split(".")[1:3]) for k in state if k.startswith("stages.")}
    stages = sorted({stage for stage, _ in blocks})
    return {
        "dims": [len(state[f"stages.{stage}.0.dwconv.weight"]) for stage in stages],
        "depths": [sum(one == stage for one, _ in blocks) for stage in stages],
        "num_classes": len(state.get("head.weight", ())),
    }


def implied_registers(state: Mapping[str, Tensor], prefix: int) -> dict[str, object]:
    """How many registers, and who has a position; nothing without any."""
    if "register_tokens" not in state:
        return {}
    places = {0: "patches", 1: "class and patches"}.get(prefix, "all")
    return {"num_registers": state["register_tokens"].shape[1], "places": places}


def implied_decoder(state: Mapping[str, Tensor]) -> dict[str, object]:
    """The same of MAE's decoder, whose heads have 32 channels; nothing without one."""
    if "decoder_embed.weight" not in state:
        return {}
    width = state["decoder_embed.weight"].shape[0]
    blocks = {k.split(".")[1] for k in state if k.startswith("decoder_blocks.")}
    return {
        "decoder_embed_dim": width,
        "decoder_depth": len(blocks),
        "decoder_num_heads": max(1, width // 32),
    }


def load(
    model: nn.Module, state: Mapping[str, Tensor], name: str, decoder: bool
) -> None:
    """Every tensor into its place, none missing and none left over.

    decoder=False lets an encoder-only file fill an autoencoder's encoder: the rest is
    not run then. Raises WeightsError.
    """
    own = model.state_dict()
    extra = {k: v for k, v in own.items() if k.startswith(("decoder", "mask_token"))}
    if extra and not extra.keys() & state.keys():
        if decoder:
            raise WeightsError(NO_DECODER.format(name=name))
        state = {**state, **extra}
    complain(name, "missing", own.keys() - state.keys())
    complain(name, "unknown", state.keys() - own.keys())
    try:
        model.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise WeightsError(f"{name} does not fit: {error}") from error


def complain(name: str, what: str, keys: set[str]) -> None:
    """Raise WeightsError where there are such keys, naming the first of them."""
    if keys:
        shown = ", ".join(sorted(keys)[:4]) + (", …" if len(keys) > 4 else "")
        raise WeightsError(f"{name} does not fit: {len(keys)} {what} tensors ({shown})")
