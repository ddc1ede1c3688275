"""``napari-medsam2 evaluate``: the arguments, and the run with its progress in the terminal."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OptionError
from ..geometry.parts import MAX_PARTS
from ..images.datasets import notes_of, read_dataset, told_apart
from ..images.writers.checks import keep_what_is_read
from .console import INTERRUPTED, add_bank_options, add_model_options, load_chosen_model, progress_bar, say, tell
from .loop import add_loop_options, run_loop
from .reports import review_table, save_json, scores_table

if TYPE_CHECKING:
    from ..evaluation.protocol import Protocol
    from ..evaluation.scores import Row
    from ..images.datasets import Dataset
    from ..models.device import Model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the datasets, what is drawn on them, and the options of ``evaluate``."""
    parser.description = (
        "Each object is prompted from the truth of one frame; the other frames are scored. A dataset is a .npz "
        "with images and masks, and a .json beside it that says whether it is a stack or a flow."
    )
    parser.add_argument("datasets", type=Path, nargs="+", metavar="DATASET.npz")
    parser.add_argument("--prompt", choices=("point", "box", "mask"), default="box", help="default: box")
    parser.add_argument("--mode", choices=("stack", "flow"), help="default: what the dataset's json says")
    parser.add_argument(
        "--frame", type=int, help="frame to prompt (default: largest object in a stack, first that has it in a flow)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="move clicks and boxes a little at random (default: 0, not)"
    )
    parser.add_argument(
        "--loose",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="boxes larger than the object by this share on each side, as 0.1 (default: 0, tight)",
    )
    parser.add_argument(
        "--templates",
        type=int,
        default=1,
        metavar="N",
        help="prompt N frames, score the others: in flows the first that have the object, in stacks where it is "
        "largest and then in the middle of the longest run without a prompt (default: 1)",
    )
    parser.add_argument(
        "--leave-out",
        type=int,
        default=0,
        metavar="K",
        help="do not score the first K frames in the order of --templates, so that --templates 1 to K compare",
    )
    parser.add_argument(
        "--corrections",
        type=int,
        default=0,
        metavar="N",
        help="then N clicks, each in the largest error of the worst frame; what they change is done again (default: 0)",
    )
    parser.add_argument(
        "--parts",
        type=int,
        default=MAX_PARTS,
        metavar="N",
        help="a box or click on the N largest separate parts of an object (default: %(default)s)",
    )
    parser.add_argument("--object", type=int, action="append", metavar="ID", help="only this object; may be repeated")
    parser.add_argument("--alone", action="store_true", help="a session for each object; default: all objects in one")
    parser.add_argument("--json", type=Path, help="write the rows and means here")
    add_loop_options(parser)
    add_model_options(parser)
    add_bank_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Evaluate as the arguments say; returns the exit code.

    Raises
    ------
    UserError
        For arguments and files that cannot be used, in words.
    """
    _check(arguments)
    if arguments.json:
        keep_what_is_read([arguments.json], [*arguments.datasets, *map(notes_of, arguments.datasets)])
    datasets = told_apart([read_dataset(path, mode=arguments.mode) for path in arguments.datasets])
    if arguments.loop:
        return run_loop(arguments, datasets)
    protocol = _protocol(arguments)
    _check_templates(datasets, protocol)
    model = load_chosen_model(arguments)

    from ..evaluation.scores import as_json

    rows: list[Row] = []
    interrupted = False
    try:
        for row in _rows(model, datasets, protocol):
            rows.append(row)
    except KeyboardInterrupt:
        interrupted = True
    if rows:
        banks = " and ".join(dict.fromkeys(row.bank for row in rows))
        tell(f"model {model.name}, prompt {_in_words(protocol)}, bank {banks}, device {model.device}\n")
        if checked := review_table(rows):
            tell(f"{checked}\n")
        tell(scores_table(rows))
    if arguments.json:
        save_json(arguments.json, {"plan": asdict(protocol), **as_json(rows)})
    if interrupted:
        say("stopped before the end; the scores are of what was done")
    return INTERRUPTED if interrupted else 0


def _check(arguments: argparse.Namespace) -> None:
    if arguments.steps is not None and not arguments.loop:
        raise OptionError("--steps says how long is learned in --loop, which was not asked for")
    if arguments.corrections < 0:
        raise OptionError(f"--corrections is a number of clicks, 0 or more; got {arguments.corrections}")
    if arguments.parts < 1:
        raise OptionError(f"--parts is a number of separate parts, 1 or more; got {arguments.parts}")
    if arguments.templates < 1:
        raise OptionError(f"--templates is a number of frames, 1 or more; got {arguments.templates}")
    if arguments.templates > 1 and arguments.frame is not None:
        raise OptionError("--frame prompts one frame, --templates several: leave one of the two away")
    if arguments.leave_out < 0:
        raise OptionError(f"--leave-out is a number of frames, 0 or more; got {arguments.leave_out}")
    if arguments.seed < 0:
        raise OptionError(f"--seed is a whole number, 0 or more; got {arguments.seed}")
    if not 0 <= arguments.loose <= 1:
        raise OptionError(f"--loose is a share of a box, 0 to 1; got {arguments.loose:g}")
    if arguments.loose and arguments.prompt != "box":
        raise OptionError(f"--loose draws boxes too large, and the prompt is a {arguments.prompt}")


def _check_templates(datasets: Sequence[Dataset], protocol: Protocol) -> None:
    """Refuse datasets that cannot be prompted like that before the first of them is segmented."""
    from ..evaluation.prompting import template_frames

    for dataset in datasets:
        for object_id in protocol.objects or dataset.objects:
            template_frames(dataset, object_id, protocol)


def _protocol(arguments: argparse.Namespace) -> Protocol:
    from ..evaluation.protocol import Protocol

    return Protocol(
        prompt=arguments.prompt,
        bank=arguments.bank,
        frame=arguments.frame,
        seed=arguments.seed,
        loose=arguments.loose,
        objects=tuple(arguments.object) if arguments.object else None,
        templates=arguments.templates,
        leave_out=arguments.leave_out,
        passes=arguments.passes,
        corrections=arguments.corrections,
        parts=arguments.parts,
        adapt=arguments.adapt,
        alone=arguments.alone,
    )


def _rows(model: Model, datasets: Sequence[Dataset], protocol: Protocol) -> Iterator[Row]:
    """Score all datasets, with a progress bar for each."""
    from ..evaluation.evaluate import evaluate

    for dataset in datasets:
        with progress_bar(None, dataset.name) as bar:

            def progress(done: int, total: int, bar: Any = bar) -> None:
                bar.total = total
                bar.update(done - bar.n)

            yield from evaluate(model, dataset, protocol, progress=progress)


def _in_words(protocol: Protocol) -> str:
    """What is prompted, and what differs from the defaults."""
    told = protocol.prompt + (f", corrections {protocol.corrections}" if protocol.corrections else "")
    told += f", {protocol.templates} templates" if protocol.templates > 1 else ""
    told += f", the first {protocol.leave_out} not scored" if protocol.leave_out else ""
    told += f", parts {protocol.parts}" if protocol.parts != MAX_PARTS else ""
    told += f", loose {protocol.loose:g}" if protocol.loose else ""
    told += ", not adapted" if protocol.adapt is False else ""
    return told + (", each object alone" if protocol.alone else "")
