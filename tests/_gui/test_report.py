"""The report for who helps: what is in it, what is not, and that it can be had at any time."""

from __future__ import annotations

import numpy as np
import pytest
import qtpy
from face import running, settled
from fakes import moving_disc

from napari_medsam2._gui.dock_state import DockState
from napari_medsam2._gui.panels.report_dialog import ReportDialog
from napari_medsam2._gui.report import EVENTS, EventLog, report_of


@pytest.fixture
def dock(make_napari_viewer, qtbot):
    """A dock on a real engine, with a click on a disc that was found on all slices."""
    viewer = make_napari_viewer(show=True)
    viewer.add_image(moving_disc(5)[0], name="Jane Doe", scale=(3, 0.5, 0.5))
    dock = running(viewer)
    dock.controller.choose_mode("stack")
    dock.prompt.tools["point"].click()
    viewer.layers.selection.active.add((1, 32, 22))
    qtbot.waitUntil(lambda: dock.controller.state.has_results and settled(dock), timeout=30_000)
    dock.footer.main.click()
    qtbot.waitUntil(lambda: dock.controller.state.done == 5 and settled(dock), timeout=30_000)
    yield dock
    dock.close_dock(timeout=10.0)


def test_it_is_copied_from_the_help_button_without_an_error(dock, qapp):
    entry = next(entry for entry in dock.help.entries.actions() if entry.text() == "Copy report")
    entry.trigger()
    text = qapp.clipboard().text()
    for words in (
        *("napari-medsam2 ", "napari ", "torch ", "numpy ", f"{qtpy.API_NAME} ", "Python "),
        *("micro, in use, device cpu", "(5, 64, 64)", "uint8", "numpy.ndarray", "scale 3 0.5 0.5", "rgb False"),
        *("5 of 5 slices up to date", "engine: running", "engine: idle, done", "prompts: 1"),
    ):
        assert words in text, f"{words!r} is missing in {text}"
    assert "Jane" not in text and "Problem" not in text and len(text) < 6000, "no names, no pixels"


def test_with_an_error_it_has_the_traceback_and_what_was_done_before(dock, qapp, qtbot):
    dock.controller.store.say("It broke.", report="Traceback (most recent call last): ...")
    dock.message.copy.click()
    assert "Traceback (most" in qapp.clipboard().text() and "problem: It broke." in qapp.clipboard().text()
    qapp.clipboard().clear()
    dock.message.more.click()
    (dialog,) = dock.findChildren(ReportDialog)
    assert "It broke." in dialog.text.toPlainText()
    dialog.copy.click()
    assert "Traceback" in qapp.clipboard().text()
    dialog.reject()


def test_a_message_is_closed_and_never_takes_a_third_of_the_dock(dock, qtbot):
    dock.resize(300, 600)
    long = "The server answered with something that nobody wants to read in a narrow dock. " * 20
    dock.controller.store.say(long)
    assert dock.message.isVisible() and dock.message.told.is_cut and dock.message.text() == long
    assert dock.message.told.text().endswith("…") and dock.message.told.toolTip() == long
    qtbot.waitUntil(lambda: 0 < dock.message.height() < dock.height() / 3)
    dock.message.close_button.click()
    assert not dock.message.isVisible() and dock.controller.state.problem == ""
    dock.controller.store.say(note="Saved.")
    assert dock.message.isVisible() and not dock.message.copy.isVisible(), "good news need no report"


def test_only_the_latest_events_are_kept():
    log = EventLog()
    for number in range(100):
        log.note(f"event {number};")
    assert len(log.lines) == EVENTS and log.lines[-1].endswith("event 99;")
    text = report_of(DockState(), log)
    assert "event 70;" in text and "event 69;" not in text and "## Image\nnone" in text


def test_a_lazy_image_is_told_as_such(viewer):
    dask = pytest.importorskip("dask.array")
    layer = viewer.add_image(dask.zeros((4, 30, 40), dtype=np.uint16), name="big")
    text = report_of(DockState(image_layer=layer), EventLog())
    assert "(4, 30, 40), uint16, dask.Array (lazy)" in text
