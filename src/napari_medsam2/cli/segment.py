"""``napari-medsam2 segment``: the arguments, and the run with its progress in the terminal."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import FrameError, OptionError, PromptError, SessionError
from ..images.contrast import Contrast
from ..images.contrast_words import nothing_to_see
from ..images.formats import open_images
from ..images.opened import OpenedImages
from ..images.writers.labels import Labelled, label_dtype
from ..prompts import Prompt
from ..types import Mode
from .console import (
    INTERRUPTED,
    add_bank_options,
    add_model_options,
    load_chosen_model,
    progress_bar,
    say,
    slow_bar,
    stopped_softly,
    tell,
)
from .host import current_host
from .instances import add_instances_option, check_instances, things_of
from .outputs import Outputs, add_output_options
from .prompt_files import MaskedSequence, parse_box, parse_mask, parse_point, read_prompt_file
from .session_files import add_session_options, refuse_other_options, refuse_session_options, run_session
from .task_options import (
    add_task_options,
    check_task_options,
    contrast_of,
    load_model_of,
    read_task_option,
    save_task_option,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..images.frames import FrameSource
    from ..session.session import Session
    from ..session.taught import Task


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the input, the prompts, and the options of ``segment``."""
    parser.description = (
        "Segment a sequence from one or more prompts. Coordinates are pixels; the centre of the first pixel is (0, 0)."
    )
    parser.add_argument(
        "input",
        type=_input,
        nargs="?",
        help="a folder of images or of DICOM, or a tif, picture, npy, npz, zarr, NIfTI, NRRD or DICOM file",
    )
    add_options(parser)
    add_session_options(parser)
    add_output_options(parser)
    parser.set_defaults(run=partial(_run, parser))


