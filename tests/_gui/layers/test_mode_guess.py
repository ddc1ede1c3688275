"""Whether the frames of a layer follow each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
from face import SHAPE, stack_layout

from napari_medsam2._gui.layers.mode_guess import guess_mode

RAMPS = np.stack([np.add.outer(np.arange(40.0), np.arange(60.0)) + t for t in range(5)])
NOISE = np.random.default_rng(0).normal(size=SHAPE)


def test_stack_and_flow_are_told_apart():
    layout = stack_layout()
    assert guess_mode(RAMPS, layout, {})[0] == "stack"
    assert guess_mode(NOISE, layout, {})[0] == "flow"
    assert guess_mode(np.full(SHAPE, np.nan), layout, {}) == ("stack", "the images are constant or cannot be compared")
    assert guess_mode(da.zeros(SHAPE), layout, {})[0] == "stack"


def test_images_that_differ_in_size_are_unrelated():
    layout = replace(stack_layout(), sizes=((40, 60),) * 4 + ((30, 60),))
    assert guess_mode(list(RAMPS), layout, {}) == ("flow", "the images differ in size")


@pytest.mark.parametrize(
    ("names", "pixels", "mode"),
    [
        (["s8.png", "s9.png", "s10.png", "s11.png", "s12.png"], RAMPS, "stack"),
        (["z02_c1.tif", "z04_c1.tif", "z06_c1.tif", "z08_c1.tif", "z10_c1.tif"], RAMPS, "stack"),
        (["s0.png", "s1.png", "s2.png", "s3.png", "s4.png"], NOISE, "flow"),
        (["s0.png", "s1.png", "s2.png", "s3.png", "s7.png"], RAMPS, "flow"),
        (["ann.png", "bob.png", "cyd.png", "dan.png", "eve.png"], RAMPS, "flow"),
        (["a1.png", "a2.png", "b1.png", "b2.png", "b3.png"], RAMPS, "flow"),
    ],
)
def test_files_are_a_stack_if_their_names_count_up_and_neighbours_look_alike(names, pixels, mode):
    lazy = da.from_array(pixels, chunks=(1, -1, -1))
    assert guess_mode(lazy, stack_layout(), {}, [Path(name) for name in names])[0] == mode
