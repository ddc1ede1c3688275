"""The part of the dock that says how a run goes: which way, with previews or without, learning from masks or not."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox

from ..dock_state import DockState
from ..words import learning_words
from .keys import printed
from .panel import Panel
from .pickers import Choice, button, line, row, tick

#: What the entries of the choice about learning stand for.
_ADAPT = (None, False, True)
#: What people call the ways a run can go.
_WAYS = {"both": "Both ways", "forward": "To higher {}s only", "backward": "To lower {}s only"}


class RunPanel(Panel):
    """How a run goes, and one frame alone."""

    segment_requested = Signal()
    direction_requested = Signal(str)
    preview_requested = Signal(bool)
    follow_requested = Signal(bool)
    learning_requested = Signal(object)
    bank_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.segment = button("", "Look at the current object on this frame")
        self.direction = Choice(*_WAYS, tip="Which way from the slices with prompts (the direction of propagation)")
        self.direction.setAccessibleName("Direction")
        self.preview: QCheckBox = tick("Preview while drawing", "Segment the slice in view after each prompt")
        self.follow: QCheckBox = tick("Follow the run", "")
        self.bank = button("Memory bank...", "See what is remembered, and what the model sees")
        self.words = line(dim=True)
        self.learning = Choice(
            *("Learn from masks: automatic", "Learn from masks: never", "Learn from masks: always"),
            tip="The bundled network learns from each mask what the object looks like, about 2 s for each",
        )
        self.learning.setAccessibleName("Learn from masks")
        self.column.addLayout(row(self.segment, self.direction))
        self.column.addLayout(row(self.preview, self.follow))
        self.column.addWidget(self.words)
        self.column.addWidget(self.learning)
        self.column.addWidget(self.bank)
        self.bank.clicked.connect(self.bank_requested)
        self.segment.clicked.connect(self.segment_requested)
        self.direction.activated.connect(lambda index: self.direction_requested.emit(tuple(_WAYS)[index]))
        self.preview.clicked.connect(self.preview_requested)
        self.follow.clicked.connect(self.follow_requested)
        self.learning.activated.connect(lambda index: self.learning_requested.emit(_ADAPT[index]))
        self._bind()

    def _bind(self) -> None:
        show = self.bindings.add
        show(lambda state: state.noun, self._show_noun)
        show(lambda state: bool(state.image), self.segment.setEnabled)
        show(lambda state: tuple(_WAYS).index(state.direction), self.direction.setCurrentIndex, of_hand=True)
        show(_is_long_stack, self.direction.setVisible)
        show(lambda state: state.preview, self.preview.setChecked, of_hand=True)
        show(lambda state: state.follow, self.follow.setChecked, of_hand=True)
        show(learning_words, self.words.setText)
        show(lambda state: bool(state.learning), self.words.setVisible)
        show(lambda state: bool(state.learning) or state.adapt is not None, self.learning.setVisible)
        show(lambda state: _ADAPT.index(state.adapt), self.learning.setCurrentIndex, of_hand=True)

    def _show_noun(self, noun: str) -> None:
        self.follow.setToolTip(f"Show each {noun} as the run comes to it")
        self.segment.setText(f"This {noun} only ({printed('segment')})")
        for index, words in enumerate(_WAYS.values()):
            self.direction.setItemText(index, words.format(noun))


def _is_long_stack(state: DockState) -> bool:
    return state.mode == "stack" and len(state.columns) > 1