def add_options(parser: argparse.ArgumentParser) -> None:
    """What may be said of any sequence: which part of it, the prompts, the model, and how it is segmented."""
    parser.add_argument(
        "--mode", choices=("stack", "flow"), help="frames in order, or unrelated images (default: as the input says)"
    )
    _add_input_options(parser)
    prompts = parser.add_argument_group("prompts", "for object 1, each may be given again; at least one is needed")
    prompts.add_argument("--point", action="append", default=[], metavar="F,Y,X[,0|1]", help="a click; 0 is negative")
    prompts.add_argument("--box", action="append", default=[], metavar="F,Y0,X0,Y1,X1", help="a box, by two corners")
    prompts.add_argument(
        "--mask",
        action="append",
        default=[],
        metavar="FRAME:FILE",
        help="a label image, or a stack with one a frame; not 0 on the object",
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
    add_task_options(parser)
    add_instances_option(parser)
    parser.add_argument("--direction", choices=("both", "forward", "backward"), default="both", help="default: both")
    parser.add_argument("--start", type=int, default=None, help="first frame to segment (default: the first)")
    parser.add_argument("--stop", type=int, default=None, help="frame to stop before (default: after the last)")
    parser.add_argument(
        "--contrast", type=float, nargs=2, metavar=("LOW", "HIGH"), help="raw values for black and white (default: "
        "percentiles)"
    )  # fmt: skip


def _run(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    """Segment from prompts, or do again what a session file says."""
    if arguments.session is None:
        if arguments.input is None:
            raise OptionError("name the images to segment, or a session file that was saved in the dock (--session)")
        refuse_session_options(arguments)
        return run(arguments)
    refuse_other_options(parser, arguments)
    return run_session(arguments)


def _add_input_options(parser: argparse.ArgumentParser) -> None:
    """Which part of the input is segmented."""
    part = parser.add_argument_group("part of the input", "where it holds more than a sequence of frames")
    part.add_argument(
        "--axis",
        type=_number_or_name,
        default=0,
        metavar="N|NAME",
        help="axis along which frames follow each other, by number or name, such as z or t (default: the first)",
    )
    part.add_argument("--channel", type=_number_or_name, metavar="N|NAME", help="channel, where there are several")
    part.add_argument(
        "--at", type=_position, action="append", default=[], metavar="AXIS=N", help="where another axis stays: t=0"
    )
    part.add_argument("--series", type=_number_or_name, metavar="N|NAME", help="which of several images")
    part.add_argument(
        "--partial",
        action="store_true",
        help="read what is left of a tif or a volume that was cut, or of a folder with damaged files",
    )
    part.add_argument(
        "--rgb", action=argparse.BooleanOptionalAction, default=None, help="the last axis is colours (default: guessed)"
    )


def _input(text: str) -> Path:
    if not text:  # as of a variable of the shell that is not set; it would be the folder that the program runs in
        raise argparse.ArgumentTypeError("the path of the images is empty")
    return Path(text)


def _number_or_name(text: str) -> int | str:
    return int(text) if text.removeprefix("-").isdecimal() and len(text) < 10 else text


def _position(text: str) -> tuple[str, int]:
    name, _, place = text.partition("=")
    number = _number_or_name(place)
    if not name or not isinstance(number, int):
        raise argparse.ArgumentTypeError(f"a position is AXIS=N, such as t=0; got {text!r}")
    return name, number


def run(arguments: argparse.Namespace) -> int:
    """Segment as the arguments say; returns the exit code. What was done is saved even if the run ends early.

    Raises
    ------
    UserError
        For arguments and files that cannot be used, in words.
    """
    if arguments.contrast and arguments.contrast[0] >= arguments.contrast[1]:
        low, high = arguments.contrast
        raise OptionError(f"--contrast is LOW HIGH, and LOW is less than HIGH; got {low:g} {high:g}")
    task = read_task_option(arguments)
    images = _open(arguments)
    for sentence in images.left_out:
        say(sentence)
    frames = images.frames
    prompts, read = _given_prompts(arguments, MaskedSequence(len(frames), arguments.axis, frames.shape))
    mode = _mode_of(images, arguments)
    check_task_options(arguments, task, mode)
    alone = len(frames) == len(images.files) == 1
    names = (images.files[0].name,) if alone else tuple(frames.name(t) for t in range(len(frames)))
    numbers = _numbers(prompts, task)
    radius = check_instances(arguments, mode, len(numbers))
    labelled = Labelled(images, names, mode, np.uint16 if radius is not None else label_dtype(max(numbers)))
    read += [arguments.task] if task is not None else []
    outputs = Outputs.checked(arguments, labelled, [arguments.input, *read])
    if why := nothing_to_see(frames):
        raise FrameError(
            f"there is nothing to segment on the images of {arguments.input}: {why}. Is this the right file, channel "
            "or axis?"
        )

    session = _open_session(arguments, frames, mode, task)
    told = session.remarks
    for remark in told:
        say(remark)
    if task is not None:
        session.take_task(task)
        say(f"{task.name}: {task.words}")
    for prompt in prompts:
        session.add(prompt)
    _tell_of_learning(session)
    problem = _propagate(session, arguments)
    for remark in session.remarks:
        if remark not in told:
            say(remark)
    if isinstance(problem, KeyboardInterrupt) and arguments.on_interrupt == "drop":
        say("stopped; nothing was written")
        return INTERRUPTED
    found = session.results
    outputs.save(labelled, found, things=None if radius is None else things_of(found, radius))
    save_task_option(arguments, session)
    done = f"{len({frame for frame, _ in session.results})} of {len(frames)} frames"
    if problem is None:
        tell(f"{arguments.output}: {len(session.objects)} object(s), {done}, model {session.model.name}")
        return 0
    say(f"stopped early; {arguments.output} holds what was done, {done}")
    if isinstance(problem, KeyboardInterrupt):
        return INTERRUPTED
    raise problem


def _open(arguments: argparse.Namespace) -> OpenedImages:
    """Open the input, with a bar if that takes more than a moment."""
    with slow_bar(f"opening {arguments.input.name}", unit="file") as progress:
        return open_images(
            arguments.input,
            axis=arguments.axis,
            channel=arguments.channel,
            at=dict(arguments.at),
            series=arguments.series,
            rgb=arguments.rgb,
            partial=arguments.partial,
            progress=progress,
        )


def _mode_of(images: OpenedImages, arguments: argparse.Namespace) -> Mode:
    """As the user says, else as the input says; of a single frame it does not matter."""
    if arguments.mode is not None:
        chosen: Mode = arguments.mode
        return chosen
    if arguments.task is not None:
        return "flow"
    if len(images) == 1:
        return "stack"
    if images.mode is None:
        raise OptionError(
            f"{arguments.input} does not say how its {len(images)} frames belong together: say --mode stack if they "
            "follow each other, as slices or in time, or --mode flow if they are unrelated images"
        )
    other = "flow" if images.mode == "stack" else "stack"
    say(f"{arguments.input.name} is taken as a {images.mode} (--mode {other}: not)")
    return images.mode


def _given_prompts(arguments: argparse.Namespace, sequence: MaskedSequence) -> tuple[list[Prompt], list[Path]]:
    """All prompts, and the files that they were read from."""
    masks = [parse_mask(text, sequence) for text in arguments.mask]
    files = [read_prompt_file(path, sequence) for path in arguments.prompts]
    prompts: list[Prompt] = [
        *(parse_point(text) for text in arguments.point),
        *(parse_box(text) for text in arguments.box),
        *(prompt for prompt, _ in masks),
        *(prompt for file in files for prompt in file.prompts),
    ]
    if not prompts and arguments.task is None:
        raise PromptError("at least one prompt is needed: --point, --box, --mask or --prompts; or a task file (--task)")
    drawn = [path for file in files for path in file.masks]
    return prompts, [*(path for _, path in masks), *arguments.prompts, *drawn]


def _numbers(prompts: Sequence[Prompt], task: Task | None) -> set[int]:
    """The numbers that objects get."""
    return {*(prompt.object_id for prompt in prompts), *([known.number for known in task.objects] if task else [])}


def _open_session(arguments: argparse.Namespace, frames: FrameSource, mode: Mode, task: Task | None) -> Session:
    from ..session.options import SessionOptions
    from ..session.session import Session

    contrast = Contrast(*arguments.contrast) if arguments.contrast else None
    return Session(
        load_chosen_model(arguments) if task is None else load_model_of(task, arguments),
        frames,
        mode=mode,
        bank=arguments.bank,
        contrast=contrast or (None if task is None else contrast_of(task)),
        passes=arguments.passes,
        options=SessionOptions(adapt=arguments.adapt),
    )


def _tell_of_learning(session: Session) -> None:
    from ..session.learning import learning_of

    if (learning := learning_of(session)) is not None:
        say(f"{learning.words} {'--adapt learns all the same' if learning.left_out else '--no-adapt leaves it out'}.")


def _propagate(session: Session, arguments: argparse.Namespace) -> BaseException | None:
    """Segment all frames; returns what ended it early, and raises that if nothing was done."""
    span: dict[str, Any] = {"direction": arguments.direction, "start": arguments.start, "stop": arguments.stop}
    try:
        with stopped_softly(), progress_bar(session.plan(**span), arguments.input.name) as bar:
            for result in session.propagate(**span):
                bar.set_postfix(frame=result.frame, confidence=f"{result.confidence:.2f}", refresh=False)
                bar.total = bar.n + 1 + session.steps_left
                bar.update()
    except (KeyboardInterrupt, FrameError, SessionError) as error:
        if not session.results or not current_host().keeps_part:
            raise
        return error
    return None
