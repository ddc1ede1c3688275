"""What ``segment`` leaves: labels, a table, a JSON; checked before the run, and not lost if a disk fails after it."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import EXPECTED_ERRORS, OutputError, in_words
from ..images.opened import LabelledObject
from ..images.writers.checks import check_labels
from ..images.writers.labels import Found, Labelled, LabelSet
from ..images.writers.saving import save_labels, written_files
from ..images.writers.table import check_table_name, save_table, table_beside
from ..results import FrameResult
from ..session.label_image import LabelImage, paint_labels
from ..session.review import Finding, Suspect, suspects
from ..types import AnyArray
from .host import Saved, current_host
from .reports import save_json


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Where labels, the table and the JSON go."""
    parser.add_argument(
        "-o",
        "--output",
        type=_path,
        required=True,
        help="labels, by the suffix: .tif (OME-TIFF), .json (COCO), .nii.gz, .nrrd, .ome.zarr; or a folder, for one "
        "file an image under its own name",
    )
    parser.add_argument(
        "--table",
        type=_path,
        metavar="FILE.csv",
        help="also write area and confidence of each object on each image here (beside a flow's folder there is one)",
    )
    parser.add_argument(
        "--on-interrupt",
        choices=("save", "drop"),
        default="save",
        help="after Ctrl-C, or being told to end: save what is done (default), or write nothing",
    )
    parser.add_argument("--json", type=_path, help="also write the confidence and size of each result here")


def _path(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("name a file or a folder; got an empty name")
    return Path(text)


@dataclass(frozen=True)
class Outputs:
    """Where everything goes.

    Attributes
    ----------
    labels, table, json
        ``None`` for what is not wanted.
    """

    labels: Path
    table: Path | None = None
    json: Path | None = None

    @staticmethod
    def checked(arguments: argparse.Namespace, labelled: Labelled, read: Sequence[Path]) -> Outputs:
        """Refuse, before a long run, what could not be written after it or would overwrite what is read.

        Raises
        ------
        OutputError
            In words, with what helps.
        """
        table = arguments.table
        if table is not None:
            check_table_name(table)
        outputs = Outputs(arguments.output, table or table_beside(arguments.output, labelled), arguments.json)
        others = [path for path in (outputs.table, outputs.json) if path is not None]
        check_labels(outputs.labels, labelled, read=read, written=others)
        return outputs

    def save(
        self,
        labelled: Labelled,
        found: Mapping[tuple[int, int], FrameResult],
        *,
        kept: Mapping[int, AnyArray] | None = None,
        objects: Mapping[int, LabelledObject] | None = None,
        things: Mapping[int, AnyArray] | None = None,
    ) -> None:
        """Write everything.

        Parameters
        ----------
        labelled
            What the labels lie on.
        found
            Results by (frame, object).
        kept
            Label images that lie on top of them, by frame.
        objects
            What is known of the objects beside their numbers.
        things
            Label images in place of those of the one object there is, by frame: its things told apart.

        Raises
        ------
        OutputError
            If something could not be written; labels that could not are written to a folder of the system's.
        """
        results = [result for _, result in sorted(found.items())]
        on_frame: dict[int, list[FrameResult]] = {}
        for result in results:
            on_frame.setdefault(result.frame, []).append(result)

        def painted(t: int) -> LabelImage:
            image = paint_labels(labelled.shape(t), labelled.dtype, on_frame.get(t, ()))
            image = image if things is None else replace(image, labels=things.get(t, image.labels))
            on_top = None if kept is None else kept.get(t)
            return image if on_top is None else replace(image, labels=np.where(on_top != 0, on_top, image.labels))

        confidences = {t: painted(t).confidences for t in on_frame}
        sure = {(r.frame, r.object_id): Found(confidences[r.frame][r.object_id], r.prompted) for r in results}
        labels = labelled.with_labels(
            lambda t: painted(t).labels.astype(labelled.dtype, copy=False),
            found=sure if things is None else _of_things(sure, things),
            objects=dict(objects or {}),
        )
        self._save_labels(labels)
        try:
            if self.table is not None:
                _make_folder_of(self.table)
                save_table(self.table, labels)
            if self.json is not None:
                save_json(self.json, _as_json(results, sure, labelled))
        except OutputError as error:
            raise OutputError(f"{error}. The labels are in {self.labels}") from error
        others = [path for path in (self.table, self.json) if path is not None]
        files = (*written_files(self.labels, labelled), *others)
        sure_of = {key: there.confidence for key, there in sure.items()}
        current_host().saved(Saved(files, found, sure_of, labelled.names, labelled.mode))

    def _save_labels(self, labels: LabelSet) -> None:
        try:
            _make_folder_of(self.labels)
            save_labels(self.labels, labels)
        except EXPECTED_ERRORS as error:
            elsewhere = _save_elsewhere(labels) if current_host().keeps_part else None
            if elsewhere is None:
                raise
            raise OutputError(f"{in_words(error)}. The labels were saved as {elsewhere} instead") from error


def _of_things(sure: Mapping[tuple[int, int], Found], things: Mapping[int, AnyArray]) -> dict[tuple[int, int], Found]:
    """What is known of each thing: of the one object that it was told apart from."""
    known = {t: there for (t, _), there in sure.items()}
    return {
        (t, number): known[t] for t, numbers in things.items() for number in range(1, int(numbers.max(initial=0)) + 1)
    }


def _save_elsewhere(labels: LabelSet) -> Path | None:
    """So that a long run is not lost; ``None`` if there is no room either."""
    folder = None
    try:
        folder = Path(tempfile.mkdtemp(prefix="napari-medsam2-"))
        path = folder / "labels.tif" if labels.uniform else folder / "labels"
        save_labels(path, labels)
    except EXPECTED_ERRORS:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        return None
    return path


def _make_folder_of(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {path.parent}: {error.strerror or error}") from error


def _as_json(
    results: Sequence[FrameResult], sure: Mapping[tuple[int, int], Found], labelled: Labelled
) -> dict[str, Any]:
    """What was found of each object on each frame, and what to check first."""
    confidences = [(result, sure[result.frame, result.object_id].confidence) for result in results]
    findings = [Finding.of(result, confidence) for result, confidence in confidences]
    return {
        "results": [_summary(result, labelled.names, confidence) for result, confidence in confidences],
        "to_check": [_suspicion(suspect, labelled.names) for suspect in suspects(findings, labelled.mode)],
    }


def _summary(result: FrameResult, names: Sequence[str], confidence: float) -> dict[str, Any]:
    return {
        "frame": result.frame,
        "name": names[result.frame],
        "object": result.object_id,
        "confidence": confidence,
        "iou": result.iou,
        "objectness": result.objectness,
        "prompted": result.prompted,
        "pixels": int(result.mask.sum()),
        "seconds": result.seconds,
    }


def _suspicion(suspect: Suspect, names: Sequence[str]) -> dict[str, Any]:
    """A frame that is to be looked at, and why; the list begins with the one that is most likely wrong."""
    return {
        "frame": suspect.frame,
        "name": names[suspect.frame],
        "object": suspect.object_id,
        "score": round(suspect.score, 4),
        "doubts": [doubt.value for doubt in suspect.doubts],
    }
