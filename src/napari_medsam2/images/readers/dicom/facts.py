"""What a header says, of the whole file and of each frame: looked up once, since pydicom makes each value anew."""

from __future__ import annotations

from typing import Any

from pydicom import Dataset

#: Functional groups hold their values in sequences, and some of these in others.
_DEPTH = 2


class Facts:
    """The values of a header by their keywords; what is empty is not there.

    Parameters
    ----------
    header
        As pydicom reads it.
    """

    def __init__(self, header: Dataset) -> None:
        self.header = header
        self._file = _values(header, 0)
        shared = self._file.get("SharedFunctionalGroupsSequence", ())
        self._shared = _values(shared[0], _DEPTH) if len(shared) else {}
        self._frames = [_values(item, _DEPTH) for item in self._file.get("PerFrameFunctionalGroupsSequence", ())]

    @property
    def has_frames(self) -> bool:
        """Whether each frame has functional groups of its own."""
        return bool(self._frames)

    def get(self, keyword: str, index: int | None = None) -> Any:
        """A value; of a frame as its own functional groups say it, then the shared ones, then the file.

        ``None`` if it is not said.
        """
        if index is not None:
            own = self._frames[index] if index < len(self._frames) else {}
            for place in (own, self._shared):
                if keyword in place:
                    return place[keyword]
        return self._file.get(keyword)


def _values(dataset: Dataset, depth: int) -> dict[str, Any]:
    """Values by keyword, with those of the first items of sequences."""
    found: dict[str, Any] = {}
    for element in dataset:
        value = element.value
        if value is None or value == "" or (element.VR == "SQ" and not len(value)):
            continue
        found[element.keyword] = value
        if element.VR == "SQ" and depth:
            found = {**_values(value[0], depth - 1), **found}
    return found
