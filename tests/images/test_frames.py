"""Frames come one at a time from anything that holds images, and bad ones are named."""

from __future__ import annotations

from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest

from napari_medsam2.errors import FrameError
from napari_medsam2.images.formats import as_frames

STACK = np.arange(5 * 8 * 9, dtype=np.uint16).reshape(5, 8, 9)


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
    import zarr

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
        (np.zeros((5, 8, 9)), {"axis": "z"}, "axis must be one of .* got z"),
        (np.zeros((5, 8, 9)), {"names": ["a"]}, "there are 5 frames, and 1 names"),
        (da.ones((6, 8))[da.arange(6) > 2], {}, "compute_chunk_sizes"),
        ([[1, 2], [3]], {}, "a list must hold single frames"),
    ],
)
def test_what_is_no_sequence_of_frames_is_refused_in_words(data: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(FrameError, match=words):
        as_frames(data, **options)


def test_what_refuses_to_become_an_array_is_refused_in_words() -> None:
    class OnAnotherDevice:
        def __array__(self, *_: Any, **__: Any) -> np.ndarray:
            raise TypeError("can't convert cuda:0 device type tensor to numpy")

    with pytest.raises(FrameError, match="no images can be made of OnAnotherDevice: can't convert cuda:0"):
        as_frames(OnAnotherDevice())


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
