"""With which settings a file of weights is run: input size and behaviour, which nothing in most files tells.

MedSAM2 is built as SAM 2.1 tiny and MedSAM-2 (Zhu) as SAM 2.0 small. A published file is known by its name, or by its
checksum where that is public. Of any other file the user is asked once, and the answer is kept by the file's checksum.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from ..errors import CheckpointError, ModelError, OutputError
from ..json_files import read_json
from ..whole_file import replace_file
from .download import sha256_of
from .registry import MODELS, ModelEntry, find_entry, models_folder

#: Browsers put a number behind the name of what they fetch again.
_FETCHED_AGAIN = re.compile(r" ?\(\d+\)$")
#: Names and shapes as those of the plain files, but the memory is averaged over 2x2 before it is attended to. Their
#: checksums are not public.
_AVERAGED = re.compile(r"efficienttam_(s|ti)_[12](_512x512)?$", re.IGNORECASE)


def entry_of_file(path: Path) -> ModelEntry | None:
    """The model whose published file has this name; ``None`` for a file of the user's own."""
    name = _plain_stem(path) + path.suffix
    return next((known for known in MODELS.values() if known.file == name), None)


def entry_for(path: Path) -> ModelEntry | None:
    """The published model whose settings a file gets: told by its name, its checksum, or what the user said once.

    Parameters
    ----------
    path
        A file that is there.
    """
    if (entry := entry_of_file(path)) is not None:
        return entry
    size, said = path.stat().st_size, _said()
    published = [known for known in MODELS.values() if known.sha256 and abs(known.size_bytes - size) < _ABOUT]
    if not published and not said:
        return None
    checksum = sha256_of(path)
    return next((known for known in published if known.sha256 == checksum), None) or MODELS.get(said.get(checksum, ""))


def unclear(path: Path) -> tuple[ModelEntry, ...]:
    """One published model for each of several settings that a file might want; empty where something tells.

    The first one's are those that it is run with unless it is said otherwise.

    Raises
    ------
    CheckpointError
        If the file is none of weights that we know.
    """
    from ..network.checkpoints import is_micro, load_config, read_checkpoint, recognise
    from ..network.sam2.config import architecture

    refuse_averaged(path)
    if any(load_config(path, key) is not None for key in ("config", "sam2")) or entry_for(path) is not None:
        return ()
    weights = read_checkpoint(path, mapped=True).weights
    if is_micro(weights):
        return ()
    usual = recognise(weights)
    alike = [known for known in MODELS.values() if known.architecture == architecture(usual)]
    differing = {(known.image_size, known.behaviour): known for known in reversed(alike)}
    found = sorted(
        differing.values(), key=lambda known: (known.behaviour != "sam2", known.image_size != usual.image_size)
    )
    return tuple(found) if len(found) > 1 else ()


def remember(path: Path, name: str) -> ModelEntry:
    """Keep, by the checksum of a file, which published model's settings it gets.

    Raises
    ------
    ModelError
        If there is no such model, it is bundled, or the answer cannot be kept.
    """
    entry = find_entry(name)
    if entry.bundled:
        raise ModelError(f"{entry.name} has its settings in its file; name the model that {path.name} is built as")
    kept = {**_said(), sha256_of(path): entry.name}
    text = json.dumps(kept, indent=1) + "\n"
    try:
        models_folder().mkdir(parents=True, exist_ok=True)
        replace_file(_kept_in(), lambda draft: draft.write_text(text, encoding="utf-8"))
    except (OSError, OutputError) as error:
        raise ModelError(f"which model {path.name} is could not be kept: {error}") from error
    return entry


def refuse_averaged(path: Path) -> None:
    """Refuse files that would load and compute something else.

    Raises
    ------
    CheckpointError
        For the files of EfficientTAM that average their memory, told by their published names.
    """
    if _AVERAGED.match(_plain_stem(path)):
        raise CheckpointError(
            f"{path.name} is an EfficientTAM that averages its memory over 2 x 2 pixels, which this version does not: "
            "its weights would fit and its masks be wrong. Take efficienttam_s_512x512.pt or efficienttam_ti_512x512.pt"
        )


def doubt(path: Path, architecture: str) -> str:
    """What nothing in a file of this architecture tells, in a sentence; empty where something does."""
    if not architecture.startswith("efficienttam") or entry_for(path) is not None:
        return ""
    return (
        "EfficientTAM's files _1 and _2 have the same names and shapes, average their memory and would give wrong "
        "masks here; nothing in a renamed file tells them apart"
    )


#: Sizes in the table are exact or computed from the number of parameters.
_ABOUT = 1_000_000


def _plain_stem(path: Path) -> str:
    return _FETCHED_AGAIN.sub("", path.stem)


def _kept_in() -> Path:
    return models_folder() / "settings.json"


def _said() -> dict[str, str]:
    """What the user said of files, by their checksums. If that cannot be read it is asked again."""
    try:
        kept = read_json(_kept_in(), ModelError)
    except ModelError:
        return {}
    return {str(key): str(value) for key, value in kept.items()} if isinstance(kept, dict) else {}
