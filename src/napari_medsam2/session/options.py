"""What can be tuned about a session beside its main arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ..errors import OptionError
from ..memory_bank import Fifo, MemoryBank, SelfSorting
from ..memory_weights import TEMPLATE_SHARE
from ..segment.tiles import TileOptions
from ..segment.windows import RegionOptions
from ..types import Mode

if TYPE_CHECKING:
    from ..network.interface import SegmentationNetwork


@dataclass(frozen=True)
class SessionOptions:
    """What can be tuned about a session beside its main arguments.

    Attributes
    ----------
    region
        How the region of interest is placed and follows.
    tiles
        When a frame with small things on it is looked at in tiles, or in a window; ``None`` takes what suits the
        model.
    patience
        In a stack, the rest of a direction is empty after this many frames in a row without the object; ``None``
        looks at all frames.
    remember_absent
        Remember frames without the object too, as SAM 2 does.
    show_neighbour
        Show the network the neighbouring frame's mask, in stacks.
    adapt
        Let the bundled network learn from masks that the user drew what the object looks like. That takes one to
        three seconds for each of them, before the first frame beside it, and the object is found better. ``None``:
        unless there are more masks than :data:`~napari_medsam2.segment.options.MOST_LEARNED`. Not where the
        session's ``region`` is false: views are made in windows.
    make_bank
        Makes the memory bank of an object, in place of the one that the session's ``bank`` names.
    undo_depth
        Changes that can be undone.
    """

    region: RegionOptions = field(default_factory=RegionOptions)
    tiles: TileOptions | None = None
    patience: int | None = 2
    remember_absent: bool = False
    show_neighbour: bool = True
    adapt: bool | None = None
    make_bank: Callable[[], MemoryBank] | None = None
    undo_depth: int = 30


def make_bank(
    name: Literal["fifo", "self-sorting"], mode: Mode, network: SegmentationNetwork, seed: int | None = None
) -> MemoryBank:
    """An empty bank. In a flow templates have a share of their own in it; a ``seed`` is that of drawing memories."""
    if mode == "stack":
        return Fifo() if name == "fifo" else SelfSorting(sample_seed=seed, template_share=0.0)
    if name == "fifo":
        return Fifo(template_share=TEMPLATE_SHARE)
    return SelfSorting(sample_seed=seed, threshold=network.least_remembered)


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Raise an :class:`OptionError` for a value that is not one of these."""
    if value not in choices:
        raise OptionError(f"{name} must be one of {', '.join(choices)}; got {value!r}")
