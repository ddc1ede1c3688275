"""Which part of a network takes how much of a frame: its parts are told from each other by the names of its modules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..network.sam2.config import Sam2Config

if TYPE_CHECKING:
    from torch import nn

#: What belongs to no part: contrast, memory tokens, resizing.
REST = "the rest"
PARTS = {
    "image_encoder.trunk": "trunk, the rest",
    "image_encoder.trunk.patch_embed": "patch embedding",
    "image_encoder.neck": "neck",
    "sam_mask_decoder.conv_s0": "neck",
    "sam_mask_decoder.conv_s1": "neck",
    "memory_attention": "memory attention, the rest",
    "sam_prompt_encoder": "decoder",
    "sam_mask_decoder": "decoder",
    "obj_ptr_proj": "decoder",
    "memory_encoder": "memory encoder",
}


def parts_of(config: Sam2Config) -> dict[str, str]:
    """The part that each module of SAM 2 belongs to, by its published name; what is inside a module goes with it."""
    parts = dict(PARTS)
    if config.vit is None:
        stages = [stage for stage, depth in enumerate(config.stages, start=1) for _ in range(depth)]
        for i, stage in enumerate(stages):
            beyond = i in config.global_blocks
            parts[f"image_encoder.trunk.blocks.{i}"] = "trunk, global blocks" if beyond else f"trunk, stage {stage}"
    for i in range(config.memory_layers):
        layer = f"memory_attention.layers.{i}"
        parts[f"{layer}.self_attn"] = "self-attention"
        parts[f"{layer}.cross_attn_image"] = "attention to memory"
    return parts


@contextmanager
def shares(network: nn.Module, parts: dict[str, str], clock: Callable[[], float]) -> Iterator[dict[str, float]]:
    """Tell what each part adds to a clock while it runs; what is inside another part counts for the inner one only.

    Parameters
    ----------
    network
        With modules of these names; those that it lacks are left out.
    parts
        The part of each module.
    clock
        Seconds, or operations, so far.

    Yields
    ------
    dict of str to float
        By part, once the context has ended.
    """
    added: dict[str, float] = defaultdict(float)
    inside, latest = [REST], clock()

    def count() -> None:
        nonlocal latest
        now = clock()
        added[inside[-1]] += now - latest
        latest = now

    def enter(part: str) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            count()
            inside.append(part)

        return hook

    def leave(*_: Any) -> None:
        count()
        inside.pop()

    modules = dict(network.named_modules())
    hooks = []
    for name, part in parts.items():
        if name in modules:
            hooks += [modules[name].register_forward_pre_hook(enter(part)), modules[name].register_forward_hook(leave)]
    try:
        yield added
        count()
    finally:
        for hook in hooks:
            hook.remove()
