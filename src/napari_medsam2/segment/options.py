"""How frames are segmented: where an object is looked for, and what can be tuned about that."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from ..types import Mode
from .tiles import FOR_WHOLE_FRAMES, WITH_PRETRAINED, TileOptions
from .windows import RegionOptions

if TYPE_CHECKING:
    from ..network.interface import SegmentationNetwork

#: With more drawn masks than this the network learns from none, unless it is told to: it would for minutes.
MOST_LEARNED = 40
#: About how long it takes to learn from one, in seconds on a CPU.
SECONDS_TO_LEARN = 2.0


class Strategy(Enum):
    """Where on a frame an object is looked for."""

    #: Stacks: in a window around the object, which follows it from slice to slice.
    FOLLOW = "follow"
    #: Stacks: on the whole frame; where the object is too small to be drawn there, in a window that follows it.
    CLOSE_UP = "close-up"
    #: Flows: as TILES; what is alone on a large frame is then drawn more finely.
    SEARCH = "search"
    #: Flows: on the whole frame or, where things are too small to be drawn there, in tiles.
    TILES = "tiles"
    #: On the whole frame, whatever is on it.
    WHOLE_FRAME = "whole frame"

    @property
    def at_trained_scale(self) -> bool:
        """True if objects are shown at the scale that the network was trained on, whatever their size."""
        return self in (Strategy.FOLLOW, Strategy.SEARCH)

    def usual_tiles(self, network: SegmentationNetwork) -> TileOptions:
        """When a frame is looked at in tiles, as suits the network."""
        if not self.at_trained_scale:
            return FOR_WHOLE_FRAMES
        return WITH_PRETRAINED if network.fine_size is not None else TileOptions()

    def input_size(self, network: SegmentationNetwork) -> int:
        """Side of the network's input, in pixels."""
        return network.region_size or network.image_size if self is Strategy.FOLLOW else network.image_size


def choose_strategy(mode: Mode, region: bool | None) -> Strategy:
    """The strategy for a sequence.

    Parameters
    ----------
    region
        True: in a stack, objects are shown at the scale that the network was trained on; in a flow they are looked at
        more closely on large frames. ``None``: whole frames, and windows or tiles only where an object is too small to
        be drawn. False: whole frames.
    """
    if region is False:
        return Strategy.WHOLE_FRAME
    if mode == "stack":
        return Strategy.FOLLOW if region else Strategy.CLOSE_UP
    return Strategy.SEARCH if region else Strategy.TILES


@dataclass(frozen=True)
class SegmentOptions:
    """What can be tuned about segmenting a frame.

    Attributes
    ----------
    mode
        Stack (neighbours in time or space, positions in memory count) or flow.
    strategy
        Where an object is looked for.
    region
        How windows around an object are placed and follow, and when a closer look is taken.
    tiles
        When a frame is looked at in tiles, or in a window, because things on it are small.
    remember_absent
        Remember frames without the object too, as SAM 2 does.
    show_neighbour
        Show the network the neighbouring frame's mask (stacks only; networks without a use for it ignore it).
    adapt
        Let the network learn from masks that the user drew; only the bundled network can, others take no notice.
        ``None``: while there are few of them.
    """

    mode: Mode
    strategy: Strategy
    region: RegionOptions = field(default_factory=RegionOptions)
    tiles: TileOptions = field(default_factory=TileOptions)
    remember_absent: bool = False
    show_neighbour: bool = True
    adapt: bool | None = False
