"""Samples open from the installed packages, with scale and in the right mode."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from napari_medsam2._gui import samples
from napari_medsam2._gui.layers.layout import MODE_KEY
from napari_medsam2.errors import SampleError


@pytest.mark.parametrize(
    ("sample", "shape", "mode"),
    [
        (samples.brain_mri, (24, 96, 128), "stack"),
        (samples.ultrasound_clip, (30, 240, 320, 3), "stack"),
        (samples.coins_flow, (24, 64, 64), "flow"),
        (samples.synthetic_flow, (16, 128, 128), "flow"),
    ],
)
def test_samples_have_pixels_and_a_mode(sample, shape, mode):
    ((data, kwargs, kind),) = sample()
    assert kind == "image"
    assert data.shape == shape and np.ptp(data) > 0
    assert kwargs["metadata"][MODE_KEY] == mode


def test_the_brain_has_its_size_in_millimetres():
    ((_, kwargs, _),) = samples.brain_mri()
    np.testing.assert_allclose(kwargs["scale"], (2.2, 2, 2), rtol=1e-3)


def test_every_coin_lies_whole_in_its_image():
    ((coins, _, _),) = samples.coins_flow()
    middle = coins[:, 16:48, 16:48].mean(axis=(1, 2))
    corners = np.stack([coins[:, y, x] for y in (0, -1) for x in (0, -1)]).mean(axis=0)
    assert np.all(middle > corners)


def test_the_synthetic_flow_is_the_same_every_time_and_has_a_truth():
    images, masks = samples.synthetic_frames(3, 64)
    again, _ = samples.synthetic_frames(3, 64)
    np.testing.assert_array_equal(images, again)
    assert images[masks].mean() > images[~masks].mean() + 50


@pytest.mark.parametrize(("sample", "package"), [(samples.brain_mri, "nibabel"), (samples.ultrasound_clip, "pydicom")])
def test_a_missing_package_is_named_with_the_cure(sample, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SampleError, match=f"pip install {package}"):
        sample()
