"""What annotating costs: slices checked, how, and the clicks and seconds that went into them; as numbers and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

#: A longer pause than this, in seconds, was no work on the images, and counts as this much.
LONGEST_PAUSE_S = 30.0

#: How a frame came to be right: found and accepted, found and then changed, or prompted from the start.
How = Literal["accepted", "corrected", "prompted"]
COLUMNS = ("checked", "frame", "name", "how", "clicks", "seconds", "clicks_so_far", "seconds_so_far")


@dataclass
class FrameCost:
    """What went into one frame: gestures (clicks, boxes, strokes; deletions too), seconds, and in which place it came
    among the frames that were worked on."""

    place: int
    clicks: int = 0
    seconds: float = 0.0
    corrected: bool = False


@dataclass(frozen=True)
class CostSummary:
    """How many frames were checked, how, and what all of it took: ``clicks`` and ``seconds``.

    ``a_frame`` are clicks a frame before and since the network learned from them; ``None`` while it did not.
    """

    accepted: int = 0
    corrected: int = 0
    prompted: int = 0
    clicks: int = 0
    seconds: float = 0.0
    a_frame: tuple[float, float] | None = None

    @property
    def checked(self) -> int:
        """Frames that the user looked through and left as they are."""
        return self.accepted + self.corrected + self.prompted


@dataclass(eq=False)
class AnnotationCost:
    """Counts while somebody works. What was undone has cost something, too.

    Attributes
    ----------
    frames
        By frame.
    learned_at
        How many frames had been worked on when the network that learned from them was taken; ``None``: it was not.
    """

    frames: dict[int, FrameCost] = field(default_factory=dict)
    learned_at: int | None = None
    _last: float | None = field(default=None, repr=False)
    _pending: float = field(default=0.0, repr=False)

    def look(self, now: float) -> None:
        """Somebody is at work, and changes nothing; ``now`` in seconds of any clock."""
        if self._last is not None:
            self._pending += min(max(now - self._last, 0.0), LONGEST_PAUSE_S)
        self._last = now

    def note(self, frame: int, now: float, *, clicks: int = 0, corrects: bool = False) -> None:
        """Something was done on a frame, at a time in seconds; ``corrects`` if it changed what was found there."""
        self.look(now)
        cost = self.frames.setdefault(frame, FrameCost(len(self.frames)))
        cost.seconds, self._pending = cost.seconds + self._pending, 0.0
        cost.clicks += clicks
        cost.corrected |= corrects

    def how(self, prompted: Collection[int], accepted: Collection[int]) -> dict[int, How]:
        """How each frame with a prompt came to be right, by frame.

        Parameters
        ----------
        prompted
            Frames with a prompt of any object.
        accepted
            Those of them where something was accepted.
        """
        found: dict[int, How] = {}
        for frame in sorted(prompted):
            changed = frame in self.frames and self.frames[frame].corrected
            found[frame] = "corrected" if changed else "accepted" if frame in accepted else "prompted"
        return found

    def summary(self, prompted: Collection[int], accepted: Collection[int]) -> CostSummary:
        """All of it in numbers."""
        how = list(self.how(prompted, accepted).values())
        clicks = sum(cost.clicks for cost in self.frames.values())
        seconds = sum(cost.seconds for cost in self.frames.values())
        counts = (how.count("accepted"), how.count("corrected"), how.count("prompted"))
        return CostSummary(*counts, clicks, seconds, self._clicks_a_frame())

    def _clicks_a_frame(self) -> tuple[float, float] | None:
        """Before and since the network learned; ``None`` until there are frames since."""
        since = [c.clicks for c in self.frames.values() if self.learned_at is not None and c.place >= self.learned_at]
        before = [c.clicks for c in self.frames.values() if self.learned_at is not None and c.place < self.learned_at]
        return (sum(before) / len(before), sum(since) / len(since)) if before and since else None

    def as_csv(self, how: Mapping[int, How], names: Sequence[str]) -> str:
        """A line for each frame in the order of the work: what it took, and what all took up to it.

        Frames that were worked on and have no prompt in the end stand among the others, with an empty ``how``.

        Parameters
        ----------
        how
            See :meth:`how`.
        names
            Of all frames.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        checked, clicks, seconds = 0, 0, 0.0
        last = len(self.frames)
        costs = {frame: self.frames.get(frame, FrameCost(last)) for frame in {*self.frames, *how}}
        for frame, cost in sorted(costs.items(), key=lambda item: (item[1].place, item[0])):
            checked, clicks, seconds = checked + (frame in how), clicks + cost.clicks, seconds + cost.seconds
            spent, so_far = f"{cost.seconds:.1f}", f"{seconds:.1f}"
            writer.writerow((checked, frame, names[frame], how.get(frame, ""), cost.clicks, spent, clicks, so_far))
        return text.getvalue()

    def told(self) -> dict[str, Any]:
        """As plain values; :meth:`of` is the way back."""
        frames = [{"frame": frame, **asdict(cost)} for frame, cost in self.frames.items()]
        return {"frames": frames, "learned_at": self.learned_at}

    @classmethod
    def of(cls, told: Any, n_frames: int) -> AnnotationCost:
        """Read what :meth:`told` said; what is no such thing is left out, for it changes no result."""
        told = told if isinstance(told, dict) else {}
        learned_at, frames = told.get("learned_at"), told.get("frames")
        cost = cls(learned_at=None if learned_at is None else int(_number(learned_at, 0)))
        for item in frames if isinstance(frames, list) else ():
            if not isinstance(item, dict) or not 0 <= _number(item.get("frame"), -1) < n_frames:
                continue
            place, clicks = int(_number(item.get("place"), 0)), int(_number(item.get("clicks"), 0))
            seconds, corrected = _number(item.get("seconds"), 0), item.get("corrected") is True
            cost.frames[int(item["frame"])] = FrameCost(place, clicks, seconds, corrected)
        return cost


def _number(value: Any, otherwise: float) -> float:
    """A number that counts something, or another one where it is none."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9 else otherwise
