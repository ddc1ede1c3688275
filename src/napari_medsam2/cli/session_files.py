"""``segment --session``: does again, without a window, what was done in the dock, and writes the same labels."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FrameError, OptionError, SessionFileError, UserError
from ..images.composed import ComposedChannel, compose_again
from ..images.formats import read_files, read_images
from ..images.frames import FrameSource
from ..images.opened import OpenedImages
from ..images.selection import Selection, select
from ..images.writers.labels import Labelled, label_dtype
from ..models.device import Model, leave_a_core
from ..results import FrameResult
from ..session.image_identity import content_of
from ..session.journal import OPENED, STEPS
from ..session.saved import SavedSession
from ..session.session_file import read_session
from .console import progress_bar, say, slow_bar, stopped_softly, tell
from .host import current_host
from .outputs import Outputs

#: Options of ``segment`` that go with a session file.
_GO_TOGETHER = ("input", "session", "stored", "changed_image", "device", "output", "table", "json", "run", "traceback")


def add_session_options(parser: argparse.ArgumentParser) -> None:
    """The session file, and what to do where all is not as it was."""
    group = parser.add_argument_group("session file", "in place of prompts and all other options but --device")
    group.add_argument(
        "--session",
        type=Path,
        metavar="FILE.medsam2",
        help="do again what was done in the dock and saved there; INPUT may be left out where the images are where "
        "they were",
    )
    group.add_argument(
        "--stored", action="store_true", help="write the labels that the file holds, without computing them again"
    )
    group.add_argument(
        "--changed-image", action="store_true", help="also on images whose pixels are others than they were then"
    )


def refuse_session_options(arguments: argparse.Namespace) -> None:
    """Without a session file they say nothing."""
    for name in ("stored", "changed_image"):
        if getattr(arguments, name):
            raise OptionError(f"--{name.replace('_', '-')} goes with --session FILE.medsam2")


def refuse_other_options(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """What is segmented, and how, is in the session file: an option that nobody would hear is a mistake."""
    given = [
        name
        for name, value in vars(arguments).items()
        if name not in _GO_TOGETHER and value != parser.get_default(name) and parser.get_default(name) is not value
    ]
    if given:
        option = given[0].replace("_", "-")
        raise OptionError(f"--{option} cannot be given with --session: the session file says how it was done")


def run_session(arguments: argparse.Namespace) -> int:
    """Do again what a session file says; returns the exit code.

    Raises
    ------
    UserError
        For files and images that cannot be used, in words.
    """
    saved = read_session(arguments.session)
    source = _Source.of(arguments, saved)
    images = source.images
    for sentence in images.left_out:
        say(sentence)
    frames = source.frames
    shown = {(found.frame, found.object_id): found for found in saved.results}
    numbers = [number for _, number in shown] + [int(labels.max()) for labels in saved.kept.values()]
    if not numbers:
        raise SessionFileError(f"{arguments.session.name} holds no labels: nothing was segmented in it")
    alone = len(frames) == len(images.files) == 1
    names = (images.files[0].name,) if alone else tuple(frames.name(t) for t in range(len(frames)))
    labelled = Labelled(images, names, saved.mode, label_dtype(max(numbers)))
    outputs = Outputs.checked(arguments, labelled, [source.path, arguments.session])
    results = shown
    if shown and not arguments.stored:
        results = _done_again(arguments, saved, frames, shown)
    outputs.save(labelled, results, kept=saved.kept, objects=saved.objects)
    n_objects = len({number for _, number in results})
    kept = f", {len(saved.kept)} frame(s) with labels that were kept" if saved.kept else ""
    tell(f"{arguments.output}: {n_objects} object(s) on {len({t for t, _ in results})} of {len(frames)} frames{kept}")
    return 0


def _done_again(
    arguments: argparse.Namespace,
    saved: SavedSession,
    frames: FrameSource,
    shown: dict[tuple[int, int], FrameResult],
) -> dict[tuple[int, int], FrameResult]:
    """What comes of the journal; where it is not what the window showed, this is said."""
    from ..session.replay import replay

    if not saved.journal:
        say(f"{arguments.session.name} does not say how its labels came about: they are written as they are in it")
        return shown
    leave_a_core()
    counts = [entry.values.get("n") for entry in saved.journal if entry.what == STEPS]
    total = sum(count for count in counts if isinstance(count, int))
    total += Counter(entry.what for entry in saved.journal)["segment"]
    with stopped_softly(), progress_bar(total, arguments.session.name) as bar:
        again = replay(
            saved.journal,
            shown,
            frames,
            lambda name: _load(name, arguments.device),
            tasks=saved.tasks,
            on_step=lambda result: bar.update(),
        )
    if again.others and not arguments.changed_image:
        then = next((entry.values for entry in saved.journal if entry.what == OPENED), {})
        say(
            f"{len(again.others)} of {len(shown)} masks are not, to the bit, those of the window, which ran on "
            f"{then.get('device')} with torch {then.get('torch')} and napari-medsam2 {then.get('napari-medsam2')}; "
            "--stored writes those of the window"
        )
    if again.not_computed:
        say(f"{len(again.not_computed)} of {len(shown)} masks could not be found again: they are those of the window")
    return dict(again.results)


def _load(name: str, device: str) -> Model:
    return current_host().load_model(name, device=device, on_notice=lambda notice: say(notice.message))


@dataclass(frozen=True)
class _Source:
    """The images of a session, and where they are now; of composed ones the first channel, and frames in colours."""

    path: Path
    images: OpenedImages
    frames: FrameSource

    @classmethod
    def of(cls, arguments: argparse.Namespace, saved: SavedSession) -> _Source:
        """Find them, and look whether they are what they were.

        Raises
        ------
        SessionFileError
            If they are not to be found, or are others; says what to do.
        """
        told = f"napari-medsam2 segment --session {arguments.session.name} IMAGES -o {arguments.output}"
        was = Path(saved.image.path)
        if arguments.input is not None:
            path = arguments.input
        elif not saved.image.path and saved.image.selection.get("composed"):
            return cls._composed(arguments, saved)
        elif not saved.image.path:
            raise SessionFileError(
                f"{arguments.session.name} was made with images that were in no file ({saved.image.name}): name them, "
                f"{told}"
            )
        else:
            beside = arguments.session.parent / was.name
            path = was if was.exists() or not beside.exists() else beside
        if not path.exists():
            raise SessionFileError(
                f"the images of {arguments.session.name} are not at {path}: say where they are, {told}"
            )
        images = _opened(path, saved)
        if content_of(images.frames) != saved.image.content:
            _heed_change(arguments, saved, images.frames, path)
        return cls(path, images, images.frames)

    @classmethod
    def _composed(cls, arguments: argparse.Namespace, saved: SavedSession) -> _Source:
        """Images in colours that were composed in the window, of the same channels."""

        def read(channel: ComposedChannel) -> OpenedImages:
            path = _place_of(Path(channel.path), arguments.session)
            return _read(path, channel.selection, channel.files if path == Path(channel.path) else ())

        try:
            path, images, frames = compose_again(saved.image.selection["composed"], read)
        except (TypeError, ValueError) as error:
            if isinstance(error, UserError):
                raise
            raise SessionFileError(f"of what {saved.image.name} was composed is not readable ({error})") from error
        if content_of(frames) != saved.image.content:
            _heed_change(arguments, saved, frames, path)
        return cls(path, images, frames)


def _place_of(was: Path, session: Path) -> Path:
    """Where a file or folder is now: where it was, else beside the session file.

    Raises
    ------
    SessionFileError
        If it is in neither place.
    """
    beside = session.parent / was.name
    path = was if was.exists() or not beside.exists() else beside
    if not path.exists():
        raise SessionFileError(f"{session.name} was made with images of {was}, which are not there: put them back")
    return path


def _opened(path: Path, saved: SavedSession) -> OpenedImages:
    """The frames that were segmented, as they were chosen then."""
    files = saved.image.selection.get("files") if path == Path(saved.image.path) else None
    return _read(path, saved.image.selection, files or ())


def _read(path: Path, selection: Mapping[str, Any], files: Sequence[str]) -> OpenedImages:
    try:
        chosen = Selection.of(selection)
    except (TypeError, ValueError) as error:
        raise SessionFileError(f"which images were segmented is not readable ({error})") from error
    with slow_bar(f"opening {path.name}", unit="file") as progress:
        if files:
            return select(read_files([path / str(name) for name in files], progress=progress), chosen)
        return select(read_images(path, series=chosen.series, progress=progress), chosen)


def _heed_change(arguments: argparse.Namespace, saved: SavedSession, frames: FrameSource, path: Path) -> None:
    """Refuse other images than those of the session, unless the user knows and they can be segmented like these."""
    shapes = tuple(frames.shape(t) for t in range(len(frames)))
    if shapes != saved.image.shapes:
        raise FrameError(
            f"{path} is not what {arguments.session.name} was made with: {_size(shapes)}, and it was "
            f"{_size(saved.image.shapes)}. Name the right images"
        )
    if not arguments.changed_image:
        raise SessionFileError(
            f"the pixels of {path} are not those that {arguments.session.name} was made with: name the right images, "
            "or do the same on these with --changed-image"
        )
    if arguments.stored:
        say(f"the pixels of {path} are not those that the labels were made on")


def _size(shapes: tuple[tuple[int, int], ...]) -> str:
    heights, widths = np.array(shapes).T
    up_to = "" if len(set(shapes)) == 1 else "up to "
    return f"{len(shapes)} frame(s) of {up_to}{widths.max()} x {heights.max()} pixels"
