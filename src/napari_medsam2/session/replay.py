"""Does again what a journal says was done, without a window: the same masks, where images and model are the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ..errors import SessionFileError, UserError
from ..images.contrast import Contrast
from ..images.frames import FrameSource
from ..images.opened import LabelledObject
from ..models.device import Model
from ..prompts import FramePrompts
from ..results import FrameResult
from .journal import ENDED, OPENED, OPTIONS, RUN, STEPS, Entry, digest_of
from .options import SessionOptions
from .session import Session
from .taught import Task

#: Results by (frame, object).
Results = Mapping[tuple[int, int], FrameResult]


@dataclass
class _Done:
    """What was computed.

    Attributes
    ----------
    all
        Each result that there was, by frame and object and by :func:`.journal.digest_of`.
    latest
        The latest by frame and object.
    """

    all: dict[tuple[int, int], dict[str, FrameResult]] = field(default_factory=dict)
    latest: dict[tuple[int, int], FrameResult] = field(default_factory=dict)

    def take(self, result: FrameResult) -> None:
        key = (result.frame, result.object_id)
        self.latest[key] = result
        self.all.setdefault(key, {})[digest_of(result)] = result

    def find(self, key: tuple[int, int], digest: str) -> FrameResult | None:
        return self.all.get(key, {}).get(digest)


@dataclass(frozen=True)
class Replayed:
    """What came of it.

    Attributes
    ----------
    results
        Those that the window showed, as they were computed now.
    others
        Which of these are not, to the bit, what the window showed.
    not_computed
        Which of these are taken from the window because nothing of the kind was computed now.
    session
        As it was in the end; ``None`` if none was opened.
    """

    results: Results
    others: tuple[tuple[int, int], ...]
    not_computed: tuple[tuple[int, int], ...]
    session: Session | None


def replay(
    entries: Sequence[Entry],
    shown: Results,
    frames: FrameSource,
    load: Callable[[str], Model],
    *,
    tasks: Mapping[str, Task] | None = None,
    on_step: Callable[[FrameResult], object] = lambda result: None,
) -> Replayed:
    """Do it all again.

    Parameters
    ----------
    entries
        Of the journal.
    shown
        What the window showed in the end.
    frames
        The images.
    load
        Gives the model by what it was chosen by: a name or a file.
    tasks
        The task files that it tells of, by their digests.
    on_step
        Told each result of a run and of a preview, as it comes.

    Raises
    ------
    SessionFileError
        If the journal says what cannot be.
    UserError
        If the model or the images cannot be read.
    """
    player = _Player(frames, load, shown, tasks or {}, on_step)
    for number, entry in enumerate(entries):
        try:
            player.play(entry)
        except (LookupError, TypeError, ValueError, OverflowError) as error:
            if isinstance(error, UserError) and entry.what not in _CALLS:
                raise
            raise SessionFileError(f"entry {number} of the journal ({entry.what}) cannot be done: {error}") from error
    return player.in_the_end()


class _Player:
    def __init__(
        self,
        frames: FrameSource,
        load: Callable[[str], Model],
        shown: Results,
        tasks: Mapping[str, Task],
        on_step: Callable[[FrameResult], object],
    ) -> None:
        self.frames = frames
        self.session: Session | None = None
        self._load = load
        self._models: dict[str, Model] = {}
        self._shown = shown
        self._tasks = tasks
        self._digests = {key: digest_of(result) for key, result in shown.items()}
        self._on_step = on_step
        self._done = _Done()
        self._marks: dict[int, object] = {}
        self._steps: Iterator[FrameResult] = iter(())
        self._stepped = False

    def play(self, entry: Entry) -> None:
        values = dict(entry.values)
        if entry.what == OPENED:
            self._open(values)
        elif self.session is None:
            raise SessionFileError("the journal does not begin with images that are opened")
        elif entry.what == RUN:
            self._steps, self._stepped = self.session.propagate(**values), False
        elif entry.what == STEPS:
            self._stepped = True
            for _ in range(values["n"]):
                if (result := next(self._steps, None)) is None:
                    break
                self._take(result)
        elif entry.what == ENDED:
            self._end()
        elif entry.what in _CALLS:
            _CALLS[entry.what](self, values, entry)
        else:
            raise SessionFileError(f"the journal says {entry.what!r}, which nothing is called")

    def in_the_end(self) -> Replayed:
        """What the window showed; of each of these the result that is it, else the latest of its kind."""
        last: Results = {} if self.session is None else self.session.results
        results, others, missing = {}, [], []
        for key, shown in self._shown.items():
            digest = self._digests[key]
            now = last.get(key)
            if now is None or digest_of(now) != digest:
                same = self._done.find(key, digest)
                now = same or now or self._done.latest.get(key)
                if now is None:
                    missing.append(key)
                elif same is None:
                    others.append(key)
            results[key] = now or shown
        return Replayed(results, tuple(others), tuple(missing), self.session)

    # ---- entries -----------------------------------------------------------------------------------------------------

    def _open(self, values: dict[str, Any]) -> None:
        name = str(values["model"])
        if name not in self._models:
            self._models = {name: self._load(name)}
        limits = values["limits"]
        contrast = None if limits is None else Contrast(tuple(limits[0]), tuple(limits[1]), values["gamma"])
        if not values["complete"]:
            raise SessionFileError("the session had options of a script, which are not written down")
        chosen = {option: values[option] for option in OPTIONS}
        options = SessionOptions(adapt=values["adapt"])
        self.session = Session(self._models[name], self.frames, contrast=contrast, options=options, **chosen)

    def _end(self) -> None:
        """End a run where it ended; one that never took a step may have changed what is remembered as it began."""
        with suppress(UserError):
            if not self._stepped and (result := next(self._steps, None)) is not None:
                self._take(result)
        close = getattr(self._steps, "close", None)
        if close is not None:
            close()

    def _take(self, result: FrameResult) -> None:
        self._done.take(result)
        self._on_step(result)

    def _replace_prompts(self, values: dict[str, Any], entry: Entry) -> None:
        given = FramePrompts(values["object_id"], values["frame"], entry.prompts)
        mark = values["together"]
        together = None if mark is None else self._marks.setdefault(mark, object())
        self._opened.replace_prompts(given.object_id, given.frame, given.given, together=together)
        if (uncovered := self._opened.result(given.frame, given.object_id)) is not None:
            self._done.take(uncovered)

    def _call(self, values: dict[str, Any], entry: Entry) -> None:
        self._opened.call(values["object_id"], LabelledObject(values["name"], values["colour"]))

    def _accept(self, values: dict[str, Any], entry: Entry) -> None:
        self._opened.accept(values["frame"], values["objects"])
        self._take_all()

    def _merge(self, values: dict[str, Any], entry: Entry) -> None:
        self._opened.merge(values["into"], values["others"])
        self._take_all()

    def _split(self, values: dict[str, Any], entry: Entry) -> None:
        self._opened.split(values["object_id"], values["frame"], first=values["first"])
        self._take_all()

    def _take_task(self, values: dict[str, Any], entry: Entry) -> None:
        if (task := self._tasks.get(values["digest"])) is None:
            raise SessionFileError(f"the task {values['name']!r} is not in the session file")
        pairs = values["into"]
        self._opened.take_task(task, into=None if pairs is None else dict(pairs))

    def _take_all(self) -> None:
        """Take what there is of all objects, after an edit of whole ones."""
        for result in self._opened.results.values():
            self._done.take(result)

    def _take_results(self, values: dict[str, Any], entry: Entry) -> None:
        found = []
        for frame, number, digest in values["results"]:
            key = (int(frame), int(number))
            same = self._done.find(key, digest)
            if same is None and self._digests.get(key) == digest:
                same = self._shown[key]
            if (result := same or self._done.latest.get(key)) is not None:
                found.append(result)
        self._opened.take_results(found, up_to_date=bool(values["up_to_date"]))

    def _segment(self, values: dict[str, Any], entry: Entry) -> None:
        with suppress(UserError):  # then it failed in the window, too
            self._take(self._opened.segment(int(values["frame"]), int(values["object_id"])))

    @property
    def _opened(self) -> Session:
        assert self.session is not None
        return self.session


#: How each call of a session is done again.
_CALLS: dict[str, Callable[[_Player, dict[str, Any], Entry], object]] = {
    "add": lambda player, values, entry: player._opened.add(*entry.prompts),
    "remove": lambda player, values, entry: player._opened.remove(*entry.prompts),
    "replace_prompts": _Player._replace_prompts,
    "take_task": _Player._take_task,
    "pin": lambda player, values, entry: player._opened.pin(values["frame"], values["object_id"]),
    "unpin": lambda player, values, entry: player._opened.unpin(values["frame"], values["object_id"]),
    "evict": lambda player, values, entry: player._opened.evict(values["frame"], values["object_id"]),
    "keep_out": lambda player, values, entry: player._opened.keep_out(values["frames"], values["object_id"]),
    "accept": _Player._accept,
    "take_results": _Player._take_results,
    "segment": _Player._segment,
    "undo": lambda player, values, entry: player._opened.undo(),
    "redo": lambda player, values, entry: player._opened.redo(),
    "call": _Player._call,
    "merge": _Player._merge,
    "split": _Player._split,
    "reset": lambda player, values, entry: player._opened.reset(values["object_id"]),
}
