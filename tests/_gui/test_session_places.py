"""Where the images of a session are, and what they are: moved, changed, among more axes; docks that come and go."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from face import Pace, running, settled, wait_for_model
from fakes import blob_model, moving_disc
from napari.layers import Labels

from napari_medsam2.cli.main import main
from napari_medsam2.engine.events import RunState
from napari_medsam2.session.session_file import read_session

IMAGES, _ = moving_disc(6)


@pytest.fixture(autouse=True)
def blobs(monkeypatch):
    """The command line has the model of the window."""
    monkeypatch.setattr("napari_medsam2.models.loading.load_model", lambda name, **options: blob_model())


def wait_for(qtbot, until):
    qtbot.waitUntil(until, timeout=30_000)


def viewer_of(dock):
    return dock.controller.workspace.sequence.viewer


def add_click(dock, *where):
    """A click in data coordinates of the image; all of them are found."""
    do = dock.controller
    wait_for_model(dock)
    do.use_tool("point")
    viewer_of(dock).layers.selection.active.add(where)
    do.propagate()


def save(dock, qtbot, path):
    wait_for(qtbot, lambda: settled(dock))
    dock.controller.store.say()
    dock.controller.save_session(path)
    wait_for(qtbot, lambda: str(path) in dock.controller.state.note)
    return path


@pytest.fixture
def saved(opened_dock, qtbot, tmp_path):
    """A session of an image in a folder, the labels in it, and the dock that it was saved in, which is closed."""
    folder = tmp_path / "microscope"
    folder.mkdir()
    tifffile.imwrite(folder / "scan.tif", IMAGES)
    dock = opened_dock()
    dock.controller.open_paths([folder / "scan.tif"])
    dock.controller.choose_mode("stack")
    add_click(dock, 2, 32, 23)
    path = save(dock, qtbot, tmp_path / "scan.medsam2")
    labels = dock.controller.workspace.output_layer.data.copy()
    dock.close_dock(timeout=10.0)
    assert labels.any()
    return path, labels


def shown(dock):
    dock.controller.client.flush()
    return dock.controller.workspace.output_layer.data


def test_an_image_that_moved_is_asked_for_once(saved, opened_dock, qtbot, tmp_path):
    path, labels = saved
    (tmp_path / "archive").mkdir()
    moved = (tmp_path / "microscope").rename(tmp_path / "archive" / "old")
    dock = opened_dock()
    do = dock.controller
    do.open_session(path)
    wait_for(qtbot, lambda: do.state.question is not None)
    assert "Where are they?" in dock.question.told.text() and not dock.question.isHidden()
    with qtbot.waitSignal(do.sessions.place_wanted):
        do.sessions.place_wanted.disconnect(dock._on_place_wanted)
        dock.question.yes.click()
    do.sessions.take_place(moved / "scan.tif")
    wait_for(qtbot, lambda: "as it was" in do.state.note)
    np.testing.assert_array_equal(shown(dock), labels)
    add_click(dock, 4, 32, 25)
    wait_for(qtbot, lambda: settled(dock))
    do.autosave.flush()
    do.autosave.wait()

    other = opened_dock()
    other.controller.open_session(path)
    wait_for(qtbot, lambda: "as it was" in other.controller.state.note)
    assert other.controller.state.question is None
    np.testing.assert_array_equal(shown(other), labels)


def test_images_that_moved_with_their_session_file_are_found(saved, opened_dock, qtbot, tmp_path):
    path, labels = saved
    beside = path.rename(tmp_path / "microscope" / path.name)
    (tmp_path / "microscope").rename(tmp_path / "elsewhere")
    dock = opened_dock()
    dock.controller.open_session(tmp_path / "elsewhere" / beside.name)
    wait_for(qtbot, lambda: "as it was" in dock.controller.state.note)
    np.testing.assert_array_equal(shown(dock), labels)


def test_images_in_memory_are_those_that_are_open(opened_dock, qtbot, tmp_path):
    """As a sample of napari's."""
    dock = opened_dock()
    viewer_of_it = dock.controller._viewer
    viewer_of_it.add_image(IMAGES, name="sample")
    dock.controller.choose_mode("stack")
    add_click(dock, 2, 32, 23)
    path = save(dock, qtbot, tmp_path / "sample.medsam2")
    labels = dock.controller.workspace.output_layer.data.copy()
    dock.close_dock(timeout=10.0)
    other = opened_dock()
    other.controller.open_session(path)
    wait_for(qtbot, lambda: other.controller.state.question is not None)
    assert "open 'sample' again" in other.question.told.text()
    other.controller._viewer.add_image(IMAGES, name="sample")
    other.controller.open_session(path)
    wait_for(qtbot, lambda: "as it was" in other.controller.state.note)
    np.testing.assert_array_equal(shown(other), labels)
    assert labels.any()


