"""Who the objects of an image are: their names and colours, which of them are hidden, and a row about each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager

from ...images.opened import LabelledObject
from ..dock_state import ObjectRow
from .colours import object_colour, recolour
from .labelled import show_objects
from .overview import Overview
from .prompt_book import PromptBook
from .results import ResultView
from .tools import PromptTools


class Roster:
    """The objects of one image, as layers of ours show them.

    Parameters
    ----------
    book, results, tools
        Prompts, results and prompt layers of the image.
    quiet
        Changes layers without that counting as the user's edits.

    Attributes
    ----------
    called
        Names and colours of objects that have one.
    kept_called
        Likewise, of labels that are kept.
    hidden
        Objects that are not shown.
    """

    def __init__(
        self,
        book: PromptBook,
        results: ResultView,
        tools: PromptTools,
        quiet: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.called: dict[int, LabelledObject] = {}
        self.kept_called: dict[int, LabelledObject] = {}
        self.hidden: frozenset[int] = frozenset()
        self._overview = Overview(book, results)
        self._results = results
        self._tools = tools
        self._quiet = quiet
        self._aimed_at = 1

    @property
    def all_called(self) -> dict[int, LabelledObject]:
        """Names and colours of objects, those whose labels are kept included."""
        return {**self.kept_called, **self.called}

    def rows(self, numbers: Collection[int]) -> tuple[ObjectRow, ...]:
        """What is known of these objects."""
        return self._overview.rows(numbers, self.called, self.hidden)

    def is_in_parts(self, frame: int, object_id: int) -> bool:
        """True if what was found of an object on a frame is in separate parts, as far as that is known."""
        return self._overview.is_in_parts(frame, object_id)

    def title_of(self, object_id: int) -> str:
        """What people call an object."""
        called = self.called.get(object_id)
        return called.name if called is not None and called.name else f"Object {object_id}"

    def colour_of(self, object_id: int) -> str:
        """The colour ``#rrggbb`` of an object."""
        called = self.called.get(object_id)
        return called.colour if called is not None and called.colour else object_colour(object_id)

    def call_all(self, called: Mapping[int, LabelledObject]) -> None:
        """Take these names and colours, in place of all there were."""
        if called != self.called:
            self.called = dict(called)
            self.show()

    def take(self, called: Mapping[int, LabelledObject], kept: Collection[int] | None = None) -> None:
        """Take names and colours with prompts that were filled in anew, in the colours of the dock.

        Parameters
        ----------
        called
            By number.
        kept
            Which of them are of labels that are kept; ``None``: those that were.
        """
        if kept is not None:
            self.kept_called = {number: known for number, known in called.items() if number in kept}
            called = {number: known for number, known in called.items() if number not in kept}
        self.called = dict(called)
        self.show()

    def hide(self, hidden: frozenset[int]) -> None:
        """Show all objects but these. Nothing of what was found of them is changed."""
        self.hidden = hidden
        self.show()

    def aim(self, object_id: int) -> None:
        """The next prompt goes to this object, and has its colour."""
        self._aimed_at = object_id
        recolour(self._tools.layers, self.colour_of, aimed_at=object_id)

    def show(self) -> None:
        """Make our layers show names and colours, and nothing of hidden objects."""
        output = self._results.output
        if output is not None and output.ours:
            show_objects(output.layer, self.called, self.hidden)
        with self._quiet():
            recolour(self._tools.layers, self.colour_of)
            recolour(self._tools.layers, self.colour_of, aimed_at=self._aimed_at)
