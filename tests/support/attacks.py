"""Bad input by the thousand: files of all formats, damaged anywhere, and what must come of them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel
import nrrd
import numpy as np
import tifffile
import zarr
from dicom_files import write_slice
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from PIL import Image

from napari_medsam2.errors import EXPECTED_ERRORS

#: Examples of each attack in the suite that runs with every change, in that for long runs, and where one asks for more.
FEW, MANY = 5, int(os.environ.get("ATTACKS", "90"))

STACK = np.random.default_rng(0).integers(0, 250, (3, 20, 24), dtype=np.uint8)


def attack(n: int) -> Callable[[Any], Any]:
    """The settings of a hypothesis test: few examples are always the same ones, many are others each time."""
    return settings(
        max_examples=n,
        derandomize=n == FEW,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )


@contextmanager
def own_folder() -> Iterator[Path]:
    """A folder for one example."""
    folder = Path(tempfile.mkdtemp(prefix="attack-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _tif(**options: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        tifffile.imwrite(folder / "scan.tif", STACK, photometric="minisblack", **options)
        return folder / "scan.tif"

    return write


def _picture(suffix: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        Image.fromarray(np.stack([STACK[0]] * 3, -1)).save(folder / f"scan.{suffix}")
        return folder / f"scan.{suffix}"

    return write


def _npy(folder: Path) -> Path:
    np.save(folder / "scan.npy", STACK)
    return folder / "scan.npy"


def _npz(folder: Path) -> Path:
    np.savez_compressed(folder / "scan.npz", images=STACK, masks=(STACK > 200).astype(np.uint8))
    return folder / "scan.npz"


def _nifti(suffix: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        nibabel.save(nibabel.Nifti1Image(STACK.T.astype(np.int16), np.eye(4)), folder / f"scan.{suffix}")
        return folder / f"scan.{suffix}"

    return write


def _nrrd(encoding: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        nrrd.write(str(folder / "scan.nrrd"), STACK, {"encoding": encoding}, index_order="C")
        return folder / "scan.nrrd"

    return write


def _zarr(folder: Path) -> Path:
    zarr.save_array(folder / "scan.zarr", STACK, zarr_format=2)
    return folder / "scan.zarr"


def _dicom(folder: Path) -> Path:
    return write_slice(folder / "scan.dcm", STACK[0].astype(np.uint16))


#: Writes a file, or a folder, of each kind into a folder.
FILES: dict[str, Callable[[Path], Path]] = {
    "tif": _tif(),
    "tif packed": _tif(compression="zlib"),
    "tif ome": _tif(ome=True, metadata={"axes": "ZYX", "PhysicalSizeX": 0.5}),
    "tif imagej": _tif(imagej=True, metadata={"axes": "ZYX"}),
    "png": _picture("png"),
    "jpg": _picture("jpg"),
    "npy": _npy,
    "npz": _npz,
    "nifti": _nifti("nii"),
    "nifti packed": _nifti("nii.gz"),
    "nrrd": _nrrd("raw"),
    "nrrd packed": _nrrd("gzip"),
    "zarr": _zarr,
    "dicom": _dicom,
}

_PLACE = st.floats(0, 1, exclude_max=True)
#: What is done to the bytes of a file: a name, where, and with what.
DAMAGE = st.lists(
    st.one_of(
        st.tuples(st.just("cut"), _PLACE, st.just(b"")),
        st.tuples(st.just("put"), _PLACE, st.binary(min_size=1, max_size=8)),
        st.tuples(st.just("put"), _PLACE, st.sampled_from([b"\xff" * 8, b"\0" * 64, b"\x7f\xff\xff\xff", b"9" * 30])),
        st.tuples(st.just("insert"), _PLACE, st.binary(min_size=1, max_size=40)),
        st.tuples(st.just("remove"), _PLACE, st.binary(min_size=1, max_size=40)),
    ),
    min_size=1,
    max_size=3,
)


def damaged(content: bytes, damage: list[tuple[str, float, bytes]]) -> bytes:
    """The bytes after what was done to them; headers, at the start, are hit as often as all the rest."""
    for what, place, bytes_ in damage:
        start = int(len(content) * (2 * place if place >= 0.5 else 0.1 * place) / (2 if place >= 0.5 else 1))
        if what == "cut":
            content = content[:start]
        elif what == "put":
            content = content[:start] + bytes_ + content[start + len(bytes_) :]
        elif what == "insert":
            content = content[:start] + bytes_ + content[start:]
        else:
            content = content[:start] + content[start + len(bytes_) :]
    return content


def outcome(call: Callable[[], Any]) -> str | None:
    """What is said where something is refused, a sentence; ``None`` where it is not. Anything else is a defect."""
    told = None
    try:
        call()
    except EXPECTED_ERRORS as error:
        told = repr(error) if isinstance(error, MemoryError) else str(error)
    assert told is None or not told.startswith("MemoryError"), "memory was used before it was known to be there"
    assert told is None or (told.strip() and len(told) < 2000), f"an error without words, or with too many: {told!r}"
    return told
