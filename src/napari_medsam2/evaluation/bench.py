"""Where the time of a frame goes: each stage of a model, timed by itself on this computer."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..errors import OptionError

if TYPE_CHECKING:
    import torch

    from ..models.device import Model


@dataclass(frozen=True)
class Timing:
    """Seconds of one stage.

    Attributes
    ----------
    stage
        What was timed.
    median, fastest
        Of the repeats, in seconds.
    """

    stage: str
    median: float
    fastest: float


def random_model(name: str, image_size: int | None, device: str, precision: str) -> Model:
    """A SAM 2 of the table of models with random weights, that finds its object on every frame.

    Raises
    ------
    OptionError
        If it is none of SAM 2's descendants.
    """
    import torch

    from ..models.device import Model, choose_device, set_precision
    from ..models.registry import MODELS
    from ..network.sam2.config import BEHAVIOURS, layout
    from ..network.sam2.network import Sam2

    entry = MODELS.get(name.lower())
    if entry is None or entry.bundled:
        named = ", ".join(key for key, known in MODELS.items() if not known.bundled)
        raise OptionError(f"random weights are for one of {named}; got {name!r}")
    config = layout(entry.architecture)
    config = replace(config, image_size=image_size or entry.image_size, behaviour=BEHAVIOURS[entry.behaviour])
    torch.manual_seed(0)
    network, target = Sam2(config).eval().requires_grad_(False), choose_device(device)
    for parameter in network.parameters():
        if not parameter.any():  # codes of places and times begin as zeros
            torch.nn.init.normal_(parameter, std=0.02)
    score = network.sam_mask_decoder.pred_obj_score_head
    if score is not None:
        torch.nn.init.constant_(score.get_parameter(f"layers.{len(score.layers) - 1}.bias"), 5.0)
    network.to(target)
    set_precision(network, precision, target)
    return Model(entry.name, network, target, region=None)


def bench(model: Model, *, repeats: int = 5, memories: int = 7) -> list[Timing]:
    """Time the stages of one frame, on noise and with a box prompt; one untimed run of each comes first.

    Parameters
    ----------
    repeats
        Timed runs of each stage, 1 or more.
    memories
        Memories that a propagated frame looks at.

    Returns
    -------
    list of Timing
        The stages, then a whole propagated frame (encoder, segmentation from memory, memory encoder).
    """
    import torch

    from ..network.interface import PromptTensors, Recall, no_prompts

    if repeats < 1 or memories < 1:
        raise OptionError(f"repeats and memories must be 1 or more; got {repeats} and {memories}")
    network, device, side = model.network, model.device, model.network.image_size
    generator = torch.Generator().manual_seed(0)
    image = torch.rand((1, 3, side, side), generator=generator).to(device)
    box = torch.tensor([[0.3, 0.3, 0.7, 0.7]], device=device) * side
    prompts = PromptTensors(**{**no_prompts(device), "boxes": box})
    mask = torch.full((1, 1, side, side), -8.0, device=device)
    mask[..., side // 3 : 2 * side // 3, side // 3 : 2 * side // 3] = 8.0

    with torch.inference_mode():
        features = network.encode_image(image)
        first = network.segment(features, prompts, [], mode="stack")
        memory = network.encode_memory(features, first, mask, prompted=True)
        recalls = [Recall(memory, offset=memories, pinned=True)]
        recalls += [Recall(memory, offset=slot, slot=slot) for slot in range(1, memories)]

        def from_memory() -> Any:
            return network.segment(features, None, recalls, mode="stack", n_frames=memories + 1)

        def whole_frame() -> Any:
            seen = network.encode_image(image)
            found = network.segment(seen, None, recalls, mode="stack", n_frames=memories + 1)
            return network.encode_memory(seen, found, mask, prompted=False)

        stages: dict[str, Callable[[], Any]] = {
            "encode image": lambda: network.encode_image(image),
            "segment from a box": lambda: network.segment(features, prompts, [], mode="stack"),
            f"segment from {memories} memories": from_memory,
            "encode memory": lambda: network.encode_memory(features, first, mask, prompted=True),
            "a propagated frame": whole_frame,
        }
        return [_time(stage, run, repeats, device) for stage, run in stages.items()]


def _time(stage: str, run: Callable[[], Any], repeats: int, device: torch.device) -> Timing:
    run()
    seconds = []
    for _ in range(repeats):
        _wait_for(device)
        began = time.perf_counter()
        run()
        _wait_for(device)
        seconds.append(time.perf_counter() - began)
    return Timing(stage, statistics.median(seconds), min(seconds))


def _wait_for(device: torch.device) -> None:
    """GPUs answer before they are done."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
