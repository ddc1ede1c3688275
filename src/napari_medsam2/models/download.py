"""Bring a file from a server to the disk: it is there whole and checked, or not at all.

What came before a break, a stall or a cancel stays beside it as a hidden partial file, and the next try goes on from
there. (The hub's own ``hf_hub_download`` begins again from zero, so only the look-up is left to it.)
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import DownloadError, DownloadStopped, ServerError
from .registry import megabytes
from .remote import RemoteFile, host, network_errors, open_stream, refused, unreachable

#: Called with (bytes done, bytes in all); 0 in all where the server does not say.
Progress = Callable[[int, int], None]

#: Left free on the disk.
SPARE_BYTES = 16_000_000
_BLOCK = 1 << 18


def fetch(
    remote: RemoteFile,
    path: Path,
    *,
    check: Callable[[Path], object],
    progress: Progress | None = None,
    stopped: Callable[[], bool] | None = None,
) -> None:
    """Bring a file here, going on from a partial one if there is.

    Parameters
    ----------
    remote
        From :func:`~napari_medsam2.models.remote.ask_hub` or :func:`~napari_medsam2.models.remote.ask_server`.
    path
        Where it goes.
    check
        Called with the whole file before it gets its name; whatever it raises ends the download, and the file goes.
    progress
        See :data:`Progress`.
    stopped
        Asked between blocks; true ends the download.

    Raises
    ------
    ServerError
        If the server does not send it, or sends it damaged.
    DownloadError
        If it does not fit on the disk, or another program is fetching it.
    DownloadStopped
        If ``stopped`` said so.
    """
    part = partial_file(remote, path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _only_one(path):
            for other in _partial_files(path):
                if other != part:
                    other.unlink()  # of another version
            if remote.size is not None:
                check_space(remote.size - (part.stat().st_size if part.exists() else 0), part.parent)
            _complete(remote, part, progress, stopped)
            try:
                _check_content(remote, part)
                check(part)
            except Exception:
                part.unlink()
                raise
            part.replace(path)
    except DownloadError:
        raise
    except OSError as error:
        raise DownloadError(f"{path} could not be written: {error}") from error
    finally:
        with suppress(OSError):
            if not part.stat().st_size:  # nothing came
                part.unlink()


def partial_file(remote: RemoteFile, path: Path) -> Path:
    """Where the first bytes of a file wait for the others."""
    key = hashlib.sha256(remote.version.encode()).hexdigest()[:12]
    return path.with_name(f".{path.name}.{key}.part")


def bytes_here(path: Path) -> int:
    """How much of a file has come in earlier tries."""
    return max((part.stat().st_size for part in _partial_files(path)), default=0)


def _partial_files(path: Path) -> list[Path]:
    return [part for part in path.parent.glob(".*.part") if part.name.startswith(f".{path.name}.")]


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """Keep other programs from fetching the same file meanwhile."""
    from filelock import FileLock, Timeout

    lock = path.with_name(f".{path.name}.lock")
    try:
        with FileLock(lock, blocking=False):
            try:
                yield
            finally:
                with suppress(OSError):  # as where files in use cannot be removed
                    lock.unlink()
    except Timeout:
        raise DownloadError(f"another program is fetching {path.name} to {path.parent} right now") from None
    except NotImplementedError as error:
        raise DownloadError(
            f"the disk of {path.parent} cannot lock files, as some network disks cannot; NAPARI_MEDSAM2_MODELS names "
            "another folder"
        ) from error


def check_space(size: int, folder: Path) -> None:
    """Refuse to begin what would not fit.

    Raises
    ------
    DownloadError
        If the disk of the folder, which need not be there yet, has no room for so many bytes.
    """
    places = (folder.absolute(), *folder.absolute().parents)
    there = next((place for place in places if place.exists()), folder)  # or a drive that is not there: an OSError
    need, free = size + SPARE_BYTES, shutil.disk_usage(there).free
    if free < need:
        raise DownloadError(
            f"there is not enough room in {folder}: {megabytes(need)} are needed, {megabytes(free)} are free; "
            "NAPARI_MEDSAM2_MODELS names another folder"
        )


def _complete(remote: RemoteFile, part: Path, progress: Progress | None, stopped: Callable[[], bool] | None) -> None:
    """Ask again as long as each answer brings more than there ever was."""
    with part.open("r+b" if part.exists() else "w+b") as file:
        here = furthest = file.seek(0, os.SEEK_END)
        if progress is not None:
            progress(here, remote.size or 0)
        whole = here == remote.size
        while not whole:
            problem = f"{host(remote.url)} closed the connection"
            try:
                whole = _take(remote, file, progress, stopped)
            except network_errors() as error:
                problem = unreachable(remote.url, error)
            here = file.tell()
            if not whole:
                _stop_if_asked(stopped, here)
            if not whole and here <= furthest:
                kept = f"; the first {megabytes(here)} are kept, and the next try goes on from there" if here else ""
                raise ServerError(problem + kept)
            furthest = max(furthest, here)


def _take(remote: RemoteFile, file: BinaryIO, progress: Progress | None, stopped: Callable[[], bool] | None) -> bool:
    """Write what one answer brings; true if that was all of the rest."""
    start = file.tell()
    with open_stream(remote, start) as answer:
        if answer.status_code == 200:  # all of it, whatever was asked for
            file.seek(0)
            file.truncate()
            length = answer.headers.get("Content-Length", "")
        elif answer.status_code == 206 and _starts_at(answer, start):
            length = answer.headers["Content-Range"].rpartition("/")[2]
        elif answer.status_code in (206, 416):
            file.truncate(0)
            raise ServerError(f"{host(remote.url)} could not go on after {start} bytes; try again from the start")
        else:
            raise ServerError(refused(remote.url, answer.status_code))
        size = int(length) if length.isdecimal() else remote.size
        if remote.size not in (None, size):
            raise ServerError(f"{remote.url} should have {remote.size} bytes, and the server has {size}")
        _check_bound(remote, size or 0)
        for block in answer.iter_raw():
            _stop_if_asked(stopped, file.tell())
            try:
                _check_bound(remote, file.tell() + len(block))
            except ServerError:
                file.truncate(0)  # it is not what was asked for
                raise
            file.write(block)
            if progress is not None:
                progress(file.tell(), size or 0)
    return size is None or file.tell() >= size


def _check_bound(remote: RemoteFile, n_bytes: int) -> None:
    if remote.most is not None and n_bytes > remote.most:
        raise ServerError(f"{remote.url} sends more than {megabytes(remote.most)}: that is not the published file")


def _stop_if_asked(stopped: Callable[[], bool] | None, here: int) -> None:
    if stopped is not None and stopped():
        raise DownloadStopped(f"stopped after {megabytes(here)}; the next try goes on from there")


def _starts_at(answer: Any, start: int) -> bool:
    return str(answer.headers.get("Content-Range", "")).startswith(f"bytes {start}-")


def _check_content(remote: RemoteFile, part: Path) -> None:
    size = part.stat().st_size
    if remote.size is not None and size != remote.size:
        raise ServerError(f"{remote.url} should have {remote.size} bytes, and {size} came; they were removed")
    found = sha256_of(part) if remote.sha256 else None
    if found != remote.sha256:
        raise ServerError(
            f"{remote.url} came damaged, and was removed: its SHA-256 is {found}, and should be {remote.sha256}"
        )


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, in lower-case hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
