"""Remembers which prompts come from where: our prompt layers, the user's, and strokes; tells what changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from napari.layers import Image, Layer

from ...engine.events import Restored
from ...prompts import BoxPrompt, FramePrompts, MaskPrompt, PointPrompt, Prompt, by_object_and_frame, same_prompt
from ...results import FrameResult
from ...session.taught import Taught
from .coordinates import WorldPoint
from .layout import Layout
from .prompt_layers import fill_prompt_layer
from .reading import Reading, read_prompts

Key = tuple[int, int]  # object number, frame


def _holds(prompts: Iterable[Prompt], prompt: Prompt) -> bool:
    return any(same_prompt(other, prompt) for other in prompts)


def _same(a: FramePrompts, b: FramePrompts) -> bool:
    """True if both hold the same prompts, in whatever order."""
    return all(_holds(b, prompt) for prompt in a) and all(_holds(a, prompt) for prompt in b)


def _at(groups: Mapping[Key, FramePrompts], key: Key) -> FramePrompts:
    """The prompts of an object on a frame; there may be none."""
    return groups.get(key) or FramePrompts(*key)


@dataclass(frozen=True)
class Source:
    """A layer that prompts are read from; ``point`` fills axes that it lacks, ``object_id`` where it names none."""

    layer: Layer
    ours: bool
    point: WorldPoint | tuple[float, ...]
    object_id: int


class PromptBook:
    """All prompts on one image, whatever layer they come from.

    Parameters
    ----------
    image, layout
        The sequence.
    counted
        Says whether the viewer counts the units of layers now; ``None``: as it would with each layer and the image.
    """

    def __init__(self, image: Image, layout: Layout, counted: Callable[[], bool] | None = None) -> None:
        self.image = image
        self.layout = layout
        self._counted = counted
        self.sources: list[Source] = []
        self.problems: tuple[str, ...] = ()
        #: What objects go on from a task file, by number.
        self.taught: dict[int, Taught] = {}
        self._strokes: dict[Key, MaskPrompt] = {}
        self._sent: dict[Key, FramePrompts] = {}
        self._muted: dict[Key, FramePrompts] = {}  # undone, but still in a layer of the user's
        self._readings: dict[Layer, Reading] = {}
        self._requests: dict[Key, tuple[int, FramePrompts]] = {}  # by which prompts were sent last

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """As last told to the session."""
        return tuple(p for group in self._sent.values() for p in group)

    @property
    def groups(self) -> Mapping[Key, FramePrompts]:
        """The same by object and frame."""
        return self._sent

    @property
    def objects(self) -> set[int]:
        """Numbers of the objects that have a prompt, or go on from a task file."""
        return {object_id for object_id, _ in self._sent} | self.taught.keys()

    @property
    def prompted_frames(self) -> frozenset[int]:
        """Frames on which any object has a prompt."""
        return frozenset(frame for _, frame in self._sent)

    @property
    def accepted_frames(self) -> frozenset[int]:
        """Frames on which the user said of any object that what was found is right."""
        return frozenset(frame for (_, frame), group in self._sent.items() if group.accepted)

    def frames(self, object_id: int) -> frozenset[int]:
        """Frames on which this object has a prompt."""
        return frozenset(frame for number, frame in self._sent if number == object_id)

    def add_source(self, source: Source) -> None:
        """Read prompts from a layer from now on."""
        self.sources.append(source)

    def remove_source(self, layer: Layer) -> bool:
        """Read a layer no more; true if it was read before."""
        known = len(self.sources)
        self.sources = [s for s in self.sources if s.layer is not layer]
        self._readings.pop(layer, None)
        return len(self.sources) < known

    def source_of(self, layer: Layer) -> Source | None:
        """What is known of a layer that prompts are read from; ``None`` if they are not."""
        return next((s for s in self.sources if s.layer is layer), None)

    def touch(self, layer: Layer) -> None:
        """Say that a layer was edited: it is read again by the next :meth:`changes`."""
        self._readings.pop(layer, None)

    def read(self, layer: Layer) -> Reading:
        """What a layer says that prompts are read from."""
        source = self.source_of(layer)
        if source is None:
            return Reading()
        self._read(source)
        return self._readings[layer]

    def add_stroke(self, prompt: MaskPrompt) -> None:
        """Take a painted mask; it is final on its frame until a click or a box comes there.

        An empty one (the object was erased) goes with the last prompt that says where the object is.
        """
        self._strokes[(prompt.object_id, prompt.frame)] = prompt

    def is_shown_beside(self, object_id: int, frame: int) -> bool:
        """True if a prompt on another frame says where the object is."""
        others = (group for (number, t), group in self._sent.items() if number == object_id and t != frame)
        return object_id in self.taught or any(group.shows_object for group in others)

    def _read(self, source: Source) -> tuple[Prompt, ...]:
        reading = self._readings.get(source.layer)
        if reading is None:
            reading = read_prompts(
                source.layer,
                self.image,
                self.layout,
                viewer_point=source.point,
                object_id=source.object_id,
                counted=self._counts_units(source),
            )
            self._readings[source.layer] = reading
            self.problems += reading.problems
        if source.ours or not self._muted:
            return reading.prompts
        return tuple(p for p in reading.prompts if not _holds(self._muted.get((p.object_id, p.frame), ()), p))

    def _counts_units(self, source: Source) -> bool | None:
        if source.ours:
            return True  # it lies on the image, in whatever units
        return None if self._counted is None else self._counted()

    def changes(self) -> list[FramePrompts]:
        """Read the edited layers; return what differs from the last time, empty where prompts were taken away."""
        self.problems = ()
        drawn = by_object_and_frame(p for source in self.sources for p in self._read(source))
        for key, stroke in list(self._strokes.items()):
            sent, beside = _at(self._sent, key), _at(drawn, key)
            if _holds(sent, stroke) and not _same(sent.without_masks(), beside.without_masks()):
                del self._strokes[key]  # a later click or box asks for a new answer
        now = {key: group for key, group in drawn.items() if key not in self._strokes}
        for key, stroke in self._strokes.items():
            now[key] = _at(drawn, key).without_masks().plus(stroke)
        shown = {number for (number, _), group in now.items() if group.shows_object} | self.taught.keys()
        # As in the session: where nothing says where an object is, "not here" says nothing.
        now = {key: group for key, group in now.items() if key[0] in shown or not group.erases}
        self._strokes = {key: stroke for key, stroke in self._strokes.items() if key in now}
        before, self._sent = self._sent, now
        keys = [*now, *(key for key in before if key not in now)]
        return [_at(now, key) for key in keys if not _same(_at(now, key), _at(before, key))]

    def note_request(self, request: int, group: FramePrompts) -> None:
        """Take note of the request by which prompts were sent to the engine."""
        self._requests[(group.object_id, group.frame)] = request, group

    def with_later(self, event: Restored, shown: Mapping[tuple[int, int], FrameResult]) -> Restored:
        """What an undo or the like brought back, and over it what was drawn or deleted after it was asked for.

        The engine takes one after the other, and may be at a slow frame: what it tells is then older than the layers.

        Parameters
        ----------
        shown
            Results as they are shown, by (frame, object).
        """
        self._requests = {key: sent for key, sent in self._requests.items() if sent[0] > event.request}
        if not self._requests:
            return event
        later = {key: group for key, (_, group) in self._requests.items()}
        groups = {**by_object_and_frame(event.prompts), **later}
        prompts = tuple(prompt for group in groups.values() for prompt in group)
        left, results = {prompt.object_id for prompt in prompts}, dict(event.results)
        for number, frame in later:
            known = shown.get((frame, number))
            if known is not None and known.prompted:
                results[(frame, number)] = known
            elif (before := results.get((frame, number))) is not None and before.prompted and not later[number, frame]:
                del results[(frame, number)]
        gone = {number for number, _ in later} - left
        return replace(
            event, prompts=prompts, results={key: found for key, found in results.items() if key[1] not in gone}
        )

    def restore(self, prompts: Sequence[Prompt]) -> None:
        """Make our layers show these prompts (after an undo); the user's layers stay as they are."""
        wanted = by_object_and_frame(prompts)
        self._muted.clear()
        theirs = by_object_and_frame(p for source in self.sources if not source.ours for p in self._read(source))
        undone = (p for key, group in theirs.items() for p in group if not _holds(wanted.get(key, ()), p))
        self._muted = by_object_and_frame(undone)
        mine = [p for key, group in wanted.items() for p in group if not _holds(theirs.get(key, ()), p)]
        self._strokes = {(p.object_id, p.frame): p for p in mine if isinstance(p, MaskPrompt)}
        drawn = [p for p in mine if isinstance(p, PointPrompt | BoxPrompt)]
        for source in self.sources:
            if source.ours:
                self.touch(source.layer)
                fill_prompt_layer(source.layer, drawn, self.layout)
        self._sent = wanted
