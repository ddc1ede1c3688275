"""Opening session files: finds their images, asks where these moved or changed, and shows all as it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Layer
from qtpy.QtCore import QObject, Signal

from ..errors import EXPECTED_ERRORS, SeriesInfo, in_words
from ..images.selection import Selection
from ..memory_bank import BankName
from ..session.cost import AnnotationCost
from ..session.journal import Journal
from ..session.saved import SavedImage, SavedSession
from ..session.session_file import read_session
from ..session.taught import Taught
from ..types import Direction
from .autosave import Autosave
from .dock_state import Question
from .dock_store import DockStore
from .engine_client import EngineClient
from .image_choice import ImageChoice
from .keeping import Keeping
from .layers.layout import OPENED_KEY
from .layers.past import Past
from .layers.workspace import Workspace
from .model_choice import ModelChoice, is_here
from .readers import open_together, series_layers
from .session_record import known_place


class SessionOpening(QObject):
    """Brings sessions back into one dock.

    Parameters
    ----------
    viewer, store, client, models, keeping, images, autosave
        The parts of the dock that a session is brought back into.
    """

    #: The user has to say where images are now: what they were, a file or a folder.
    place_wanted = Signal(object)

    def __init__(
        self,
        viewer: ViewerModel,
        store: DockStore,
        client: EngineClient,
        models: ModelChoice,
        keeping: Keeping,
        images: ImageChoice,
        autosave: Autosave,
    ) -> None:
        super().__init__()
        self._viewer, self._store, self._client = viewer, store, client
        self._models, self._keeping, self._images = models, keeping, images
        self._autosave = autosave
        self._waiting: tuple[Workspace, SavedSession, Path] | None = None
        self._answer: Callable[[], None] | None = None
        autosave.restored.connect(self._on_restored)
        autosave.identified.connect(self._on_identified)

    # ---- a file that the user opens ----------------------------------------------------------------------------------

    def open(self, path: Path) -> None:
        """Open a session file with its images, and go on in a file of the dock's own: this one stays as it is."""
        folder = self._autosave.folder

        def read() -> Callable[[], None]:
            try:
                saved = read_session(path)
                here = self._place_of(saved.image, path) or known_place(folder, saved.image.content)
            except EXPECTED_ERRORS as error:
                told = in_words(error)
                return lambda: self._store.say(f"'{path.name}' cannot be opened: {told}.")
            return lambda: self._find(saved, path, here)

        self._autosave.beside(read)

    def take_place(self, place: Path) -> None:
        """The user said where the images are."""
        question = self._store.chosen.question
        if question is not None and question.session is not None:
            self._store.set(question=None)
            self._open_at(place, *question.session)

    def answer(self, yes: bool) -> None:
        """The user said yes or no to what was asked."""
        question, answer = self._store.chosen.question, self._answer
        if question is None:
            return
        if not yes:
            self._answer = self._waiting = None
            self._store.set(question=None)
        elif question.session is not None:
            self.place_wanted.emit(question.session[0].image)
        elif answer is not None:
            self._answer = None
            self._store.set(question=None)
            answer()

    def _find(self, saved: SavedSession, path: Path, here: Path | None) -> None:
        for layer in self._viewer.layers:
            opened = layer.metadata.get(OPENED_KEY, {})
            there = here is not None and _is_of(opened, saved.image, here)
            in_memory = not saved.image.path and layer.name == saved.image.name  # its pixels are compared later
            if isinstance(layer, Image) and (there or in_memory):
                self._choose(layer, saved, path)
                return
        if here is not None:
            self._open_at(here, saved, path)
            return
        what = (
            f"'{saved.image.path}'" if saved.image.path else f"in a file: open '{saved.image.name}' again and then this"
        )
        self._ask(Question(f"The images of '{path.name}' are not {what}. Where are they?", "Find...", (saved, path)))

    def _open_at(self, place: Path, saved: SavedSession, path: Path) -> None:
        """Open the images and choose the layer that the session is about."""
        chosen = Selection.of(saved.image.selection)
        files = saved.image.selection.get("files")
        try:
            if files and place.is_dir():
                data = open_together([str(place / name) for name in files])
            else:
                series = None if chosen.series is None else SeriesInfo(str(chosen.series), "")
                data = series_layers(place, series)
            layers = [Layer.create(*layer) for layer in data]
        except EXPECTED_ERRORS as error:
            self._store.say(f"The images of '{path.name}' cannot be opened: {in_words(error)}.")
            return
        pictures = [layer for layer in layers if isinstance(layer, Image)]
        if not pictures:
            self._store.say(f"There is no image in '{place.name}', which '{path.name}' is about.")
            return
        for layer in layers:
            self._viewer.add_layer(layer)
        self._choose(pictures[min(chosen.channel or 0, len(pictures) - 1)], saved, path)

    def _choose(self, layer: Image, saved: SavedSession, path: Path) -> None:
        chosen = Selection.of(saved.image.selection)
        offset = self._viewer.dims.ndim - layer.ndim
        shape = layer.data[0].shape if layer.multiscale else layer.data.shape
        places = [axis for axis in range(layer.ndim) if shape[axis] > 1 or axis >= layer.ndim - 2]
        for axis, place in chosen.at:
            if axis < len(places):
                self._viewer.dims.set_current_step(places[axis] + offset, place)
        self._images.choose(layer)
        if chosen.axis is not None and chosen.axis < len(places):
            self._images.choose_axis(places[chosen.axis])
        if (work := self._store.work) is not None:
            self._waiting = (work, saved, path)
            self._autosave.tell_identity(work)

    def _on_identified(self, work: Workspace, image: SavedImage) -> None:
        """What the pixels are is known: bring the session back on them, or ask whether to, where they are others."""
        if self._waiting is None or self._waiting[0] is not work:
            return
        _, saved, path = self._waiting
        self._waiting = None

        def take_up() -> None:
            if work is self._store.work:
                self._autosave.begin_anew(work)
                self._show(saved, work, changed=image.content != saved.image.content)
                if image.content == saved.image.content:
                    self._autosave.count_as_saved(work)

        if image.shapes != saved.image.shapes:
            self._store.say(
                f"'{path.name}' was made with images of another size: its prompts do not fit '{image.name}'."
            )
            return
        told = []
        if image.content != saved.image.content:
            told.append(f"The pixels of '{image.name}' are not those that '{path.name}' was made with.")
        if self._autosave.is_unsaved(work):
            kept = self._autosave.file_of(work)
            then = "is lost" if kept is None else f"stays in '{kept}', which File > Open brings back"
            told.append(f"What is drawn and found on '{image.name}' now {then}.")
        if not told:
            take_up()
            return
        self._answer = take_up
        self._ask(Question(" ".join((*told, "Open it all the same?")), "Open"))

    def _ask(self, question: Question) -> None:
        self._store.set(question=question, problem="", note="")

    @staticmethod
    def _place_of(image: SavedImage, path: Path) -> Path | None:
        """Where images are: where they were, or beside their session file."""
        if not image.path:
            return None
        was = Path(image.path)
        return next((place for place in (was, path.parent / was.name) if place.exists()), None)

    # ---- bringing it back --------------------------------------------------------------------------------------------

    def _on_restored(self, saved: SavedSession, work: Workspace, image: SavedImage) -> None:
        if image.shapes != saved.image.shapes:
            self._store.say("It cannot be brought back on this image: it was made on one of another size.")
            return
        changed = image.content != saved.image.content
        if changed:
            self._autosave.begin_anew(work)  # what was done with these pixels before stays in a file of its own
        self._show(saved, work, changed=changed)

    def _show(self, saved: SavedSession, work: Workspace, *, changed: bool) -> None:
        """All as it was; on other pixels the prompts, and labels that the next run makes anew."""
        if saved.mode != self._store.chosen.mode:
            self._images.choose_mode(saved.mode)
        results = {(found.frame, found.object_id): found for found in saved.results}
        work.take_up(
            [prompt for group in saved.prompts for prompt in group],
            results,
            Past(
                Journal(() if changed else saved.journal),
                set(results) if changed else _pairs(saved.facts.get("stale")),
                taken_up=True,
                cost=AnnotationCost.of(None if changed else saved.facts.get("cost"), len(saved.image.shapes)),
            ),
        )
        work.past.tasks = dict(saved.tasks)
        work.book.taught = _taught(saved)
        work.roster.take(saved.objects, {int(n) for labels in saved.kept.values() for n in np.unique(labels)})
        self._keeping.restore(work, saved.kept)
        self._take_choices(saved.facts, work.objects or {self._images.first_object(work)})
        self._store.count_done()
        self._client.reopen()
        self._show_some(work)
        self._client.flush()
        self._store.aim()
        others = " The labels are those of the other pixels until you find them again." if changed and results else ""
        self._store.say(note=f"All is as it was. Go on where you left it.{others}")

    def _show_some(self, work: Workspace) -> None:
        """Go to a prompt of the current object, unless there is something in view."""
        results, current, here = work.results.results, self._store.chosen.current, work.sequence.frame_in_view()
        prompted = sorted(prompt.frame for prompt in work.book.prompts if prompt.object_id == current)
        if prompted and not any(frame == here for frame, _ in results):
            work.sequence.go_to(prompted[0])

    def _take_choices(self, facts: Mapping[str, Any], numbers: set[int]) -> None:
        """Choose as was chosen then, as far as that is a choice still."""
        current = facts.get("current")
        number = current if current in numbers else max(numbers)
        direction = facts.get("direction")
        self._store.put(
            objects=(number,),
            current=number,
            direction=direction if direction in get_args(Direction) else self._store.chosen.direction,
            contrast_as_shown=facts.get("contrast_as_shown") is True,
            adapt=facts["adapt"] if facts.get("adapt") in (True, False) else None,
            preview=facts.get("preview") is not False,
            bank=facts["bank"] if facts.get("bank") in get_args(BankName) else "auto",
        )
        model = facts.get("model")
        if isinstance(model, str) and model != self._store.chosen.model and is_here(model):
            self._models.choose(model, self._store.chosen.wanted_device)


def _is_of(opened: Mapping[str, Any], image: SavedImage, place: Path) -> bool:
    """Whether a layer that was opened so shows the image of a session, as far as that can be told by names."""
    chosen = Selection.of(image.selection)
    same = replace(chosen, series=opened.get("series"), channel=opened.get("channel")) == chosen
    return bool(opened) and opened.get("path") == str(place) and same


def _taught(saved: SavedSession) -> dict[int, Taught]:
    """What objects go on from the task files of a session, by number."""
    told = saved.facts.get("taught")
    pairs = [(n, saved.tasks.get(digest), there) for n, digest, there in (told if isinstance(told, list) else [])]
    return {number: Taught(task, there) for number, task, there in pairs if task is not None}


def _pairs(told: Any) -> set[tuple[int, int]]:
    """Pairs of numbers that were written down as lists."""
    return {(one, other) for one, other in told} if isinstance(told, list) else set()
