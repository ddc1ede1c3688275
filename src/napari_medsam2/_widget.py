"""The dock: builds its panels, connects them to the controller, shows the state."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, get_args

import napari
from napari.layers import Layer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QVBoxLayout

from ._gui.bank_dock import open_bank, tell_banks
from ._gui.binding import hold_constants
from ._gui.commands import open_review
from ._gui.controller import Controller
from ._gui.dock_state import ModelPhase
from ._gui.docking import Docked
from ._gui.guide import LONGEST, next_step
from ._gui.layers.tools import Tool
from ._gui.panels.bindings import Bindings
from ._gui.panels.consent import ConsentDialog
from ._gui.panels.file_question import FileQuestion
from ._gui.panels.footer import Footer
from ._gui.panels.hint import HelpButton, Hint
from ._gui.panels.image_panel import ImagePanel
from ._gui.panels.keys import KeyBindings
from ._gui.panels.message_bar import MessageBar
from ._gui.panels.model_panel import ModelPanel
from ._gui.panels.object_table import ObjectTable
from ._gui.panels.output_panel import OutputPanel
from ._gui.panels.panel import Panel
from ._gui.panels.pickers import ScrolledColumn
from ._gui.panels.prompt_panel import PromptPanel
from ._gui.panels.recovery_panel import QuestionPanel, RecoveryPanel
from ._gui.panels.remote_dialog import RemoteDialog
from ._gui.panels.report_dialog import ReportDialog, copy_text
from ._gui.panels.review_panel import ReviewPanel
from ._gui.panels.run_panel import RunPanel
from ._gui.panels.shades import ThemeFollower
from ._gui.panels.steps import Step
from ._gui.panels.tab_order import add_pane_key, set_tab_order
from ._gui.report import report_of
from ._gui.review_dock import close_reviews
from ._gui.words import SUMMARIES, model_line, tool_words
from .models.registry import MODELS, ModelEntry
from .session.saved import SavedImage


class MedSamDock(Docked):
    """Plugins > MedSAM-2.

    Parameters
    ----------
    napari_viewer
        The viewer that the dock is added to. Each dock has its own engine and state.
    controller
        Another controller, for tests.
    """

    tab_title = "MedSAM-2"

    def __init__(self, napari_viewer: napari.viewer.Viewer, controller: Controller | None = None) -> None:
        super().__init__()
        hold_constants()
        # napari hands plugins a proxy whose layers are new proxies each time; layers are told apart by identity here.
        viewer: napari.viewer.Viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self._viewer = viewer
        self.controller = controller or Controller(viewer)
        self.destroyed.connect(self.controller.stop_engine)
        self._closed = False
        self.hint = Hint(LONGEST)
        self.help = HelpButton()
        self.recovery = RecoveryPanel()
        self.question = QuestionPanel()
        self.image = ImagePanel(viewer)
        self.objects = ObjectTable()
        self.prompt = PromptPanel(viewer)
        self.run = RunPanel()
        self.run.bank_requested.connect(open_bank)
        self.model = ModelPanel()
        self.review = ReviewPanel()
        self.output = OutputPanel(viewer)
        self.message = MessageBar()
        self.footer = Footer()
        self.model_line = Step("", self.model, is_open=False)
        self.steps = (
            Step("1 Image", self.image, is_open=True),
            Step("2 Objects", self.objects, self.prompt, is_open=True),
            Step("3 Run", self.run, self.model_line, is_open=False),
            Step("4 Review and save", self.review, self.output, is_open=True),
        )
        first, last = (self.image, self.objects, self.prompt), (self.review, self.output, self.footer)
        self._panels = (*first, self.run, self.model, *last)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 6, 8, 6)
        column.setSpacing(5)
        top = QHBoxLayout()
        top.addWidget(self.hint, 1)
        top.addWidget(self.help, 0, Qt.AlignmentFlag.AlignTop)
        column.addLayout(top)
        for part in (ScrolledColumn(self.recovery, self.question, *self.steps), self.message, self.footer):
            column.addWidget(part)
        set_tab_order(column)
        add_pane_key(self, self.steps[0].heading)
        self.theme = ThemeFollower(viewer, self)
        self.model.server_requested.connect(self._on_server_wanted)
        self.model.device.list_servers(tuple(server.address for server in self.controller.servers.all))
        self.keys = KeyBindings(viewer, self._actions())
        self.bindings = Bindings()
        self._bind()
        self._connect()
        self.review.more_requested.connect(open_review)
        self.controller.choose_image(self.image.picker.layer)
        self._on_changed()

    def _connect(self) -> None:
        do, objects = self.controller, self.controller.objects
        do.store.changed.connect(self._on_changed)
        do.images.layer_made.connect(self._on_layer_made)
        do.models.download_offered.connect(self._on_download_offered)
        do.models.file_asked.connect(self._on_file_asked)
        self.message.copy_requested.connect(self._on_copy)
        self.message.more_requested.connect(self._on_show_report)
        self.help.copy_requested.connect(self._on_copy)
        self.help.show_requested.connect(self._on_show_report)
        self.message.close_requested.connect(do.store.say)
        image, table, prompt, run, model, review, output, footer = self._panels
        requests: tuple[tuple[Panel, Any, Callable[..., object]], ...] = (
            (image, image.image_requested, do.choose_image),
            (image, image.open_requested, lambda paths: do.open_paths([Path(path) for path in paths])),
            (image, image.axis_requested, do.choose_axis),
            (image, image.mode_requested, do.choose_mode),
            (model, model.contrast_requested, do.choose_contrast),
            (model, model.model_requested, do.choose_model),
            (model, model.cancel_requested, do.models.cancel_download),
            (table, table.object_requested, objects.choose),
            (table, table.new_requested, objects.begin),
            (table, table.name_requested, lambda number, name: objects.call(number, name=name)),
            (table, table.colour_requested, lambda number, colour: objects.call(number, colour=colour)),
            (table, table.shown_requested, objects.show),
            (table, table.delete_requested, objects.delete),
            (table, table.merge_requested, objects.merge),
            (table, table.split_requested, lambda number, everywhere: objects.split(number, everywhere=everywhere)),
            (prompt, prompt.tool_requested, do.use_tool),
            (prompt, prompt.sign_requested, do.toggle_sign),
            (prompt, prompt.reading_requested, do.choose_other_reading),
            (prompt, prompt.layer_requested, do.adopt_layer),
            (run, run.preview_requested, do.choose_preview),
            (run, run.learning_requested, do.images.choose_learning),
            (run, run.segment_requested, do.segment_frame),
            (run, run.direction_requested, do.choose_direction),
            (run, run.follow_requested, do.review.choose_following),
            (review, review.undo_requested, do.undo),
            (review, review.redo_requested, do.redo),
            (review, review.commit_requested, do.commit),
            (review, review.clear_requested, do.clear),
            (review, review.check_requested, do.review.next_to_check),
            (review, review.accept_requested, do.review.accept),
            (review, review.next_requested, do.next_thing),
            (footer, footer.propagate_requested, do.propagate),
            (footer, footer.segment_requested, do.segment_frame),
            (footer, footer.pause_requested, do.pause_or_resume),
            (footer, footer.cancel_requested, do.cancel),
            (footer, footer.frame_requested, do.go_to_frame),
            (footer, footer.object_requested, objects.choose),
            (output, output.output_requested, lambda layer, keep: do.choose_output(layer, keep=keep)),
            (output, output.save_requested, do.save),
            (output, output.session_requested, do.save_session),
        )
        self.recovery.restore_requested.connect(do.restore_recovery)
        self.recovery.discard_requested.connect(do.discard_recovery)
        self.question.answered.connect(do.sessions.answer)
        do.sessions.place_wanted.connect(self._on_place_wanted)
        for panel, request, action in requests:
            request.connect(_answering(do, panel, action))

    def _bind(self) -> None:
        # No methods of this widget: holding itself, it would not end with the last one who holds it, but whenever and
        # on whatever thread Python collects garbage, which Qt does not survive.
        self.bindings.add(next_step, self.hint.say)
        for step, summary in zip(self.steps, SUMMARIES, strict=True):
            self.bindings.add(summary, step.heading.show_summary)
        self.bindings.add(model_line, self.model_line.heading.show_summary)
        # Once there is an image, what matters of it is in the heading; without one that is where to begin.
        self.bindings.add(lambda state: not state.image, self.steps[0].suggest)
        # Where no model could be loaded, that is where another one, or a server, is chosen.
        for step in (self.steps[2], self.model_line):
            self.bindings.add(lambda state: state.model_phase is ModelPhase.MISSING, partial(_open_once, step))
        self.bindings.add(lambda state: state.running or state.drawing, partial(self.keys.set_bound, "stop"))
        self.bindings.add(lambda state: state.drawing, partial(self.keys.set_bound, "close"))
        self.bindings.add(tool_words, self.keys.set_help)

    def _actions(self) -> dict[str, Any]:
        do = self.controller
        return {
            **{tool: partial(do.use_tool, tool) for tool in get_args(Tool)},
            "sign": do.toggle_sign,
            "reading": do.choose_other_reading,
            "segment": do.segment_frame,
            "propagate": do.propagate,
            "commit": do.commit,
            "clear": do.clear,
            "next": do.next_thing,
            "check": do.review.next_to_check,
            "accept": do.review.accept,
            "undo": do.undo,
            "redo": do.redo,
            "stop": do.stop,
            "close": do.close_polygon,
        }

    def close_dock(self, timeout: float = 0.0) -> None:
        """Stop the engine, give the keys back and let go of the viewer; all layers stay."""
        if not self._closed:
            self._closed = True
            self.keys.release_all()
            self.theme.release()
            tell_banks(self._viewer, None)
            close_reviews(self._viewer)
            for picker in (self.image.picker, self.prompt.adopt, self.output.output):
                picker.release()
            self.controller.close(timeout)

    def on_docked(self, first: bool) -> None:
        tell_banks(self._viewer, self.controller)

    def on_undocked(self) -> None:
        self.close_dock()

    def _on_changed(self) -> None:
        state = self.controller.state
        for part in (*self._panels, self.recovery, self.question, self.message, self):
            part.bindings.apply(state)

    def _on_layer_made(self, layer: Layer, made: bool) -> None:
        self.prompt.adopt.hide_layer(layer, made)
        self.output.output.hide_layer(layer, made)

    def _on_download_offered(self, name: str) -> None:
        models = self.controller.models
        dialog = ConsentDialog(MODELS[name], models.speed(MODELS[name]), self)
        dialog.accepted.connect(lambda: models.download(name))
        dialog.open()

    def _on_server_wanted(self) -> None:
        do = self.controller
        self.model.bindings.restore(do.state)
        dialog = RemoteDialog(do.servers.all, do.state.model, self)
        dialog.chosen.connect(lambda server, model, keep_key: do.use_server(server, model, keep_key=keep_key))
        dialog.open()

    def _on_file_asked(self, file: str, device: str, choices: tuple[ModelEntry, ...]) -> None:
        dialog = FileQuestion(file, choices, self)
        dialog.answered.connect(lambda name: self.controller.models.settle(file, device, name))
        dialog.open()

    def _on_place_wanted(self, image: SavedImage) -> None:
        """Have the user look for the images of a session; the window stays usable meanwhile."""
        dialog = QFileDialog(self, f"Where is '{image.name}'?")
        a_file = bool(Path(image.path).suffix)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile if a_file else QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(lambda path: self.controller.sessions.take_place(Path(path)))
        dialog.open()

    def _on_copy(self) -> None:
        copy_text(report_of(self.controller.state, self.controller.store.log))

    def _on_show_report(self) -> None:
        ReportDialog(report_of(self.controller.state, self.controller.store.log), self).show()


def _open_once(step: Step, is_needed: bool) -> None:
    """Open a step; whether it is folded again is for the user to say."""
    if is_needed:
        step.suggest(True)


def _answering(do: Controller, panel: Panel, action: Callable[..., object]) -> Callable[..., None]:
    """Do what a panel asks for; then it shows what has come of that, whatever the user made of its widgets."""

    def answer(*asked: Any) -> None:
        action(*asked)
        panel.bindings.restore(do.state)

    return answer
