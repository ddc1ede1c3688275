"""How good the order is in which frames are to be checked: whether the truly worst ones come first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..session.review import Finding, suspects
from ..types import Mode

#: The share of the frames that is looked at, and of the truly worst ones.
SHARE = 0.1


@dataclass(frozen=True)
class Checked:
    """What a look at the first tenth of the frames to check would find.

    Attributes
    ----------
    frames
        How many frames were looked at.
    found
        How many of these are among the truly worst tenth. Frames that are as bad as the best of those are, too.
    by_chance
        How many that would be on average if frames were looked at in any order.
    """

    frames: int = 0
    found: int = 0
    by_chance: float = 0.0

    def __add__(self, other: Checked) -> Checked:
        return Checked(self.frames + other.frames, self.found + other.found, self.by_chance + other.by_chance)

    @property
    def times_chance(self) -> float:
        """How many times as often as by chance; NaN where there was nothing to find."""
        return self.found / self.by_chance if self.by_chance else float("nan")


def check(findings: Iterable[Finding], dices: Mapping[int, float], mode: Mode) -> Checked:
    """Look at the tenth of one object's frames that is most in doubt.

    Parameters
    ----------
    findings
        Of one object.
    dices
        Dice of each frame that counts.

    Returns
    -------
    Checked
        Nothing where the worst tenth of the frames is right in each pixel.
    """
    count = max(1, round(SHARE * len(dices)))
    limit = sorted(dices.values())[count - 1] if dices else 1.0
    if limit >= 1:
        return Checked()
    worst = {frame for frame, dice in dices.items() if dice <= limit}
    order = [suspect.frame for suspect in suspects(findings, mode) if suspect.frame in dices]
    found = sum(frame in worst for frame in order[:count])
    return Checked(count, found, count * len(worst) / len(dices))


def as_plain(checked: Sequence[tuple[str, str, Checked]]) -> dict[str, Any]:
    """Sums for people and for a JSON file.

    Parameters
    ----------
    checked
        For each object of a dataset: the dataset's name, its mode, and what was found.

    Returns
    -------
    dict
        ``{"datasets": {name: sums}, "stack": {**sums, "worst": name}, "flow": ...}``; datasets without anything to find
        are left out, and kinds without such a dataset.
    """
    datasets: dict[str, Checked] = {}
    for name, _, one in checked:
        datasets[name] = datasets.get(name, Checked()) + one
    datasets = {name: sums for name, sums in datasets.items() if sums.by_chance}
    kinds: dict[str, Any] = {}
    for mode in ("stack", "flow"):
        names = [name for name in datasets if any((name, mode) == other[:2] for other in checked)]
        if names:
            least = min(names, key=lambda name: datasets[name].times_chance)
            kinds[mode] = {**_plain(sum((datasets[name] for name in names), Checked())), "worst": least}
    return {"datasets": {name: _plain(sums) for name, sums in datasets.items()}, **kinds}


def _plain(checked: Checked) -> dict[str, float]:
    return {
        "frames": checked.frames,
        "found": checked.found,
        "by_chance": round(checked.by_chance, 3),
        "times_chance": round(checked.times_chance, 3),
    }
