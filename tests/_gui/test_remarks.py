"""The dock says what the contrast left out, before the run, and that images show nothing; through a real viewer."""

from __future__ import annotations

import numpy as np
import pytest
from face import draw_box, running, settled
from fakes import BlobNetwork, moving_disc

IMAGES, TRUTH = moving_disc(6)


@pytest.fixture
def prompted(make_napari_viewer, qtbot):
    """Opens a dock on images and draws a box; its engine is stopped at the end."""
    docks = []

    def start(images, mode="stack", *, as_shown=False):
        viewer = make_napari_viewer()
        viewer.add_image(images, name="scan")
        dock = running(viewer)
        docks.append(dock)
        dock.controller.choose_mode(mode)
        dock.controller.choose_contrast(as_shown)
        dock.prompt.tools["box"].click()
        draw_box(viewer.layers.selection.active, 2, 24, 14, 40, 32)
        qtbot.waitUntil(lambda: settled(dock), timeout=30_000)
        return dock

    yield start
    for dock in docks:
        dock.close_dock(timeout=10.0)


def test_padding_is_told_beside_the_image_before_the_run(prompted, qtbot):
    padded = IMAGES.astype(np.int16) * 4 + np.random.default_rng(0).integers(-8, 8, IMAGES.shape).astype(np.int16)
    padded[:, :8] = -2000
    dock = prompted(padded)
    assert "padding (-2000, 12 % of the pixels)" in dock.image.words.text()
    labels = dock.controller.workspace.output_layer.data
    assert ((labels[2] == 1) ^ TRUTH[2]).mean() < 0.01
    assert dock.controller.state.problem == ""
    dock.controller.choose_contrast(True)  # the limits of the layer are nobody's estimate
    qtbot.waitUntil(lambda: "padding" not in dock.image.words.text(), timeout=30_000)


@pytest.mark.parametrize(
    ("images", "words"),
    [(IMAGES * 0, "all their pixels are 0"), (np.full(IMAGES.shape, np.nan, np.float32), "finite")],
)
@pytest.mark.parametrize("mode", ["stack", "flow"])
def test_images_that_show_nothing_are_told_before_the_run(images, words, mode, prompted):
    dock = prompted(images, mode)
    assert words in dock.message.text() and not dock.message.isHidden()


def test_an_empty_image_of_a_flow_is_named_when_it_was_looked_at(prompted, qtbot):
    images = IMAGES.copy()
    images[4] = 0
    dock = prompted(images, "flow")
    assert "nothing can be found" not in dock.image.words.text()
    dock.footer.main.click()
    qtbot.waitUntil(lambda: "nothing can be found: frame 4." in dock.image.words.text(), timeout=30_000)
    qtbot.waitUntil(lambda: settled(dock), timeout=30_000)


def test_limits_as_shown_are_used_as_they_are(prompted):
    dock = prompted(IMAGES.astype(np.float32), as_shown=True)
    assert "Left out" not in dock.image.words.text() and dock.controller.state.has_results


def test_many_masks_are_carried_on_without_learning_and_that_is_said(make_napari_viewer, qtbot, monkeypatch):
    monkeypatch.setattr(BlobNetwork, "adapts", True)
    labels = np.zeros((64, 64), int)
    for k in range(49):
        labels[9 * (k // 7) + 1 : 9 * (k // 7) + 6, 9 * (k % 7) + 1 : 9 * (k % 7) + 6] = k + 1
    viewer = make_napari_viewer()
    viewer.add_image(np.stack([np.where(labels, 204, 25).astype(np.uint8)] * 2), name="scan")
    theirs = viewer.add_labels(np.stack([labels, labels * 0]), name="cells")
    dock = running(viewer, region=True)
    try:
        dock.controller.choose_mode("stack")
        dock.controller.adopt_layer(theirs)
        assert dock.run.learning.isHidden()
        dock.footer.main.click()
        qtbot.waitUntil(lambda: "49 drawn masks" in dock.run.words.text(), timeout=30_000)
        assert "left out" in dock.run.words.text() and not dock.run.learning.isHidden()
        qtbot.waitUntil(lambda: dock.controller.state.up_to_date or settled(dock), timeout=60_000)
        dock.run.learning.activated.emit(2)  # always
        qtbot.waitUntil(lambda: settled(dock), timeout=60_000)
        assert dock.controller.engine.session.options.adapt is True
        assert len(dock.controller.engine.session.prompts) == 49
        dock.footer.main.click()
        qtbot.waitUntil(lambda: "takes about" in dock.run.words.text(), timeout=30_000)
        dock.footer.cancel.click()
        qtbot.waitUntil(lambda: settled(dock), timeout=60_000)
    finally:
        dock.close_dock(timeout=10.0)
