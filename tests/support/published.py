"""A published model that is small enough for tests, in the table of models and on a server of our own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from hub_server import HubServer, serving
from safetensors.torch import save

from napari_medsam2.models.registry import MODELS, ModelEntry
from napari_medsam2.network.micro.config import MicroConfig
from napari_medsam2.network.micro.network import MicroNetwork

TINY = MicroConfig(image_size=64, widths=(8, 8, 16, 16), match_dim=8, heads=2, head_dim=8)


def tiny_weights() -> bytes:
    """A whole file of a very small network of the micro kind."""
    torch.manual_seed(0)
    weights = {name: value.half().contiguous() for name, value in MicroNetwork(TINY).state_dict().items()}
    return save(weights, {"config": json.dumps(asdict(TINY))})


@contextmanager
def publishing(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[tuple[HubServer, ModelEntry, bytes]]:
    """A server, the model "tiny" that it has, and the content of its file.

    Parameters
    ----------
    folder
        An empty one, which takes the place of the user's folder of models and of the shared cache.
    """
    content = tiny_weights()
    entry = replace(
        MODELS["medsam2"],
        name="tiny",
        title="Tiny",
        architecture="micro",
        image_size=TINY.image_size,
        repo="lab/tiny",
        file="tiny.safetensors",
        size_bytes=len(content),
        size_exact=True,
    )
    patch.setitem(MODELS, entry.name, entry)  # type: ignore[arg-type]
    patch.setenv("NAPARI_MEDSAM2_MODELS", str(folder / "models"))
    patch.setenv("HF_HUB_CACHE", str(folder / "cache"))
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"):
        patch.delenv(name, raising=False)
    with serving() as hub:
        hub.add(entry.repo, entry.file, content)
        patch.setenv("HF_ENDPOINT", hub.address)
        yield hub, entry, content
