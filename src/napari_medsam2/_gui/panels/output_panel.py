"""The part of the dock that says which layer the labels go to, and saves them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from ...images.writers.formats import FORMATS, all_suffixes
from ...images.writers.table import TABLE_SUFFIX
from ...session.session_file import SUFFIX
from .panel import Panel
from .pickers import Choice, LayerPicker, button, line, row

_TABLE = "Table of areas, boxes and confidences"
_FOLDER = "Folder with one file for each image (*)"


class OutputPanel(Panel):
    """Where the labels go."""

    output_requested = Signal(object, bool)
    save_requested = Signal(str)
    session_requested = Signal(str)

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self.output = LayerPicker(viewer, (Labels,), "New layer")
        self.output.setToolTip("The Labels layer that results are written to: one of ours, or one of yours")
        self.keep = Choice(
            "keep labels",
            "overwrite",
            tip="In a layer of yours: which wins where a result meets a label that was there",
        )
        self.save = button("Save labels...", "Write the labels to a file beside the image, in the format you choose")
        self.session = button(
            "Save session...",
            "Write prompts, labels, objects and settings to one file, which opens in napari as it is now",
        )
        self.output.setAccessibleName("Labels go to")
        self.keep.setAccessibleName("Where a label was there before")
        self._save_as = Path()
        self.column.addLayout(row(self.save, self.session))
        self.column.addWidget(line("Labels go to this layer:", dim=True))
        self.column.addLayout(row(self.output, self.keep))
        self.output.layer_picked.connect(self._on_output)
        self.keep.activated.connect(self._on_output)
        self.save.clicked.connect(self._on_save)
        self.session.clicked.connect(self._on_session)
        self.bindings.add(lambda state: bool(state.image), self.save.setEnabled)
        self.bindings.add(lambda state: bool(state.image), self.session.setEnabled)
        self.bindings.add(lambda state: state.save_as, self._propose)
        self.bindings.add(lambda state: state.output, self._show_output, of_hand=True)
        self.bindings.add(lambda state: 0 if state.keep else 1, self.keep.setCurrentIndex, of_hand=True)

    def _show_output(self, layer: Labels | None) -> None:
        if self.output.layer is not layer:
            self.output.pick(layer)
        self.keep.setEnabled(layer is not None)

    def _propose(self, path: Path) -> None:
        self._save_as = path

    def _on_output(self) -> None:
        self.output_requested.emit(self.output.layer, self.keep.currentIndex() == 0)

    def _on_save(self) -> None:
        dialog = SaveDialog(self, self._save_as)
        if dialog.exec():
            self.save_requested.emit(dialog.chosen())

    def _on_session(self) -> None:
        proposed = session_beside(self._save_as)
        path, _ = QFileDialog.getSaveFileName(self, "Save session", str(proposed), f"Sessions (*{SUFFIX})")
        if path:
            self.session_requested.emit(path if path.endswith(SUFFIX) else path + SUFFIX)


def session_beside(labels: Path) -> Path:
    """Where a session goes unless the user says otherwise, next to where its labels would."""
    stem = labels.name.removesuffix(next((end for end in all_suffixes() if _ends(labels, end)), ""))
    return labels.with_name(stem.removesuffix("_labels") + SUFFIX) if stem else labels


class SaveDialog(QFileDialog):
    """Asks where labels go, and in which format.

    Parameters
    ----------
    parent
        The panel.
    proposed
        What is filled in.
    """

    def __init__(self, parent: QWidget, proposed: Path) -> None:
        super().__init__(parent, "Save labels", str(proposed.parent) if proposed.is_absolute() else "")
        self.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        self._suffixes = {_filter_of(written.title, written.suffixes): written.suffixes for written in FORMATS}
        self._suffixes |= {_filter_of(_TABLE, (TABLE_SUFFIX,)): (TABLE_SUFFIX,), _FOLDER: ("",)}
        self.setNameFilters(list(self._suffixes))
        self._own = next(end for end in (*sorted(all_suffixes(), key=len, reverse=True), "") if _ends(proposed, end))
        self._stem = proposed.name.removesuffix(self._own)
        chosen = next(words for words, suffixes in self._suffixes.items() if self._own in suffixes)
        self.selectNameFilter(chosen)
        self.filterSelected.connect(self._on_filter)
        self._show(self._own)

    def chosen(self) -> str:
        """The path; one of a folder with a file for each image ends with a slash."""
        path = str(self.selectedFiles()[0])
        return path + "/" if self.selectedNameFilter() == _FOLDER else path

    def _on_filter(self, words: str) -> None:
        self._show(self._suffixes[words][0])

    def _show(self, suffix: str) -> None:
        self.setDefaultSuffix(suffix.removeprefix("."))  # before the dialog asks whether to write over a file
        self.selectFile(self._stem + suffix)


def _ends(path: Path, suffix: str) -> bool:
    return path.name.lower().endswith(suffix)


def _filter_of(title: str, suffixes: Sequence[str]) -> str:
    return f"{title} ({' '.join(f'*{suffix}' for suffix in suffixes)})"
