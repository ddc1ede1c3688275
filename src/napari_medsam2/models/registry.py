"""What there is to know about each model before it is loaded, read from the table ``models.toml``."""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ModelError
from .places import cache_folder, expanded
from .remote import HUB, cached_file, hub_address

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def megabytes(size: float, digits: int = 3) -> str:
    """Bytes as people read them, such as ``156 MB``, to so many digits."""
    unit, word = (1e3, "kB") if size < 1e6 else (1e6, "MB") if size < 1e9 else (1e9, "GB")
    number = size / unit
    return f"{number:.{digits}g} {word}" if number < 10**digits - 0.5 else f"{number:.0f} {word}"


_HERE = Path(__file__).parent
#: Where the files of bundled models are.
BUNDLED = _HERE.parent / "weights"


@dataclass(frozen=True)
class ModelEntry:
    """What there is to know about a model before it is loaded.

    Attributes
    ----------
    name
        What the user types.
    title, purpose, trained_for
        What the user reads: the model's name in the literature, a sentence on what it is for, and one on what it saw.
    group
        Heading in menus and lists: "Works at once", "Medical", "General" or "Light".
    architecture
        What the file holds, as :func:`~napari_medsam2.network.sam2.config.architecture` says it; or "micro".
    image_size
        Side of the square network input, in pixels.
    gflop
        Work for a propagated frame with seven memories, in 10^9 floating-point operations (a multiply-add is two).
    behaviour
        How the network departs from SAM 2: a name in :data:`~napari_medsam2.network.sam2.config.BEHAVIOURS`.
    repo, file
        Where the file is on Hugging Face: the repository, empty if the file is bundled, and the path in it.
    source
        The address of the file, for people and browsers.
    alternatives
        Other addresses of the same weights, also in other formats.
    size_bytes, size_exact
        Size of the file, and whether that is the exact one or computed from the number of parameters.
    sha256
        Checksum of the file in hexadecimal digits, or ``None`` where it is not publicly known.
    licence, licence_words, non_commercial
        Short name of the weights' licence, what it means in plain words, and whether it forbids commercial use.
    citation, page
        What to cite, and the address to read more at; empty where a model card lies beside the file.
    bundled
        True if the file is inside the package.
    """

    name: str
    title: str
    purpose: str
    trained_for: str
    group: str
    architecture: str
    image_size: int
    gflop: float
    file: str
    source: str
    size_bytes: int
    licence: str
    licence_words: str
    citation: str
    page: str
    repo: str = ""
    alternatives: tuple[str, ...] = ()
    size_exact: bool = True
    sha256: str | None = None
    non_commercial: bool = False
    behaviour: str = "sam2"
    bundled: bool = False

    @property
    def size_label(self) -> str:
        """Size of the file in whole megabytes, such as ``156 MB``."""
        return megabytes(round(self.size_bytes, -6))

    @property
    def licence_label(self) -> str:
        """The licence in a few words, with "non-commercial" where that is so."""
        return f"{self.licence}, non-commercial" if self.non_commercial else self.licence


def _read(path: Path) -> Iterator[ModelEntry]:
    with path.open("rb") as file:
        families: dict[str, dict[str, Any]] = tomllib.load(file)
    for family in families.values():
        shared = {key: value for key, value in family.items() if key != "models"}
        for own in family["models"]:
            facts = {**shared, **own}
            repo, name = facts.get("repo", ""), facts["file"]
            facts["source"] = hub_address(repo, name, HUB) if repo else "bundled with napari-medsam2"
            facts["alternatives"] = tuple(url.format(repo=repo, file=name) for url in facts.get("alternatives", ()))
            yield ModelEntry(**facts)


#: Every model by name, the bundled one first, those of a group together.
MODELS: Mapping[str, ModelEntry] = {entry.name: entry for entry in _read(_HERE / "models.toml")}


def groups() -> dict[str, list[ModelEntry]]:
    """The models under their headings, in the order of the table."""
    headed: dict[str, list[ModelEntry]] = {}
    for entry in MODELS.values():
        headed.setdefault(entry.group, []).append(entry)
    return headed


#: What the user prefers in this process.
_preferred: dict[str, str] = {}


def prefer_models_folder(folder: str) -> None:
    """Keep downloaded models in this folder from now on; empty: in the user's cache."""
    _preferred["folder"] = folder


def models_folder() -> Path:
    """Where downloaded models are kept.

    ``$NAPARI_MEDSAM2_MODELS``, else what :func:`prefer_models_folder` said, else a folder in the user's cache.
    """
    chosen = os.environ.get("NAPARI_MEDSAM2_MODELS") or _preferred.get("folder")
    return expanded(chosen) if chosen else cache_folder() / "napari-medsam2" / "models"


def own_file(entry: ModelEntry) -> Path:
    """Where we put the file of a model."""
    return (BUNDLED if entry.bundled else models_folder()) / entry.file


def local_file(entry: ModelEntry) -> Path:
    """Where the file of a model is, also if another program fetched it; or where it would be."""
    own = own_file(entry)
    if entry.bundled or own.is_file():
        return own
    on_hub = (re.fullmatch(rf"{HUB}/([^/]+/[^/]+)/resolve/main/(.+)", url) for url in entry.alternatives)
    places = [(entry.repo, entry.file), *(found.groups() for found in on_hub if found)]
    return next(filter(None, (cached_file(repo, file) for repo, file in places)), own)


def find_entry(name: str) -> ModelEntry:
    """The model of this name, in whatever case.

    Raises
    ------
    ModelError
        If there is none.
    """
    entry = MODELS.get(name.lower())
    if entry is None:
        raise ModelError(f"there is no model named {name!r}{near(name)}; the models are {', '.join(MODELS)}")
    return entry


def no_such(name: str) -> str:
    """What to say where neither a model nor a file has this name."""
    return f"there is no model and no file named {name!r}{near(name)}; the models are {', '.join(MODELS)}"


def near(name: str) -> str:
    """A question whether a similar name was meant, or nothing."""
    found = difflib.get_close_matches(name.lower(), MODELS, n=1)
    return f" (did you mean {found[0]}?)" if found else ""
