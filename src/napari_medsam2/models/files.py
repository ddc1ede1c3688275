"""Bring the files of published models to where they are looked for: fetched from their authors, or from a file at hand.

Nothing here runs unless the user asks for it by name. Files are kept under their published names in one folder, so that
a browser or a USB stick can fill it as well; a file that another program has put in the hub's shared cache is used from
there. A file is there whole and checked, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from ..errors import CheckpointError, DownloadError, DownloadStopped, ModelError, ServerError, UserError
from .download import Progress, bytes_here, check_space, fetch, sha256_of
from .places import expanded
from .registry import MODELS, ModelEntry, find_entry, local_file, megabytes, models_folder, own_file
from .remote import HUB, RemoteFile, ask_hub, ask_server, hub_address
from .settings import entry_for, refuse_averaged

_BLOCK = 1 << 22
#: A server that sends so many times what a file should have sends something else.
_MOST_TIMES = 2


@dataclass(frozen=True)
class Imported:
    """A file that was taken in: which model it is, where it is now, and what was found in it."""

    entry: ModelEntry
    path: Path
    architecture: str


def addresses(entry: ModelEntry) -> tuple[str, ...]:
    """Where the file of a model is fetched from: the hub or its mirror, then other servers that have the same file."""
    others = (url for url in entry.alternatives if not url.startswith(HUB) and url.endswith(f"/{entry.file}"))
    return (hub_address(entry.repo, entry.file), *others)


def before_download(entry: ModelEntry) -> dict[str, str]:
    """What a user should know before saying yes: facts by their headings, without asking any server."""
    size = f"{'' if entry.size_exact else 'about '}{megabytes(entry.size_bytes)}"
    here = bytes_here(own_file(entry))
    return {
        "model": entry.title,
        "size": f"{size}, of which {megabytes(here)} are here already" if here else size,
        "licence": f"{entry.licence_label}. {entry.licence_words}",
        "cite": entry.citation,
        "from": ", else ".join(addresses(entry)),
        "to": str(own_file(entry)),
    }


def by_hand(entry: ModelEntry) -> str:
    """How to get a model without our help, in one sentence."""
    return (
        f"By hand: open {addresses(entry)[0]} in a browser, here or on another computer, and take the file in with "
        f"`napari-medsam2 models import FILE`, which puts it into {own_file(entry).parent}"
    )


def download_model(name: str, *, progress: Progress | None = None, stopped: Callable[[], bool] | None = None) -> Path:
    """Fetch a published model from its authors, unless it is here; returns where it is.

    Parameters
    ----------
    name
        A name in :data:`~napari_medsam2.models.registry.MODELS`.
    progress
        Called with (bytes done, bytes in all); 0 in all where the server does not say.
    stopped
        Asked between blocks; true ends the download, and the next one goes on from there.

    Raises
    ------
    ModelError
        If there is no such model, or what came is not that model; nothing is kept.
    DownloadError
        If it cannot be fetched; the message says how to do it by hand.
    DownloadStopped
        If ``stopped`` said so.
    """
    entry = find_entry(name)
    path = local_file(entry)
    if path.is_file():
        return path
    if entry.bundled:
        raise ModelError(f"{entry.title} is missing from this installation ({path}); install napari-medsam2 again")
    path, problems = own_file(entry), []
    try:
        for look_up in _servers(entry):
            try:
                remote = _as_published(look_up(), entry)
                fetch(remote, path, check=lambda part: _check(entry, part), progress=progress, stopped=stopped)
                return path
            except ServerError as error:
                problems.append(str(error))
        raise DownloadError("; ".join(problems))
    except DownloadStopped:
        raise
    except DownloadError as error:
        raise DownloadError(f"{entry.title} could not be fetched: {error}. {by_hand(entry)}") from error


def import_model(file: str | Path, name: str | None = None, *, progress: Progress | None = None) -> Imported:
    """Copy a file of a published model to where it is found by its name.

    Parameters
    ----------
    file
        A checkpoint. It is not changed.
    name
        Which model it is; ``None`` tells from the name of the file or, where one model only is built so, from its
        content.
    progress
        As for :func:`download_model`.

    Raises
    ------
    ModelError
        If there is no such file or model, the model is bundled, the file is another one, or the disk is full.
    CheckpointError
        If the file cannot be used.
    """
    file = expanded(file)
    if not file.is_file():
        raise ModelError(f"{file} is a folder; name the file in it" if file.is_dir() else f"there is no file {file}")
    refuse_averaged(file)
    entry = find_entry(name) if name else entry_for(file)
    if entry is not None and entry.bundled:
        raise ModelError(f"{entry.name} is inside the package; use another file of it with --model {file}")
    folder = models_folder()
    try:
        if file.resolve().parent == folder.resolve():
            architecture = _architecture(file)
            entry = _which(entry, file, architecture)
            if file.name != entry.file:
                raise ModelError(f"{file} is in the folder already, and has to be called {entry.file} there")
            return Imported(entry, file, architecture)
        check_space(file.stat().st_size, folder)
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder, prefix=".import-") as aside:
            copied = Path(aside) / file.name
            _copy(file, copied, progress)
            architecture = _architecture(copied, called=str(file))
            entry = _which(entry, file, architecture)
            path = copied.replace(own_file(entry))
    except DownloadError as error:
        raise ModelError(str(error)) from error
    except OSError as error:
        raise ModelError(f"{file} could not be copied to {folder}: {error}") from error
    return Imported(entry, path, architecture)


def _servers(entry: ModelEntry) -> Iterator[Callable[[], RemoteFile]]:
    yield lambda: ask_hub(entry.repo, entry.file)
    for url in addresses(entry)[1:]:
        yield lambda url=url: ask_server(url)  # type: ignore[misc]


def _as_published(remote: RemoteFile, entry: ModelEntry) -> RemoteFile:
    """With our checksum, where plain servers tell none: they also go on where the hub broke off. And within bounds.

    Raises
    ------
    ServerError
        If what the server says of the file cannot be true of the published one.
    """
    remote = replace(remote, most=_MOST_TIMES * entry.size_bytes)
    if entry.sha256 is None:
        return remote
    if remote.sha256 not in (None, entry.sha256):
        raise ServerError(
            f"{remote.url} is another file than the one that was published as {entry.title}: its SHA-256 is "
            f"{remote.sha256}, and should be {entry.sha256}. If its authors replaced it, update napari-medsam2"
        )
    return replace(remote, sha256=entry.sha256, version=entry.sha256)


def _check(entry: ModelEntry, path: Path) -> None:
    try:
        _which(entry, own_file(entry), _architecture(path, called=entry.file))
    except UserError as error:
        raise ModelError(f"what came for {entry.title} was removed again: {error}. {by_hand(entry)}") from error


def _architecture(path: Path, *, called: str = "") -> str:
    """Build the network of a file, which proves that it can be used, and say what it is.

    Errors speak of the file as it is ``called`` where the user knows it by that.
    """
    from ..network.sam2.config import architecture
    from ..network.sam2.network import Sam2
    from .loading import load_model

    try:
        network = load_model(path, device="cpu").network
    except CheckpointError as error:
        told = str(error).replace(str(path), called) if called else str(error)
        raise CheckpointError(told) from error
    return architecture(network.config) if isinstance(network, Sam2) else "micro"


def _which(entry: ModelEntry | None, file: Path, architecture: str) -> ModelEntry:
    """The model that a file is, told from what it holds; an entry that the user or the file's name says has to fit."""
    if entry is not None:
        if entry.architecture != architecture:
            raise ModelError(
                f"{file.name} is a network of the kind {architecture}, and {entry.name} is {entry.architecture}"
            )
        return entry
    alike = [known for known in MODELS.values() if known.architecture == architecture and not known.bundled]
    if len(alike) > 1:
        checksum = sha256_of(file)
        alike = [known for known in alike if known.sha256 == checksum] or alike
    if len(alike) == 1:
        return alike[0]
    which = f"one of {', '.join(known.name for known in alike)}" if alike else "none of the published ones"
    raise ModelError(
        f"{file.name} is a network of the kind {architecture}, {which}: say with --as which model it is, or use it "
        f"from where it is with --model {file}"
    )


def _copy(source: Path, target: Path, progress: Progress | None) -> None:
    size, done = source.stat().st_size, 0
    with source.open("rb") as read, target.open("wb") as write:
        while block := read.read(_BLOCK):
            write.write(block)
            done += len(block)
            if progress is not None:
                progress(done, size)
