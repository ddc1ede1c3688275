"""Save labels in the format that a path asks for, whole or not at all."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from ...errors import OutputError
from ...whole_file import add_to_folder, replace_file, replace_folder
from .folder import file_names, write_folder
from .formats import format_of, suffix_of
from .labels import Labelled, LabelSet
from .ome_zarr import is_beside_image, listed_beside
from .tif import TIF_ERRORS


def save_labels(path: Path, labels: LabelSet) -> None:
    """Write labels.

    Parameters
    ----------
    path
        Its suffix says the format, see :data:`.formats.FORMATS`; without one it is a folder with a file for each image.
        The folder that it is in has to exist.

    Raises
    ------
    OutputError
        If that is not possible, in words; what was there is as it was.
    """
    kind = format_of(path)
    if kind is None:
        add_to_folder(path, lambda draft: write_folder(draft, labels), wrapped_in=TIF_ERRORS)
        return
    if problem := kind.refuses(labels) or kind.refuses_place(path, labels):
        raise OutputError(problem)
    replace = replace_folder if kind.store else replace_file
    options = {} if kind.store else {"suffix": suffix_of(path, kind)}
    with listed_beside(path) if kind.store and is_beside_image(path) else nullcontext():
        replace(path, lambda draft: kind.write(draft, labels), wrapped_in=kind.wrapped_in, **options)


def written_files(path: Path, labelled: Labelled) -> list[Path]:
    """What :func:`save_labels` writes: a file or a store, or the files of a folder."""
    return [path / name for name in file_names(labelled)] if format_of(path) is None else [path]
