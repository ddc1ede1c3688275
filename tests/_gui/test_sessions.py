"""A session file opens in napari as it was saved, and the command line comes to the same labels from it."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from face import Pace, draw_box, running, settled, wait_for_model
from fakes import blob_model, moving_disc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_medsam2.cli.main import main
from napari_medsam2.session.session_file import read_session

IMAGES, _ = moving_disc(8)
IMAGES[:, 4:10, 50:56] = 204  # a second blob on every slice


@pytest.fixture
def scan(tmp_path):
    tifffile.imwrite(tmp_path / "scan.tif", IMAGES)
    return tmp_path / "scan.tif"


@pytest.fixture(autouse=True)
def blobs(monkeypatch):
    """The command line has the model of the window."""
    monkeypatch.setattr("napari_medsam2.models.loading.load_model", lambda name, **options: blob_model())


def wait_for(qtbot, until):
    qtbot.waitUntil(until, timeout=30_000)


def viewer_of(dock):
    return dock.controller.workspace.sequence.viewer


def opened(dock, scan):
    """The dock with this image, as a stack."""
    dock.controller.open_paths([scan])
    dock.controller.choose_mode("stack")
    return dock.controller


def click(dock, frame, number=1, positive=True):
    do = dock.controller
    do.store.put(positive=positive)
    do.objects.choose(number)
    wait_for_model(dock)
    do.use_tool("point")
    spot = (7, 53) if number == 2 else (32, 21 + frame)
    viewer_of(dock).layers.selection.active.add((frame, *spot))


def segmented(dock, qtbot, scan):
    """The dock with two objects found on all slices of this image, one of them corrected."""
    do = opened(dock, scan)
    click(dock, 2)
    do.propagate()
    click(dock, 5, 2)
    do.propagate()
    click(dock, 6, 2, positive=True)
    wait_for(qtbot, lambda: settled(dock))
    return do


def window_labels(dock):
    """What would be saved as labels now."""
    do = dock.controller
    do.client.flush()
    work = do.workspace
    layers = [layer for layer in (do.keeping.kept_layer(work), work.output_layer) if layer is not None]
    labels = np.zeros(IMAGES.shape, np.int64)
    for layer in layers:
        labels = np.where(labels != 0, labels, layer.data)
    return labels


def save_session(dock, qtbot, path):
    do = dock.controller
    do.store.say()
    do.save_session(path)
    wait_for(qtbot, lambda: str(path) in do.state.note or bool(do.state.problem))
    assert not do.state.problem
    return path


def replayed(path, *options):
    """Labels that the command line writes for a session file."""
    out = path.with_name("out.tif")
    out.unlink(missing_ok=True)
    assert main(["segment", "--session", str(path), *map(str, options), "-o", str(out)]) == 0
    return tifffile.imread(out)


def test_a_session_comes_to_the_same_labels_in_another_window_and_without_one(opened_dock, qtbot, scan, capsys):
    dock = opened_dock()
    do = segmented(dock, qtbot, scan)
    do.commit()
    wait_for(qtbot, lambda: settled(dock))
    click(dock, 3, 3)
    do.propagate()
    do.choose_direction("backward")
    wait_for(qtbot, lambda: settled(dock))
    labels = window_labels(dock)
    assert set(np.unique(labels)) >= {0, 1, 2}
    path = save_session(dock, qtbot, scan.with_name("scan.medsam2"))
    capsys.readouterr()
    np.testing.assert_array_equal(replayed(path), labels)
    assert "not, to the bit" not in capsys.readouterr().err

    other = opened_dock()
    again = other.controller
    again.open_paths([path])
    wait_for(qtbot, lambda: "as it was" in again.state.note)
    np.testing.assert_array_equal(window_labels(other), labels)
    assert again.state.direction == "backward" and again.state.objects == do.state.objects
    assert [p.frame for p in again.workspace.book.prompts] == [p.frame for p in do.workspace.book.prompts]
    click(other, 6, 3)
    again.propagate()
    wait_for(qtbot, lambda: settled(other))
    later = save_session(other, qtbot, scan.with_name("later.medsam2"))
    np.testing.assert_array_equal(replayed(later), window_labels(other))


#: What is done, and numbers to choose among what can be done.
STEP = st.tuples(
    st.sampled_from(
        ["click", "not", "box", "stroke", "run", "amid", "undo", "redo", "delete", "new", "commit", "clear"]
    ),
    st.integers(0, 7),
)


def do_step(dock, qtbot, pace, what, frame):
    do = dock.controller
    number = do.state.current
    if what in ("click", "not"):
        click(dock, frame, 1 + (number - 1) % 2, positive=what == "click")
    elif what == "box":
        do.use_tool("box")
        draw_box(viewer_of(dock).layers.selection.active, frame, 3.5, 49.5, 10.5, 56.5)
    elif what == "stroke":
        do.use_tool("mask")
        y, x = (axis.ravel() for axis in np.mgrid[44:52, 8:20])
        viewer_of(dock).layers.selection.active.data_setitem((np.full(len(y), frame), y, x), number)
    elif what == "run":
        do.propagate()
    elif what == "amid":
        wait_for(qtbot, lambda: settled(dock))
        pace.hold(3)
        do.propagate()
        do_step(dock, None, pace, "stroke" if frame > 5 else "click", frame)
        if frame % 2:
            do.undo()
        pace.go()
    elif what == "delete":
        points = [layer for layer in viewer_of(dock).layers if layer.name.endswith("points") and len(layer.data)]
        for layer in points:
            layer.selected_data = {len(layer.data) - 1}
            layer.remove_selected()
    elif what == "new":
        if do.state.has_prompts:
            do.objects.begin()
    elif what == "commit":
        wait_for(qtbot, lambda: settled(dock))
        if do.state.has_results:
            do.commit()
    else:
        getattr(do, what)()
    if qtbot is not None:
        wait_for(qtbot, lambda: settled(dock))


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(script=st.lists(STEP, min_size=2, max_size=8))
def test_whatever_was_done_in_the_window_comes_to_the_same_labels_without_it(
    make_napari_viewer, qtbot, tmp_path_factory, script
):
    scan = tmp_path_factory.mktemp("scan") / "scan.tif"
    tifffile.imwrite(scan, IMAGES)
    pace = Pace()
    dock = running(make_napari_viewer(), pace)
    opened(dock, scan)
    click(dock, 2)
    for step in script:
        do_step(dock, qtbot, pace, *step)
    labels = window_labels(dock)
    path = save_session(dock, qtbot, scan.with_name("scan.medsam2"))
    saved = read_session(path)
    dock.close_dock(timeout=10.0)
    if labels.any():
        np.testing.assert_array_equal(replayed(path), labels)
        np.testing.assert_array_equal(replayed(path, "--stored"), labels)
    assert all(entry.what for entry in saved.journal)
