"""How well a task file made on the first half of a flow finds the objects on the second half.

    python tools/measure_tasks.py cells.npz lesions.npz --prompt box

Each object is prompted on the first image of the first half that has it, and found on the others of that half; what is
remembered goes through a file. On the second half its Dice is set against that of two sessions which were prompted
there: on the same image, set before that half, and on the first image of that half itself. Images that were prompted
in one of them count in none. The first tells what the file loses; the second also how luck falls with another image.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from napari_medsam2.evaluation.prompting import PromptKind, make_prompts
from napari_medsam2.geometry.overlap import dice
from napari_medsam2.images.datasets import Dataset, read_dataset
from napari_medsam2.models.device import Model
from napari_medsam2.models.loading import load_model
from napari_medsam2.session.session import Session
from napari_medsam2.session.task_file import read_task
from napari_medsam2.session.taught import Task


def first_with(dataset: Dataset, object_id: int, frames: Sequence[int]) -> int:
    """The first of these frames that has an object."""
    return next(t for t in frames if dataset.truth(t, object_id).any())


def prompted(model: Model, dataset: Dataset, shown: dict[int, int], frames: Sequence[int], kind: PromptKind) -> Session:
    """A session of frames, with a prompt of each object on the one that ``shown`` names."""
    session = Session(model, [dataset.frames[t] for t in frames], mode="flow")
    for object_id, t in shown.items():
        for prompt in make_prompts(dataset.truth(t, object_id), kind, frame=frames.index(t), object_id=object_id):
            session.add(prompt)
    list(session.propagate())
    return session


def taught(model: Model, dataset: Dataset, task: Task, frames: Sequence[int]) -> Session:
    """A session of frames that goes on from a task."""
    session = Session(model, [dataset.frames[t] for t in frames], mode="flow")
    session.take_task(task)
    list(session.propagate())
    return session


def scores(session: Session, dataset: Dataset, frames: Sequence[int], apart: dict[int, set[int]]) -> dict[int, float]:
    """Mean Dice of each object on the frames of a session, but for those ``apart``."""
    labels = {t: session.labels(frames.index(t)) for t in frames}
    return {
        object_id: float(
            np.mean([dice(labels[t] == object_id, dataset.truth(t, object_id)) for t in frames if t not in left_out])
        )
        for object_id, left_out in apart.items()
    }


def templates_alone(task: Task) -> Task:
    """The same without what was only found."""
    objects = tuple(replace(o, memories=tuple(m for m in o.memories if m.pinned)) for o in task.objects)
    return replace(task, objects=objects)


def compare(model: Model, dataset: Dataset, kind: PromptKind) -> dict[int, tuple[float, float, float, float]]:
    """For each object the Dice with the file, with what was found in it, prompted on the same image, and there."""
    half = len(dataset.frames) // 2
    first, second = list(range(half)), list(range(half, len(dataset.frames)))
    here = {object_id: first_with(dataset, object_id, first) for object_id in dataset.objects}
    there = {object_id: first_with(dataset, object_id, second) for object_id in dataset.objects}
    before = sorted({*here.values()})
    with TemporaryDirectory() as folder:
        path = Path(folder) / "half.medsam2task"
        prompted(model, dataset, here, first, kind).save_task(path, with_found=True)
        size, task = path.stat().st_size, read_task(path)
    print(f"  {dataset.name}: {task.words}, {size / 1e6:.1f} MB", flush=True)
    apart = {object_id: {*before, t} for object_id, t in there.items()}
    found = [
        scores(taught(model, dataset, templates_alone(task), second), dataset, second, apart),
        scores(taught(model, dataset, task, second), dataset, second, apart),
        scores(prompted(model, dataset, here, [*before, *second], kind), dataset, [*before, *second], apart),
        scores(prompted(model, dataset, there, second, kind), dataset, second, apart),
    ]
    return {n: (found[0][n], found[1][n], found[2][n], found[3][n]) for n in dataset.objects}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("dataset", type=Path, nargs="+")
    parser.add_argument("--model", default="micro")
    parser.add_argument("--prompt", choices=("point", "box", "mask"), default="box")
    arguments = parser.parse_args()
    model = load_model(arguments.model, device="cpu")
    rows = []
    for path in arguments.dataset:
        dataset = read_dataset(path)
        if dataset.mode != "flow":
            continue
        for object_id, row in compare(model, dataset, arguments.prompt).items():
            rows.append(row)
            told = "file {:.3f}, with what was found {:.3f}, same image prompted there {:.3f}, own image {:.3f}".format(
                *row
            )
            print(f"{dataset.name} {object_id} {arguments.prompt}: {told}", flush=True)
    table = np.array(rows)
    lost = table[:, 2:] - table[:, :1]
    print(f"mean: {' '.join(f'{value:.3f}' for value in table.mean(0))}")
    print(f"file against the same image: mean {-lost[:, 0].mean():+.3f}, worst {-lost[:, 0].max():+.3f}")
    print(f"file against an image there: mean {-lost[:, 1].mean():+.3f}, worst {-lost[:, 1].max():+.3f}")


if __name__ == "__main__":
    main()
