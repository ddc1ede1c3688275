"""``napari-medsam2 segment``: the arguments, and the run with its progress in the terminal."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import FrameError, OptionError, PromptError, SessionError
from ..images.contrast import Contrast
from ..images.contrast_words import nothing_to_see
from ..images.formats import open_images
from ..images.writers.checks import check_labels
from ..images.writers.labels import Found, Labelled, label_dtype
from ..images.writers.saving import save_labels
from ..prompts import Prompt
from ..results import FrameResult
from .console import INTERRUPTED, add_bank_options, add_model_options, load_chosen_model, progress_bar, say, tell
from .prompt_files import parse_box, parse_mask, parse_point, read_prompt_file
from .reports import save_json

if TYPE_CHECKING:
    from ..images.frames import FrameSource
    from ..session.session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the input, the prompts, and the options of ``segment``."""
    parser.description = (
        "Segment a sequence from one or more prompts. Coordinates are pixels; the centre of the first pixel is (0, 0)."
    )
    parser.add_argument(
        "input", type=Path, help="a folder of images, or a tif, npy, npz, zarr, NIfTI or DICOM file; frames come first"
    )
    parser.add_argument("--mode", choices=("stack", "flow"), required=True, help="frames in order, or unrelated images")
    prompts = parser.add_argument_group("prompts", "for object 1, each may be given again; at least one is needed")
    prompts.add_argument("--point", action="append", default=[], metavar="F,Y,X[,0|1]", help="a click; 0 is negative")
    prompts.add_argument("--box", action="append", default=[], metavar="F,Y0,X0,Y1,X1", help="a box, by two corners")
    prompts.add_argument(
        "--mask", action="append", default=[], metavar="FRAME:FILE", help="an image, not 0 on the object"
    )
    prompts.add_argument(
        "--prompts",
        action="append",
        default=[],
        type=Path,
        metavar="FILE.json",
        help='for several objects: {"prompts": [{"type": "box", "frame": 3, "y0": 1, "x0": 2, "y1": 8, "x1": 9, '
        '"object": 2}, {"type": "point", "frame": 3, "y": 4, "x": 5, "positive": true, "object": 1}, '
        '{"type": "mask", "frame": 0, "file": "drawn.tif", "object": 3}]}',
    )
    add_model_options(parser)
    add_bank_options(parser)
    parser.add_argument("--direction", choices=("both", "forward", "backward"), default="both", help="default: both")
    parser.add_argument("--start", type=int, default=None, help="first frame to segment (default: the first)")
    parser.add_argument("--stop", type=int, default=None, help="frame to stop before (default: after the last)")
    parser.add_argument("--axis", type=int, default=0, help="axis along which frames follow each other (default: 0)")
    parser.add_argument(
        "--rgb", action=argparse.BooleanOptionalAction, default=None, help="the last axis is colours (default: guessed)"
    )
    parser.add_argument(
        "--contrast", type=float, nargs=2, metavar=("LOW", "HIGH"), help="raw values for black and white (default: "
        "percentiles)"
    )  # fmt: skip
    parser.add_argument("--json", type=Path, help="also write the confidence and size of each result here")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        help="a .tif for all frames, or a folder for one file a frame",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Segment as the arguments say; returns the exit code. What was done is saved even if the run ends early.

    Raises
    ------
    UserError
        For arguments and files that cannot be used, in words.
    """
    prompts, read = _given_prompts(arguments)
    if arguments.contrast and arguments.contrast[0] >= arguments.contrast[1]:
        low, high = arguments.contrast
        raise OptionError(f"--contrast is LOW HIGH, and LOW is less than HIGH; got {low:g} {high:g}")
    images = open_images(arguments.input, axis=arguments.axis, rgb=arguments.rgb)
    for sentence in images.left_out:
        say(sentence)
    frames = images.frames
    names = tuple(frames.name(t) for t in range(len(frames)))
    labelled = Labelled(images, names, arguments.mode, label_dtype(max(prompt.object_id for prompt in prompts)))
    check_labels(
        arguments.output,
        labelled,
        read=[arguments.input, *read],
        written=[arguments.json] if arguments.json else [],
    )
    if why := nothing_to_see(frames):
        raise FrameError(
            f"there is nothing to segment on the images of {arguments.input}: {why}. Is this the right file, channel "
            "or axis?"
        )

    session = _open_session(arguments, frames)
    told = session.remarks
    for remark in told:
        say(remark)
    for prompt in prompts:
        session.add(prompt)
    problem = _propagate(session, arguments)
    for remark in session.remarks:
        if remark not in told:
            say(remark)
    _write(session, arguments, labelled)
    done = f"{len({frame for frame, _ in session.results})} of {len(frames)} frames"
    if problem is None:
        tell(f"{arguments.output}: {len(session.objects)} object(s), {done}, model {session.model.name}")
        return 0
    say(f"stopped early; {arguments.output} holds what was done, {done}")
    if isinstance(problem, KeyboardInterrupt):
        return INTERRUPTED
    raise problem


def _given_prompts(arguments: argparse.Namespace) -> tuple[list[Prompt], list[Path]]:
    """All prompts, and the files that they were read from."""
    masks = [parse_mask(text) for text in arguments.mask]
    files = [read_prompt_file(path) for path in arguments.prompts]
    prompts: list[Prompt] = [
        *(parse_point(text) for text in arguments.point),
        *(parse_box(text) for text in arguments.box),
        *(prompt for prompt, _ in masks),
        *(prompt for file in files for prompt in file.prompts),
    ]
    if not prompts:
        raise PromptError("at least one prompt is needed: --point, --box, --mask or --prompts")
    drawn = [path for file in files for path in file.masks]
    return prompts, [*(path for _, path in masks), *arguments.prompts, *drawn]


def _open_session(arguments: argparse.Namespace, frames: FrameSource) -> Session:
    from ..session.options import SessionOptions
    from ..session.session import Session

    return Session(
        load_chosen_model(arguments),
        frames,
        mode=arguments.mode,
        bank=arguments.bank,
        contrast=Contrast(*arguments.contrast) if arguments.contrast else None,
        passes=arguments.passes,
        options=SessionOptions(adapt=arguments.adapt),
    )


def _propagate(session: Session, arguments: argparse.Namespace) -> BaseException | None:
    """Segment all frames; returns what ended it early, and raises that if nothing was done."""
    span: dict[str, Any] = {"direction": arguments.direction, "start": arguments.start, "stop": arguments.stop}
    try:
        with progress_bar(session.plan(**span), arguments.input.name) as bar:
            for result in session.propagate(**span):
                bar.set_postfix(frame=result.frame, confidence=f"{result.confidence:.2f}", refresh=False)
                bar.total = bar.n + 1 + session.steps_left
                bar.update()
    except (KeyboardInterrupt, FrameError, SessionError) as error:
        if not session.results:
            raise
        return error
    return None


def _write(session: Session, arguments: argparse.Namespace, labelled: Labelled) -> None:
    """Write the labels, and the JSON if one was asked for."""
    results = [result for _, result in sorted(session.results.items())]
    confidences = {t: session.label_image(t, np.uint32).confidences for t in {result.frame for result in results}}
    found = {(r.frame, r.object_id): Found(confidences[r.frame][r.object_id], r.prompted) for r in results}
    labels = labelled.with_labels(lambda t: session.labels(t, labelled.dtype), found=found)
    save_labels(arguments.output, labels)
    if arguments.json:
        summaries = [_summary(r, labelled.names, found[r.frame, r.object_id].confidence) for r in results]
        save_json(arguments.json, {"results": summaries})


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
