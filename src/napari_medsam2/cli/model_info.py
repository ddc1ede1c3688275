"""What people read about models: the list, a page about one, and what a file of weights turns out to be."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CheckpointError
from ..models.download import sha256_of
from ..models.registry import MODELS, ModelEntry, groups, local_file, megabytes
from ..models.settings import doubt, entry_for, entry_of_file, refuse_averaged
from ..models.speed import estimate_seconds
from .reports import table

if TYPE_CHECKING:
    from ..network.checkpoints import Checkpoint


_WIDTH = 100
_BELOW = 6  # columns that words below a model are set in


def listing(width: int = _WIDTH) -> str:
    """All models under the headings of the table: a line each, and below those alike what they are good for.

    Parameters
    ----------
    width
        Columns to wrap words to; the lines of the models take about 80.
    """
    rows = [["name", "here", "size", "input", "licence"]]
    above: dict[int, list[str]] = {}  # by row, what stands before it
    for group, entries in groups().items():
        above.setdefault(len(rows), []).extend(["", group])
        for purpose, alike in groupby(entries, key=lambda entry: entry.purpose):
            rows += [
                [
                    f"  {entry.name}",
                    "yes" if local_file(entry).is_file() else "-",
                    entry.size_label,
                    f"{entry.image_size}",
                    entry.licence_label,
                ]
                for entry in alike
            ]
            above[len(rows)] = [_wrapped(purpose, _BELOW, width, first=True)]
    lines = []
    for i, line in enumerate(table(rows, left=5).splitlines()):
        lines += [*above.get(i, []), line]
    last = _wrapped("`napari-medsam2 models info NAME` tells all about one, and how to get it.", width=width)
    return "\n".join([*lines, *above[len(rows)], "", last])


def about_model(entry: ModelEntry) -> str:
    """A page about one model: what it is for, what its licence allows, where it is, how to get and use it."""
    path = local_file(entry)
    here = path.is_file()
    facts = {
        "trained on": f"{entry.trained_for}.",
        "network": f"{entry.architecture}; sees a frame, or a region of it, as {_pixels(entry)}",
        "size": f"{'' if entry.size_exact or entry.bundled else 'about '}{entry.size_label}",
        "licence": f"{entry.licence_label}. {entry.licence_words}",
        "cite": entry.citation,
        "read more": entry.page or str(path.with_name("README.md")),
        "file": f"{path} ({'here' if here else 'not here yet'})",
        "speed": _speed(entry),
    }
    parts = [f"{entry.name}: {entry.title}", _wrapped(f"{entry.purpose}."), _facts(facts)]
    if not here and not entry.bundled:
        parts.append(f"Get it\n  napari-medsam2 models download {entry.name}\n{_by_hand(entry)}")
    parts.append(_use(entry.name, flow=entry.behaviour == "zhu-2d"))
    return "\n\n".join(parts)


def about_file(path: Path) -> str:
    """What a file of weights is: its format, the network it belongs to, and whether it can be used.

    Raises
    ------
    CheckpointError
        If the file cannot be read, or holds weights of no network that we have.
    """
    from ..network.checkpoints import read_checkpoint

    refuse_averaged(path)
    found = read_checkpoint(path, mapped=True)
    numbers = sum(value.numel() for value in found.weights.values())
    architecture, fault, own = _recognised(path, found)
    entry = entry_for(path)
    alike = [known.name for known in MODELS.values() if known.architecture == architecture]
    if own:
        settings = "those written in the file"
    elif entry is not None:
        told = "by the name of the file" if entry_of_file(path) else "by its checksum"
        settings = f"those of {entry.name}, told {told}"
    else:
        settings = "those of the network; --settings NAME gives it those of a published model, and is remembered"
    facts = {
        "format": "safetensors" if found.kind == "safetensors" else "PyTorch checkpoint, opened without running code",
        "size": megabytes(path.stat().st_size, digits=4),
        "holds": f"{len(found.weights)} weights, {numbers / 1e6:.4g} million numbers, {', '.join(found.stored)}",
        "where": _where(found),
        "names": "those of Hugging Face's transformers" if found.names == "transformers" else "",
        "network": f"{architecture}{f', as {_and(alike)}' if alike else ''}",
        "published": _published(path),
        "settings": settings,
        "not told": doubt(path, architecture),
        "fits": f"no: {fault}" if fault else "yes, each weight has its place",
    }
    page = _facts({key: value for key, value in facts.items() if value})
    return f"{path.name}\n\n{page}" if fault else f"{path.name}\n\n{page}\n\n{_use(str(path), flow=False)}"


def _recognised(path: Path, found: Checkpoint) -> tuple[str, str, bool]:
    """Name of the network that a file belongs to, what keeps the weights out of it, and whether it has settings."""
    import torch

    from ..models.loading import micro_config, settings_in_words, trained_config
    from ..network.checkpoints import is_micro, load_config, misfit, recognise
    from ..network.micro.network import MicroNetwork
    from ..network.sam2.config import architecture
    from ..network.sam2.network import Sam2

    sizes, trained = load_config(path), trained_config(path)
    with torch.device("meta"), settings_in_words(path):
        if sizes is not None or is_micro(found.weights):
            network = MicroNetwork(micro_config(path, sizes or {}))
            return "micro", misfit(network, found.weights), sizes is not None
        try:
            config = trained or recognise(found.weights)
        except CheckpointError as error:
            raise CheckpointError(f"{path.name}: {error}") from error
        return architecture(config), misfit(Sam2(config), found.weights), trained is not None


def _where(found: Checkpoint) -> str:
    beside = f", beside {', '.join(found.beside)}" if found.beside else ""
    return f'under "{found.container}"{beside}' if found.container else ""


def _published(path: Path) -> str:
    """Which published file this is, byte for byte; empty if none."""
    alike = [entry for entry in MODELS.values() if entry.sha256 and entry.size_bytes == path.stat().st_size]
    digest = sha256_of(path) if alike else ""
    return next((f"exactly the file of {entry.name}" for entry in alike if entry.sha256 == digest), "")


def _speed(entry: ModelEntry) -> str:
    seconds = estimate_seconds(entry, "cpu")
    told = "not known" if seconds is None else f"about {_rounded(seconds)} s a frame on the CPU of this computer"
    return f"{told}; estimated from {entry.gflop:g} GFLOP a frame, `napari-medsam2 bench --model {entry.name}` measures"


def _rounded(seconds: float) -> str:
    return f"{seconds:.0f}" if seconds >= 2 else f"{seconds:.1g}"


def _by_hand(entry: ModelEntry) -> str:
    others = "".join(f"\n  {url}" for url in (entry.source, *entry.alternatives))
    any_of = " any of" if entry.alternatives else ""
    return f"or with a browser, from{any_of}{others}\n  napari-medsam2 models import {entry.file} --as {entry.name}"


def _use(model: str, *, flow: bool) -> str:
    name = f'"{model}"' if " " in model else model
    prompt = "flow --box 0,40,40,90,90" if flow else "stack --box 12,40,40,90,90"
    return (
        f"Use it\n  napari-medsam2 segment INPUT --mode {prompt} --model {name} -o labels.tif\n"
        f'  napari_medsam2.load_model("{model}")\n  or choose it in the dock of napari'
    )


def _pixels(entry: ModelEntry) -> str:
    return f"{entry.image_size} x {entry.image_size} pixels"


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _wrapped(text: str, indent: int = 0, width: int = _WIDTH, *, first: bool = False) -> str:
    """Break lines at words, all but the first one indented, or that one too."""
    space = " " * indent
    lines = textwrap.fill(
        text, width, initial_indent=space, subsequent_indent=space, break_long_words=False, break_on_hyphens=False
    )
    return lines if first else lines.lstrip()


def _facts(facts: Mapping[str, str]) -> str:
    column = max(map(len, facts)) + 4
    return "\n".join(f"  {key.ljust(column - 2)}{_wrapped(value, column)}" for key, value in facts.items())
