"""Images that the command line opens beside those of the window: NIfTI, zarr, datasets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from fakes import moving_disc
from PIL import Image

from napari_medsam2.errors import FrameError
from napari_medsam2.images.formats import open_frames, open_images
from napari_medsam2.images.frames import FrameSource
from napari_medsam2.images.opened import Axis, OpenedImages

IMAGES, _ = moving_disc(6)


def test_nifti_becomes_axial_slices(tmp_path: Path) -> None:
    import nibabel

    volume = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)  # x, y, z
    for name in ("scan.nii", "scan.nii.gz"):
        nibabel.save(nibabel.Nifti1Image(volume[..., None], np.eye(4)), tmp_path / name)
        frames = open_images(tmp_path / name)
        assert len(frames) == 6
        np.testing.assert_array_equal(frames[2], volume[:, :, 2].T)
    sagittal = open_images(tmp_path / "scan.nii", axis=2)
    assert len(sagittal) == 4
    np.testing.assert_array_equal(sagittal[1], volume[1].T)


def test_ome_zarr_is_opened_at_its_finest_level(tmp_path: Path) -> None:
    import zarr

    group = zarr.open_group(str(tmp_path / "scan.zarr"), mode="w")
    for level, data in (("0", IMAGES), ("1", IMAGES[:, ::2, ::2])):
        array = group.create_array(level, shape=(1, 1, *data.shape), dtype=data.dtype)
        array[:] = data[None, None]
    group.attrs["multiscales"] = [{"datasets": [{"path": "0"}, {"path": "1"}]}]
    frames = open_images(tmp_path / "scan.zarr")
    assert len(frames) == 6
    np.testing.assert_array_equal(frames[3], IMAGES[3])


def test_an_axis_is_refused_where_there_is_none_to_choose(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", images=IMAGES, masks=np.ones(IMAGES.shape, np.uint8), mode="stack")
    Image.fromarray(IMAGES[0].astype(np.uint8)).save(tmp_path / "one.png")
    for name in ("set.npz", "one.png", ""):
        assert len(open_images(tmp_path / name)) >= 1
        with pytest.raises(FrameError, match="no axis to choose; got axis 2"):
            open_images(tmp_path / name, axis=2)


@pytest.mark.parametrize(
    ("axis", "at", "words"),
    [
        ("y", {"t": 0, "z": 1}, "scan is a single frame, there is no axis to choose; got axis y"),
        (1, {"t": 0, "z": 1}, "scan is a single frame, there is no axis to choose; got axis 1"),
        ("z", {"z": 1}, "scan has one position along z; the other axes are t=2, y=4, x=5"),
    ],
)
def test_an_axis_that_frames_cannot_follow_each_other_along_is_refused(
    axis: int | str, at: dict[str, int], words: str
) -> None:
    images = OpenedImages("scan", np.zeros((2, 3, 4, 5)), (Axis("t"), Axis("z"), Axis("y"), Axis("x")))
    with pytest.raises(FrameError, match=words):
        images.frames_along(axis, at=at)


def test_the_axis_of_a_volume_may_be_named_where_it_has_one_slice_alone() -> None:
    images = OpenedImages("scan", np.zeros((1, 4, 5)), (Axis("z"), Axis("y"), Axis("x")))
    assert [frame.shape for frame in images.frames_along("z")] == [(4, 5)]


def test_the_frames_alone_are_those_of_the_opened_images(tmp_path):
    stack = np.random.default_rng(0).integers(0, 255, (4, 2, 8, 9), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", stack, metadata={"axes": "ZCYX"}, photometric="minisblack")
    alone = open_frames(tmp_path / "a.tif", channel=1)
    assert isinstance(alone, FrameSource) and len(alone) == 4
    np.testing.assert_array_equal(alone[2], stack[2, 1])
