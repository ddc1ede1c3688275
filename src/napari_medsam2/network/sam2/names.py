"""The names that Hugging Face's transformers gives to SAM 2's parameters, turned into those of Meta's checkpoints."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

#: A name that every file in the layout of transformers has, and no other.
MARK = "vision_encoder.backbone.patch_embed.projection.weight"

_ALONE = {
    "no_memory_embedding": "no_mem_embed",
    "no_memory_positional_encoding": "no_mem_pos_enc",
    "memory_temporal_positional_encoding": "maskmem_tpos_enc",
    "no_object_pointer": "no_obj_ptr",
    "occlusion_spatial_embedding_parameter": "no_obj_embed_spatial",
    "shared_image_embedding.positional_embedding": "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
    "prompt_encoder.shared_embedding.positional_embedding": (
        "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
    ),
}
# Transformers keeps the four kinds of points as rows of one table.
_POINTS = "prompt_encoder.point_embed.weight"
_POINT = "sam_prompt_encoder.point_embeddings.{}.weight"

# Applied one after the other, so each may rely on those above it.
_RULES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^vision_encoder\.backbone\.", "image_encoder.trunk."),
        (r"\.patch_embed\.projection\.", ".patch_embed.proj."),
        (r"^vision_encoder\.neck\.convs\.(\d+)\.", r"image_encoder.neck.convs.\1.conv."),
        (r"^prompt_encoder\.", "sam_prompt_encoder."),
        (r"\.mask_embed\.conv1\.", ".mask_downscaling.0."),
        (r"\.mask_embed\.layer_norm1\.", ".mask_downscaling.1."),
        (r"\.mask_embed\.conv2\.", ".mask_downscaling.3."),
        (r"\.mask_embed\.layer_norm2\.", ".mask_downscaling.4."),
        (r"\.mask_embed\.conv3\.", ".mask_downscaling.6."),
        (r"^mask_decoder\.", "sam_mask_decoder."),
        (r"\.upscale_conv1\.", ".output_upscaling.0."),
        (r"\.upscale_layer_norm\.", ".output_upscaling.1."),
        (r"\.upscale_conv2\.", ".output_upscaling.3."),
        (r"\.layer_norm_final_attn\.", ".norm_final_attn."),
        (r"^memory_encoder\.feature_projection\.", "memory_encoder.pix_feat_proj."),
        (r"^memory_encoder\.projection\.", "memory_encoder.out_proj."),
        (r"\.mask_downsampler\.final_conv\.", ".mask_downsampler.encoder.12."),
        (r"\.memory_fuser\.", ".fuser."),
        (r"\.scale$", ".gamma"),
        (r"\.depthwise_conv\.", ".dwconv."),
        (r"\.pointwise_conv(\d)\.", r".pwconv\1."),
        (r"^object_pointer_proj\.", "obj_ptr_proj."),
        (r"^temporal_positional_encoding_projection_layer\.", "obj_ptr_tpos_proj."),
        (r"\.o_proj\.", ".out_proj."),
    )
)
_DOWNSAMPLER = re.compile(r"\.mask_downsampler\.layers\.(\d+)\.(conv|layer_norm)\.")
_NORM = re.compile(r"\.layer_norm(\d?)\.")
# The first and last layer of an MLP have names of their own, those between are numbered from 0.
_MLP = re.compile(r"^(?P<where>.*)\.(?P<layer>proj_in|proj_out|layers\.(?P<number>\d+))\.(?P<leaf>weight|bias)$")


def meta_names(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Meta's name for each name of transformers; four for the one table of points.

    A name that is not known comes back as the rules leave it, so that the error about it tells where it belongs.
    """
    names = list(names)
    between = {name.removesuffix(".proj_in.weight"): 0 for name in names if name.endswith(".proj_in.weight")}
    for name in names:
        found = _MLP.match(name)
        if found and found["number"] and found["leaf"] == "weight" and found["where"] in between:
            between[found["where"]] += 1
    return {name: _rename(name, between) for name in names}


def _rename(name: str, between: Mapping[str, int]) -> tuple[str, ...]:
    if name in _ALONE:
        return (_ALONE[name],)
    if name == _POINTS:
        return tuple(_POINT.format(i) for i in range(4))
    mlp = _MLP.match(name)
    if mlp and mlp["where"] in between:
        numbers = {"proj_in": 0, "proj_out": between[mlp["where"]] + 1}
        number = numbers.get(mlp["layer"], int(mlp["number"] or 0) + 1)
        name = f"{mlp['where']}.layers.{number}.{mlp['leaf']}"
    name = _DOWNSAMPLER.sub(lambda m: f".mask_downsampler.encoder.{3 * int(m[1]) + (m[2] == 'layer_norm')}.", name)
    for pattern, replacement in _RULES:
        name = pattern.sub(replacement, name)
    return (_NORM.sub(r".norm\1.", name),)


def from_transformers(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a file of transformers under Meta's names; others come back as they are."""
    if MARK not in weights:
        return dict(weights)
    renamed: dict[str, Tensor] = {}
    for name, targets in meta_names(weights).items():
        parts = weights[name].split(1) if len(targets) > 1 else (weights[name],)
        renamed.update(zip(targets, parts, strict=False))
    return renamed
