"""The layers of one image in one viewer: prompt layers, the output layer, and what the user does in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from napari.layers import Image, Labels, Layer, Points, Shapes
from napari.utils.events import Event
from qtpy.QtCore import QTimer

from ...engine.events import Restored
from ...errors import OutputError, PromptError
from ...prompts import MaskPrompt, Prompt
from ...results import FrameResult
from .coordinates import WorldPoint, measure_in, world_units
from .past import Past
from .pen import Stroke
from .prompt_book import PromptBook, Source
from .results import ResultView
from .roster import Roster
from .sequence import ImageSequence
from .strokes import paint_outline, placed, scribbled
from .tools import PromptTools, Tool, place_below


class Workspace:
    """Prompts and results of one sequence.

    Parameters
    ----------
    sequence
        The image.
    edited
        Called after the user changed prompts in any layer, with what could not be used, in words, and as ``note`` what
        else there is to say.
    made
        Called with each layer of ours that is new, and with ``False`` when it is let go.
    changed
        Called when something else is to be shown.
    """

    def __init__(
        self,
        sequence: ImageSequence,
        edited: Callable[..., None],
        made: Callable[[Layer, bool], None],
        changed: Callable[[], None],
    ) -> None:
        image, layout = sequence.image, sequence.layout
        self.sequence, self.past = sequence, Past()
        self.book = PromptBook(image, layout, self._counts_units)
        self.results = ResultView(image, layout, self._place)
        self.tools = PromptTools(sequence.viewer, image, layout, self._take_ours, self._on_stroke, changed)
        self.roster = Roster(self.book, self.results, self.tools, self.quiet)
        self._dragging = self._quiet = False
        self._painted: set[int] = set()  # frames whose strokes are not read yet
        self._watched: Labels | None = None
        self._edited, self._made = edited, made

    @property
    def image(self) -> Image:
        """The image layer."""
        return self.sequence.image

    @property
    def objects(self) -> set[int]:
        """Numbers of the objects that have a prompt, a result or a name."""
        return {*self.book.objects, *self.results.objects, *self.roster.called}

    @property
    def output_layer(self) -> Labels | None:
        """The layer that results are written to, ours or the user's; ``None`` while none was needed."""
        return self.results.output.layer if self.results.output else None

    @property
    def own_layers(self) -> list[Layer]:
        """Prompt and output layers that we made."""
        return [*self.tools.layers, *([out.layer] if (out := self.results.output) and out.ours else [])]

    @property
    def busy(self) -> bool:
        """True while the user draws in the output layer: results must wait, or they would wipe the stroke out."""
        return self._dragging or bool(self._painted)

    @property
    def tool(self) -> str:
        """The prompt tool in hand, "" for none."""
        return self.tools.tool_of(self.sequence.viewer.layers.selection.active, self.output_layer)

    # ---- tools ---------------------------------------------------------------------------------------------------

    def use(self, tool: Tool, object_id: int, positive: bool) -> None:
        """Take a tool in hand for this object, with this sign."""
        self.tools.use(tool, object_id, positive, self._painted_layer)
        self.roster.aim(object_id)

    def aim(self, object_id: int, positive: bool) -> None:
        """Make the next prompt go to this object; in a user's layer only while its brush is our tool."""
        output = self.results.output
        self.tools.aim(object_id, positive, output.layer if output and (output.ours or self.tool == "mask") else None)
        self.roster.aim(object_id)

    def _painted_layer(self) -> Labels:
        output = self.results.labels()
        if output.ours:
            measure_in(world_units(self.sequence.viewer) or self.image.units, output.layer)
        self.watch_output()
        return output.layer

    # ---- layers --------------------------------------------------------------------------------------------------

    def adopt(self, layer: Layer, object_id: int) -> None:
        """Take a layer of the user's as a source of prompts."""
        self._add_source(layer, ours=False, object_id=object_id)

    def choose_output(self, layer: Labels | None, *, keep: bool) -> None:
        """Write results to a layer of the user's, or to one of ours (``None``); see :class:`ResultView`."""
        self.results.choose_output(layer, keep=keep, counted=self._counts_units())
        self.watch_output()

    def let_go(self, layer: Layer) -> Literal["prompts", "output"] | None:
        """Take note that a layer was removed; return what it was, ``None`` if nothing of this."""
        if self.book.source_of(layer) is not None:
            self._disconnect(layer)
            self.book.remove_source(layer)
            self.tools.forget(layer)
            return "prompts"
        if layer is self.output_layer:
            self.unwatch_output()
            self.results.withdraw()
            return "output"
        self.tools.forget(layer)
        return None

    def hand_over(self, edited: Callable[..., None], made: Callable[[Layer, bool], None]) -> None:
        """Go on in another dock, after :meth:`close`: it has its own ways to hear of edits and layers."""
        self._edited, self._made, self.past.taken_up = edited, made, True

    def close(self) -> None:
        """Let go of all layers; they stay in the viewer as they are, and :meth:`reopen` goes on with them."""
        for source in self.book.sources:
            self._disconnect(source.layer)
        self.tools.close()
        for layer in self.own_layers:
            self._made(layer, False)
        self.unwatch_output()

    def reopen(self) -> None:
        """Go on where :meth:`close` left off, with the layers that are still there as they are now."""
        layers = self.sequence.viewer.layers
        for layer in [source.layer for source in self.book.sources]:
            self.book.touch(layer)
            if layer in layers:
                self._connect(layer)
            else:
                self.book.remove_source(layer)
        for layer in self.tools.layers:
            (self.tools.reopen if layer in layers else self.tools.forget)(layer)
        if self.output_layer is not None and self.output_layer not in layers:
            self.results.withdraw()
        for layer in self.own_layers:
            self._made(layer, True)
        self.watch_output()
        self.past.taken_up &= not self.book.changes()  # results that were found without them are not up to date

    def disarm(self) -> None:
        """Put the drawing tool away: what would be drawn from now on is no prompt."""
        viewer = self.sequence.viewer
        if self.tool:
            viewer.layers.selection.active.mode = "pan_zoom"
            if self.image in viewer.layers:
                viewer.layers.selection.active = self.image

    def _counts_units(self) -> bool:
        return world_units(self.sequence.viewer) is not None

    def _take_ours(self, layer: Layer) -> None:
        if layer in self.tools.sources:
            self._add_source(layer, ours=True, object_id=1)
        self._made(layer, True)

    def _place(self, layer: Labels) -> None:
        place_below(self.sequence.viewer, layer, self.tools.layers)
        self.roster.show()
        self._made(layer, True)

    def _add_source(self, layer: Layer, *, ours: bool, object_id: int) -> None:
        self.book.add_source(Source(layer, ours, WorldPoint.of(self.sequence.viewer), object_id))
        self._connect(layer)

    def _connect(self, layer: Layer) -> None:
        emitter = layer.events.paint if isinstance(layer, Labels) else layer.events.data
        emitter.connect(self._on_prompts)

    def _disconnect(self, layer: Layer) -> None:
        emitter = layer.events.paint if isinstance(layer, Labels) else layer.events.data
        emitter.disconnect(self._on_prompts)

    def watch_output(self) -> None:
        """Listen to strokes in the output layer."""
        layer = self.output_layer
        if layer is self._watched:
            return
        self.unwatch_output()
        if layer is not None:
            layer.events.paint.connect(self._on_painted)
            layer.mouse_drag_callbacks.insert(0, self._on_drag)  # before napari, which draws
        self._watched = layer

    def unwatch_output(self) -> None:
        """Listen no more to strokes in the output layer."""
        if self._watched is not None:
            self._watched.events.paint.disconnect(self._on_painted)
            self._watched.mouse_drag_callbacks.remove(self._on_drag)
            self._watched, self._dragging = None, False

    # ---- what the user does in them --------------------------------------------------------------------------------

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Change layers without that counting as the user's edits."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    def restore(self, event: Restored) -> None:
        """Show prompts and results as they are after an undo, a redo or a reset."""
        with self.quiet():
            self.book.restore(event.prompts)
        self.results.replace(event.results)
        self.roster.take(event.called)

    def take_up(self, prompts: Sequence[Prompt], results: Mapping[tuple[int, int], FrameResult], past: Past) -> None:
        """Show prompts and results of an earlier time; a session that is opened for them takes them as they are."""
        with self.quiet():
            self.tools.make_all()
            self.book.restore(prompts)
        self.results.replace(results)
        self.past = past

    def show_results(self, in_view: int | None) -> None:
        """Write late results to the output layer; the frame in view is redrawn (``None``: all are)."""
        with self.quiet():
            self.results.flush(in_view)
        self.watch_output()

    def _on_prompts(self, event: Event) -> None:
        action = str(getattr(event, "action", "changed")).lower()
        if self._quiet or action.endswith("ing") or event.source is self.output_layer:
            return  # in an output layer results are painted too: there only strokes are prompts
        self.book.touch(event.source)
        if isinstance(event.source, Labels):
            QTimer.singleShot(0, lambda: self._edited(""))  # napari tells of some strokes before it writes them
        elif event.source in self.tools.sources:
            self._edited(*self._sort_out(event.source))
        else:
            self._edited("")

    def _sort_out(self, layer: Points | Shapes) -> tuple[str, str]:
        """Take from a layer of ours what is no prompt; returns what is wrong with it, and what else there is to say."""
        reading = self.book.read(layer)
        outlines = [] if isinstance(layer, Points) else list(zip(layer.data, layer.features["positive"], strict=True))
        erasing = [index for index, (_, positive) in enumerate(outlines) if not positive]
        strokes = [Stroke("polygon", outlines[index][0], positive=False) for index in erasing]
        useless = {*reading.unusable, *erasing}
        if useless:
            with self.quiet():
                layer.selected_data = useless
                layer.remove_selected()
            self.book.touch(layer)
        told = [self._take_stroke(stroke, layer) for stroke in strokes] or [("", "")]
        problems = [] if strokes else list(reading.problems)
        return " ".join(filter(None, (*problems, *(problem for problem, _ in told)))), told[-1][1]

    def _on_stroke(self, stroke: Stroke) -> None:
        if self.tools.pen is not None:
            self._edited(*self._take_stroke(stroke, self.tools.pen.layer))

    def _take_stroke(self, stroke: Stroke, layer: Layer) -> tuple[str, str]:
        """Take what was drawn in a layer of ours; returns what is wrong with it, and what else there is to say."""
        number = self.tools.object_id
        try:
            point = WorldPoint.of(self.sequence.viewer)
            there = placed(stroke, layer, self.image, self.sequence.layout, point)
            if stroke.tool == "scribble":
                known = self.book.groups.get((number, there.frame))
                clicks = scribbled(there, stroke.positive, known.points if known is not None else ())
                with self.quiet():
                    self.tools.click(self.sequence.layout.on_level(clicks), stroke.positive)
                self.book.touch(self.tools.points)
                return "", there.note
            self._painted_layer()
            paint_outline(there, stroke.positive, self.results.labels(), number)
        except (PromptError, OutputError) as error:
            return str(error), ""
        self._painted.add(there.frame)
        return self._take_painted(number), there.note

    def _on_drag(self, layer: Labels, event: Any) -> Iterator[None]:
        self._dragging = True
        label = layer.selected_label
        try:
            if layer.mode == "paint" and "Control" in event.modifiers:
                layer.selected_label = 0  # napari asks once, after this
            yield
            layer.selected_label = label
            while event.type == "mouse_move":
                yield
        finally:
            self._dragging = False

    def _on_painted(self, event: Event) -> None:
        output = self.results.output
        if self._quiet or output is None:
            return
        if not self._painted:
            QTimer.singleShot(0, self._read_strokes)  # napari tells of some strokes before it writes them
        self._painted |= self.sequence.painted(event.value)

    def _read_strokes(self) -> None:
        output = self.results.output
        if output is None or self._watched is None:
            self._painted = set()
        else:
            self._edited(self._take_painted(int(output.layer.selected_label)))

    def _take_painted(self, current: int) -> str:
        """Make prompts of what was painted for the current object, and maybe others; returns what is wrong with it."""
        frames, self._painted = self._painted, set()
        output = self.results.labels()
        known = {*self.objects, current}
        found = {frame: self.results.shown_on(frame) for frame in frames}
        problem = ""
        for stroke in output.strokes(frames, found, known - {0}):
            number = stroke.object_id
            if not stroke.absent or self.book.is_shown_beside(number, stroke.frame):
                self.book.add_stroke(MaskPrompt(stroke.frame, stroke.mask, number))
                self.results.take_stroke(stroke)
            else:
                problem = (
                    f"Nothing of object {number} would be left, and an empty mask is no prompt: no other frame says "
                    "where it is. Undo the prompt, or click on what is wrong with the minus sign (T)."
                )
        for frame in frames:
            self.results.show_again(frame)
        return problem
