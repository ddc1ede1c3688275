"""Tables and JSON for people and scripts: what the commands print and save."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import OutputError
from ..whole_file import replace_file

if TYPE_CHECKING:
    from ..evaluation.scores import Row


_COLUMNS = {
    "dice": "dice",
    "dice_prompted": "prompted",
    "iou": "iou",
    "hd95": "hd95",
    "confidence_dice_correlation": "corr",
    "calibration_error": "ece",
    "seconds_per_frame": "s/frame",
}


def table(rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Columns of equal width; the first ``left`` ones are aligned on the left, the others on the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def scores_table(rows: Sequence[Row]) -> str:
    """One line an object, one for the mean of a dataset with several; of stacks and of flows the worst and the mean."""
    from ..evaluation.scores import means, worst

    summary = means(rows)
    lowest = worst(rows, summary)
    lines = [["dataset", "object", "frame", "frames", *_COLUMNS.values()]]
    for name, scores in summary["datasets"].items():
        of_dataset = [row for row in rows if row.dataset == name]
        lines += [
            [name, str(row.object), _frames(row), str(row.frames), *(_cell(getattr(row, key)) for key in _COLUMNS)]
            for row in of_dataset
        ]
        if len(of_dataset) > 1:
            lines.append([name, "mean", "", "", *(_cell(scores[key]) for key in _COLUMNS)])
    for mode, words in (("stack", "all stacks"), ("flow", "all flows")):
        if mode in lowest and len({row.dataset for row in rows if row.mode == mode}) > 1:
            name = lowest[mode]["dataset"]
            lines.append([name, "worst", "", "", *(_cell(summary["datasets"][name][key]) for key in _COLUMNS)])
        if mode in summary:
            lines.append([words, "mean", "", "", *(_cell(summary[mode][key]) for key in _COLUMNS)])
    return table(lines)


def review_table(rows: Sequence[Row]) -> str:
    """Whether "next to check" leads to the worst frames: a line for each dataset, and for stacks and flows the least
    and all; empty where there was nothing to find."""
    from ..evaluation.scores import next_to_check

    told = next_to_check(rows)
    lines = [["next to check", "", "frames", "worst found", "by chance", "times"]]
    for name, checked in told["datasets"].items():
        lines.append([name, "", *_checked(checked)])
    for mode, words in (("stack", "all stacks"), ("flow", "all flows")):
        if mode in told:
            least = told[mode]["worst"]
            lines.append([least, "worst", *_checked(told["datasets"][least])])
            lines.append([words, "all", *_checked(told[mode])])
    return table(lines) if len(lines) > 1 else ""


def _checked(checked: dict[str, float]) -> tuple[str, ...]:
    by_chance, times = (f"{checked[key]:.1f}" for key in ("by_chance", "times_chance"))
    return str(checked["frames"]), str(checked["found"]), by_chance, times


def save_json(path: Path, content: Any) -> None:
    """Write JSON, whole or not at all; :class:`OutputError` if that is not possible."""
    text = json.dumps(content, indent=2) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error}") from error
    replace_file(path, lambda draft: draft.write_text(text, encoding="utf-8"))


def _frames(row: Row) -> str:
    """The templates of a row, as ``0,1,2``."""
    return ",".join(str(t) for t in row.templates)


def _cell(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3f}"
