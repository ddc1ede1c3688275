"""Bring the files of published models to where they are looked for: fetched from their authors, or from a file at hand.

Nothing here runs unless the user asks for it by name. A file is there whole and readable, or not at all.
"""

from __future__ import annotations

import shutil
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

from . import models
from .models import MODELS, ModelEntry, ModelError, find_entry, local_file

_BLOCK = 1 << 20
_TIMEOUT_S = 60.0


def download_model(name: str, *, progress: Callable[[int, int], None] | None = None) -> Path:
    """Fetch a published model from its authors, unless it is here; returns where it is.

    Parameters
    ----------
    name
        A name in :data:`~napari_medsam2.models.MODELS`.
    progress
        Called with (bytes done, bytes in all); 0 in all where the server does not say.

    Raises
    ------
    ModelError
        If there is no such model, or it cannot be fetched.
    CheckpointError
        If what came is not that model; nothing is kept.
    """
    entry = find_entry(name)
    path = local_file(entry)
    if entry.bundled or path.is_file():
        return path

    def fetch(part: Path) -> None:
        try:
            with urllib.request.urlopen(entry.source, timeout=_TIMEOUT_S) as answer, part.open("wb") as file:
                total, done = int(answer.headers.get("Content-Length") or 0), 0
                while block := answer.read(_BLOCK):
                    file.write(block)
                    done += len(block)
                    if progress is not None:
                        progress(done, total)
        except (OSError, HTTPException) as error:
            raise ModelError(f"{entry.source} could not be fetched to {path.parent}: {error}") from error
        if done < total:
            raise ModelError(f"{entry.source} ended after {done} of {total} bytes; try again")
        models.load_model(part, device="cpu")

    return _keep(entry, fetch)


def import_model(file: str | Path, name: str | None = None) -> Path:
    """Copy a file of a published model to where it is found by its name; returns where that is.

    Parameters
    ----------
    file
        A checkpoint. It is not changed.
    name
        Which model it is; ``None`` tells from the name of the file.

    Raises
    ------
    ModelError
        If there is no such file or model, or the model is bundled.
    CheckpointError
        If the file cannot be used.
    """
    file = Path(file).expanduser()
    if not file.is_file():
        raise ModelError(f"there is no file {file}")
    if name is None:
        entry = next((known for known in MODELS.values() if known.file == file.name), None)
        if entry is None:
            raise ModelError(
                f"{file.name} is not the name of a published file: say with --as which model it is, or use it from "
                f"where it is with --model {file}"
            )
    else:
        entry = find_entry(name)
    if entry.bundled:
        raise ModelError(f"{entry.name} is inside the package; use another file of it with --model {file}")
    if local_file(entry).is_file() and local_file(entry).samefile(file):
        return local_file(entry)
    models.load_model(file, device="cpu")
    return _keep(entry, lambda part: shutil.copyfile(file, part))


def _keep(entry: ModelEntry, fill: Callable[[Path], object]) -> Path:
    """Fill a file, and put it where the model is looked for once it is whole."""
    path = local_file(entry)
    part = path.with_name(f".part-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fill(part)
        part.replace(path)
    except OSError as error:
        raise ModelError(f"{path} could not be written: {error}") from error
    finally:
        part.unlink(missing_ok=True)
    return path
