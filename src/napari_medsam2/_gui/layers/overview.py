"""All objects of one image at a glance: of each one its name, prompts, results, and how sure those are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from ...geometry.parts import has_parts
from ...images.opened import LabelledObject
from ...prompts import FramePrompts
from ...results import FrameResult
from ..dock_state import Column, ObjectRow
from .colours import object_colour
from .prompt_book import PromptBook
from .results import ResultView

#: Of a larger part of a frame nobody counts the pieces while the window waits: they may be several.
_LARGEST_COUNTED = 1 << 20


class Overview:
    """Sums up objects; only what differs is made anew, because this is asked for at every step of a run.

    Parameters
    ----------
    book, results
        Prompts and results of the image.
    """

    def __init__(self, book: PromptBook, results: ResultView) -> None:
        self._book = book
        self._results = results
        self._groups: Mapping[tuple[int, int], FramePrompts] | None = None
        self._prompts: dict[int, tuple[int, frozenset[int], frozenset[int]]] = {}  # how many, where, and where accepted
        self._columns: dict[int, list[Column]] = {}  # as if there were no prompts
        self._rows: dict[int, ObjectRow] = {}
        self._told: dict[int, tuple[LabelledObject, bool]] = {}
        self._counted: tuple[FrameResult | None, bool] = (None, False)

    def rows(
        self, numbers: Collection[int], called: Mapping[int, LabelledObject], hidden: Collection[int]
    ) -> tuple[ObjectRow, ...]:
        """A row for each of these objects, in the order of their numbers."""
        wanted = sorted(numbers)
        changed = self._heed_prompts() | self._heed_results(wanted)
        for number in [number for number in self._rows if number not in numbers]:
            del self._rows[number], self._columns[number], self._told[number]
        for number in wanted:
            told = called.get(number, LabelledObject()), number not in hidden
            if number in changed or number not in self._rows or self._told[number] != told:
                self._told[number] = told
                self._rows[number] = self._row(number, *told)
        return tuple(self._rows[number] for number in wanted)

    def is_in_parts(self, frame: int, object_id: int) -> bool:
        """True if what was found of an object on a frame is in separate parts; of very large ones nobody knows."""
        result = self._results.results.get((frame, object_id))
        if result is not self._counted[0]:
            large = result is not None and result.pixels.clearness.size > _LARGEST_COUNTED
            self._counted = result, large or (result is not None and has_parts(result.pixels.clearness > 0))
        return self._counted[1]

    def _heed_prompts(self) -> set[int]:
        """Objects whose prompts differ from the last time."""
        groups = self._book.groups
        if groups is self._groups:
            return set()
        self._groups, before = groups, self._prompts
        counts: dict[int, int] = {}
        frames: dict[int, list[int]] = {}
        accepted: dict[int, list[int]] = {}
        for (number, frame), group in groups.items():
            counts[number] = counts.get(number, 0) + len(group)
            frames.setdefault(number, []).append(frame)
            if group.accepted:
                accepted.setdefault(number, []).append(frame)
        self._prompts = {
            number: (count, frozenset(frames[number]), frozenset(accepted.get(number, ())))
            for number, count in counts.items()
        }
        return {n for n in {*before, *self._prompts} if before.get(n) != self._prompts.get(n)}

    def _heed_results(self, numbers: list[int]) -> set[int]:
        """Objects whose columns differ from the last time."""
        outdated, changed = self._results.take_outdated(), set()
        for number in numbers:
            columns = self._columns.get(number)
            frames: Iterable[int] = outdated
            if columns is None:
                columns = self._columns[number] = [Column()] * self._results.layout.n_frames
                frames = range(len(columns))
            for frame in frames:
                column = self._results.column(frame, number)
                if column is not columns[frame] and column != columns[frame]:
                    columns[frame] = column
                    changed.add(number)
        return changed

    def _row(self, number: int, called: LabelledObject, shown: bool) -> ObjectRow:
        count, prompted, accepted = self._prompts.get(number, (0, frozenset(), frozenset()))
        columns = list(self._columns[number])
        done = [column for column in columns if column.confidence is not None]
        sure = [column.confidence or 0.0 for column in done if not column.absent]
        for frame in prompted:
            columns[frame] = Column(columns[frame].confidence, True, columns[frame].absent, frame in accepted)
        return ObjectRow(
            number,
            called.name,
            called.colour or object_colour(number),
            count,
            len(done),
            sum(sure) / len(sure) if sure else None,
            shown,
            tuple(columns),
        )
