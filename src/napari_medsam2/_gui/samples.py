"""File > Open Sample: real images from installed packages, nothing is downloaded."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import SampleError
from ..types import Mask
from .layers.layout import MODE_KEY

LayerData = tuple[Any, dict[str, Any], str]

#: Centres (y, x) of the 24 coins of ``skimage.data.coins``, in pixels.
COIN_CENTRES = (
    (44, 335), (51, 155), (51, 215), (52, 276), (54, 44), (56, 100),
    (119, 271), (124, 45), (124, 205), (125, 336), (126, 102), (127, 154),
    (187, 347), (193, 212), (194, 274), (196, 102), (197, 44), (198, 154),
    (260, 46), (261, 172), (263, 244), (263, 301), (266, 114), (268, 358),
)  # fmt: skip


def _missing(package: str, sample: str) -> SampleError:
    return SampleError(
        f"the sample '{sample}' comes with the package {package}, which is not installed; "
        f"install it with: pip install {package}"
    )


def brain_mri() -> list[LayerData]:
    """nibabel's example file, first volume: an axial brain MRI of 24 slices, in millimetres."""
    try:
        import nibabel
    except ImportError as error:
        raise _missing("nibabel", "Brain MRI stack") from error
    with as_file(files("nibabel") / "tests" / "data" / "example4d.nii.gz") as path:
        image: Any = nibabel.load(path)
        volume = np.asarray(image.dataobj[..., 0])
        spacing_x, spacing_y, spacing_z = (float(s) for s in image.header.get_zooms()[:3])
    # NIfTI (x, y, z) with y from back to front; shown as (z, y, x) with the front of the head on top.
    stack = np.ascontiguousarray(volume.transpose(2, 1, 0)[:, ::-1])
    low, high = (float(v) for v in np.percentile(stack, (1, 99.8)))
    return [
        (
            stack,
            {
                "name": "brain MRI",
                "scale": (spacing_z, spacing_y, spacing_x),
                "units": "mm",
                "axis_labels": ("z", "y", "x"),
                "contrast_limits": (low, high),
                "metadata": {MODE_KEY: "stack"},
            },
            "image",
        )
    ]


def ultrasound_clip() -> list[LayerData]:
    """pydicom's example: 30 frames of a beating heart, in colour."""
    try:
        import pydicom
    except ImportError as error:
        raise _missing("pydicom", "Ultrasound clip") from error
    with as_file(files("pydicom") / "data" / "test_files" / "examples_ybr_color.dcm") as path:
        dataset = pydicom.dcmread(path)
        try:
            clip = dataset.pixel_array
        except RuntimeError as error:
            raise SampleError(f"pydicom cannot decode its example: {error}; try: pip install pillow") from error
    labels = ("time", "y", "x")
    kwargs = {"name": "ultrasound", "rgb": True, "axis_labels": labels, "metadata": {MODE_KEY: "stack"}}
    return [(clip, kwargs, "image")]


def coins_flow() -> list[LayerData]:
    """Single coins cut from scikit-image's coins: 24 images of the same kind of object, in no order."""
    from skimage.data import coins

    half = 32
    image = np.pad(coins(), half, mode="reflect")
    crops = np.stack([image[y : y + 2 * half, x : x + 2 * half] for y, x in COIN_CENTRES])
    return [(crops, {"name": "coins", "axis_labels": ("image", "y", "x"), "metadata": {MODE_KEY: "flow"}}, "image")]


def _ellipse(size: int, rng: np.random.Generator) -> Mask:
    """One filled ellipse at a random place, bool ``(size, size)``."""
    y, x = np.mgrid[:size, :size].astype(float)
    cy, cx = rng.uniform(0.3, 0.7, 2) * size
    ry, rx = rng.uniform(0.12, 0.24, 2) * size
    angle = rng.uniform(0, np.pi)
    u = (y - cy) * np.cos(angle) + (x - cx) * np.sin(angle)
    v = (x - cx) * np.cos(angle) - (y - cy) * np.sin(angle)
    return (u / ry) ** 2 + (v / rx) ** 2 <= 1


def synthetic_frames(n_frames: int = 16, size: int = 128, seed: int = 0) -> tuple[npt.NDArray[np.uint8], Mask]:
    """Draw bright cells on cloudy backgrounds, each image anew.

    Returns
    -------
    images, masks
        uint8 and bool, both ``(n_frames, size, size)``; the mask is the truth.
    """
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    images, masks = [], []
    for _ in range(n_frames):
        clouds = gaussian_filter(rng.normal(size=(size, size)), size / 8)
        clouds = (clouds - clouds.min()) / np.ptp(clouds)
        texture = gaussian_filter(rng.normal(size=(size, size)), 1.5)
        mask = _ellipse(size, rng)
        cell = gaussian_filter(mask.astype(float), 1.0)
        image = 0.15 + 0.3 * clouds + cell * (0.4 + 0.35 * texture) + rng.normal(scale=0.02, size=(size, size))
        images.append(np.clip(255 * image, 0, 255).astype(np.uint8))
        masks.append(mask)
    return np.stack(images), np.stack(masks)


def synthetic_flow() -> list[LayerData]:
    """16 drawn images of one bright cell each, in no order."""
    images, _ = synthetic_frames()
    kwargs = {"name": "synthetic cells", "axis_labels": ("image", "y", "x"), "metadata": {MODE_KEY: "flow"}}
    return [(images, kwargs, "image")]
