"""What people see of a batch in the end: which jobs failed and why, and of the others which to check first."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...whole_file import replace_file
from ..reports import table

#: The table among the results.
FILE = "batch-summary.csv"
#: So many lines are printed; all of them are in the file.
MOST_LINES = 20
_COLUMNS = {
    "frames": "frames",
    "objects": "objects",
    "confidence": "mean",
    "lowest": "lowest",
    "seconds": "seconds",
    "doubt": "doubt",
    "check_first": "look first at",
}
_IN_FILE = (
    *("job", "input", "state", "problem", "model", "frames", "of_frames", "objects", "found", "confidence", "lowest"),
    *("doubt", "check_first", "why", "seconds", "seconds_loading_model", "worker", "remarks"),
)


@dataclass(frozen=True)
class Line:
    """One job.

    Attributes
    ----------
    name
        Of its labels, among the results.
    input
        What was segmented.
    state
        "done", "done before" or "failed".
    summary
        What its worker said of it.
    problem
        Why it failed.
    """

    name: str
    input: str
    state: str
    summary: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""

    @property
    def urgency(self) -> tuple[int, float, str]:
        """Sorts what to check first to the front: what failed, where nothing was found, then what is most in doubt."""
        nothing = not self.summary.get("found")
        return (0 if self.problem else 1 if nothing else 2, -float(self.summary.get("doubt") or 0), self.name)


def in_words(lines: Sequence[Line]) -> str:
    """A table for the terminal, what to check first at the top."""
    done = sorted((line for line in lines if not line.problem), key=lambda line: line.urgency)
    parts = []
    if done:
        shown = [[line.name, line.state, *(_cell(name, line.summary) for name in _COLUMNS)] for line in done]
        head = ["job", "", *(title for name, title in _COLUMNS.items())]
        parts.append(table([head, *shown[:MOST_LINES]], left=2))
        if len(done) > MOST_LINES:
            parts.append(f"... and {len(done) - MOST_LINES} more, less in doubt than these")
    return "\n".join(parts)


def save_summary(path: Path, lines: Sequence[Line]) -> None:
    """Write all of it as CSV, what to check first at the top; :class:`OutputError` if that is not possible."""

    def write(draft: Path) -> None:
        with draft.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            rows = csv.DictWriter(file, _IN_FILE, extrasaction="ignore")
            rows.writeheader()
            for line in sorted(lines, key=lambda line: line.urgency):
                remarks = " | ".join(line.summary.get("remarks", ()))
                facts = {"job": line.name, "input": line.input, "state": line.state, "problem": line.problem}
                rows.writerow({**line.summary, **facts, "remarks": remarks})

    replace_file(path, write)


def _cell(name: str, summary: Mapping[str, Any]) -> str:
    value = summary.get(name)
    if value is None:
        return "-"
    if name in ("confidence", "lowest", "doubt"):
        return f"{value:.2f}"
    if name == "seconds":
        return f"{value:.1f}"
    if name == "check_first" and summary.get("why"):
        return f"{value}: {summary['why']}"
    return str(value)
