"""``segment --instances``: touching things of one kind get a label each, as where they are told apart in the dock."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..errors import OptionError, OutputError
from ..types import AnyArray, Mode
from .console import say

if TYPE_CHECKING:
    from ..results import FrameResult

#: What the option is where no radius is given with it.
USUAL = "usual"
_MOST_THINGS = np.iinfo(np.uint16).max


def add_instances_option(parser: argparse.ArgumentParser) -> None:
    """Whether things are told apart, and how large they are."""
    parser.add_argument(
        "--instances",
        nargs="?",
        const=USUAL,
        metavar="RADIUS",
        help="tell touching things of one kind apart in unrelated images, one label each, numbered on each image from "
        "1; RADIUS of a usual thing in pixels, the smaller the more is cut (default: that of most)",
    )


def check_instances(arguments: argparse.Namespace, mode: Mode, objects: int) -> float | None:
    """The radius that was given, ``nan`` for the usual one; ``None`` where nothing is told apart.

    Raises
    ------
    OptionError
        For a stack, several objects, and what is no radius.
    """
    given = arguments.instances
    if given is None:
        return None
    if mode == "stack":
        raise OptionError("--instances is for unrelated images (--mode flow): in a stack each thing gets a prompt")
    if objects > 1:
        raise OptionError(f"--instances tells the things of one object apart; there are {objects}: do one at a time")
    if given == USUAL:
        return math.nan
    try:
        radius = float(given)
    except ValueError:
        radius = math.nan
    if not 0 < radius < math.inf:
        raise OptionError(f"--instances takes the radius of a usual thing in pixels, such as 12.5; got {given}")
    return radius


def things_of(found: Mapping[tuple[int, int], FrameResult], radius: float) -> dict[int, AnyArray]:
    """Label images ``(H, W)`` by frame, with the things of the one object numbered from 1.

    Raises
    ------
    OutputError
        If there are more things on an image than labels can number.
    """
    from ..geometry.instances import told_apart, usual_radius

    masks = {frame: result.mask for (frame, _), result in sorted(found.items())}
    size = usual_radius(list(masks.values())) if math.isnan(radius) else radius
    things = {frame: told_apart(mask, size) for frame, mask in masks.items()}
    counts = {frame: int(numbers.max(initial=0)) for frame, numbers in things.items()}
    if (most := max(counts.values(), default=0)) > _MOST_THINGS:
        raise OutputError(f"there are {most} things on one image, more than labels can number: give a larger radius")
    say(f"told apart with a radius of {size:.3g} pixels: {sum(counts.values())} things on {len(counts)} image(s)")
    return {frame: numbers.astype(np.uint16) for frame, numbers in things.items()}
