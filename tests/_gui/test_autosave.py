"""What is done in a dock is written as it is done, and offered again after a crash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from face import IMAGES, TRUTH, answer, deliver, draw_box, paint
from napari.components import ViewerModel

from napari_medsam2._gui.session_record import recoverable
from napari_medsam2.errors import SessionFileError
from napari_medsam2.session.saved import Changes, SavedImage
from napari_medsam2.session.session_file import SessionFile, read_session


def raising(error):
    """A function that raises this, whatever it is given."""

    def fail(*arguments, **options):
        raise error

    return fail


def written(sessions: Path):
    """The only session file there is, read; ``None`` until it is one."""
    files = list(sessions.glob("*.medsam2"))
    with suppress(SessionFileError):
        return read_session(files[0]) if len(files) == 1 else None


def another(mocked, qtbot):
    """A second viewer with the same image, and a dock that found what was done with it."""
    viewer = ViewerModel()
    viewer.add_image(IMAGES, name="scan")
    dock, engine, send = mocked(viewer)
    dock.controller.choose_mode("stack")
    return viewer, dock, engine, send


def test_prompts_and_results_are_written_seconds_after_they_came(clicked, qtbot, sessions):
    dock, _, send = clicked
    deliver(qtbot, send, answer(2, prompted=True), answer(3))
    qtbot.waitUntil(lambda: written(sessions) is not None and len(written(sessions).results) == 2)
    saved = written(sessions)
    assert [p.frame for group in saved.prompts for p in group] == [2] and saved.mode == "stack"
    assert saved.image.name == "scan" and saved.image.shapes == ((40, 60),) * 6
    dock.close_dock()


def test_all_is_as_it_was_in_the_next_window(viewer, clicked, mocked, qtbot, sessions):
    dock, _, send = clicked
    dock.prompt.tools["box"].click()
    draw_box(viewer.layers.selection.active, 4, 5.5, 6.5, 20.5, 30.5)
    deliver(qtbot, send, answer(2, prompted=True), answer(3), answer(4, 1, prompted=True))
    dock.review.commit.click()
    dock.prompt.tools["point"].click()
    viewer.layers["scan points"].add((1, 20, 21))
    deliver(qtbot, send, answer(1, 2, prompted=True), answer(0, 2))
    dock.close_dock()
    before = {layer.name: layer for layer in viewer.layers}

    other, dock, engine, send = another(mocked, qtbot)
    qtbot.waitUntil(lambda: dock.controller.state.recovery is not None)
    assert "not saved" in dock.recovery.told.text() and not dock.recovery.isHidden()
    dock.recovery.restore.click()
    qtbot.waitUntil(lambda: "scan segmentation" in other.layers)
    for name in ("scan segmentation", "scan kept"):
        np.testing.assert_array_equal(other.layers[name].data, before[name].data)
    for name in ("scan points", "scan boxes"):
        np.testing.assert_allclose(np.array(other.layers[name].data), np.array(before[name].data))
    objects = [list(layers["scan points"].features["object"]) for layers in (other.layers, before)]
    assert objects[0] == objects[1]
    assert dock.recovery.isHidden() and dock.controller.state.current == 2
    dock.run.segment.click()
    assert engine.take_results.call_args.kwargs == {"up_to_date": True}, "what was found is not looked for again"


def test_a_window_that_was_restored_goes_on_writing_to_the_same_file(clicked, mocked, qtbot, sessions):
    dock, _, send = clicked
    deliver(qtbot, send, answer(2, prompted=True))
    dock.close_dock()
    _, dock, _, send = another(mocked, qtbot)
    qtbot.waitUntil(lambda: dock.controller.state.recovery is not None)
    dock.recovery.restore.click()
    qtbot.waitUntil(lambda: dock.controller.state.has_results)
    dock.run.segment.click()
    deliver(qtbot, send, answer(3))
    dock.close_dock()
    assert sorted(found.frame for found in written(sessions).results) == [2, 3]


@pytest.mark.parametrize("order", [1, -1])
def test_layers_that_go_with_their_image_as_when_napari_closes_are_nothing_that_was_deleted(
    viewer, clicked, qtbot, sessions, order
):
    dock, _, send = clicked
    deliver(qtbot, send, answer(2, prompted=True), answer(3))
    qtbot.waitUntil(lambda: written(sessions) is not None and len(written(sessions).results) == 2)
    for layer in list(viewer.layers)[::order]:
        viewer.layers.remove(layer)
    dock.close_dock()
    saved = written(sessions)
    assert [group.frame for group in saved.prompts] == [2] and len(saved.results) == 2


def test_what_is_discarded_is_offered_no_more(clicked, mocked, qtbot, sessions):
    clicked[0].close_dock()
    _, dock, _, _ = another(mocked, qtbot)
    qtbot.waitUntil(lambda: dock.controller.state.recovery is not None)
    dock.recovery.discard.click()
    qtbot.waitUntil(lambda: not list(sessions.glob("*.medsam2")))
    assert dock.recovery.isHidden()


def test_what_was_saved_or_is_open_elsewhere_is_not_offered(clicked, qtbot, sessions, tmp_path):
    dock, _, send = clicked
    deliver(qtbot, send, answer(2, prompted=True))
    qtbot.waitUntil(lambda: written(sessions) is not None)
    content = written(sessions).image.content
    assert recoverable(sessions, content) is None, "it is open in this window"
    dock.controller.save(tmp_path / "labels.tif")
    qtbot.waitUntil(lambda: dock.controller.state.saved is not None)
    dock.close_dock()
    assert recoverable(sessions, content) is None and list(sessions.glob("*.medsam2"))


def save(dock, qtbot, path):
    """Save labels, and wait until the session file knows it."""
    dock.controller.save(path)
    qtbot.waitUntil(lambda: dock.controller.state.saved == path)
    dock.controller.autosave.flush()
    dock.controller.autosave.wait()


@pytest.mark.parametrize(
    "then",
    ["nothing", "layers removed", "result", "prompt", "commit", "stroke in kept", "brush in kept", "table alone"],
)
def test_what_is_done_after_saving_is_not_taken_for_saved(viewer, clicked, qtbot, sessions, tmp_path, then):
    dock, _, send = clicked
    deliver(qtbot, send, answer(2, prompted=True))
    if then in ("stroke in kept", "brush in kept"):
        dock.review.commit.click()
    save(dock, qtbot, tmp_path / ("labels.csv" if then == "table alone" else "labels.tif"))
    if then == "result":
        deliver(qtbot, send, answer(3))
    elif then == "prompt":
        viewer.layers["scan points"].add((4, 20, 22))
    elif then == "layers removed":
        viewer.layers.clear()
    elif then == "commit":
        dock.review.commit.click()
    elif then == "stroke in kept":
        paint(viewer.layers["scan kept"], 5, TRUTH[5], 1)
    elif then == "brush in kept":
        viewer.layers["scan kept"].paint((5, 20, 22), 1)
    dock.close_dock()
    content = written(sessions).image.content
    assert (recoverable(sessions, content) is None) == (then in ("nothing", "layers removed"))


def test_saving_one_image_says_nothing_about_the_next(viewer, clicked, qtbot, sessions, tmp_path):
    dock, _, send = clicked
    deliver(qtbot, send, answer(2, prompted=True))
    save(dock, qtbot, tmp_path / "labels.tif")
    second = viewer.add_image(IMAGES[::-1].copy(), name="second")
    dock.controller.choose_image(second)
    dock.prompt.tools["point"].click()
    viewer.layers["second points"].add((2, 20, 22))
    qtbot.waitUntil(lambda: len(list(sessions.glob("*.medsam2"))) == 2)
    dock.close_dock()
    found = {
        read_session(path).image.name: recoverable(sessions, path.name[:32]) for path in sessions.glob("*.medsam2")
    }
    assert found["scan"] is None and found["second"] is not None


def test_what_was_drawn_before_restoring_stays_in_a_file_of_its_own(clicked, mocked, qtbot, sessions):
    dock, _, send = clicked
    deliver(qtbot, send, answer(2, prompted=True))
    dock.close_dock()
    viewer, dock, _, send = another(mocked, qtbot)
    qtbot.waitUntil(lambda: dock.controller.state.recovery is not None)
    dock.prompt.tools["point"].click()
    viewer.layers["scan points"].add((5, 20, 30))
    qtbot.waitUntil(lambda: len(list(sessions.glob("*.medsam2"))) == 2)
    dock.recovery.restore.click()
    qtbot.waitUntil(lambda: dock.controller.state.has_results)
    deliver(qtbot, send, answer(3))
    dock.close_dock()
    first, second = sorted((read_session(path) for path in sessions.glob("*.medsam2")), key=lambda s: len(s.results))
    assert [group.frame for group in first.prompts] == [5] and not first.results
    assert [group.frame for group in second.prompts] == [2]
    assert sorted(found.frame for found in second.results) == [2, 3]


def test_what_was_chosen_is_chosen_again(viewer, clicked, mocked, qtbot, sessions):
    dock, _, send = clicked
    dock.controller.choose_direction("backward")
    dock.controller.choose_contrast(True)
    deliver(qtbot, send, answer(2, prompted=True), answer(3, 2))
    dock.controller.objects.choose(1)
    dock.close_dock()
    _, dock, _, _ = another(mocked, qtbot)
    qtbot.waitUntil(lambda: dock.controller.state.recovery is not None)
    dock.recovery.restore.click()
    qtbot.waitUntil(lambda: dock.controller.state.has_results)
    state = dock.controller.state
    assert (state.direction, state.contrast_as_shown, state.current, state.objects) == ("backward", True, 1, (1, 2))


def test_what_cannot_be_read_any_more_is_told_and_not_offered_again(clicked, mocked, qtbot, sessions):
    clicked[0].close_dock()
    _, dock, _, _ = another(mocked, qtbot)
    qtbot.waitUntil(lambda: dock.controller.state.recovery is not None)
    dock.controller.state.recovery.path.write_bytes(b"overwritten by something else")
    dock.recovery.restore.click()
    qtbot.waitUntil(lambda: "cannot be brought back" in dock.message.text())
    assert dock.recovery.isHidden() and not dock.controller.state.has_prompts


def test_other_images_are_not_offered_it(clicked, mocked, qtbot, sessions):
    clicked[0].close_dock()
    viewer = ViewerModel()
    changed = IMAGES.copy()
    changed[0, 0, 0] += 1
    viewer.add_image(changed, name="scan")
    dock, _, _ = mocked(viewer)
    with qtbot.waitSignal(dock.controller.autosave.identified):
        pass
    assert dock.controller.state.recovery is None


@pytest.mark.skipif(os.name == "nt", reason="folders of Windows have no such permission")
def test_where_nothing_can_be_written_it_is_told_once_and_work_goes_on(viewer, scan, mocked, qtbot, sessions):
    sessions.parent.mkdir(parents=True)
    sessions.write_text("in the way")
    dock, _, send = mocked(viewer)
    dock.prompt.tools["point"].click()
    viewer.layers["scan points"].add((2, 20, 22))
    qtbot.waitUntil(lambda: "not kept safe" in dock.message.text())
    dock.controller.store.say()
    deliver(qtbot, send, answer(2, prompted=True))
    dock.controller.autosave.flush()
    assert dock.controller.state.has_results and not dock.message.text()


def test_what_was_deleted_while_nothing_could_be_written_is_gone_when_it_can_again(
    viewer, clicked, qtbot, sessions, monkeypatch
):
    dock, _, send = clicked
    deliver(qtbot, send, answer(2, prompted=True), answer(3))
    qtbot.waitUntil(lambda: written(sessions) is not None and len(written(sessions).results) == 2)
    autosave = dock.controller.autosave
    with monkeypatch.context() as full:
        full.setattr(SessionFile, "write", raising(SessionFileError("the disk is full")))
        dock.controller.workspace.results.drop(2, 1)
        autosave.flush()
        qtbot.waitUntil(lambda: "disk is full" in dock.message.text())
    autosave.flush()
    autosave.wait()
    saved = written(sessions)
    assert [found.frame for found in saved.results] == [3] and len(saved.prompts) == 1


CRASHES = """
import os, sys
sys.path[:0] = sys.argv[1:]
from qtpy.QtWidgets import QApplication
app = QApplication([])
from face import IMAGES, mocked, answer
from napari.components import ViewerModel
viewer = ViewerModel()
viewer.add_image(IMAGES, name="scan")
dock, engine, send = mocked(viewer)
dock.controller.choose_mode("stack")
dock.prompt.tools["point"].click()
viewer.layers["scan points"].add((2, 20, 22))
number = 0
while True:
    for frame in range(6):
        send(answer(frame, prompted=frame == 2))
    app.processEvents()
    dock.controller.autosave.flush()
    dock.controller.autosave.wait()
    if list(dock.controller.autosave.folder.glob("*.medsam2")):
        number += 1
        print(number, flush=True)
