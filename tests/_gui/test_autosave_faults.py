"""Where session files cannot be written, are in use, or what is kept lies elsewhere: work goes on, nothing is lost."""

from __future__ import annotations

import os
import resource
import sqlite3

import numpy as np
import pytest
from face import IMAGES, TRUTH, answer, deliver, paint
from napari.components import ViewerModel

from napari_medsam2._gui.session_record import locked, recoverable
from napari_medsam2.errors import SessionFileError
from napari_medsam2.session.saved import Changes, SavedImage
from napari_medsam2.session.session_file import SessionFile, read_session


def saved_in(sessions):
    """The only session file there is, read."""
    (path,) = sessions.glob("*.medsam2")
    return read_session(path)


def written(dock):
    """Have all written that is not yet."""
    dock.controller.autosave.flush()
    dock.controller.autosave.wait()


@pytest.fixture
def almost_no_room():
    """Files may not grow beyond what is given, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(n_bytes):
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))

    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_told_once_and_all_is_written_once_there_is_room(
    viewer, clicked, qtbot, sessions, almost_no_room
):
    dock, _, send = clicked
    do = dock.controller
    deliver(qtbot, send, answer(2, prompted=True))
    written(dock)
    told = []
    do.store.changed.connect(lambda: do.state.problem and told.append(do.state.problem))
    almost_no_room(100)
    for frame in (3, 4):
        deliver(qtbot, send, answer(frame))
        written(dock)
        qtbot.waitUntil(lambda: bool(do.state.problem))
    assert "not kept safe" in do.state.problem and len(set(told)) == 1
    assert set(do.workspace.results.results) == {(2, 1), (3, 1), (4, 1)}, "work goes on"
    almost_no_room(resource.RLIM_INFINITY)
    written(dock)
    qtbot.waitUntil(lambda: "kept safe from a crash again" in do.state.note)
    assert sorted(found.frame for found in saved_in(sessions).results) == [2, 3, 4]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only_is_told_once(viewer, clicked, qtbot, sessions):
    dock, _, send = clicked
    sessions.mkdir(parents=True)
    sessions.chmod(0o500)
    deliver(qtbot, send, answer(2, prompted=True))
    written(dock)
    qtbot.waitUntil(lambda: "not kept safe" in dock.controller.state.problem)
    sessions.chmod(0o700)
    written(dock)
    assert [found.frame for found in saved_in(sessions).results] == [2]


def test_a_file_that_another_program_holds_is_written_when_it_lets_go(viewer, clicked, qtbot, sessions, monkeypatch):
    monkeypatch.setattr("napari_medsam2.session.session_file.WAIT_S", 0.05)
    dock, _, send = clicked
    deliver(qtbot, send, answer(2, prompted=True))
    written(dock)
    dock.controller.choose_mode("flow")  # the file is opened anew
    (path,) = sessions.glob("*.medsam2")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    deliver(qtbot, send, answer(3))
    written(dock)
    qtbot.waitUntil(lambda: "locked" in dock.controller.state.problem)
    other.execute("ROLLBACK")
    other.close()
    written(dock)
    assert sorted(found.frame for found in saved_in(sessions).results) == [2, 3]


def test_a_session_that_is_open_in_a_window_is_not_tidied_away(sessions):
    sessions.mkdir(parents=True)
    image = SavedImage("scan", "", ((4, 5),), "abc")
    for number in range(52):
        with SessionFile(sessions / f"abc-{number}.medsam2", image, "stack") as file:
            file.write(Changes({"saved": True}))
        os.utime(sessions / f"abc-{number}.medsam2", (number, number))
    held = locked(sessions / "abc-0.medsam2")
    assert recoverable(sessions, "other") is None
    assert (sessions / "abc-0.medsam2").exists() and not (sessions / "abc-1.medsam2").exists()
    held.release()
    assert recoverable(sessions, "other") is None
    assert not (sessions / "abc-0.medsam2").exists()


def test_what_was_kept_in_a_layer_of_the_users_comes_back(viewer, scan, mocked, qtbot, sessions):
    mine = viewer.add_labels(np.zeros(IMAGES.shape, np.uint16), name="mine")
    paint(mine, 0, TRUTH[0], 7)
    dock, _, send = mocked(viewer)
    dock.controller.choose_mode("stack")
    assert dock.controller.choose_output(mine, keep=True)
    dock.controller.use_tool("point")
    viewer.layers["scan points"].add((2, 20, 22))
    deliver(qtbot, send, answer(2, prompted=True), answer(3))
    dock.controller.commit()
    written(dock)
    dock.close_dock()
    kept = saved_in(sessions).kept
    assert set(kept) == {2, 3} and all(np.array_equal(kept[t] == 1, TRUTH[t]) for t in kept)


def test_what_is_painted_where_labels_are_kept_is_written(viewer, clicked, qtbot, sessions):
    dock, _, send = clicked
    deliver(qtbot, send, answer(2, prompted=True))
    dock.controller.commit()
    written(dock)
    paint(viewer.layers["scan kept"], 5, TRUTH[5], 9)
    written(dock)
    kept = saved_in(sessions).kept
    assert set(kept) == {2, 5} and np.array_equal(kept[5] == 9, TRUTH[5])


def test_a_session_that_cannot_be_saved_or_opened_is_a_sentence(clicked, qtbot, tmp_path):
    dock, _, send = clicked
    deliver(qtbot, send, answer(2, prompted=True))
    do = dock.controller
    qtbot.waitUntil(lambda: do.autosave.tell_identity(do.workspace) is None)
    written(dock)
    do.save_session(tmp_path / "nowhere" / "a.medsam2")
    qtbot.waitUntil(lambda: "could not be saved" in do.state.problem)
    (tmp_path / "b.medsam2").write_bytes(b"no session")
    do.open_session(tmp_path / "b.medsam2")
    qtbot.waitUntil(lambda: "'b.medsam2' cannot be opened" in do.state.problem)
    assert do.state.has_prompts and do.state.has_results


def test_a_session_that_is_saved_counts_as_saved_until_something_is_done(clicked, qtbot, sessions, tmp_path):
    dock, _, send = clicked
    deliver(qtbot, send, answer(2, prompted=True))
    written(dock)
    dock.controller.save_session(tmp_path / "a.medsam2")
    qtbot.waitUntil(lambda: "a.medsam2" in dock.controller.state.note)
    written(dock)
    assert saved_in(sessions).facts["saved"]
    assert [found.frame for found in read_session(tmp_path / "a.medsam2").results] == [2]
    deliver(qtbot, send, answer(3))
    written(dock)
    assert not saved_in(sessions).facts["saved"]


def test_nothing_is_restored_on_a_view_in_three_dimensions_or_with_axes_in_another_order_that_was_not_there(
    viewer, clicked, mocked, qtbot
):
    dock, _, send = clicked
    deliver(qtbot, send, answer(2, prompted=True), answer(3))
    dock.close_dock()
    other = ViewerModel()
    other.add_image(IMAGES, name="scan")
    again, _, _ = mocked(other)
    again.controller.choose_mode("stack")
    qtbot.waitUntil(lambda: again.controller.state.recovery is not None)
    other.dims.ndisplay = 3
    again.recovery.restore.click()
    qtbot.waitUntil(lambda: again.controller.state.has_results)
    again.controller.client.flush()
    np.testing.assert_array_equal(other.layers["scan segmentation"].data[3] == 1, TRUTH[3])
    other.dims.ndisplay = 2
    assert [prompt.frame for prompt in again.controller.workspace.book.prompts] == [2]


def test_a_session_of_another_window_is_a_sentence(sessions):
    sessions.mkdir(parents=True)
    path = sessions / "abc-1.medsam2"
    held = locked(path)
    with pytest.raises(SessionFileError, match="open in another window"):
        locked(path)
    held.release()
