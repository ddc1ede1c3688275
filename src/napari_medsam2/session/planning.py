"""Which frames a propagation visits, and in which order. Pure functions of frame numbers."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..types import Direction, Mode


@dataclass(frozen=True)
class Step:
    """One object on one frame.

    Attributes
    ----------
    object_id, frame
        What is segmented.
    reverse
        True if the run comes from higher frames.
    source
        The prompted frame that a stack is tracked from; ``None`` in a flow and for prompted frames themselves, unless
        they are corrections.
    heeds_rivals
        True to ask again on a prompted frame, with what other objects with prompts there took.
    """

    object_id: int
    frame: int
    reverse: bool = False
    source: int | None = None
    heeds_rivals: bool = False


def stack_steps(
    object_id: int,
    prompted: Sequence[int],
    direction: Direction,
    start: int,
    stop: int,
    corrections: Collection[int] = (),
) -> list[Step]:
    """Steps away from the prompted frames, to ``start <= frame < stop``; the prompted frames are not among them.

    With ``"both"`` every frame is reached from the nearest prompted frame, so two prompts meet half-way; with one
    direction from the nearest on that side.

    Prompted frames that are ``corrections`` were reached from another one and then mended by a click. With ``"both"``
    the object is carried on from there, but not back to where it came from: those frames were nearer to the better
    prompt.
    """
    frames = sorted(prompted)
    origins = origins_of(frames, corrections)
    steps = []
    for i, source in enumerate(frames):
        low = frames[i - 1] if i else -1
        high = frames[i + 1] if i + 1 < len(frames) else None
        both = direction == "both"
        if direction != "backward" and not (both and origins[source] > source):
            end = stop if high is None else high
            if both and high is not None and origins[high] >= high:
                end = (source + high) // 2 + 1
            steps += [Step(object_id, t, False, source) for t in range(max(source + 1, start), min(end, stop))]
        if direction != "forward" and not (both and origins[source] < source):
            end = low
            if both and i and origins[low] <= low:
                end = (low + source) // 2
            steps += [
                Step(object_id, t, True, source) for t in range(min(source - 1, stop - 1), max(end, start - 1), -1)
            ]
    return steps


def origins_of(prompted: Sequence[int], corrections: Collection[int]) -> dict[int, int]:
    """Where the object on each prompted frame came from: for corrections the nearest other one, else the frame."""
    first = sorted(t for t in prompted if t not in corrections) or sorted(prompted)
    origins: dict[int, int] = {}
    for t in prompted:
        after = bisect_left(first, t)
        origins[t] = min(first[max(after - 1, 0) : after + 1], key=lambda other: (abs(other - t), other))
    return origins


def flow_steps(object_id: int, prompted: Sequence[int], start: int, stop: int) -> list[Step]:
    """All frames without a prompt, in order."""
    templates = set(prompted)
    return [Step(object_id, t) for t in range(start, stop) if t not in templates]


def affected_frames(
    mode: Mode, prompted: Sequence[int], frame: int, n_frames: int, corrections: Collection[int] = ()
) -> range:
    """Frames whose result a changed prompt on ``frame`` can change.

    In a stack those on both sides up to the next prompted frame, and where ``frame`` is one of the ``corrections`` only
    those on the side away from where the object came from; in a flow all. ``frame`` itself and, in a flow, other
    prompted frames are in the range too.
    """
    if mode == "flow":
        return range(n_frames)
    others = sorted(set(prompted) - {frame})
    before, after = bisect_left(others, frame), bisect_right(others, frame)
    low = others[before - 1] + 1 if before else 0
    high = others[after] if after < len(others) else n_frames
    origin = origins_of(sorted({*others, frame}), corrections)[frame]
    if origin < frame:
        low = frame
    elif origin > frame:
        high = frame + 1
    return range(low, high)


def interleave(queues: Sequence[Sequence[Step]]) -> list[Step]:
    """One step of each queue in turn, so that objects on the same frames share its features."""
    longest = max((len(queue) for queue in queues), default=0)
    return [queue[i] for i in range(longest) for queue in queues if i < len(queue)]
