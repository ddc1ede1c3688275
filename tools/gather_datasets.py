"""Datasets for ``evaluate`` from images with labels that come inside other packages: nobody tuned anything on them.

    pip install --no-deps nilearn stardist pynrrd
    pip download --no-deps --no-binary :all: --no-build-isolation pyradiomics && tar xzf pyradiomics-*.tar.gz
    python tools/gather_datasets.py others --pyradiomics pyradiomics-3.1.0/data
    napari-medsam2 evaluate others/*.npz --prompt box

The template brain of the MNI with its white matter and the whole brain (nilearn), fluorescent nuclei in 2D and 3D
(stardist), and tumours in MRI and CT (pyradiomics). Its brain1 is left out, because that is among the development data.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
#: Name, "stack" or "flow", images and label map ``(T, H, W)``, and what else the JSON says.
Gathered = tuple[str, str, Array, Array, dict[str, Any]]

TUMOURS = ("brain2", "breast1", "lung1", "lung2")


def inside(package: str, folder: str) -> Path:
    """A folder of a package, which is not imported and need not work."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{package} is not installed: pip install --no-deps {package}")
    return Path(spec.submodule_search_locations[0]) / folder


def template_brain() -> Iterator[Gathered]:
    """Every third axial slice of the template, with what is more likely white matter, or brain, than anything else."""
    import nibabel

    folder = inside("nilearn", "datasets/data")
    t1, white, grey = (
        np.asarray(nibabel.load(folder / f"mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz").dataobj)
        for kind in ("t1", "wm", "gm")
    )
    slices = np.s_[40:150:3]
    images = t1.transpose(2, 1, 0)[slices].astype(np.float32)
    half = white.max() / 2
    for name, there in (("mni_white_matter", white > half), ("mni_brain", white.astype(float) + grey > half)):
        yield name, "stack", images, there.transpose(2, 1, 0)[slices], {}


def nuclei() -> Iterator[Gathered]:
    """The 2D image in four quarters, each larger nucleus of the 3D one."""
    import tifffile

    folder = inside("stardist", "data/images")
    image, mask, volume, labels = (
        tifffile.imread(folder / f"{name}.tif") for name in ("img2d", "mask2d", "img3d", "mask3d")
    )
    quarters = [(slice(y, y + 256), slice(x, x + 256)) for y in (0, 256) for x in (0, 256)]
    yield "nuclei_2d", "flow", np.stack([image[q] for q in quarters]), np.stack([mask[q] > 0 for q in quarters]), {}
    numbers, counts = np.unique(labels[labels > 0], return_counts=True)
    larger = [int(number) for number in numbers[counts > np.median(counts)]][:20]
    yield "nuclei_3d", "stack", volume, labels, {"clean_ids": larger}


def tumours(folder: Path) -> Iterator[Gathered]:
    """Slices with the tumour, and two beyond each end."""
    import nrrd

    for name in TUMOURS:
        image, header = nrrd.read(str(folder / f"{name}_image.nrrd"))
        there = nrrd.read(str(folder / f"{name}_label.nrrd"))[0].transpose(2, 1, 0) > 0
        found = np.flatnonzero(there.any((1, 2)))
        kept = slice(max(0, found[0] - 2), found[-1] + 3)
        spacing = [float(np.linalg.norm(direction)) for direction in header["space directions"]][::-1]
        yield f"tumour_{name}", "stack", image.transpose(2, 1, 0)[kept], there[kept], {"voxel_size_zyx": spacing}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pyradiomics", type=Path, required=True, help="the folder data of its source archive")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for gathered in (template_brain(), nuclei(), tumours(arguments.pyradiomics)):
        for name, kind, images, masks, notes in gathered:
            np.savez_compressed(arguments.folder / name, images=images, masks=masks.astype(np.uint16))
            text = json.dumps({"kind": kind, **notes})
            (arguments.folder / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
