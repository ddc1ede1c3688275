"""What a file of weights that cannot be used may be, so that the error can say so."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeAlias

Names: TypeAlias = Collection[str]


def _any(*parts: str) -> Callable[[Names], bool]:
    return lambda names: any(part in name for name in names for part in parts)


def _start(*starts: str) -> Callable[[Names], bool]:
    return lambda names: any(name.startswith(starts) for name in names)


def _lacks(*starts: str) -> Callable[[Names], bool]:
    return lambda names: not any(name.startswith(starts) for name in names)


def _all(*tests: Callable[[Names], bool]) -> Callable[[Names], bool]:
    return lambda names: all(test(names) for test in tests)


# The first that holds wins: adapters and variants come before what they were made from.
_SIGNS: tuple[tuple[Callable[[Names], bool], str], ...] = (
    (_any("lora_", ".adapter", "_adapter."), "an adapter, or a network with adapters, that belongs to other code"),
    (_any("spatial_perceiver"), "EdgeTAM, which is not supported"),
    (_start("detector.", "tracker.", "detector_model."), "SAM 3, which is not supported"),
    (_start("image_encoder.patch_embed.", "vision_encoder.patch_embed."), "the first SAM or MedSAM, not SAM 2"),
    (_start("image_encoder.layers."), "MobileSAM or another light form of the first SAM, not SAM 2"),
    (_start("encoder.stages.", "conv_blocks_context."), "an nnU-Net"),
    (_start("trunk.stage2."), "a network of this package's micro kind, of other sizes or without its configuration"),
    (_start("blocks.", "patch_embed."), "an image trunk alone, as from pretraining"),
    (
        _all(_start("image_encoder.trunk."), _lacks("memory_attention.", "memory_encoder.")),
        "a SAM 2 without its memory, as some fine-tuning on single images saves it",
    ),
    (
        _all(_start("sam_mask_decoder.", "sam_prompt_encoder.", "memory_"), _lacks("image_encoder.")),
        "parts of a SAM 2 without the image encoder, as some fine-tuning saves them",
    ),
    (_start("image_encoder.trunk."), "a SAM 2 that was changed, or of another release"),
)


def guess(names: Names) -> str:
    """What a network with parameters of these names may be, in words; empty if there is no telling."""
    return next((what for holds, what in _SIGNS if holds(names)), "")
