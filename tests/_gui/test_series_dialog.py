"""A folder with several series asks which: by keyboard, several at once, or none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication

from napari_medsam2._gui import readers
from napari_medsam2._gui.readers import NOTHING, get_reader
from napari_medsam2._gui.series_dialog import SeriesDialog
from napari_medsam2.errors import SeriesError, SeriesInfo
from napari_medsam2.images.opened import Axis, OpenedImages

SERIES = (
    SeriesInfo(0, "T1 axial", "24 slices of 64 x 64 pixels", "MR"),
    SeriesInfo(1, "T2 axial", "24 slices of 64 x 64 pixels", "MR"),
    SeriesInfo(2, "", "1 image of 512 x 512 pixels", "OT"),
)


@pytest.fixture
def several(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is read holds these series."""

    def read_images(path: Path, *, series=None, **options):
        if series is None:
            raise SeriesError("scan holds several images: 0, 1 and 2", SERIES)
        axes = (Axis("z"), Axis("y"), Axis("x"))
        return OpenedImages(SERIES[series].name, np.full((2, 8, 8), series, np.uint8), axes, left_out=("a scout",))

    monkeypatch.setattr(readers, "read_images", read_images)


def test_all_that_tells_series_apart_is_shown_and_the_first_is_chosen(qtbot) -> None:
    dialog = SeriesDialog("scan", SERIES)
    qtbot.addWidget(dialog)
    rows = [[dialog.list.topLevelItem(row).text(column) for column in range(3)] for row in range(3)]
    assert rows[1] == ["T2 axial", "MR", "24 slices of 64 x 64 pixels"] and rows[2][0] == "2", "its key, without a name"
    assert dialog.chosen == [SERIES[0]]


def test_it_is_used_by_keyboard_alone(qtbot) -> None:
    dialog = SeriesDialog("scan", SERIES)
    qtbot.addWidget(dialog)
    dialog.show()
    qtbot.waitExposed(dialog)
    qtbot.keyClick(dialog.list, Qt.Key.Key_Down)
    assert dialog.chosen == [SERIES[1]]
    qtbot.keyClick(dialog.list, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    assert dialog.chosen == list(SERIES[1:])
    qtbot.keyClick(dialog.list, Qt.Key.Key_Return)
    assert dialog.result() == SeriesDialog.DialogCode.Accepted


def test_nothing_chosen_cannot_be_opened(qtbot) -> None:
    dialog = SeriesDialog("scan", SERIES)
    qtbot.addWidget(dialog)
    dialog.list.clearSelection()
    assert dialog.chosen == [] and not dialog.buttons.button(dialog.buttons.StandardButton.Open).isEnabled()


@pytest.mark.parametrize(("rows", "names"), [([1], ["T2 axial"]), ([0, 1], ["T1 axial", "T2 axial"]), (None, [])])
def test_in_a_window_each_that_is_chosen_becomes_a_layer(make_napari_viewer, several, tmp_path, rows, names) -> None:
    viewer = make_napari_viewer(show=True)
    asked = []

    timer = QTimer()

    def answer() -> None:
        dialog = QApplication.activeModalWidget()
        if dialog is None:
            return  # not there yet
        timer.stop()
        asked.append(dialog)
        dialog.list.clearSelection()
        for row in rows or ():
            dialog.list.topLevelItem(row).setSelected(True)
        dialog.reject() if rows is None else dialog.accept()

    timer.timeout.connect(answer)
    timer.start(50)
    viewer.open(tmp_path, plugin="napari-medsam2")
    assert asked and [layer.name for layer in viewer.layers] == names
    assert [layer.visible for layer in viewer.layers] == [True, False][: len(names)], "the first is shown"
    assert [int(layer.data.max()) for layer in viewer.layers] == (rows or [])


def test_without_a_window_the_series_are_listed_in_the_error(several, tmp_path) -> None:
    with pytest.raises(SeriesError, match="several images"):
        get_reader(str(tmp_path))(str(tmp_path))


def test_in_a_window_an_error_is_told_in_words_and_no_layer_opens(make_napari_viewer, tmp_path, monkeypatch) -> None:
    make_napari_viewer(show=True)
    told: list[str] = []
    monkeypatch.setattr(readers, "show_error", told.append)
    (tmp_path / "scan.nii").write_bytes(b"no image")
    path = str(tmp_path / "scan.nii")
    assert get_reader(path)(path) == NOTHING
    assert len(told) == 1 and "scan.nii" in told[0]
