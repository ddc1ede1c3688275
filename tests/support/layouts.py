"""The published layouts by name, and cheap weights of their shapes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import torch
from torch import Tensor

from golden.recipe import layouts

_SHORT = {"tiny": "t", "small": "s", "base+": "b+", "large": "l"}
#: Name in the golden files of each layout of SAM 2.
GOLDEN_NAMES = {
    f"sam{v} {size}": f"sam2{v.removeprefix('2').removeprefix('.0')}_hiera_{short}"
    for v in ("2.0", "2.1")
    for size, short in _SHORT.items()
}


def transformers_names(name: str) -> dict[str, str | list[str]]:
    """Our name, or names, for each name of transformers."""
    with gzip.open(Path(__file__).parents[1] / "golden" / "checkpoint_keys.json.gz") as file:
        return {theirs: ours for theirs, (ours, _) in json.load(file)["transformers"][GOLDEN_NAMES[name]].items()}


def efficienttam_shapes(dim: int) -> dict[str, list[int]]:
    """Names and shapes as EfficientTAM's sources build them: SAM 2.0's but for the image encoder and fine features."""
    shapes = {
        name: shape
        for name, shape in layouts()["sam2_hiera_t"].items()
        if not name.startswith(("image_encoder.", "sam_mask_decoder.conv_s"))
    }
    trunk, neck = "image_encoder.trunk", "image_encoder.neck.convs.0"
    shapes[f"{trunk}.pos_embed"] = [1, 197, dim]
    shapes |= {f"{trunk}.patch_embed.proj.weight": [dim, 3, 16, 16], f"{trunk}.patch_embed.proj.bias": [dim]}
    linears = {"attn.qkv": (3 * dim, dim), "attn.proj": (dim, dim)}
    linears |= {"mlp.layers.0": (4 * dim, dim), "mlp.layers.1": (dim, 4 * dim)}
    for block in range(12):
        for part, (rows, columns) in linears.items():
            shapes[f"{trunk}.blocks.{block}.{part}.weight"] = [rows, columns]
            shapes[f"{trunk}.blocks.{block}.{part}.bias"] = [rows]
        for norm in ("norm1", "norm2"):
            shapes |= {f"{trunk}.blocks.{block}.{norm}.{leaf}": [dim] for leaf in ("weight", "bias")}
    shapes |= {f"{neck}.conv_1x1.weight": [256, dim, 1, 1], f"{neck}.conv_3x3.weight": [256, 256, 3, 3]}
    shapes |= {f"{neck}.norm_{i}.{leaf}": [256] for i in (0, 1) for leaf in ("weight", "bias")}
    return shapes


def shapes_of(name: str) -> dict[str, list[int]]:
    """Names and shapes of the parameters of a layout."""
    if name in GOLDEN_NAMES:
        return layouts()[GOLDEN_NAMES[name]]
    return efficienttam_shapes({"efficienttam tiny": 192, "efficienttam small": 384}[name])


def made_weights(shapes: dict[str, list[int]]) -> dict[str, Tensor]:
    """Weights in half precision that share one small piece of memory, so that large networks make small files."""
    noise = torch.rand(1 << 16, generator=torch.Generator().manual_seed(0)) - 0.5
    scaled = {True: (1 + 0.2 * noise).bfloat16(), False: (0.1 * noise).bfloat16()}
    made = {}
    for i, (name, shape) in enumerate(shapes.items()):
        steps = [*(31, 17, 5)[: len(shape) - 1], 1]
        steps[0] = min(steps[0], 30000 // shape[0]) or 1
        made[name] = scaled["norm" in name and name.endswith("weight")].as_strided(shape, steps, 7 * i % 1000)
    made["sam_mask_decoder.pred_obj_score_head.layers.2.bias"] = torch.full((1,), 20.0)  # the object is always there
    return made
