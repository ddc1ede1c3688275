"""What could cost work that was done: windows that share a file, sessions that take the place of others, haste."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from face import IMAGES, SQUARE, TRUTH, answer, deliver, paint
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication

from napari_medsam2._gui import autosave
from napari_medsam2._gui.layers.layout import OPENED_KEY
from napari_medsam2.engine.events import Noted
from napari_medsam2.session.journal import OPENED, Entry
from napari_medsam2.session.session_file import read_session


def written(dock):
    """Have all written that is not yet."""
    dock.controller.autosave.flush()
    dock.controller.autosave.wait()


def frames_in(sessions):
    """Frames of the results in each session file there is."""
    return sorted(sorted(found.frame for found in read_session(path).results) for path in sessions.glob("*.medsam2"))


def saved_as(dock, path, qtbot):
    dock.controller.save_session(path)
    qtbot.waitUntil(lambda: "Saved" in dock.controller.state.note)
    return path


@pytest.fixture
def another(mocked, qtbot):
    """Opens one more viewer with the same image, and a dock that found what was done with it."""

    def make(images=IMAGES, metadata=None):
        viewer = ViewerModel()
        viewer.add_image(images, name="scan", metadata=metadata)
        dock, _, send = mocked(viewer)
        dock.controller.choose_mode("stack")
        qtbot.waitUntil(lambda: dock.controller.state.recovery is not None)
        return dock, send

    return make


def test_what_another_window_took_is_not_deleted_by_this_one(clicked, another, qtbot, sessions):
    dock, _, send = clicked
    deliver(qtbot, send, answer(2, prompted=True))
    dock.close_dock()
    (one, _), (two, _) = another(), another()
    one.recovery.restore.click()
    qtbot.waitUntil(lambda: one.controller.state.has_results)
    written(one)
    two.recovery.discard.click()
    two.controller.autosave.wait()
    assert frames_in(sessions) == [[2]]
    one.close_dock()
    last, _ = another()
    last.recovery.discard.click()
    last.controller.autosave.wait()
    assert not list(sessions.iterdir()), "nobody has it open now"


def test_what_was_done_just_before_a_session_is_opened_is_in_a_file_of_its_own(clicked, qtbot, sessions, tmp_path):
    dock, _, send = clicked
    do = dock.controller
    deliver(qtbot, send, answer(2, prompted=True))
    path = saved_as(dock, tmp_path / "scan.medsam2", qtbot)
    deliver(qtbot, send, answer(3))
    do.open_session(path)
    qtbot.waitUntil(lambda: do.state.question is not None)
    dock.question.yes.click()
    qtbot.waitUntil(lambda: "as it was" in do.state.note)
    written(dock)
    assert frames_in(sessions) == [[2], [2, 3]]


def test_labels_that_were_kept_stay_when_a_session_without_them_is_opened(viewer, clicked, qtbot, tmp_path):
    dock, _, send = clicked
    do = dock.controller
    deliver(qtbot, send, answer(2, prompted=True))
    path = saved_as(dock, tmp_path / "scan.medsam2", qtbot)
    dock.review.commit.click()
    before = viewer.layers["scan kept"].data.copy()
    assert before.any()
    do.open_session(path)
    qtbot.waitUntil(lambda: do.state.question is not None)
    dock.question.yes.click()
    qtbot.waitUntil(lambda: "as it was" in do.state.note)
    np.testing.assert_array_equal(viewer.layers["scan kept"].data, before)
    assert do.keeping.kept_layer(do.workspace) is None, "the session has none, so they are not part of it"
    dock.review.commit.click()
    assert len([layer for layer in viewer.layers if layer.name.startswith("scan kept")]) == 2


def test_another_image_that_is_chosen_while_a_session_is_read_costs_nothing(clicked, another, qtbot, sessions):
    dock, _, send = clicked
    deliver(qtbot, send, answer(2, prompted=True), answer(3))
    dock.close_dock()
    dock, send = another()
    do = dock.controller
    first, second = do.workspace.image, do.workspace.sequence.viewer.add_image(IMAGES[::-1].copy(), name="other")
    do.use_tool("point")
    do.workspace.sequence.viewer.layers["scan points"].add((4, 20, 24))
    dock.recovery.restore.click()
    do.choose_image(second)
    do.autosave.wait()
    QApplication.processEvents()  # what was read arrives
    do.choose_image(first)
    written(dock)
    dock.close_dock()
    assert [2, 3] in frames_in(sessions)


def test_what_was_done_with_changed_pixels_stays_when_what_was_done_with_others_is_restored(
    viewer, scan, start, another, qtbot, sessions
):
    scan.metadata[OPENED_KEY] = {"path": "/scans/scan.tif"}
    dock, _, send = start()
    dock.prompt.tools["point"].click()
    viewer.layers["scan points"].add((2, 20, 22))
    deliver(qtbot, send, answer(2, prompted=True), answer(3))
    dock.close_dock()
    dock, send = another(np.minimum(IMAGES, 200), dict(scan.metadata))
    do = dock.controller
    do.use_tool("point")
    do.workspace.sequence.viewer.layers["scan points"].add((4, 20, 24))
    deliver(qtbot, send, Noted(0, (Entry(OPENED), Entry("add")), None), answer(4, prompted=True))
    written(dock)
    dock.recovery.restore.click()
    qtbot.waitUntil(lambda: "other pixels" in do.state.note)
    written(dock)
    assert frames_in(sessions) == [[2, 3], [2, 3], [4]]


def test_a_dock_that_is_closed_before_the_pixels_were_looked_at_loses_nothing(
    viewer, start, qtbot, sessions, monkeypatch
):
    looked_at, gate = autosave.content_of, threading.Event()
    monkeypatch.setattr(autosave, "content_of", lambda frames: gate.wait(30) and looked_at(frames))
    dock, _, send = start()
    dock.prompt.tools["point"].click()
    viewer.layers["scan points"].add((2, 20, 22))
    deliver(qtbot, send, answer(2, prompted=True))
    threading.Timer(0.2, gate.set).start()
    dock.close_dock()
    assert frames_in(sessions) == [[2]]


def test_strokes_in_kept_labels_are_written_by_a_dock_that_is_opened_again(viewer, clicked, mocked, qtbot, sessions):
    dock, _, send = clicked
    deliver(qtbot, send, answer(2, prompted=True))
    dock.review.commit.click()
    dock.close_dock()
    viewer.layers["scan kept"].events.paint.disconnect(dock.controller.keeping._on_painted)  # as where it is gone
    dock, _, _ = mocked(viewer)
    paint(viewer.layers["scan kept"], 1, SQUARE, 7)
    written(dock)
    (path,) = sessions.glob("*.medsam2")
    kept = read_session(path).kept
    np.testing.assert_array_equal(kept[1] == 7, SQUARE)
    np.testing.assert_array_equal(kept[2] > 0, TRUTH[2])


def test_a_defect_of_ours_while_writing_is_told(start, qtbot, monkeypatch):
    def fail(frames):
        raise KeyError("a defect")

    raised = []
    monkeypatch.setattr(threading, "excepthook", lambda told: raised.append(told.exc_type))
    monkeypatch.setattr(autosave, "content_of", fail)
    dock, _, _ = start()
    qtbot.waitUntil(lambda: "not kept safe" in dock.controller.state.problem)
    assert raised == [KeyError]
