"""How good the order of "next to check" is with weights of the doubts that were chosen on other datasets.

    python tools/choose_doubts.py stack cells.npz ct.npz mri.npz --cache doubts.json

What each dataset gives, prompted once for each object with boxes and once with clicks, is kept in the cache, so that
the choice takes seconds. Then each dataset is scored with the weights that are best on all others: those that find
most of the truly worst tenth against chance, and of equals the one nearest to the middle of them.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medsam2.evaluation.prompting import PromptKind, make_prompts, prompt_frame
from napari_medsam2.evaluation.review import Checked, check
from napari_medsam2.geometry.overlap import dice
from napari_medsam2.images.datasets import Dataset, read_dataset
from napari_medsam2.models.device import Model
from napari_medsam2.models.loading import load_model
from napari_medsam2.session.options import SessionOptions
from napari_medsam2.session.review import WEIGHTS, Doubt, Finding, suspects
from napari_medsam2.session.session import Session
from napari_medsam2.types import Mode

PROMPTS: tuple[PromptKind, ...] = ("box", "point")
#: Values of a weight that are tried.
TRIED = {"stack": np.linspace(0, 1, 6), "flow": np.linspace(0, 1, 11)}


def run(model: Model, dataset: Dataset, kind: PromptKind) -> list[dict[str, Any]]:
    """Find all objects of a dataset in one session; what each came to, as JSON keeps it."""
    session = Session(model, dataset.frames, mode=dataset.mode, options=SessionOptions(undo_depth=0))
    shown = {number: prompt_frame(dataset, number) for number in dataset.objects}
    for number, frame in shown.items():
        for prompt in make_prompts(dataset.truth(frame, number), kind, frame=frame, object_id=number):
            session.add(prompt)
    for _ in session.propagate():
        pass
    labels = [session.label_image(t) for t in range(len(dataset.frames))]
    rows = []
    for number, frame in shown.items():
        results = [result for t in range(len(labels)) if (result := session.result(t, number)) is not None]
        findings = [Finding.of(result, labels[result.frame].confidences[number]) for result in results]
        dices = {t: dice(one.labels == number, dataset.truth(t, number)) for t, one in enumerate(labels) if t != frame}
        rows.append({"findings": [vars(finding) for finding in findings], "dices": dices})
    return rows


def hits(row: Mapping[str, Any], mode: Mode, weights: npt.NDArray[np.float64]) -> tuple[Checked, npt.NDArray[np.int64]]:
    """What the weights of the product find of one object, and how many of the worst frames each other set finds."""
    findings = [Finding(**finding) for finding in row["findings"]]
    dices = {int(t): value for t, value in row["dices"].items()}
    checked = check(findings, dices, mode)
    if not checked.frames:
        return checked, np.zeros(len(weights), np.int64)
    none = dict.fromkeys(WEIGHTS[mode], 0.0)
    degrees = np.zeros((len(dices), len(none)))
    places = {t: place for place, t in enumerate(sorted(dices))}
    for column, doubt in enumerate(none):
        for suspect in suspects(findings, mode, {**none, doubt: 1.0}):
            if suspect.frame in places:
                degrees[places[suspect.frame], column] = suspect.score
    parts = np.array_split(weights, 1 + len(weights) // 2000)
    sure = np.concatenate([np.prod(1 - part[:, None] * degrees, axis=2) for part in parts])
    first = np.argsort(np.round(sure, 12), axis=1, kind="stable")[:, : checked.frames]
    limit = sorted(dices.values())[checked.frames - 1]
    worst = np.array([dices[t] <= limit for t in places])
    return checked, worst[first].sum(1)


def chosen(found: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]) -> int:
    """The best set of weights; of equals the one nearest to their middle."""
    best = np.flatnonzero(found >= found.max() - 1e-9)
    away = weights[best] - weights[best].mean(0)
    return int(best[np.argmin((away**2).sum(1))])


def report(kept: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]], mode: Mode) -> None:
    """Print what is found of each dataset by weights that were chosen on the others."""
    doubts: list[Doubt] = list(WEIGHTS[mode])
    weights = np.array(list(itertools.product(TRIED[mode], repeat=len(doubts))))
    of = {
        (name, kind): [hits(row, mode, weights) for row in rows]
        for name, kinds in kept.items()
        for kind, rows in kinds.items()
    }
    product = {key: sum((checked for checked, _ in each), Checked()) for key, each in of.items()}
    found = {key: sum((counts for _, counts in each), np.zeros(len(weights))) for key, each in of.items()}
    chance = {name: sum(one.by_chance for key, one in product.items() if key[0] == name) for name in kept}
    names = [name for name in kept if chance[name]]
    total = dict.fromkeys(PROMPTS, 0.0)
    for name in names:
        others = sum(
            (counts for key, counts in found.items() if key[0] in names and key[0] != name), np.zeros(len(weights))
        )
        place = chosen(others, weights)
        told = ", ".join(f"{doubt.name} {weight:.1f}" for doubt, weight in zip(doubts, weights[place], strict=True))
        count = sum(found[name, kind][place] for kind in PROMPTS)
        own = sum(product[name, kind].found for kind in PROMPTS) / chance[name]
        print(f"{name}: {count / chance[name]:.2f} times chance with {told}; with the weights of the product {own:.2f}")
        total = {kind: total[kind] + found[name, kind][place] for kind in PROMPTS}
    for kind in PROMPTS:
        sums = sum((product[name, kind] for name in names), Checked())
        times = total[kind] / sums.by_chance
        told = f"{total[kind]:.0f} of {sums.frames}, {times:.2f} times the {sums.by_chance:.1f} of chance"
        print(f"{kind}: {told}; with the weights of the product {sums.found}, {sums.times_chance:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("mode", choices=("stack", "flow"))
    parser.add_argument("dataset", type=Path, nargs="+")
    parser.add_argument("--cache", type=Path, required=True, help="a JSON file; what is in it is not computed again")
    parser.add_argument("--model", default="micro")
    arguments = parser.parse_args()
    kept = json.loads(arguments.cache.read_text()) if arguments.cache.exists() else {}
    model = load_model(arguments.model, device="cpu")
    names = []
    for path in arguments.dataset:
        dataset = read_dataset(path)
        if dataset.mode != arguments.mode:
            continue
        names.append(dataset.name)
        for kind in PROMPTS:
            if kind not in kept.setdefault(dataset.name, {}):
                kept[dataset.name][kind] = run(model, dataset, kind)
                arguments.cache.write_text(json.dumps(kept))
    report({name: kept[name] for name in names}, arguments.mode)


if __name__ == "__main__":
    main()
