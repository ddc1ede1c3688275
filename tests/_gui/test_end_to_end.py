"""The main job through a real viewer and a real engine: open, prompt, propagate, pause, correct, resume, undo, save.

A double that segments bright blobs stands for the model where the test is about the dock.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from face import Pace, draw_box, running, settled, wait_for_model
from fakes import moving_disc

from napari_medsam2._gui import demo
from napari_medsam2._gui.samples import synthetic_frames
from napari_medsam2.engine.events import FinishReason, RunState


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer()


@pytest.fixture
def started(viewer):
    """A real dock; its engine is stopped at the end."""
    docks = []

    def start(pace=None):
        docks.append(running(viewer, pace))
        return docks[-1]

    yield start
    for dock in docks:
        dock.close_dock(timeout=10.0)


def dice(a, b):
    return 2 * np.count_nonzero(a & b) / max(1, np.count_nonzero(a) + np.count_nonzero(b))


def wait_for(qtbot, until):
    qtbot.waitUntil(until, timeout=30_000)


def test_the_whole_job(viewer, started, qtbot, tmp_path):
    images, truth = moving_disc(20)
    viewer.add_image(images, name="scan", scale=(4, 0.5, 0.5), translate=(3, 1, 2))
    pace = Pace()
    dock = started(pace=pace)
    do = dock.controller

    # prompt: one box on one frame, through the tool
    do.go_to_frame(5)
    dock.prompt.tools["box"].click()
    draw_box(viewer.layers.selection.active, 5, 24, 18, 40, 34)
    wait_for(qtbot, lambda: do.state.has_results)
    do.client.flush()
    labels = viewer.layers["scan segmentation"]
    assert dice(labels.data[5] == 1, truth[5]) > 0.9 and not labels.data[6].any()

    # propagate, and pause on the way
    pace.hold(4)
    dock.footer.main.click()
    wait_for(qtbot, lambda: do.state.status.done >= 3 and dock.footer.main.text().startswith("Pause"))
    dock.footer.main.click()
    pace.go()
    wait_for(qtbot, lambda: "Paused" in dock.hint.text())
    done = do.state.status.done
    assert do.state.status.state is RunState.PAUSED and done < 20

    # correct: a drawn mask on another frame is final there
    do.go_to_frame(10)
    dock.prompt.tools["mask"].click()
    stroke = (slice(10, 10 + 1), slice(2, 8), slice(2, 8))
    before = labels.data[10].copy()
    where = np.nonzero(np.ones((1, 6, 6)))
    labels.data_setitem(tuple(w + s.start for w, s in zip(where, stroke, strict=True)), 1)
    wait_for(qtbot, lambda: do.state.columns[10].prompted)
    expected = before == 1
    expected[2:8, 2:8] = True

    # resume, to the end
    assert do.state.status.state is RunState.PAUSED and do.state.status.done == done
    dock.footer.main.click()
    wait_for(qtbot, lambda: do.state.status.finish_reason is FinishReason.DONE)
    assert all(column.confidence is not None for column in do.state.columns)
    do.client.flush()
    np.testing.assert_array_equal(labels.data[10] == 1, expected)
    assert np.mean([dice(labels.data[t] == 1, truth[t]) for t in (0, 3, 5, 7)]) > 0.9

    # undo and redo: labels and prompts
    done = labels.data.copy()
    dock.review.undo.click()
    wait_for(qtbot, lambda: not np.array_equal(labels.data, done))
    dock.review.redo.click()
    wait_for(qtbot, lambda: np.array_equal(labels.data, done))

    # save
    do.save(tmp_path / "labels.tif")
    wait_for(qtbot, lambda: do.state.saved is not None)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "labels.tif"), done)
    assert do.state.problem == ""


def test_two_objects_and_a_commit(viewer, started, qtbot):
    images, _ = moving_disc(6)
    both = np.concatenate([images[:, 10:54], images[:, 10:54]], axis=1)
    viewer.add_image(both, name="scan")
    dock = started()
    do = dock.controller
    dock.prompt.tools["point"].click()
    points = viewer.layers.selection.active
    points.add((0, 22, 21))
    dock.objects.new.click()
    points.add((0, 66, 21))
    wait_for(qtbot, lambda: len(do.workspace.results.results) >= 2)
    do.propagate()
    wait_for(qtbot, lambda: do.state.status.finish_reason is FinishReason.DONE)
    do.client.flush()
    labels = viewer.layers["scan segmentation"].data
    assert set(np.unique(labels[3, :44])) == {0, 1} and set(np.unique(labels[3, 44:])) == {0, 2}
    committed = labels.copy()
    do.commit()
    wait_for(qtbot, lambda: not do.state.has_results and not viewer.layers["scan segmentation"].data.any())
    np.testing.assert_array_equal(viewer.layers["scan kept"].data, committed)
    assert do.state.current == 3 and len(points.data) == 0


def test_prompts_that_change_while_the_network_runs_count_at_the_end(viewer, started, qtbot):
    images, truth = moving_disc(12)
    images[:, 6:12, 50:56] = 204  # a second blob on every slice
    viewer.add_image(images, name="scan")
    pace = Pace()
    dock = started(pace=pace)
    do = dock.controller
    do.choose_mode("stack")
    dock.prompt.tools["point"].click()
    points = viewer.layers.selection.active
    points.add((0, 32, 21))
    wait_for(qtbot, lambda: do.state.has_results and settled(dock))
    pace.hold(3)
    dock.footer.main.click()
    wait_for(qtbot, lambda: do.state.status.done >= 2)
    points.add((9, 9, 53))  # is the object too, says a click ahead of the run
    points.add((10, 32, 31))
    points.selected_data = {2}
    points.remove_selected()  # drawn by mistake
    assert do.state.running
    pace.go()
    wait_for(qtbot, lambda: do.state.status.finish_reason is FinishReason.DONE and settled(dock))
    assert [prompt.frame for prompt in do.engine.session.prompts] == [0, 9] and do.state.problem == ""
    labels = viewer.layers["scan segmentation"].data
    assert all(column.confidence is not None for column in do.state.columns)
    assert labels[9, 9, 53] == 1 and dice(labels[1] == 1, truth[1]) > 0.9 and not labels[1, 9, 53]
    assert [column.prompted for column in do.state.columns] == [frame in (0, 9) for frame in range(12)]


def test_a_slice_whose_correction_is_deleted_is_what_it_was_before(viewer, started, qtbot):
    images, _ = moving_disc(6)
    images[4, 20:26, 48:54] = 204  # a second blob, which a click adds
    viewer.add_image(images, name="scan")
    dock = started()
    do = dock.controller
    dock.prompt.tools["point"].click()
    points = viewer.layers.selection.active
    points.add((0, 32, 21))
    do.propagate()
    wait_for(qtbot, lambda: do.state.status.finish_reason is FinishReason.DONE)
    do.client.flush()
    labels = viewer.layers["scan segmentation"].data
    before = labels.copy()
    assert before[4].any()
    points.add((4, 23, 51))
    wait_for(qtbot, lambda: do.client.flush() or labels[4, 23, 51])
    points.selected_data = {1}
    points.remove_selected()
    wait_for(qtbot, lambda: do.client.flush() or not labels[4, 23, 51])
    wait_for(qtbot, lambda: np.array_equal(labels, before))
    points.add((4, 23, 51))
    wait_for(qtbot, lambda: do.client.flush() or labels[4, 23, 51])
    corrected = labels.copy()
    viewer.layers.remove(points)
    wait_for(qtbot, lambda: not any(prompt.frame == 4 for prompt in do.engine.session.prompts) and settled(dock))
    np.testing.assert_array_equal(labels, corrected, "a layer that is removed takes no labels with it")


def test_two_viewers_do_not_know_of_each_other(make_napari_viewer, qtbot):
    first, second = make_napari_viewer(), make_napari_viewer()
    docks = [running(first), running(second)]
    for viewer, dock in zip((first, second), docks, strict=True):
        viewer.add_image(moving_disc(4)[0], name="scan")
        wait_for_model(dock)
    docks[0].prompt.tools["point"].click()
    first.layers.selection.active.add((1, 32, 22))
    wait_for(qtbot, lambda: docks[0].controller.state.has_results)
    assert docks[0].controller.state.problem == "" and not docks[1].controller.state.has_prompts
    assert len(second.layers) == 1
    for dock in docks:
        dock.close_dock(timeout=10.0)


def test_the_dock_from_the_plugins_menu_works(viewer, qtbot):
    """napari hands it a proxy of the viewer."""
    viewer.add_image(moving_disc(4)[0], name="scan")
    _, dock = viewer.window.add_plugin_dock_widget("napari-medsam2", "MedSAM-2")
    workspace = dock.controller.workspace
    dock.controller.workspace.use("box", 1, True)
    viewer.layers["scan"].name = "renamed"
    assert dock.controller.workspace is workspace and dock.controller.state.tool == "box"
    assert dock.controller.state.image_layer is viewer.layers["renamed"]
    dock.close_dock(timeout=10.0)


def test_closing_the_viewer_during_a_run_is_quiet(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    viewer.add_image(moving_disc(40, (256, 256))[0], name="scan")
    pace = Pace()
    dock = running(viewer, pace)
    dock.prompt.tools["point"].click()
    viewer.layers.selection.active.add((0, 128, 85))
    pace.hold(4)
    dock.controller.propagate()
    wait_for(qtbot, lambda: dock.controller.state.running)
    engine = dock.controller.engine
    viewer.close()
    pace.go()
    wait_for(qtbot, lambda: engine.status.state is RunState.CLOSED)


def test_a_flow_of_unrelated_images(viewer, started, qtbot):
    images, truth = synthetic_frames(4, 64)
    viewer.add_image(images, name="cells")
    dock = started()
    do = dock.controller
    dock.image.flow.click()
    y, x = np.nonzero(truth[0])
    dock.prompt.tools["box"].click()
    draw_box(viewer.layers.selection.active, 0, y.min() - 0.5, x.min() - 0.5, y.max() + 0.5, x.max() + 0.5)
    do.propagate()
    wait_for(qtbot, lambda: do.state.status.finish_reason is FinishReason.DONE)
    do.client.flush()
    assert all(c.confidence is not None for c in do.state.columns)
    do.propagate()
    wait_for(qtbot, lambda: do.state.up_to_date)
    assert "up to date" in dock.message.text()
    do.next_thing()
    assert viewer.dims.current_step[0] == do.state.frame != 0


def test_the_demo_covers_the_brain_with_the_bundled_model(tmp_path, qapp):
    result = demo.run(tmp_path, headless=True)
    labels = tifffile.imread(tmp_path / "labels.tif")
    from napari_medsam2._gui.samples import brain_mri

    brain = brain_mri()[0][0] > 150
    assert dice(labels[demo.FRAME] > 0, brain[demo.FRAME]) > 0.75
    assert json.loads((tmp_path / "result.json").read_text())["frames"] == 24 == result["frames"]
    assert result["device"] in ("cpu", "cuda", "mps")
    assert (tmp_path / "screenshot.png").stat().st_size > 10_000
