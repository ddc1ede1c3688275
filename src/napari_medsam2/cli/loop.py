"""``evaluate --loop``: what learning from accepted frames saves whoever annotates the rest of them."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import OptionError
from .console import INTERRUPTED, load_chosen_model, say, tell
from .reports import save_json, table

if TYPE_CHECKING:
    from ..images.datasets import Dataset
    from ..training.accepted.loop import LoopRow


def add_loop_options(parser: argparse.ArgumentParser) -> None:
    """Whether the loop is simulated, and how long is learned in it."""
    parser.add_argument(
        "--loop",
        action="store_true",
        help="simulate a user who annotates a third of the frames, has the network learn from them, and annotates the "
        "next third; prints clicks and Dice with and without learning",
    )
    parser.add_argument("--steps", type=int, help="of each training in --loop (default: 40)")


def run_loop(arguments: argparse.Namespace, datasets: Sequence[Dataset]) -> int:
    """Simulate the loop on each dataset; returns the exit code.

    Raises
    ------
    UserError
        For datasets that are too small, and models that cannot be trained.
    """
    from ..training.accepted.learning import STEPS
    from ..training.accepted.loop import simulate, thirds

    steps = STEPS if arguments.steps is None else arguments.steps
    if steps < 1:
        raise OptionError(f"--steps is a number of steps of training, 1 or more; got {steps}")
    for dataset in datasets:
        thirds(dataset)
    model = load_chosen_model(arguments)
    rows: list[LoopRow] = []
    interrupted = False
    with tempfile.TemporaryDirectory(prefix="napari-medsam2-") as folder:
        try:
            for dataset in datasets:
                how = {"steps": steps, "adapt": arguments.adapt, "told": say}
                rows.append(simulate(model, dataset, Path(folder) / dataset.name, **how))
        except KeyboardInterrupt:
            interrupted = True
    if rows:
        tell(loop_table(rows))
    if arguments.json:
        save_json(arguments.json, {"steps": steps, "rows": [_as_json(row) for row in rows]})
    return INTERRUPTED if interrupted else 0


def loop_table(rows: Sequence[LoopRow]) -> str:
    """A line a dataset, and one for all."""
    lines = [["dataset", "third", "clicks", "left out", "learned", "dice", "with", "clicks", "with", "drawn", "with"]]
    for row in rows:
        learned, without, with_learning = row.learned, row.without, row.with_learning
        lines.append(
            [
                row.dataset,
                str(row.first.frames),
                str(row.first.clicks),
                f"{learned.before:.3f}",
                f"{learned.after:.3f}" if learned.weights is not None else "no better",
                *(f"{arm.dice:.3f}" for arm in (without, with_learning)),
                *(str(arm.clicks) for arm in (without, with_learning)),
                *(str(arm.drawn) for arm in (without, with_learning)),
            ]
        )
    frames, clicks = (sum(getattr(row.first, name) for row in rows) for name in ("frames", "clicks"))
    arms = [[row.without for row in rows], [row.with_learning for row in rows]]
    lines.append(
        [
            "all",
            str(frames),
            str(clicks),
            *("", ""),
            *(f"{np.mean([one.dice for one in arm]):.3f}" for arm in arms),
            *(str(sum(one.clicks for one in arm)) for arm in arms),
            *(str(sum(one.drawn for one in arm)) for arm in arms),
        ]
    )
    before, after = (sum(one.clicks for one in arm) for arm in arms)
    saved = f"{1 - after / before:.0%} of them" if before else "nothing, for there were none"
    return f"{table(lines)}\n\nClicks of the next third: {before} without learning, {after} with: saves {saved}"


def _as_json(row: LoopRow) -> dict[str, Any]:
    told = asdict(row)
    told["learned"]["weights"] = row.learned.weights is not None
    return {**told, "saved": None if np.isnan(row.saved) else row.saved}
