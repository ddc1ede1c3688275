"""Which axis of an image is what."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from face import SHAPE, stack_layout

from napari_medsam2._gui.layers.layout import describe, resolve_layout, take_frames
from napari_medsam2.errors import LayoutError


def test_the_slider_s_axis_is_propagated_along():
    assert stack_layout().axis == 0
    assert stack_layout(order=[1, 0, 2]).axis == 1
    assert stack_layout(order=[1, 0, 2]).frame_shape == (5, 60)
    assert stack_layout((7, 1, 8, 9)).axis == 0, "an axis of length 1 is not worth a run"


def test_other_axes_stay_at_the_current_step_and_this_is_said():
    layout = stack_layout((7, 4, 8, 9), position=[5.2, 2, 0, 0])
    assert (layout.axis, layout.fixed) == (1, ((0, 5),))
    assert "axis 0 (time) stays at 5" in describe(layout, ("time", "z", "y", "x"))
    assert stack_layout((7, 4, 8, 9), axis=0).axis == 0


def test_an_axis_on_the_canvas_can_be_chosen():
    layout = stack_layout(axis=2)
    assert (layout.axis, layout.n_frames, layout.frame_shape) == (2, 60, (5, 40))


def test_a_huge_level_of_a_multiscale_image_is_not_used():
    layout = resolve_layout([(3, 9000, 8000), (3, 4500, 4000)], rgb=False, order=[0, 1, 2], position=[0, 0, 0])
    assert (layout.level, layout.shape, layout.factors) == (1, (3, 4500, 4000), (1, 2, 2))
    np.testing.assert_allclose(layout.to_frames(np.array([[1.0, 100, 50]])), [[1, 50, 25]])
    np.testing.assert_allclose(layout.from_frames(np.array([[1.0, 50, 25]])), [[1, 100, 50]])


@pytest.mark.parametrize(("shape", "words"), [((0, 4, 4), "empty"), ((5,), "two axes")])
def test_unusable_shapes_are_refused_in_words(shape, words):
    with pytest.raises(LayoutError, match=words):
        stack_layout(shape)


def test_frames_of_any_axis_stay_lazy():
    lazy = da.zeros((7, 4, 8, 9), chunks=(1, 1, 8, 9))
    frames = take_frames(lazy, stack_layout((7, 4, 8, 9), axis=0, position=[0, 3, 0, 0]))
    assert isinstance(frames, da.Array) and frames.shape == (7, 8, 9)
    data = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    layout = stack_layout(axis=1)
    frames = take_frames(data, layout)
    assert frames.shape == (40, 5, 60)
    np.testing.assert_array_equal(frames[11], data[layout.index(11)])
