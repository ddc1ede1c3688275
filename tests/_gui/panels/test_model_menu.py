"""The menu of models in the dock: what it says, and how a model gets from the server into use, or does not."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from face import draw_box
from face import mocked as mocked_dock
from fakes import blob_model
from hub_server import Faults
from napari.components import ViewerModel
from published import publishing
from qtpy.QtWidgets import QApplication, QFileDialog, QLabel

from napari_medsam2._gui import model_choice
from napari_medsam2._gui.controller import Controller
from napari_medsam2._gui.dock_state import DockState, DownloadStatus
from napari_medsam2._gui.panels.consent import ConsentDialog
from napari_medsam2._gui.panels.model_menu import DETAILS, FROM_FILE, NAME
from napari_medsam2._gui.words import download_words, speed_warning
from napari_medsam2._widget import MedSamDock
from napari_medsam2.engine.engine import Engine
from napari_medsam2.engine.events import Failed, FinishReason, ModelLoaded, RunState, RunStatus, StatusChanged
from napari_medsam2.engine.requests import RequestKind
from napari_medsam2.errors import CheckpointError
from napari_medsam2.models.registry import MODELS, groups, own_file


@pytest.fixture
def viewer():
    model = ViewerModel()
    model.add_image(np.zeros((3, 40, 60), np.uint8), name="scan")
    return model


@pytest.fixture
def published(tmp_path, monkeypatch) -> Iterator:
    with publishing(tmp_path, monkeypatch) as everything:
        yield everything


@pytest.fixture
def docks(qtbot):
    """Closes the docks that are put into it."""
    made: list[MedSamDock] = []
    yield made
    for dock in made:
        qtbot.addWidget(dock)
        dock.close_dock(timeout=5.0)


@pytest.fixture
def mocked(viewer, published, docks):
    dock, engine, send = mocked_dock(viewer)
    docks.append(dock)
    engine.load_model.reset_mock()  # the first model came with the image
    return dock, engine, send


def choose(dock, name) -> None:
    """As a user does."""
    index = dock.model.model.findData(name, NAME)
    dock.model.model.setCurrentIndex(index)
    dock.model.model.activated.emit(index)


def question(dock) -> ConsentDialog | None:
    """The dialog that waits for an answer."""
    open_ones = [dialog for dialog in dock.findChildren(ConsentDialog) if dialog.isVisible()]
    return open_ones[-1] if open_ones else None


def say_yes(dock) -> None:
    choose(dock, "tiny")
    dialog = question(dock)
    assert dialog is not None
    dialog.yes.click()


def ended(dock) -> bool:
    return dock.controller.state.download is None


def shown(dock) -> str:
    return dock.model.model.itemData(dock.model.model.currentIndex(), NAME)


# ---- what the menu says --------------------------------------------------------------------------------------------


def test_every_model_is_under_its_heading_with_size_and_licence(mocked):
    menu = mocked[0].model.model
    items = [
        (menu.itemText(i), menu.itemData(i, NAME), bool(menu.model().index(i, 0).flags())) for i in range(menu.count())
    ]
    heading, under = "", {}
    for text, name, enabled in items:
        if enabled:
            under.setdefault(heading, []).append(name)
        else:
            heading = text
    assert {key: value for key, value in under.items() if key != "Yours"} == {
        key: [entry.name for entry in entries] for key, entries in groups().items()
    }
    assert under["Yours"] == [""] and items[-1][0] == FROM_FILE
    index = menu.findData("medsam2", NAME)
    assert menu.itemData(index, DETAILS) == "156 MB, CC-BY-SA-4.0, non-commercial"
    assert menu.currentText() == MODELS["micro"].title


def test_the_mark_follows_what_is_on_the_computer(mocked, published):
    menu = mocked[0].model.model
    index = menu.findData("tiny", NAME)
    before = menu.itemIcon(index).cacheKey()
    assert menu.itemData(index, 11).endswith("to be fetched")  # what a screen reader says
    own_file(published[1]).parent.mkdir(parents=True)
    own_file(published[1]).write_bytes(published[2])  # by `models import`, say
    menu.showPopup()
    menu.hidePopup()
    assert menu.itemData(index, 11).endswith("on this computer") and menu.itemIcon(index).cacheKey() != before


# ---- fetching ------------------------------------------------------------------------------------------------------


def test_without_a_yes_nothing_is_fetched_and_the_menu_goes_back(mocked, published):
    dock, engine, _ = mocked
    hub, entry, _ = published
    choose(dock, "tiny")
    dialog = question(dock)
    words = " ".join(dialog.facts.values())
    assert entry.title in " ".join(label.text() for label in dialog.findChildren(QLabel))
    for fact in ("kB", "non-commercial", f"{hub.address}/lab/tiny/resolve/main/", str(own_file(entry))):
        assert fact in words
    assert shown(dock) == "micro"
    dialog.reject()
    assert shown(dock) == "micro" and hub.asked == [] and ended(dock)
    engine.load_model.assert_not_called()


def test_after_a_yes_the_model_is_fetched_and_loaded(mocked, published, qtbot):
    dock, engine, _ = mocked
    say_yes(dock)
    assert not dock.model.download.isHidden() and "Tiny" in dock.model.fetched.text()
    qtbot.waitUntil(lambda: ended(dock))
    assert own_file(published[1]).is_file()
    engine.load_model.assert_called_once_with("tiny", device="auto")
    assert shown(dock) == "tiny" and dock.model.download.isHidden()
    assert "Tiny is on this computer now" in dock.message.text()


def test_the_dock_works_on_with_the_old_model_while_one_is_fetched(mocked, published, qtbot):
    dock = mocked[0]
    hub = published[0]
    hub.faults = Faults(stall_after=1000)
    say_yes(dock)
    qtbot.waitUntil(lambda: (dock.controller.state.download or DownloadStatus("")).done == 1000)
    assert dock.model.progress.value() > 0 and "kB of" in dock.model.fetched.text()
    dock.prompt.tools["box"].click()
    assert dock.controller.state.tool == "box"
    choose(dock, "medsam2")
    question(dock).yes.click()
    assert "Tiny is being fetched" in dock.message.text()
    hub.stopped.set()
    qtbot.waitUntil(lambda: ended(dock))


def test_a_model_that_arrives_does_not_end_a_run(mocked, published, qtbot):
    dock, engine, send = mocked
    say_yes(dock)
    send(StatusChanged(RunStatus(RunState.RUNNING, 1, 3)))
    qtbot.waitUntil(lambda: ended(dock))
    assert "Tiny is on this computer now: choose it" in dock.message.text() and shown(dock) == "micro"
    engine.load_model.assert_not_called()
    send(StatusChanged(RunStatus(RunState.IDLE, 3, 3)))
    choose(dock, "tiny")
    assert shown(dock) == "tiny" and question(dock) is None


def test_cancel_keeps_what_came_and_the_next_try_goes_on(mocked, published, qtbot, monkeypatch):
    dock, engine, _ = mocked
    hub, entry, content = published
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "0.2")
    hub.faults = Faults(stall_after=1000)
    say_yes(dock)
    qtbot.waitUntil(lambda: (dock.controller.state.download or DownloadStatus("")).done == 1000)
    dock.model.cancel.click()
    assert not dock.model.cancel.isEnabled()
    qtbot.waitUntil(lambda: ended(dock))
    assert "was stopped" in dock.message.text() and dock.controller.state.problem == ""
    engine.load_model.assert_not_called()
    hub.faults = Faults()
    say_yes(dock)
    qtbot.waitUntil(lambda: ended(dock))
    assert hub.ranges == ["", "bytes=1000-"] and own_file(entry).read_bytes() == content


def test_a_failed_download_says_what_to_do_by_hand_and_the_old_model_stays(mocked, published, qtbot):
    dock, engine, _ = mocked
    hub, entry, _ = published
    hub.faults = Faults(damage=True)
    say_yes(dock)
    qtbot.waitUntil(lambda: ended(dock))
    told = dock.message.text()
    for words in ("came damaged", hub.address, str(own_file(entry).parent), "models import FILE", FROM_FILE):
        assert words in told
    assert shown(dock) == "micro" and not own_file(entry).exists()
    engine.load_model.assert_not_called()


def test_closing_the_dock_ends_the_download_without_a_word(mocked, published, qtbot):
    dock = mocked[0]
    hub = published[0]
    hub.faults = Faults(stall_after=1000)
    say_yes(dock)
    qtbot.waitUntil(lambda: (dock.controller.state.download or DownloadStatus("")).done == 1000)
    (worker,) = [thread for thread in threading.enumerate() if thread.name == "napari-medsam2 download"]
    dock.close_dock()
    hub.stopped.set()
    worker.join(5)
    QApplication.processEvents()
    assert not worker.is_alive() and dock.controller.state.note == ""
    assert not own_file(published[1]).exists()


# ---- loading -------------------------------------------------------------------------------------------------------


def test_a_file_of_ones_own_is_chosen_in_the_menu(mocked, monkeypatch, tmp_path):
    dock, engine, _ = mocked
    dock.prompt.tools["box"].click()
    path = str(tmp_path / "mine.pt")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *arguments: (path, ""))
    choose(dock, "")
    engine.load_model.assert_called_with(path, device="auto")
    assert dock.model.model.currentText() == "mine.pt" and shown(dock) == path
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *arguments: ("", ""))
    choose(dock, "")
    assert shown(dock) == path


def test_a_wrong_file_keeps_the_model_that_is_in_use_and_its_run(viewer, docks, qtbot, tmp_path, published):
    """Through a real engine: results go on to come from the old model."""
    asked, go_on = threading.Event(), threading.Event()

    def load(name, *, device, on_notice):
        if name != "micro":
            asked.set()
            raise CheckpointError(f"{name} is no checkpoint")
        model = blob_model()
        encode = model.network.encode_image

        def after_the_choice(image, mode="stack", *, fine=None):
            assert go_on.wait(5)
            return encode(image, mode, fine=fine)

        model.network.encode_image = after_the_choice
        return model

    dock = MedSamDock(viewer, Controller(viewer, lambda on_event: Engine(on_event, load_model=load)))
    docks.append(dock)
    do = dock.controller
    do.choose_preview(False)
    qtbot.waitUntil(lambda: "runs on cpu" in dock.model.words.text())
    do.use_tool("box")
    used = dock.model.words.text()
    draw_box(viewer.layers.selection.active, 0, 10, 10, 20, 20)
    do.propagate()
    qtbot.waitUntil(lambda: do.state.status.state is RunState.RUNNING)
    do.choose_model(str(tmp_path / "notes.pt"), "cpu")
    go_on.set()
    qtbot.waitUntil(lambda: asked.is_set() and do.state.status.finish_reason is not None)
    assert do.state.status.finish_reason is FinishReason.DONE and do.state.has_results, do.state.report
    assert "no checkpoint" in dock.message.text() and dock.message.text().endswith("Micro (bundled) is still in use.")
    assert shown(dock) == "micro" and dock.model.device.currentText() == "auto"
    assert dock.model.words.text() == used


def test_a_newer_choice_wins_over_one_that_fails(mocked):
    dock, engine, send = mocked
    do = dock.controller
    engine.load_model.side_effect = None
    do.choose_model("bad.pt", "auto")
    do.choose_model("good.pt", "auto")
    send(Failed(2, 0, "bad.pt is no checkpoint.", "report", RequestKind.LOAD_MODEL, True))
    assert do.state.model == "good.pt" and "no checkpoint" in do.state.problem
    send(ModelLoaded(3, "good", "cpu", False))
    assert dock.model.words.text().startswith("good.pt runs on cpu")


def test_the_next_choice_takes_the_last_problem_away(mocked):
    dock, engine, send = mocked
    engine.load_model.side_effect = None
    dock.controller.choose_model("bad.pt", "auto")
    send(Failed(2, 0, "bad.pt is no checkpoint", "report", RequestKind.LOAD_MODEL, True))
    assert dock.message.text() == "bad.pt is no checkpoint. Micro (bundled) is still in use."
    dock.controller.choose_model("good.pt", "auto")
    assert dock.message.isHidden() and not dock.message.text()


def test_a_slow_model_on_a_cpu_says_so_before_and_after(mocked, monkeypatch):
    dock, engine, send = mocked
    engine.load_model.side_effect = None
    monkeypatch.setattr(model_choice, "estimate_seconds", lambda entry, device: {"cpu": 9.0}.get(device))
    choose(dock, "tiny")
    assert question(dock).facts["speed"] == "about 9 s a frame where there is no GPU"
    question(dock).reject()
    dock.controller.choose_model("micro", "cpu")
    send(ModelLoaded(1, "micro", "cpu", True))
    assert "about 9 s a slice, about 27 s for 3 slices" in dock.model.warning.text()
    dock.controller.choose_model("micro", "cuda")
    assert dock.model.warning.isHidden()
    send(Failed(2, 0, "cuda is not available", "report", RequestKind.LOAD_MODEL, True))
    assert "about 9 s a slice" in dock.model.warning.text(), "it is on the CPU still"
    dock.controller.choose_model("micro", "cuda")
    send(ModelLoaded(3, "micro", "cuda", True))
    assert dock.model.warning.isHidden()


def test_words_for_a_download_and_for_speed():
    status = DownloadStatus("Tiny", done=45_000_000, total=156_000_000, rate=12_000_000.0)
    assert download_words(status) == "Tiny: 45 MB of 156 MB, 12 MB/s, 9 s left"
    assert download_words(DownloadStatus("Tiny", total=5)) == "Tiny: asking the server..."
    assert download_words(DownloadStatus("Tiny", done=5, total=5)) == "Tiny: checking the file..."
    assert speed_warning(DockState(seconds_a_frame=0.3)) == ""
    assert speed_warning(DockState(seconds_a_frame=None)) == ""
    assert "about 12 s a slice." in speed_warning(DockState(seconds_a_frame=12.0))


def test_the_address_of_a_server_and_the_name_of_the_model_are_not_cut_off(viewer, mocked, qtbot):
    dock, _, _ = mocked
    with qtbot.waitExposed(dock):
        dock.resize(310, 900)
        dock.show()
    for step in (dock.steps[2], dock.model_line):
        step.heading.click()
    for device in ("auto", "https://gpu.lab.org:15270"):
        dock.model.device.show_device(device)
        for menu in (dock.model.device, dock.model.model):
            qtbot.waitUntil(lambda menu=menu: menu.width() >= menu.fontMetrics().horizontalAdvance(menu.currentText()))
