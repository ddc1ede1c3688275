"""What was found against a reference layer: a table, a plot, and what they are of."""

from __future__ import annotations

import math

from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QFileDialog, QHeaderView, QTableWidget, QTableWidgetItem

from ...evaluation.agreement import FrameScore, ReferenceScores
from ..dock_state import DockState
from .panel import Panel
from .pickers import Choice, LayerPicker, button, line, row
from .score_plot import ScorePlot

#: What can be plotted.
_SCORES = ("dice", "iou", "hd95")


class ScorePanel(Panel):
    """Dice, IoU and HD95 of each frame and of all."""

    compare_requested = Signal(object)
    frame_requested = Signal(int)
    save_requested = Signal(str)

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self.reference = LayerPicker(viewer, (Labels,), "No reference")
        self.reference.setToolTip("A Labels layer that is known to be right, of the same size and in the same place")
        self.reference.setAccessibleName("Reference")
        self.compare = button("Compare", "Score what is shown now; press again after something changed")
        self.words = line(dim=True)
        self.objects = Choice(tip="The object whose scores are shown")
        self.objects.setAccessibleName("Object")
        self.score = Choice("Dice", "IoU", "HD95", tip="What the plot shows")
        self.score.setAccessibleName("Plotted")
        self.plot = ScorePlot()
        self.table = QTableWidget(0, 4)
        self.save = button("Save scores...", "Write all of it to a CSV file")
        self._scores: tuple[ReferenceScores, ...] = ()
        self._noun = "slice"
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setMinimumHeight(120)
        if (beside := self.table.verticalHeader()) is not None:
            beside.setVisible(False)
        if (above := self.table.horizontalHeader()) is not None:
            above.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
            for column in (0, 3):
                above.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        self.column.addLayout(row(self.reference, self.compare, stretch=(1, 0)))
        self.column.addWidget(self.words)
        self.column.addLayout(row(self.objects, self.score))
        self.column.addWidget(self.plot)
        self.column.addWidget(self.table, 1)
        self.column.addWidget(self.save)
        self.reference.layer_picked.connect(self.compare_requested)
        self.compare.clicked.connect(lambda: self.compare_requested.emit(self.reference.layer))
        self.plot.frame_requested.connect(self.frame_requested)
        self.table.cellClicked.connect(self._on_cell)
        for choice in (self.objects, self.score):
            choice.activated.connect(self._show)
        self.save.clicked.connect(self._on_save)
        self._bind()

    def _bind(self) -> None:
        show = self.bindings.add
        show(lambda state: state.noun, self._show_noun)
        show(lambda state: state.has_results, self.compare.setEnabled)
        show(score_words, self.words.setText)
        show(lambda state: state.scores, self._show_scores)
        show(lambda state: state.frame, self.plot.set_frame)
        for part in (self.objects, self.score, self.plot, self.table, self.save):
            show(lambda state: bool(state.scores), part.setVisible)

    def _show_noun(self, noun: str) -> None:
        self._noun = noun

    def _show_scores(self, scores: tuple[ReferenceScores, ...]) -> None:
        before = self.objects.currentText()
        self._scores = scores
        self.objects.clear()
        for one in scores:
            against = "" if one.object_id == one.label else f" (label {one.label})"
            self.objects.addItem(f"Object {one.object_id}{against}")
        self.objects.setCurrentIndex(max(0, self.objects.findText(before)))
        self._show()

    def _show(self) -> None:
        """Fill the plot and the table with the chosen object."""
        if not self._scores:
            return
        one = self._scores[max(0, self.objects.currentIndex())]
        name = _SCORES[self.score.currentIndex()]
        values = tuple(getattr(score, name) for score in one.frames)
        finite = [value for value in values if math.isfinite(value)]
        words = tuple(f"{self._noun} {score.frame}: {_cells(score, one.unit)}" for score in one.frames)
        self.plot.set_values(values, words, max(finite, default=1.0) if name == "hd95" else 1.0, name == "hd95")
        self.table.setHorizontalHeaderLabels([self._noun.capitalize(), "Dice", "IoU", f"HD95 ({one.unit})"])
        rows = (one.total, *one.frames)
        self.table.setRowCount(len(rows))
        for place, score in enumerate(rows):
            where = "all" if score.frame is None else str(score.frame)
            for column, text in enumerate((where, *map(_number, (score.dice, score.iou, score.hd95)))):
                item = QTableWidgetItem(text)
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.table.setItem(place, column, item)

    def _on_cell(self, place: int, column: int) -> None:
        if place > 0:
            self.frame_requested.emit(place - 1)

    def _on_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save scores", "scores.csv", "Tables (*.csv)")
        if path:
            self.save_requested.emit(path)


def score_words(state: DockState) -> str:
    """What the scores are of, or what to do for some."""
    if state.scoring is not None:
        return f"Comparing: {state.scoring:.0%}"
    if not state.scores:
        return "Choose a Labels layer that is right, to see how near the result is."
    means = "together" if state.mode == "stack" else "on average"
    return "; ".join(f"Object {s.object_id}: Dice {s.total.dice:.3f} {means}" for s in state.scores[:4])


def _number(value: float) -> str:
    if math.isnan(value):
        return "-"
    return "none" if math.isinf(value) else f"{value:.3f}"


def _cells(score: FrameScore, unit: str) -> str:
    return f"Dice {_number(score.dice)}, IoU {_number(score.iou)}, HD95 {_number(score.hd95)} {unit}"
