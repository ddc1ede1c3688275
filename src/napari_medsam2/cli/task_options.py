"""``segment --task`` and ``--save-task``: prompts made once, for images of another day."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ModelError, OptionError, TaskFileError
from ..images.contrast import Contrast
from ..session.task_file import SUFFIX, read_task
from ..types import Mode
from .console import load_chosen_model, say

if TYPE_CHECKING:
    from ..models.device import Model
    from ..session.session import Session
    from ..session.taught import Task


def add_task_options(parser: argparse.ArgumentParser) -> None:
    """The task file to begin with, and the one to write."""
    group = parser.add_argument_group("task files", "what is remembered of objects on separate images, for others")
    group.add_argument(
        "--task",
        type=Path,
        metavar=f"FILE{SUFFIX}",
        help="look for the objects of this file, which was saved in the dock or with --save-task; no prompt is needed, "
        "and model and contrast are those of the file unless they are given",
    )
    group.add_argument(
        "--save-task",
        type=Path,
        metavar=f"FILE{SUFFIX}",
        help="write the templates, which are the prompted images, here",
    )
    group.add_argument(
        "--with-found", action="store_true", help="with --save-task: what was found on the other images, too"
    )
    parser.set_defaults(model=None)  # so that the task's own can be told from one that was asked for


def read_task_option(arguments: argparse.Namespace) -> Task | None:
    """The task that was named, and its model where none was."""
    task = None if arguments.task is None else read_task(arguments.task)
    if arguments.model is None:
        arguments.model = "micro" if task is None else task.model.source
    return task


def check_task_options(arguments: argparse.Namespace, task: Task | None, mode: Mode) -> None:
    """Before a long run, refuse what a stack cannot have; :class:`TaskFileError` or :class:`OptionError`."""
    for option, path in (("--task", arguments.task), ("--save-task", arguments.save_task)):
        if path is not None and mode == "stack":
            raise OptionError(f"{option} is for separate images (--mode flow); these are taken as a stack")
    written = arguments.save_task
    if written is None and arguments.with_found:
        raise OptionError(f"--with-found goes with --save-task FILE{SUFFIX}")
    if written is None:
        return
    if not written.name.endswith(SUFFIX):
        raise OptionError(f"a task file is called NAME{SUFFIX}; got {written}")
    if not written.absolute().parent.is_dir():
        raise TaskFileError(f"there is no folder {written.absolute().parent} to write {written.name} to")


def load_model_of(task: Task, arguments: argparse.Namespace) -> Model:
    """The model that was asked for, or that of the task; :class:`TaskFileError` where it is not here."""
    try:
        return load_chosen_model(arguments)
    except ModelError as error:
        if arguments.model != task.model.source:
            raise
        told = f"the model of the task {task.name} cannot be had: {error}"
        raise TaskFileError(f"{told}. Where its weights are elsewhere, name them with --model FILE") from error


def contrast_of(task: Task) -> Contrast | None:
    """The contrast that was chosen where the task was made; ``None`` if it was left to each image."""
    return None if task.limits is None else Contrast(*task.limits, task.gamma)


def save_task_option(arguments: argparse.Namespace, session: Session) -> None:
    """Write the task file that was asked for, and say what is in it."""
    if arguments.save_task is not None:
        task = session.save_task(arguments.save_task, with_found=arguments.with_found)
        say(f"{arguments.save_task}: {task.words}")