@pytest.mark.parametrize("yes", [True, False])
def test_a_session_takes_the_place_of_unsaved_work_if_the_user_says_so(saved, opened_dock, qtbot, yes):
    path, labels = saved
    dock = opened_dock()
    do = dock.controller
    do.open_paths([path.parent / "microscope" / "scan.tif"])
    do.choose_mode("stack")
    add_click(dock, 4, 5, 5)
    wait_for(qtbot, lambda: settled(dock))
    before = shown(dock).copy()
    do.open_session(path)
    wait_for(qtbot, lambda: do.state.question is not None)
    kept = do.autosave.file_of(do.workspace)
    assert str(kept) in dock.question.told.text()
    (dock.question.yes if yes else dock.question.no).click()
    wait_for(qtbot, lambda: settled(dock) and do.state.question is None)
    np.testing.assert_array_equal(shown(dock), labels if yes else before)
    do.autosave.wait()
    assert [prompt.frame for group in read_session(kept).prompts for prompt in group] == [4]
    if yes:  # once more: nothing was done since, so nothing is asked
        do.store.say()
        do.open_session(path)
        wait_for(qtbot, lambda: "as it was" in do.state.note)


@pytest.mark.parametrize("yes", [True, False])
def test_an_image_whose_pixels_changed_is_asked_about(saved, opened_dock, qtbot, tmp_path, yes):
    path, _ = saved
    tifffile.imwrite(tmp_path / "microscope" / "scan.tif", IMAGES // 2)
    dock = opened_dock()
    do = dock.controller
    do.open_session(path)
    wait_for(qtbot, lambda: do.state.question is not None)
    assert "are not those" in dock.question.told.text()
    (dock.question.yes if yes else dock.question.no).click()
    assert do.state.question is None and dock.question.isHidden()
    assert [prompt.frame for prompt in do.workspace.book.prompts] == ([2] if yes else [])
    if yes:
        assert "other pixels" in do.state.note
        do.propagate()
        wait_for(qtbot, lambda: do.state.status.done == len(IMAGES) and settled(dock))  # all anew


def test_an_image_of_another_size_is_told_and_nothing_is_drawn_on_it(saved, opened_dock, qtbot, tmp_path):
    path, _ = saved
    tifffile.imwrite(tmp_path / "microscope" / "scan.tif", IMAGES[:5])
    dock = opened_dock()
    dock.controller.open_session(path)
    wait_for(qtbot, lambda: "another size" in dock.controller.state.problem)
    assert not dock.controller.state.has_prompts


def test_what_was_never_saved_is_offered_on_an_image_that_was_changed_since(saved, opened_dock, qtbot, tmp_path):
    scan = tmp_path / "microscope" / "scan.tif"
    dock = opened_dock()
    dock.controller.open_paths([scan])
    dock.controller.choose_mode("stack")
    add_click(dock, 1, 32, 22)
    wait_for(qtbot, lambda: settled(dock))
    dock.close_dock(timeout=10.0)
    tifffile.imwrite(scan, IMAGES // 2)
    dock = opened_dock()
    dock.controller.open_paths([scan])
    wait_for(qtbot, lambda: dock.controller.state.recovery is not None)
    assert "other pixels" in dock.recovery.told.text()
    dock.recovery.restore.click()
    wait_for(qtbot, lambda: dock.controller.state.has_prompts)
    assert [prompt.frame for prompt in dock.controller.workspace.book.prompts] == [1]


def test_napari_opens_a_session_with_its_image_in_the_dock(saved, make_napari_viewer, qtbot, monkeypatch):
    path, labels = saved
    viewer = make_napari_viewer()
    docks = []
    monkeypatch.setattr(
        viewer.window, "add_plugin_dock_widget", lambda *names: (None, docks.append(running(viewer)) or docks[0])
    )
    viewer.open(str(path), plugin="napari-medsam2")
    wait_for(qtbot, lambda: bool(docks) and "as it was" in docks[0].controller.state.note)
    assert [layer.name for layer in viewer.layers if isinstance(layer, Labels)] == ["scan segmentation"]
    np.testing.assert_array_equal(shown(docks[0]), labels)
    docks[0].close_dock(timeout=10.0)


@pytest.mark.parametrize("axis", [0, 1])
def test_the_part_of_an_image_with_more_axes_is_found_again(opened_dock, qtbot, tmp_path, axis):
    """Time, channel, z, y, x; one channel at one time is segmented, or one slice of it in time."""
    whole = np.zeros((3, 2, 6, 64, 64), np.uint8)
    whole[1, 1] = IMAGES
    whole[:, 1, 2] = np.maximum(whole[:, 1, 2], IMAGES[2])
    path = tmp_path / "scan.ome.tif"
    tifffile.imwrite(path, whole, metadata={"axes": "TCZYX"})
    dock = opened_dock()
    do = dock.controller
    do.open_paths([path])
    viewer = viewer_of(dock)
    do.choose_image(next(layer for layer in viewer.layers if layer.name.endswith("1")))
    viewer.dims.set_current_step(0, 1)
    viewer.dims.set_current_step(1, 2)
    do.choose_axis(1 - axis)
    do.choose_mode("stack")
    add_click(dock, 1, 2, 32, 23)
    session = save(dock, qtbot, tmp_path / "scan.medsam2")
    labels = do.workspace.output_layer.data.copy()
    dock.close_dock(timeout=10.0)
    assert labels.any() and read_session(session).image.shapes == ((64, 64),) * (6 if axis == 0 else 3)

    out = tmp_path / "labels.tif"
    assert main(["segment", "--session", str(session), "-o", str(out)]) == 0
    np.testing.assert_array_equal(tifffile.imread(out), labels[1] if axis == 0 else labels[:, 2])
    other = opened_dock()
    other.controller.open_session(session)
    wait_for(qtbot, lambda: "as it was" in other.controller.state.note)
    np.testing.assert_array_equal(shown(other), labels)


def test_a_dock_that_is_opened_again_goes_on_where_the_last_one_ended(opened_dock, make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    viewer.add_image(IMAGES, name="scan")
    pace = Pace()
    dock = opened_dock(viewer, pace)
    dock.controller.choose_mode("stack")
    dock.controller.choose_direction("forward")
    add_click(dock, 2, 32, 23)
    wait_for(qtbot, lambda: settled(dock))
    labels = shown(dock).copy()
    dock.close_dock(timeout=10.0)

    again = opened_dock(viewer)
    do = again.controller
    assert do.state.has_prompts and do.state.direction == "forward"
    np.testing.assert_array_equal(shown(again), labels)
    assert len([layer for layer in viewer.layers if layer.name.startswith("scan points")]) == 1
    add_click(again, 4, 32, 25)
    wait_for(qtbot, lambda: settled(again))
    assert len(do.workspace.book.prompts) == 2 and do.state.recovery is None
    assert do.engine.status.done < len(IMAGES), "what was found is not looked for again"


def test_a_dock_that_was_closed_during_a_run_keeps_what_was_found(opened_dock, make_napari_viewer, qtbot, sessions):
    viewer = make_napari_viewer()
    viewer.add_image(IMAGES, name="scan")
    pace = Pace()
    dock = opened_dock(viewer, pace)
    dock.controller.choose_mode("stack")
    add_click(dock, 2, 32, 23)
    wait_for(qtbot, lambda: settled(dock))
    dock.controller.clear()
    wait_for(qtbot, lambda: settled(dock))
    pace.hold(3)
    add_click(dock, 0, 32, 21)
    wait_for(qtbot, lambda: dock.controller.state.status.done >= 2)
    found = set(dock.controller.workspace.results.results)
    dock.close_dock()
    pace.go()
    again = opened_dock(viewer)
    assert set(again.controller.workspace.results.results) >= found
    again.controller.propagate()
    wait_for(qtbot, lambda: settled(again) and len(again.controller.workspace.results.results) == len(IMAGES))
    again.controller.autosave.flush()
    again.controller.autosave.wait()
    assert len(list(sessions.glob("*.medsam2"))) == 1, "it goes on in the same session file"


def test_two_docks_on_one_image_have_sessions_of_their_own(opened_dock, make_napari_viewer, qtbot, sessions):
    viewer = make_napari_viewer()
    viewer.add_image(IMAGES, name="scan")
    docks = [opened_dock(viewer), opened_dock(viewer)]
    for frame, dock in enumerate(docks):
        dock.controller.choose_mode("stack")
        add_click(dock, frame, 32, 21 + frame)
        wait_for(qtbot, lambda dock=dock: settled(dock))
    for dock in docks:
        dock.close_dock(timeout=10.0)
    prompted = [[p.frame for p in group] for path in sessions.glob("*.medsam2") for group in read_session(path).prompts]
    assert sorted(prompted) == [[0], [1]]


def test_the_command_says_what_to_do_where_the_images_are_not(saved, tmp_path, capsys):
    path, labels = saved
    out = tmp_path / "labels.tif"
    command = ["segment", "--session", str(path), "-o", str(out)]
    (tmp_path / "microscope").rename(tmp_path / "archive")
    assert main(command) == 2 and "say where they are" in capsys.readouterr().err
    elsewhere = tmp_path / "archive" / "scan.tif"
    assert main([*command, str(elsewhere)]) == 0
    np.testing.assert_array_equal(tifffile.imread(out), labels)
    tifffile.imwrite(elsewhere, IMAGES // 2)
    assert main([*command, str(elsewhere)]) == 2 and "--changed-image" in capsys.readouterr().err
    assert main([*command, str(elsewhere), "--changed-image"]) == 0
    tifffile.imwrite(elsewhere, IMAGES[:5])
    assert main([*command, str(elsewhere), "--changed-image"]) == 2 and "right images" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--box", "0,1,1,5,5"], ["--mode", "flow"], ["--model", "sam2"], ["--start", "2"]])
def test_what_a_session_file_says_cannot_be_said_otherwise(tmp_path, options, capsys):
    arguments = ["segment", "--session", str(tmp_path / "a.medsam2"), "-o", str(tmp_path / "out.tif")]
    assert main([*arguments, *options]) == 2 and options[0] in capsys.readouterr().err
    assert main(["segment", "-o", str(tmp_path / "out.tif")]) == 2 and "name the images" in capsys.readouterr().err
    assert main(["segment", "scan.tif", "--stored", "-o", "out.tif"]) == 2 and "--session" in capsys.readouterr().err


def test_a_run_goes_on_while_a_question_is_shown(opened_dock, make_napari_viewer, qtbot, saved, tmp_path):
    path, _ = saved
    (tmp_path / "microscope").rename(tmp_path / "archive")
    viewer = make_napari_viewer()
    viewer.add_image(IMAGES, name="other")
    dock = opened_dock(viewer)
    dock.controller.choose_mode("stack")
    dock.controller.open_session(path)
    wait_for(qtbot, lambda: dock.controller.state.question is not None)
    add_click(dock, 2, 32, 23)
    wait_for(qtbot, lambda: settled(dock))
    assert dock.controller.state.status.state is RunState.IDLE and shown(dock).any()
    assert dock.controller.state.question is not None
