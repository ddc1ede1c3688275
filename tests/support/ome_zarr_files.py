"""Small OME-Zarr images as other programs write them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr

TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


def write_ome_zarr(
    path: Path,
    data: np.ndarray,
    names: str,
    *,
    version: str = "0.4",
    scale: Sequence[float] | None = None,
    shift: Sequence[float] | None = None,
    levels: int = 1,
    channels: Sequence[str] = (),
    unit: str = "micrometer",
    name: str = "",
    **array_options: Any,
) -> Any:
    """An image whose levels are half as large in y and x; the group is returned."""
    group = zarr.open_group(str(path), mode="a", zarr_format=3 if version == "0.5" else 2)
    datasets = []
    for level in range(levels):
        step = 2**level
        pixels = data[..., ::step, ::step]
        chunks = (1,) * (data.ndim - 2) + pixels.shape[-2:]
        array = group.create_array(
            str(level), shape=pixels.shape, dtype=pixels.dtype, **{"chunks": chunks, **array_options}
        )
        array[:] = pixels
        transformations: list[Any] = []
        if scale is not None:
            steps = [1] * (data.ndim - 2) + [step, step]
            transformations.append({"type": "scale", "scale": [s * n for s, n in zip(scale, steps, strict=True)]})
        if shift is not None:
            transformations.append({"type": "translation", "translation": list(shift)})
        datasets.append({"path": str(level), "coordinateTransformations": transformations})
    axes = [{"name": n, "type": TYPES[n], **({"unit": unit} if TYPES[n] == "space" and unit else {})} for n in names]
    told: dict[str, Any] = {"multiscales": [{"axes": axes, "datasets": datasets, "version": version, "name": name}]}
    if channels:
        told["omero"] = {"channels": [{"label": channel} for channel in channels]}
    set_metadata(group, told, version)
    return group


def set_metadata(group: Any, told: dict[str, Any], version: str) -> None:
    """Put metadata of OME where a version has them."""
    inside = {"ome": {**group.attrs.get("ome", {}), "version": version, **told}}
    group.attrs.update(inside if version == "0.5" else told)