"""


@pytest.mark.parametrize("after", [3, 20])
def test_after_a_kill_all_that_was_written_is_offered(mocked, qtbot, sessions, after):
    support = str(Path(__file__).parents[1] / "support")
    process = subprocess.Popen([sys.executable, "-c", CRASHES, support], stdout=subprocess.PIPE, text=True)
    for _ in range(after):
        assert process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.stdout.close()
    process.wait()
    viewer, dock, _, _ = another(mocked, qtbot)
    qtbot.waitUntil(lambda: dock.controller.state.recovery is not None)
    dock.recovery.restore.click()
    qtbot.waitUntil(lambda: len(dock.controller.workspace.results.results) == 6)
    dock.controller.client.flush()
    np.testing.assert_array_equal(viewer.layers["scan segmentation"].data == 1, TRUTH)


def test_of_many_old_sessions_those_that_were_never_saved_stay(sessions):
    sessions.mkdir(parents=True)
    image = SavedImage("scan", "", ((4, 5),), "abc")
    for number in range(54):
        with SessionFile(sessions / f"abc-{number}.medsam2", image, "stack") as file:
            file.write(Changes({"saved": "labels.tif" if number < 2 else ""}))
        os.utime(sessions / f"abc-{number}.medsam2", (number, number) if number == 3 else None)
        time.sleep(0.002)
    assert recoverable(sessions, "other") is None
    left = {path.stem for path in sessions.glob("*.medsam2")}
    assert {f"abc-{number}" for number in range(54)} - left == {"abc-0", "abc-1", "abc-3"}
