"""What the user can do in the dock: every action of a button or a key is one short method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from napari.utils.notifications import show_warning
from qtpy.QtCore import QObject

from ..engine.engine import Engine
from ..engine.events import RunState
from ..errors import OutputError, in_words
from ..remote.remembered import KnownServer, KnownServers
from ..session.session_file import SUFFIX
from ..types import Direction, Mode
from .autosave import Autosave
from .bank import BankView
from .dock_state import DockState
from .dock_store import DockStore
from .engine_client import EngineClient
from .image_choice import ImageChoice
from .keeping import Keeping
from .layers.tools import Tool
from .layers.workspace import Workspace
from .lessons import Lessons
from .model_choice import ModelChoice
from .objects import ObjectEdits
from .own_files import OwnFiles
from .own_labels import watch_labels
from .preferences import begin_as_preferred
from .reviewing import Reviewing
from .scoring import Scoring
from .session_opening import SessionOpening
from .telling_apart import TellingApart

if TYPE_CHECKING:
    from .engines import AnyEngine


class Controller(QObject):
    """State and actions of one dock in one viewer.

    It joins the parts that share the state: which image, which model, what is kept, and the engine's client.

    Parameters
    ----------
    viewer
        The viewer that the dock belongs to.
    make_engine
        Makes the engine from its event callback; another one in tests.
    """

    def __init__(self, viewer: ViewerModel, make_engine: Callable[..., Engine] = Engine) -> None:
        super().__init__()
        self._viewer = viewer
        self.store = DockStore()
        self.servers = KnownServers()
        self.client = EngineClient(viewer, self.store, make_engine, self.servers)
        self.models = ModelChoice(self.store, self.client.engines.load_model)
        self.objects = ObjectEdits(self.store, self.client)
        self.keeping = Keeping(viewer, self.store, self.client)
        self.images = ImageChoice(viewer, self.store, self.client, self.keeping.first_object)
        self.review = Reviewing(viewer, self.store, self.client)
        self.scoring = Scoring(viewer, self.store, self.client)
        self.lessons = Lessons(self.store, self.models)
        self.apart = TellingApart(viewer, self.store, self.client, self.keeping)
        self.apart.layer_made.connect(self.images.layer_made)
        self.bank = BankView(self.store, self.client)
        self.label_strokes = watch_labels(viewer, self.store, self.client)
        self.own_files = OwnFiles(viewer)
        self.autosave = Autosave(self.store, self.keeping)
        parts = (viewer, self.store, self.client, self.models, self.keeping, self.images, self.autosave)
        self.sessions = SessionOpening(*parts)
        self.client.model_needed.connect(self.models.load)
        self.client.model_expected.connect(self.models.load_ahead)
        self.client.model_loaded.connect(self.models.on_loaded)
        self.client.model_failed.connect(self.models.on_failed)
        self.client.noticed.connect(self.models.on_notice)
        self.client.engines.answered.connect(self.models.on_answered)
        self.client.engines.dropped.connect(self.models.on_dropped)
        begin_as_preferred(self.models, self.autosave)

    def stop_engine(self) -> None:
        """Stop the worker after the frame it is at, and any download, when the window is gone."""
        self.client.close()
        self.models.close()

    def close(self, timeout: float = 0.0) -> None:
        """Stop the engine and let go of the viewer; all layers stay."""
        self.autosave.close()
        self.client.stop_refreshing()
        self.models.close()
        self.client.close(timeout)
        self.label_strokes.close()
        self.own_files.close()
        for part in (self.review, self.scoring, self.lessons, self.apart):
            part.close()
        self.images.close()

    @property
    def state(self) -> DockState:
        """What the dock shows, now."""
        return self.store.state

    @property
    def workspace(self) -> Workspace | None:
        """Prompts and results of the image; ``None`` without one."""
        return self.store.work

    @property
    def engine(self) -> AnyEngine:
        """The engine of this dock, here or on a server."""
        return self.client.engine

    # ---- choices -------------------------------------------------------------------------------------------------

    def choose_image(self, image: Image | None) -> None:
        """Take another image layer; prompts and labels of the last one stay in their layers."""
        self.images.choose(image)

    def open_paths(self, paths: Sequence[Path]) -> None:
        """Show what is in files or a folder, and take the first image of it as the image; or open a session file."""
        if len(paths) == 1 and paths[0].suffix == SUFFIX:
            self.open_session(paths[0])
        else:
            self.images.open_paths(paths)

    def choose_axis(self, axis: int) -> None:
        """Propagate along this axis, and give it a slider in the viewer."""
        self.images.choose_axis(axis)

    def choose_mode(self, mode: Mode) -> None:
        """Take the frames as a stack or as a flow."""
        self.images.choose_mode(mode)

    def choose_contrast(self, as_shown: bool) -> None:
        """Show the network the layer's contrast limits, or limits estimated over the whole sequence."""
        self.images.choose_contrast(as_shown)

    def choose_model(self, name: str, device: str) -> None:
        """Take another model or device; one that is not on this computer is offered for download."""
        self.models.choose(name, device)

    def use_server(self, server: KnownServer, model: str, *, keep_key: bool) -> None:
        """Have the network run on a server from now on, and remember it."""
        try:
            self.servers.remember(server.address, server.key, keep_key=keep_key)
        except (OutputError, OSError) as error:
            show_warning(f"The server is not remembered: {in_words(error)}")
        self.models.choose(model, server.address)

    def choose_output(self, layer: Labels | None, *, keep: bool) -> bool:
        """Write results to a layer of the user's, or to one of ours (``None``); false if it does not fit."""
        work = self.store.work
        if work is None:
            return layer is None
        try:
            work.choose_output(layer, keep=keep)
        except OutputError as error:
            self.store.say(str(error))
            return False
        self.store.put(output=layer, keep=keep, problem="", note="")
        self.client.flush()
        return True

    def choose_preview(self, at_once: bool) -> None:
        """Segment the frame after each prompt, or only when asked."""
        self.store.set(preview=at_once)

    def choose_direction(self, direction: Direction) -> None:
        """Run from the prompted frames to higher ones, to lower ones, or both."""
        self.store.set(direction=direction)

    # ---- prompts -------------------------------------------------------------------------------------------------

    def use_tool(self, tool: Tool) -> None:
        """Make or select the tool's layer and start drawing, as soon as there is a model that can answer."""
        work = self.client.ready() if self.store.chosen.loading_left is None else None
        if work is None:
            return
        try:
            work.use(tool, self.store.chosen.current, self.store.chosen.positive)
            self.store.set(problem="", note="")
        except OutputError as error:
            self.store.say(str(error))

    def toggle_sign(self) -> None:
        """Switch between "this is the object" and "this is not"; boxes have no minus, so that takes up the point."""
        tool, positive = self.state.tool, not self.store.chosen.positive
        self.store.set(positive=positive)
        if tool == "box" and not positive:
            self.use_tool("point")
        self.store.aim()

    def choose_other_reading(self) -> None:
        """Click where the other reading of an ambiguous prompt in view differs, which chooses that one."""
        work, state = self.client.ready(), self.state
        click = None if work is None else work.results.other_reading(state.frame, state.current)
        if work is not None and click is not None and state.has_other_reading:
            work.tools.click(*click)

    def new_object(self) -> None:
        """Start another object: prompts now go to it."""
        self.objects.begin()

    def next_thing(self) -> None:
        """Go to the next image of a flow; in a stack start another object."""
        state = self.state
        if state.mode == "flow" and len(state.columns) > 1:
            self.go_to_frame((state.frame + 1) % len(state.columns))
        else:
            self.new_object()

    def adopt_layer(self, layer: Layer) -> None:
        """Take a Points, Shapes or Labels layer of the user's as prompts; it is never changed."""
        work = self.client.ready()
        if work is not None and work.book.source_of(layer) is None:
            work.adopt(layer, self.store.chosen.current)
            self.client.send_prompts()

    # ---- runs ----------------------------------------------------------------------------------------------------

    def segment_frame(self) -> None:
        """Preview the current object on the frame in view."""
        work, number = self.client.ready(), self.store.chosen.current
        if work is None:
            return
        if number not in work.book.objects:
            self.store.say(f"Object {number} has no prompt yet: draw a box around it, or click on it.")
            return
        self.engine.preview(work.sequence.frame_in_view(), number)

    def propagate(self) -> None:
        """Carry all objects' prompts to the frames that are not up to date, or, if all are, to all of them anew."""
        work = self.client.ready()
        if work is None:
            return
        if not work.book.objects:
            self.store.say("There is no prompt yet: draw a box around one object, or click on it, on any frame.")
            return
        chosen = self.store.chosen
        self.store.set(problem="", note="", up_to_date=False)
        self.label_strokes.note_deed()
        self.engine.propagate(direction=chosen.direction, anew=chosen.up_to_date)

    def stop(self) -> None:
        """Drop the polygon that is open; if there is none, pause or resume the run."""
        work = self.store.work
        if work is not None and work.tools.drawing and work.tools.pen is not None:
            work.tools.pen.drop()
        else:
            self.pause_or_resume()

    def close_polygon(self) -> None:
        """Close the polygon that is open, as it is."""
        work = self.store.work
        if work is not None and work.tools.pen is not None:
            work.tools.pen.finish()

    def pause_or_resume(self) -> None:
        """Stop a run at the next frame, or go on with it."""
        if self.store.chosen.status.state is RunState.PAUSED:
            self.engine.resume()
        elif self.store.chosen.running:
            self.engine.pause()

    def cancel(self) -> None:
        """End a run; what was done stays."""
        self.engine.cancel()

    def undo(self) -> None:
        """Take back the last thing that was done: a corner of an open polygon, a change of prompts or results, or a
        stroke in a Labels layer of the user's.
        """
        work = self.store.work
        if work is not None and work.tools.drawing and work.tools.pen is not None:
            work.tools.pen.take_back()
        elif self.label_strokes.undo():
            self.store.say()
        elif self.client.opened:
            self.engine.undo()
        elif self.store.work is not None:
            self.store.say(note="Nothing to undo.")

    def redo(self) -> None:
        """Do again what was undone."""
        if self.label_strokes.redo():
            self.store.say()
        elif self.client.opened:
            self.engine.redo()
        elif self.store.work is not None:
            self.store.say(note="Nothing to redo.")

    def clear(self) -> None:
        """Remove all prompts and results of this image; undo brings them back."""
        work = self.store.work
        if work is not None and not work.book.objects and not work.results.results:
            self.store.say(note="There is nothing to clear.")
        elif work is not None and self.client.ready() is not None:
            self.store.say(note="Cleared. Ctrl+Z brings it back.")
            self.label_strokes.note_deed()
            self.engine.cancel()
            self.engine.reset()

    def go_to_frame(self, frame: int) -> None:
        """Move the viewer's slider to a frame."""
        if self.store.work is not None:
            self.store.work.sequence.go_to(frame)

    # ---- after a crash ---------------------------------------------------------------------------------------------

    def restore_recovery(self) -> None:
        """Bring back what was done with this image before and never saved."""
        if (found := self.store.chosen.recovery) is not None:
            self.autosave.restore(found)

    def discard_recovery(self) -> None:
        """Forget it."""
        if (found := self.store.chosen.recovery) is not None:
            self.autosave.discard(found)

    # ---- session files -----------------------------------------------------------------------------------------------

    def open_session(self, path: str | Path) -> None:
        """Open a session file with its images, as they were when it was saved."""
        self.sessions.open(Path(path))

    def save_session(self, path: str | Path) -> None:
        """Write all that was done with the image into a session file."""
        self.autosave.save_as(Path(path))

    # ---- keeping -------------------------------------------------------------------------------------------------

    def commit(self) -> None:
        """Copy the result to a layer that is kept, then make room for the next objects."""
        self.label_strokes.note_deed()
        self.keeping.commit()

    def save(self, path: str | Path) -> None:
        """Write the labels where the user said; text that ends with a slash is a folder with a file an image."""
        self.keeping.save(Path(path), each=str(path).endswith("/"))
