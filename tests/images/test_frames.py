"""Frames come one at a time from anything that holds images, and bad ones are named."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_medsam2.errors import FrameError
from napari_medsam2.images.contrast import Contrast, PerFrameContrast, estimate_contrast
from napari_medsam2.images.files import natural_key
from napari_medsam2.images.frames import FrameSource, as_frames

STACK = np.arange(5 * 8 * 9, dtype=np.uint16).reshape(5, 8, 9)


def save_png(path: Path, array: np.ndarray) -> None:
    Image.fromarray(array).save(path)


# ---- arrays


def test_an_array_is_a_sequence_of_views() -> None:
    frames = as_frames(STACK)
    assert len(frames) == 5
    assert frames.shape(0) == (8, 9)
    assert np.shares_memory(frames[2], STACK)
    np.testing.assert_array_equal(frames[-1], STACK[4])
    assert [frame.shape for frame in frames[1:3]] == [(8, 9)] * 2
    assert not frames[0].flags.writeable
    assert STACK.flags.writeable
    assert frames.name(3) == "frame 3"
    assert "5 frames of 9 x 8" in frames.describe()
    assert as_frames(frames) is frames


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_frames_of_a_tif_follow_the_axis_asked_for(axis: int, compression: str | None, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "stack.tif", STACK, compression=compression, photometric="minisblack")
    frames = as_frames(tmp_path / "stack.tif", axis=axis)
    assert len(frames) == STACK.shape[axis]
    np.testing.assert_array_equal(frames[3], np.take(STACK, 3, axis=axis))
    with pytest.raises(FrameError, match="axis must be one of"):
        as_frames(tmp_path / "stack.tif", axis=3)
    with pytest.raises(FrameError, match="no axis to choose; got axis 1"):
        as_frames(tmp_path, axis=1)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_frames_follow_the_axis_asked_for(axis: int) -> None:
    frames = as_frames(STACK, axis=axis)
    assert len(frames) == STACK.shape[axis]
    np.testing.assert_array_equal(frames[3], np.take(STACK, 3, axis=axis))


def test_one_image_is_one_frame() -> None:
    frames = as_frames(STACK[0])
    assert len(frames) == 1
    np.testing.assert_array_equal(frames[0], STACK[0])


@pytest.mark.parametrize(
    ("shape", "rgb", "length", "frame"),
    [
        ((8, 9, 3), None, 1, (8, 9, 3)),
        ((8, 9, 3), False, 8, (9, 3)),
        ((5, 8, 9, 4), None, 5, (8, 9, 4)),
        ((5, 8, 9, 3), True, 5, (8, 9, 3)),
    ],
)
def test_colours_are_the_last_axis(shape: tuple[int, ...], rgb: bool | None, length: int, frame: Any) -> None:
    frames = as_frames(np.zeros(shape, np.uint8), rgb=rgb)
    assert len(frames) == length
    assert frames[0].shape == frame


def test_dask_computes_one_frame_at_a_time_and_once() -> None:
    computed: list[Any] = []

    def block(block_info: Any = None) -> np.ndarray:
        computed.append(block_info[None]["chunk-location"][0])
        return np.full((1, 8, 9), computed[-1], np.int16)

    frames = as_frames(da.map_blocks(block, chunks=((1,) * 5, (8,), (9,)), dtype=np.int16))
    assert computed == []
    assert frames[3].max() == 3
    assert frames[3].max() == 3
    assert computed == [3]


def test_zarr_is_read_lazily() -> None:
    zarr = pytest.importorskip("zarr")
    frames = as_frames(zarr.array(STACK, chunks=(1, 8, 9)))
    np.testing.assert_array_equal(frames[4], STACK[4])
    assert frames.cached_bytes == STACK[4].nbytes


def test_the_cache_keeps_to_its_bytes() -> None:
    frames = as_frames(da.from_array(STACK, chunks=(1, 8, 9)), cache_bytes=2 * STACK[0].nbytes)
    for t in range(5):
        assert frames[t].shape == (8, 9)
    assert frames.cached_bytes == 2 * STACK[0].nbytes
    assert as_frames(da.from_array(STACK), cache_bytes=10)[0].shape == (8, 9)


def test_a_list_of_images_of_differing_size() -> None:
    frames = as_frames([np.zeros((4, 5)), np.ones((6, 7, 3))], names=["a", "b"])
    assert [frames.shape(t) for t in range(2)] == [(4, 5), (6, 7)]
    assert frames.name(1) == "b"
    assert frames.describe() == "2 frames of differing size"


@pytest.mark.parametrize(
    ("data", "options", "words"),
    [
        (np.zeros((2, 5, 8, 9)), {}, r"choose .*data\[0\]"),
        (np.zeros((2, 5, 8, 3)), {"rgb": False}, "rgb=True"),
        (np.zeros((2, 2, 5, 8, 9)), {}, "5 axes"),
        (np.zeros(7), {}, "at least two axes"),
        (np.zeros((0, 8, 9)), {}, "empty"),
        (np.zeros((5, 8, 9), complex), {}, "complex128"),
        (np.array([["a", "b"]]), {}, "real numbers"),
        (np.zeros((5, 8, 9)), {"axis": 3}, "axis must be one of"),
        (np.zeros((5, 8, 9)), {"rgb": True}, "3 or 4 colours"),
        ([], {}, "list is empty"),
        ([np.zeros((5, 8, 9)), np.zeros((5, 4, 4))], {}, "multiscale"),
        (None, {}, "real numbers"),
        ("/no/such/place", {}, "no file or folder"),
    ],
)
def test_what_is_no_sequence_of_frames_is_refused_in_words(data: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(FrameError, match=words):
        as_frames(data, **options)


def test_a_frame_beyond_the_end() -> None:
    with pytest.raises(IndexError, match="frames are 0 to 4"):
        as_frames(STACK)[5]


def test_a_lazy_stack_of_images_of_differing_sizes_is_told() -> None:
    images = [np.zeros((6, 6)), np.zeros((12, 14))]
    promised = da.stack([da.from_delayed(dask.delayed(image), (6, 6), float) for image in images])
    frames = as_frames(promised)
    assert frames[0].shape == (6, 6)
    with pytest.raises(FrameError, match="frame 1: it is 12 x 14, and the first one 6 x 6"):
        frames[1]


def test_a_chunk_that_cannot_be_computed_names_its_frame() -> None:
    def broken(block_info: Any = None) -> np.ndarray:
        if block_info[None]["chunk-location"][0] == 2:
            raise OSError("disk gone")
        return np.zeros((1, 8, 9))

    frames = as_frames(da.map_blocks(broken, chunks=((1,) * 5, (8,), (9,)), dtype=float))
    assert frames[1].shape == (8, 9)
    with pytest.raises(FrameError, match="frame 2: disk gone"):
        frames[2]


# ---- files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_png(tmp_path / "img10.png", np.random.default_rng(0).integers(0, 255, (80, 90), dtype=np.uint8))
    save_png(tmp_path / "img2.png", np.full((6, 7, 3), 2, np.uint8))
    tifffile.imwrite(tmp_path / "img3.TIF", np.full((5, 4), 4095, np.uint16))
    Image.fromarray(np.full((5, 5), 7, np.uint8)).save(tmp_path / "img11.jpg")
    np.save(tmp_path / "img12.npy", np.full((3, 3), -1.5))
    (tmp_path / ".hidden.png").write_bytes(b"x")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "sub").mkdir()
    return tmp_path


def test_a_folder_in_natural_order_without_what_is_no_image(folder: Path) -> None:
    frames = as_frames(folder)
    assert [frames.name(t) for t in range(len(frames))] == [
        "img2.png", "img3.TIF", "img10.png", "img11.jpg", "img12.npy"
    ]  # fmt: skip
    assert set(frames.skipped) == {".hidden.png", "notes.txt", "sub"}
    assert [frames.shape(t) for t in range(5)] == [(6, 7), (5, 4), (80, 90), (5, 5), (3, 3)]
    assert [frame.shape[:2] for frame in frames] == [frames.shape(t) for t in range(5)]
    assert frames[1].dtype == np.uint16
    assert frames[1].max() == 4095
    assert frames.describe() == "5 image files, the first of 7 x 6 pixels; 3 other entries skipped"
    assert len(as_frames([folder / "img10.png", str(folder / "img2.png")])) == 2
    assert len(as_frames(folder / "img10.png")) == 1


def test_any_digit_can_be_in_a_name() -> None:
    names = ["10 µm² b.tif", "5²3.tif", "9 µm².tif"]
    assert sorted(names, key=natural_key) == ["5²3.tif", "9 µm².tif", "10 µm² b.tif"]


def test_a_folder_without_images(tmp_path: Path) -> None:
    with pytest.raises(FrameError, match="it is empty"):
        as_frames(tmp_path)
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(FrameError, match=r"holds 1 other entries; images are \.tif"):
        as_frames(tmp_path)
    with pytest.raises(FrameError, match=r"a\.txt is not an image"):
        as_frames(tmp_path / "a.txt")


@pytest.mark.parametrize("name", ["img10.png", "img3.TIF", "img11.jpg", "img12.npy"])
@pytest.mark.parametrize("kept", [0, 12, 0.8])
def test_a_damaged_file_is_named_when_it_is_read_and_spares_the_others(folder: Path, name: str, kept: float) -> None:
    file = folder / name
    content = file.read_bytes()
    file.write_bytes(content[: int(kept * len(content)) if kept < 1 else int(kept)])
    frames = as_frames(folder)
    for t in range(len(frames)):
        if frames.name(t) == name:
            with pytest.raises(FrameError, match=name.replace(".", r"\.")):
                frames[t]
        else:
            assert frames[t].size
    assert estimate_contrast(frames) is not None


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"metadata": {"axes": "ZYX"}}, {"imagej": True}])
def test_a_tif_with_pages_is_a_stack(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, STACK, **options)
    frames = as_frames(path)
    assert len(frames) == 5
    assert frames.shape(0) == (8, 9)
    for t in range(5):
        np.testing.assert_array_equal(frames[t], STACK[t])


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_colour_tif_keeps_its_colours_last(tmp_path: Path, compression: str | None) -> None:
    colours = np.random.default_rng(0).integers(0, 255, (4, 8, 9, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "stack.tif", colours, photometric="rgb", compression=compression)
    np.testing.assert_array_equal(as_frames(tmp_path / "stack.tif")[2], colours[2])
    planar = np.moveaxis(colours[0], -1, 0)
    tifffile.imwrite(
        tmp_path / "planar.tif", planar, photometric="rgb", planarconfig="separate", compression=compression
    )
    frames = as_frames(tmp_path / "planar.tif")
    assert len(frames) == 1
    np.testing.assert_array_equal(frames[0], colours[0])


def test_a_tif_compressed_with_lzw_needs_nothing_more(tmp_path: Path) -> None:
    Image.fromarray(STACK[0].astype(np.uint8)).save(tmp_path / "lzw.tif", compression="tiff_lzw")
    np.testing.assert_array_equal(as_frames(tmp_path / "lzw.tif")[0], STACK[0].astype(np.uint8))


def test_a_tif_with_too_many_axes_says_which(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "hyper.tif", np.zeros((2, 3, 8, 9), np.uint8), metadata={"axes": "TZYX"}, ome=True)
    with pytest.raises(FrameError, match="T=2, Z=3"):
        as_frames(tmp_path / "hyper.tif")


def test_a_tif_of_several_images_is_refused_and_one_with_a_thumbnail_is_not(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "several.tif") as tif:
        for size in (40, 50, 60):
            tif.write(np.zeros((size, size), np.uint8), photometric="minisblack")
    with pytest.raises(FrameError, match="3 images that are not frames of one sequence: 40 x 40, 50 x 50, 60 x 60"):
        as_frames(tmp_path / "several.tif")
    with tifffile.TiffWriter(tmp_path / "slide.tif") as tif:
        tif.write(np.zeros((40, 40), np.uint8), photometric="minisblack")
        tif.write(np.zeros((10, 10), np.uint8), photometric="minisblack", subfiletype=1)
    assert as_frames(tmp_path / "slide.tif").shape(0) == (40, 40)


def test_a_stack_among_single_images_is_refused_by_name(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "stack.tif", STACK, photometric="minisblack")
    frames = as_frames([tmp_path / "stack.tif"])
    with pytest.raises(FrameError, match=r"stack\.tif has 5 pages"):
        frames[0]


def test_a_truncated_stack_gives_the_pages_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.zeros((4, 64, 64), np.uint16), photometric="minisblack")
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(FrameError, match=r"stack\.tif"):
        as_frames(path)[3]


def test_an_npy_is_not_read_into_memory(tmp_path: Path) -> None:
    np.save(tmp_path / "stack.npy", STACK)
    frame = as_frames(tmp_path / "stack.npy")[1]
    np.testing.assert_array_equal(frame, STACK[1])
    assert not frame.flags.owndata


# ---- contrast


def seen(frames: FrameSource) -> np.ndarray:
    contrast = estimate_contrast(frames)
    return np.stack([contrast.apply(frame) for frame in frames])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32, np.float32, np.float64])
def test_any_depth_fills_zero_to_one(dtype: Any) -> None:
    values = np.random.default_rng(0).integers(0, 120, (3, 64, 64)).astype(dtype)
    if np.issubdtype(dtype, np.signedinteger):
        values -= 60
    rgb = seen(as_frames(values))
    assert rgb.shape == (3, 64, 64, 3)
    assert rgb.dtype == np.float32
    assert rgb.min() == 0
    assert rgb.max() == 1
    assert 0.4 < rgb.mean() < 0.6


def test_twelve_bit_data_is_not_dark_and_one_bright_dead_cell_does_not_blacken_the_stack() -> None:
    stack = np.random.default_rng(0).integers(0, 4096, (6, 100, 100)).astype(np.uint16)
    stack[3, 4:8, 4:8] = 65535
    assert 0.45 < seen(as_frames(stack)).mean() < 0.55


def test_bool_frames_are_black_and_white() -> None:
    mask = np.zeros((2, 8, 8), bool)
    mask[:, 3, 3] = True
    np.testing.assert_array_equal(seen(as_frames(mask))[..., 0], mask)


def test_colours_of_eight_bit_and_of_zero_to_one_stay_as_they_are() -> None:
    colours = np.random.default_rng(0).integers(20, 90, (2, 8, 9, 4), dtype=np.uint8)
    np.testing.assert_allclose(seen(as_frames(colours)), colours[..., :3] / 255, atol=1e-6)
    np.testing.assert_allclose(seen(as_frames(colours / 255)), colours[..., :3] / 255, atol=1e-6)


@pytest.mark.parametrize("value", [0, 7, -3.5, 1e30])
def test_a_constant_image_is_black_without_a_warning(value: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.all(seen(as_frames(np.full((2, 8, 8), value))) == 0)


def test_missing_values_are_black_and_do_not_shift_the_rest() -> None:
    clean = np.random.default_rng(0).random((2, 64, 64))
    holes = clean.copy()
    holes[0, :5] = np.nan
    holes[1, :5] = np.inf
    holes[1, 5:9] = -np.inf
    rgb = seen(as_frames(holes))
    assert np.all(rgb[0, :5] == 0)
    assert np.all(rgb[1, :9] == 0)
    np.testing.assert_allclose(rgb[:, 9:], seen(as_frames(clean))[:, 9:], atol=0.02)
    assert np.all(seen(as_frames(np.full((1, 4, 4), np.nan))) == 0)


def test_a_small_bright_object_on_nothing_is_seen() -> None:
    stack = np.zeros((1, 100, 100))
    stack[0, 50, 50] = 9
    assert seen(as_frames(stack)).max() == 1


def test_the_limits_of_a_layer() -> None:
    frame = np.array([[0, 50, 100, 200]])
    np.testing.assert_allclose(Contrast(50, 150).apply(frame)[0, :, 0], [0, 0, 0.5, 1])
    np.testing.assert_allclose(Contrast(0, 100, gamma=2).apply(frame)[0, :, 0], [0, 0.25, 1, 1])
    colours = Contrast((0, 50, 100), (50, 100, 150)).apply(np.full((1, 1, 3), 75))
    np.testing.assert_allclose(colours[0, 0], [1, 0.5, 0])


def test_large_numbers_keep_their_differences() -> None:
    frame = 16_777_216_000 + np.arange(4)[None]
    np.testing.assert_allclose(Contrast(frame.min(), frame.max()).apply(frame)[0, :, 0], np.arange(4) / 3, atol=1e-6)


def test_each_image_of_a_flow_can_have_its_own_contrast() -> None:
    rng = np.random.default_rng(0)
    dark, bright = rng.random((64, 64)), 1000 * rng.random((64, 64))
    for frame in (dark, bright):
        assert 0.4 < PerFrameContrast().apply(frame).mean() < 0.6


@pytest.mark.parametrize("limits", [(np.nan, 1), ((0, 0), 1), (0, np.inf)])
def test_limits_that_mean_nothing_are_refused(limits: Any) -> None:
    with pytest.raises(FrameError, match="finite"):
        Contrast(*limits)
    with pytest.raises(FrameError, match="gamma"):
        Contrast(0, 1, gamma=0)
    with pytest.raises(FrameError, match="percentiles"):
        estimate_contrast([np.zeros((2, 2))], percentiles=(90, 10))
