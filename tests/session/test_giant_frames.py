"""Frames of more pixels than are worked on at a time: what is found on a canvas lies where the object is."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import PLAIN, blob_model

from napari_medsam2 import BoxPrompt, MaskPrompt, PointPrompt, Session
from napari_medsam2.geometry import canvas
from napari_medsam2.geometry.overlap import dice

SHAPE = (900, 1203)


def discs(frames=3, radius=100):
    """A bright disc that moves to the right and a small one that stays, uint8 ``(T, H, W)``, and the masks of both."""
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    large = np.stack([(y - 400) ** 2 + (x - 500 - 40 * t) ** 2 <= radius**2 for t in range(frames)])
    small = np.broadcast_to((y - 120) ** 2 + (x - 1080) ** 2 <= 50**2, large.shape)
    return np.where(large | small, 200, 20).astype(np.uint8), large, small


def as_giant(patch):
    """Have frames of this size be giant ones."""
    patch.setattr(canvas, "LARGEST", 200 * 200)
    patch.setattr(canvas, "_LONGEST", 256)


def session_on(images, mode, *, region=False):
    return Session(blob_model(region=region), images, mode=mode, contrast=PLAIN)


def found(images, mode, region, prompts):
    """Results by frame: of a run, and of one more after a click that corrects the second frame."""
    session = session_on(images, mode, region=region)
    session.add(prompts)
    runs = [{result.frame: result for result in session.propagate()}]
    session.add(PointPrompt(1, 120, 1080, positive=not runs[0][1].mask[120, 1080]))
    list(session.propagate())
    return [*runs, {t: session.results[(t, 1)] for t in range(len(images))}]


PROMPTS = {
    "click": PointPrompt(0, 400, 500),
    "box": BoxPrompt(0, 299, 399, 501, 601),
    "mask": MaskPrompt(0, discs()[1][0]),
}


@pytest.mark.parametrize("mode", ["stack", "flow"])
@pytest.mark.parametrize("region", [True, False])
@pytest.mark.parametrize("prompt", PROMPTS)
def test_giant_frames_give_what_others_do(mode, region, prompt, monkeypatch):
    images, large, _ = discs()
    expected = found(images, mode, region, PROMPTS[prompt])
    as_giant(monkeypatch)
    for run, (now, before) in enumerate(zip(found(images, mode, region, PROMPTS[prompt]), expected, strict=True)):
        for t, result in now.items():
            assert result.shape == SHAPE and dice(result.mask, before[t].mask) > 0.95, (run, t)
            assert result.mask[120, 1080] == before[t].mask[120, 1080], (run, t)
    if prompt == "mask":
        np.testing.assert_array_equal(now[0].mask, large[0])


def test_a_small_object_that_is_clicked_is_drawn_to_the_pixel_in_a_stack(monkeypatch):
    as_giant(monkeypatch)
    images, _, small = discs()
    session = session_on(images, "stack", region=True)
    session.add(PointPrompt(1, 120, 1080))
    assert dice(session.segment(1).mask, small[1]) > 0.95


def test_colours_stay_apart_on_a_canvas(monkeypatch):
    as_giant(monkeypatch)
    images, large, _ = discs(1)
    red = np.zeros((*images.shape, 3), np.uint8)
    red[..., 0], red[..., 1] = images, 20
    session = session_on(red, "flow")
    session.add(PROMPTS["click"])
    assert dice(session.segment(0).mask, large[0]) > 0.95
