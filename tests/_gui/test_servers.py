"""A dock whose network runs on a server: chosen in a dialog, lost, found again, and left."""

from __future__ import annotations

import stat
import sys

import numpy as np
import pytest
from face import IMAGES, TRUTH, draw_box, settled
from lab import KEY, Lab
from napari.layers import Shapes

from napari_medsam2._gui.controller import Controller
from napari_medsam2._gui.dock_state import ModelPhase
from napari_medsam2._gui.panels.remote_dialog import RemoteDialog
from napari_medsam2._gui.words import model_line
from napari_medsam2._widget import MedSamDock
from napari_medsam2.errors import OptionError
from napari_medsam2.geometry.overlap import iou
from napari_medsam2.remote.address import address_of, host_of, is_open
from napari_medsam2.remote.remembered import KnownServer, KnownServers


@pytest.fixture
def lab(tmp_path):
    lab = Lab(tmp_path, keys=(KEY,))
    yield lab
    lab.stop()


@pytest.fixture
def torch_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)


@pytest.fixture
def dock(qtbot, viewer):
    viewer.add_image(IMAGES, name="discs")
    dock = MedSamDock(viewer, Controller(viewer))
    qtbot.addWidget(dock)
    yield dock
    dock.close_dock(timeout=20.0)


def use(qtbot, dock, lab, model: str = "blobs") -> None:
    dock.controller.use_server(KnownServer(lab.address, KEY), model, keep_key=True)
    qtbot.waitUntil(lambda: dock.controller.state.model_phase is ModelPhase.IN_USE, timeout=20_000)


def test_where_no_model_can_run_the_way_to_a_server_is_in_sight(torch_is_missing, qtbot, dock) -> None:
    dock.show()
    dock.controller.use_tool("box")
    qtbot.waitUntil(lambda: dock.controller.state.model_phase is ModelPhase.MISSING, timeout=20_000)
    assert dock.model.device.isVisible() and "Remote..." in dock.controller.state.problem


def found_on(dock, frame: int):
    """The mask of the object on a frame; ``None`` if there is none."""
    found = dock.controller.workspace.results.results.get((frame, 1))
    return None if found is None else found.mask


def test_a_box_is_answered_by_the_server_and_a_run_survives_it(qtbot, viewer, dock, lab) -> None:
    use(qtbot, dock, lab)
    do = dock.controller
    assert "127.0.0.1" in model_line(do.state)
    do.use_tool("box")
    rows, columns = np.nonzero(TRUTH[0])
    layer = next(layer for layer in viewer.layers if isinstance(layer, Shapes))
    draw_box(layer, 0, rows.min(), columns.min(), rows.max(), columns.max())
    qtbot.waitUntil(lambda: found_on(dock, 0) is not None, timeout=20_000)
    lab.stop()
    do.propagate()
    qtbot.waitUntil(lambda: "No connection" in do.state.problem, timeout=20_000)
    lab.start()
    qtbot.waitUntil(lambda: do.state.done == len(IMAGES) and settled(dock), timeout=30_000)
    assert do.state.problem == "" and "is back" in do.state.note
    for frame in range(len(IMAGES)):
        assert iou(found_on(dock, frame), TRUTH[frame]) > 0.8


def test_a_server_that_is_not_there_leaves_the_engine_in_use(qtbot, dock, lab) -> None:
    use(qtbot, dock, lab)
    do = dock.controller
    engine = do.engine
    do.use_server(KnownServer("http://127.0.0.1:9"), "blobs", keep_key=True)
    qtbot.waitUntil(lambda: "cannot be reached" in do.state.problem, timeout=20_000)
    assert do.engine is engine and do.state.model_phase is ModelPhase.IN_USE
    assert do.state.wanted_device == lab.address and "still in use" in do.state.problem
    assert dock.model.device.device == lab.address


def test_the_dialog_tells_what_a_server_has_and_what_is_wrong(qtbot, lab) -> None:
    dialog = RemoteDialog((), "micro")
    qtbot.addWidget(dialog)
    said = []
    dialog.chosen.connect(lambda *chosen: said.append(chosen))
    dialog.address.setEditText("no address at all")
    dialog.test.click()
    assert "is no address of a server" in dialog.answer.text()
    dialog.address.setEditText(lab.address)
    dialog.test.click()
    qtbot.waitUntil(lambda: "wants a key" in dialog.answer.text(), timeout=10_000)
    dialog.key.setText("wrong")
    dialog.use.click()
    qtbot.waitUntil(lambda: "the key is wrong" in dialog.answer.text(), timeout=10_000)
    assert not said
    dialog.key.setText(KEY)
    dialog.test.click()
    qtbot.waitUntil(lambda: "0 of 8 places" in dialog.answer.text(), timeout=10_000)
    assert "Models: Micro" in dialog.answer.text() and "cpu" in dialog.answer.text()
    dialog.models.setCurrentIndex(dialog.models.findData("blobs"))
    dialog.use.click()
    assert said == [(KnownServer(lab.address, KEY), "blobs", True)]


def test_keys_are_kept_where_nobody_else_reads_them(tmp_path) -> None:
    path = tmp_path / "settings" / "servers.json"
    servers = KnownServers(path)
    servers.remember("https://gpu.lab.org", "first-key", keep_key=True)
    servers.remember("http://localhost:1527", "second-key", keep_key=False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert "second-key" not in path.read_text() and servers.key_of("http://localhost:1527") == "second-key"
    anew = KnownServers(path)
    assert [server.address for server in anew.all] == ["http://localhost:1527", "https://gpu.lab.org"]
    assert anew.key_of("https://gpu.lab.org") == "first-key" and anew.key_of("http://localhost:1527") == ""
    path.write_text("{broken")
    assert KnownServers(path).all == ()


def test_addresses_are_read_as_people_write_them() -> None:
    assert address_of("localhost") == "http://localhost:1527"
    assert address_of(" gpu.lab.org ") == "https://gpu.lab.org"
    assert address_of("gpu.lab.org:8443/") == "https://gpu.lab.org:8443"
    assert address_of("http://192.168.1.7") == "http://192.168.1.7:1527"
    assert address_of("https://lab.org/medsam") == "https://lab.org/medsam"
    assert address_of("http://[::1]") == "http://[::1]:1527"
    for wrong in ("", "ftp://x", "http://", "a b", "http://user:word@host", "host:port", "http://x:99999"):
        with pytest.raises(OptionError, match="is no address"):
            address_of(wrong)
    assert is_open("http://192.168.1.7:1527") and not is_open("http://127.0.0.1:1527") and not is_open("https://a.b")
    assert host_of("https://gpu.lab.org") == "gpu.lab.org" and host_of("http://localhost:1527") == "localhost:1527"
