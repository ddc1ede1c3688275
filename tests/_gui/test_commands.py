"""Commands of the palette and the menus: they act on the dock of the viewer in use, and on no other."""

from __future__ import annotations

import pytest
from face import draw_box, running
from fakes import moving_disc
from npe2 import PluginManager
from qtpy.QtWidgets import QMenu

from napari_medsam2.engine.events import FinishReason


def do(name: str) -> None:
    """As the palette does."""
    PluginManager.instance().commands.execute(f"napari-medsam2.{name}")


def our_commands() -> list[str]:
    PluginManager.instance().discover()
    manifest = PluginManager.instance().get_manifest("napari-medsam2")
    commands = manifest.contributions.commands or []
    return [one.id.removeprefix("napari-medsam2.") for one in commands if "_gui.commands:" in str(one.python_name)]


@pytest.fixture
def viewer(make_napari_viewer, blobs):
    return make_napari_viewer()


def test_without_a_viewer_no_command_does_harm(qapp):
    for name in our_commands():
        do(name)


def test_every_command_opens_the_dock_and_does_no_harm_without_an_image(viewer, monkeypatch):
    for name in our_commands():
        do(name)
    (dock,) = (widget for widget in viewer.window.dock_widgets.values() if hasattr(widget, "controller"))
    assert len(viewer.layers) == 0 and not dock.controller.state.has_prompts
    dock.close_dock(timeout=10.0)


def test_a_whole_job_by_commands(viewer, qtbot):
    viewer.add_image(moving_disc(4)[0], name="scan")
    dock = running(viewer)
    state = lambda: dock.controller.state  # noqa: E731
    dock.prompt.tools["box"].click()
    draw_box(viewer.layers.selection.active, 1, 24, 12, 40, 32)
    do("segment_this")
    qtbot.waitUntil(lambda: state().has_results)
    do("find_on_all")
    qtbot.waitUntil(lambda: state().status.finish_reason is FinishReason.DONE)
    do("new_object")
    assert state().current == 2
    do("undo")
    qtbot.waitUntil(lambda: any(column.confidence is None for column in state().columns))
    do("redo")
    qtbot.waitUntil(lambda: dock.controller.client.settled)
    dock.close_dock(timeout=10.0)


def test_a_command_acts_on_the_viewer_in_use_alone(make_napari_viewer, blobs):
    first, second = make_napari_viewer(), make_napari_viewer()
    for viewer in (first, second):
        viewer.add_image(moving_disc(4)[0], name="scan")
    docks = [running(first), running(second)]
    second.window.activate()
    do("new_object")
    used = [dock.controller.state.objects for dock in docks]
    assert used[0] == (1,)
    for dock in docks:
        dock.close_dock(timeout=10.0)


def test_the_commands_are_in_the_menus_for_segmentation_and_files(viewer):
    found = {action.text() for menu in viewer.window.layers_menu.findChildren(QMenu) for action in menu.actions()}
    assert {"Open the dock (MedSAM-2)", "Find on all slices or images (MedSAM-2)"} <= found
    found = {action.text() for menu in viewer.window.file_menu.findChildren(QMenu) for action in menu.actions()}
    assert "Save labels... (MedSAM-2)" in found
