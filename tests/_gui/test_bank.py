"""The memory bank in a real viewer: it fills while a run goes, is changed by hand, compared, and kept for later."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from face import Pace, settled, wait_for_model
from flows import flow_frames
from qtpy.QtCore import Qt

from napari_medsam2._gui.bank_dock import MemoryBankDock, open_bank
from napari_medsam2._gui.layers.composing import channels_of, compose
from napari_medsam2.cli.main import main

RED = (200, 40, 40)


@pytest.fixture
def cells(tmp_path):
    (tmp_path / "cells").mkdir()
    for t, frame in enumerate(flow_frames([RED] * 6)):
        tifffile.imwrite(tmp_path / "cells" / f"{t}.tif", frame, photometric="rgb")
    return tmp_path / "cells"


def wait_for(qtbot, until):
    qtbot.waitUntil(until, timeout=30_000)


@pytest.fixture
def beside(qtbot):
    """Opens the panel beside a dock."""

    def start(dock) -> MemoryBankDock:
        viewer = dock._viewer
        bank = MemoryBankDock(viewer)
        viewer.window.add_dock_widget(bank, name="memory bank", area="bottom")
        viewer.window._qt_window.show()
        bank.attach(dock.controller)
        qtbot.waitUntil(bank.isVisible)
        return bank

    return start


def with_a_click(dock, folder):
    do = dock.controller
    do.open_paths([folder])
    do.choose_mode("flow")
    wait_for_model(dock)
    do.use_tool("point")
    dock._viewer.layers.selection.active.add((0, 14, 15))
    return do


def frames(do):
    return [row.frame for row in do.bank.state.rows]


def press(qtbot, button):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def pick(qtbot, bank, place):
    there = bank.bank.list.visualRect(bank.bank.list.memories.index(place)).center()
    qtbot.mouseClick(bank.bank.list.viewport(), Qt.MouseButton.LeftButton, pos=there)


def test_it_fills_while_a_run_goes_and_says_what_counts_for_the_frame_in_view(opened_dock, beside, cells, qtbot):
    pace = Pace()
    dock = opened_dock(pace=pace)
    bank = beside(dock)
    do = with_a_click(dock, cells)
    wait_for(qtbot, lambda: settled(dock) and frames(do) == [0])
    pace.hold(2)
    do.propagate()
    wait_for(qtbot, lambda: len(frames(do)) >= 2)
    rows = do.bank.state.rows
    assert rows[0].pinned and not rows[1].pinned and all(row.picture is not None for row in rows)
    assert rows[1].picture.outline.any() and "1 template" in bank.bank.summary.text()
    pace.go()
    wait_for(qtbot, lambda: settled(dock) and len(frames(do)) == 6)
    pick(qtbot, bank, 3)
    wait_for(qtbot, lambda: do.bank.state.frame == frames(do)[3])
    shares = {row.frame: row.share for row in do.bank.state.rows}
    assert shares.pop(frames(do)[3]) is None, "its own memory is not asked"
    assert sum(shares.values()) == pytest.approx(1) and shares[0] == pytest.approx(0.8)
    do.go_to_frame(0)
    wait_for(qtbot, lambda: "prompt of its own" in bank.bank.summary.text())
    do.go_to_frame(2)
    press(qtbot, bank.bank.template)
    wait_for(qtbot, lambda: "1 template, and image 2 from the next run on" in bank.bank.summary.text())
    do.propagate()
    wait_for(qtbot, lambda: do.state.up_to_date)
    do.propagate()  # anew
    wait_for(qtbot, lambda: settled(dock) and "2 templates." in bank.bank.summary.text())


@pytest.mark.usefixtures("blobs")
def test_memories_are_pinned_and_evicted_and_a_session_does_it_again(opened_dock, beside, cells, qtbot, tmp_path):
    dock = opened_dock()
    bank = beside(dock)
    do = with_a_click(dock, cells)
    do.propagate()
    wait_for(qtbot, lambda: settled(dock) and len(frames(do)) == 6)
    pick(qtbot, bank, 2)
    press(qtbot, bank.bank.pin)
    wait_for(qtbot, lambda: do.bank.state.row is not None and do.bank.state.row.held)
    assert bank.bank.pin.text() == "Unpin" and "Pinned" in do.state.note and do.state.done == 1
    pick(qtbot, bank, 4)
    press(qtbot, bank.bank.evict)
    wait_for(qtbot, lambda: len(frames(do)) == 5)
    do.undo()
    wait_for(qtbot, lambda: len(frames(do)) == 6)
    do.redo()
    do.propagate()
    wait_for(qtbot, lambda: settled(dock) and do.state.done == 6)
    assert sorted(frames(do)) == [0, 1, 2, 3, 5]
    pick(qtbot, bank, 0)
    do.bank.pin_or_unpin()
    press(qtbot, bank.bank.evict)
    wait_for(qtbot, lambda: settled(dock))
    assert 0 not in frames(do), "another one is pinned"
    press(qtbot, bank.bank.template)
    wait_for(qtbot, lambda: do.bank.state.waiting == (0,))
    assert "and image 0 from the next run on" in bank.bank.summary.text(), "it was prompted before, too"
    do.undo()
    wait_for(qtbot, lambda: do.bank.state.waiting == ())
    do.save_session(tmp_path / "cells.medsam2")
    wait_for(qtbot, lambda: "Saved" in do.state.note)
    assert main(["segment", "--session", str(tmp_path / "cells.medsam2"), "-o", str(tmp_path / "again.tif")]) == 0
    do.client.flush()
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "again.tif"), do.workspace.output_layer.data)


def test_one_prompt_made_once_finds_the_object_in_another_window(
    opened_dock, beside, cells, qtbot, tmp_path, monkeypatch
):
    dock = opened_dock()
    beside(dock)
    do = with_a_click(dock, cells)
    wait_for(qtbot, lambda: settled(dock) and do.state.has_results)
    do.bank.save_task(tmp_path / "red.medsam2task")
    wait_for(qtbot, lambda: (tmp_path / "red.medsam2task").exists() and "1 template" in do.state.note)

    dock = opened_dock()
    bank, do = beside(dock), dock.controller
    do.open_paths([cells])
    do.choose_mode("flow")
    do.propagate()
    assert "no prompt yet" in do.state.problem
    do.bank.take_task(tmp_path / "red.medsam2task")
    wait_for(qtbot, lambda: settled(dock) and frames(do) == [-1])
    assert (
        do.state.has_prompts and do.bank.state.rows[0].image == "frame 0" and do.bank.state.rows[0].picture is not None
    )
    do.propagate()
    wait_for(qtbot, lambda: settled(dock) and do.state.done == 6)
    labels = np.array(do.workspace.output_layer.data)
    np.testing.assert_array_equal(labels > 0, np.stack([f[..., 0] > 100 for f in flow_frames([RED] * 6)]))
    do.choose_contrast(True)  # the images are opened anew, and the task is taken up again
    wait_for(qtbot, lambda: settled(dock) and frames(do) == [-1])
    do.save_session(tmp_path / "later.medsam2")
    wait_for(qtbot, lambda: "Saved" in do.state.note)

    dock = opened_dock()
    again = dock.controller
    again.open_paths([tmp_path / "later.medsam2"])
    wait_for(qtbot, lambda: "as it was" in again.state.note)
    assert again.state.has_prompts and set(again.workspace.book.taught) == {1}
    again.propagate()
    wait_for(qtbot, lambda: settled(dock))
    np.testing.assert_array_equal(again.workspace.output_layer.data, labels)
    del bank


def test_what_does_not_fit_is_said_and_nothing_is_lost(opened_dock, beside, cells, qtbot, tmp_path):
    dock = opened_dock()
    bank = beside(dock)
    do = with_a_click(dock, cells)
    wait_for(qtbot, lambda: settled(dock) and frames(do) == [0])
    pick(qtbot, bank, 0)
    press(qtbot, bank.bank.evict)
    wait_for(qtbot, lambda: "This is the only template" in do.state.problem)
    (tmp_path / "bad.medsam2task").write_bytes(b"no task")
    do.bank.take_task(tmp_path / "bad.medsam2task")
    wait_for(qtbot, lambda: "no task file" in do.state.problem or "too short" in do.state.problem)
    assert frames(do) == [0] and do.state.has_results
    do.choose_mode("stack")
    wait_for(qtbot, lambda: settled(dock))
    assert not bank.bank.save.isEnabled() and not bank.bank.take.isEnabled()


def test_the_other_memory_is_compared_on_the_same_prompts_and_changes_nothing(opened_dock, beside, cells, qtbot):
    dock = opened_dock()
    bank = beside(dock)
    do = with_a_click(dock, cells)
    do.propagate()
    wait_for(qtbot, lambda: settled(dock) and len(frames(do)) == 6)
    results, labels = dict(do.workspace.results.results), np.array(do.workspace.output_layer.data)
    press(qtbot, bank.bank.compare)
    wait_for(qtbot, lambda: do.bank.state.comparison is not None and settled(dock))
    found = do.bank.state.comparison
    assert (found.own, found.other, len(found.frames)) == ("self-sorting", "fifo", 5) and found.overlap == 1
    assert "first in, first out: mean confidence" in bank.bank.comparison.text()
    assert do.workspace.results.results == results and not do.bank.state.comparing
    assert do.state.status.finish_reason is None, "what was compared says nothing of what is up to date"
    np.testing.assert_array_equal(do.workspace.output_layer.data, labels)
    do.bank.choose_bank("fifo")
    wait_for(qtbot, lambda: settled(dock) and do.bank.state.bank == "fifo")
    do.propagate()
    wait_for(qtbot, lambda: settled(dock) and len(frames(do)) == 6)
    assert dock.controller.engine.session.bank == "fifo"


def test_what_the_model_sees_is_its_input_with_the_prompts_on_it(opened_dock, beside, cells, qtbot):
    dock = opened_dock()
    bank = beside(dock)
    bank.tabs.setCurrentIndex(1)
    do = with_a_click(dock, cells)
    do.go_to_frame(0)
    wait_for(qtbot, lambda: (view := do.bank.state.view) is not None and view.seen and len(view.clicks) == 1)
    view = do.bank.state.view
    size = do.engine.session.segmenter.predictor.size
    assert view.image.shape == (size, size, 3) and view.whole and view.colours
    ((y, x, positive),) = view.clicks
    assert positive and view.image[round(y), round(x)].tolist()[0] > view.image[0, 0].tolist()[0]
    assert view.outline.any() and f"as {size} x {size} pixels, in colours; black is" in bank.view.words.text()
    do.go_to_frame(3)
    wait_for(qtbot, lambda: do.bank.state.view is not None and do.bank.state.view.frame == 3)
    assert not do.bank.state.view.seen and "not looked at yet" in bank.view.words.text()


def test_channels_of_one_layer_or_of_several_become_the_colours_that_are_segmented(opened_dock, beside, qtbot):
    dock = opened_dock()
    viewer, do = dock._viewer, dock.controller
    planes = [frame[..., 0] for frame in flow_frames([RED] * 3)]
    nuclei = viewer.add_image(np.stack(planes), name="nuclei", contrast_limits=(0, 200), scale=(1, 2, 2))
    bank = beside(dock)
    bank.tabs.setCurrentIndex(1)
    assert not bank.view.make.isVisible(), "there is one channel"
    viewer.add_image(np.stack(planes)[:, ::-1], name="membranes", contrast_limits=(0, 200), scale=(1, 2, 2))
    viewer.add_image(np.zeros((3, 5, 5), np.uint8), name="another size")
    do.choose_image(nuclei)
    do.choose_mode("flow")
    bank.tabs.setCurrentIndex(0)
    bank.tabs.setCurrentIndex(1)
    assert bank.view.make.isVisible() and bank.view.channels[1].currentText() == "Green: membranes"
    press(qtbot, bank.view.make)
    made = do.state.image_layer
    assert do.state.mode == "flow", "as their images were"
    assert made.rgb and made.data.dtype == np.uint8
    assert made.name == "nuclei + membranes" and made.scale.tolist() == [1, 2, 2]
    pixels = np.asarray(made.data[0])
    assert pixels[14, 15].tolist() == [255, 13, 0] and pixels[48 - 1 - 14, 15].tolist() == [13, 255, 0]
    stack = viewer.add_image(np.stack([planes, planes[::-1]]), name="two", axis_labels=("c", "z", "y", "x"))
    assert [channel.name for channel in channels_of(stack, viewer.layers)] == ["channel 0", "channel 1"]
    composed = compose([*channels_of(stack, viewer.layers), None])
    assert composed.data.shape == (3, 48, 64, 3) and compose([None, None, None]) is None


@pytest.mark.usefixtures("blobs")
@pytest.mark.parametrize("along_an_axis", [False, True])
def test_a_session_on_composed_colours_is_done_again_from_the_files_of_their_channels(
    opened_dock, beside, qtbot, tmp_path, along_an_axis, capsys
):
    dock = opened_dock()
    viewer, do = dock._viewer, dock.controller
    planes = np.stack([frame[..., 0] for frame in flow_frames([RED] * 3)])
    both = np.stack([planes, planes[:, ::-1]], axis=1)  # z, c, y, x
    if along_an_axis:
        tifffile.imwrite(tmp_path / "both.tif", both, imagej=True, metadata={"axes": "ZCYX"})
        paths = [tmp_path / "both.tif"]
    else:
        paths = [tmp_path / "nuclei.tif", tmp_path / "membranes.tif"]
        for place, path in enumerate(paths):
            tifffile.imwrite(path, both[:, place], imagej=True, metadata={"axes": "ZYX"})
    for path in paths:
        do.open_paths([path])
    layers = list(viewer.layers)[: 1 if along_an_axis else 2]
    for layer in layers:
        layer.contrast_limits = (3, 180)
    do.choose_image(layers[0])
    bank = beside(dock)
    bank.tabs.setCurrentIndex(1)
    press(qtbot, bank.view.make)
    wait_for(qtbot, lambda: do.state.image_layer is not None and do.state.image_layer.rgb)
    do.choose_mode("flow")
    wait_for_model(dock)
    do.use_tool("point")
    viewer.layers.selection.active.add((0, 14, 15))
    do.propagate()
    wait_for(qtbot, lambda: settled(dock) and do.state.done == 3)
    session = tmp_path / "colours.medsam2"
    do.save_session(session)
    wait_for(qtbot, lambda: "Saved" in do.state.note)
    out = tmp_path / "again.tif"
    assert main(["segment", "--session", str(session), "-o", str(out)]) == 0, capsys.readouterr().err
    assert "not, to the bit" not in capsys.readouterr().err
    paths[0].rename(tmp_path / "elsewhere.tif")
    assert main(["segment", "--session", str(session), "-o", str(out)]) == 2
    assert "put them back" in capsys.readouterr().err


def test_a_dock_that_is_closed_leaves_an_empty_panel_and_one_that_nobody_sees_costs_nothing(
    opened_dock, beside, cells, qtbot
):
    dock = opened_dock()
    bank = beside(dock)
    do = with_a_click(dock, cells)
    wait_for(qtbot, lambda: settled(dock) and frames(do) == [0])
    bank.parent().hide()
    assert do.engine._bank.object_id is None
    bank.parent().show()
    wait_for(qtbot, lambda: settled(dock) and frames(do) == [0])
    dock.close_dock()
    assert "dock was closed" in bank.bank.summary.text()


@pytest.mark.parametrize("opened_by", ["menu", "button"])
def test_it_opens_below_the_image_and_the_dock_keeps_its_height(opened_dock, qtbot, opened_by):
    dock = opened_dock()
    viewer, window = dock._viewer, dock._viewer.window._qt_window
    window.show()
    qtbot.waitUntil(dock.isVisible)
    height = dock.parent().height()
    if opened_by == "menu":
        bank = viewer.window.add_plugin_dock_widget("napari-medsam2", "MedSAM-2 memory bank")[1]
    else:
        bank = open_bank()
    frame = bank.parent()
    qtbot.waitUntil(lambda: window.dockWidgetArea(frame) == Qt.DockWidgetArea.BottomDockWidgetArea)
    qtbot.waitUntil(lambda: bank.isVisible() and bank.width() < window.width() - dock.width())
    assert dock.parent().height() >= height, "it is squeezed"
