"""Frames that come over the network, in parts, before or when they are needed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np

from ..errors import FrameError, WireError
from ..images.frames import FrameSource
from ..images.header import ImageHeader
from ..types import AnyArray
from ..wire.chunks import check_part, checksum_of, parts_of, unpack_part
from .turns import Turns

#: Decoded frames that are kept, in bytes; all that came are kept compressed.
_DECODED_BYTES = 64 << 20
#: So often a frame whose chunks cannot be unpacked is asked for again.
_TRIES = 3


class SentFrames(FrameSource):
    """A sequence whose pixels a client sends; reading a frame that is not there asks for it, and waits.

    Parameters
    ----------
    headers
        Of all frames.
    most_bytes
        Compressed pixels that are kept; beyond it, those that were not read for longest go, and are asked for again
        when they are needed.
    want
        Asks the client for a frame, by its number.
    turns
        Others may have the device while this waits.
    """

    def __init__(
        self, headers: Sequence[ImageHeader], most_bytes: int, want: Callable[[int], None], turns: Turns
    ) -> None:
        super().__init__(_DECODED_BYTES)
        self.headers = tuple(headers)
        self._most_bytes = most_bytes
        self._want = want
        self._turns = turns
        self._changed = threading.Condition()
        self._parts: OrderedDict[int, dict[int, bytes]] = OrderedDict()
        self._wanted: set[int] = set()
        self._unreadable: dict[int, str] = {}
        self._bytes = 0
        self._closed = False

    def __len__(self) -> int:
        return len(self.headers)

    def header(self, t: int) -> ImageHeader:
        return self.headers[self._index(t)]

    @property
    def nbytes(self) -> int:
        """Bytes of the compressed pixels that are kept."""
        return self._bytes

    def put(self, t: int, part: int, packed: bytes, checksum: str) -> bool:
        """Take a part of a frame; false if it is there already.

        Raises
        ------
        WireError
            If there is no such part, or it is damaged, or differs from the one that is there.
        """
        if not 0 <= t < len(self.headers):
            raise WireError(f"there is no frame {t}; frames are 0 to {len(self.headers) - 1}")
        header = self.headers[t]
        parts = parts_of(header)
        if not 0 <= part < len(parts):
            raise WireError(f"frame {t} has parts 0 to {len(parts) - 1}; got {part}")
        check_part(packed, header, parts[part], checksum)
        with self._changed:
            if self._closed:
                return False
            there = self._parts.setdefault(t, {})
            if part in there:
                if checksum_of(there[part]) != checksum.lower():
                    raise WireError(f"part {part} of frame {t} came before, with other pixels")
                return False
            there[part] = packed
            self._bytes += len(packed)
            self._make_room(t)
            self._changed.notify_all()
        return True

    def give_up(self, t: int, why: str) -> None:
        """Say of a frame that is waited for that it cannot be read; another time it is asked for again."""
        with self._changed:
            if t in self._wanted:
                self._unreadable[t] = why
            self._changed.notify_all()

    def close(self) -> None:
        """Wait for nothing more, and let go of all pixels."""
        with self._changed:
            self._closed = True
            self._parts.clear()
            self._bytes = 0
            self._changed.notify_all()

    def _read(self, t: int) -> AnyArray:
        header = self.headers[t]
        rows = parts_of(header)
        for attempt in range(_TRIES):
            packed = self._wait_for(t, len(rows))
            try:
                parts = [unpack_part(packed[n], header, each) for n, each in enumerate(rows)]
            except WireError as error:
                self._drop(t)
                if attempt == _TRIES - 1:
                    raise FrameError(str(error)) from error
                continue
            return parts[0] if len(parts) == 1 else np.concatenate(parts)
        raise AssertionError("the last try returns or raises")

    def _wait_for(self, t: int, n_parts: int) -> dict[int, bytes]:
        with self._changed:
            if (there := self._complete(t, n_parts)) is not None:
                return there
            asked = t in self._wanted
            self._wanted.add(t)
        if not asked:
            self._want(t)
        with self._turns.let_go(), self._changed:
            self._changed.wait_for(
                lambda: self._closed or t in self._unreadable or self._complete(t, n_parts) is not None
            )
            self._wanted.discard(t)
            why = self._unreadable.pop(t, "the images are not sent any more")
            there = None if self._closed else self._complete(t, n_parts)
        if there is None:
            raise FrameError(why)
        return there

    def _complete(self, t: int, n_parts: int) -> dict[int, bytes] | None:
        there = self._parts.get(t)
        if there is None or len(there) < n_parts:
            return None
        self._parts.move_to_end(t)
        return dict(there)

    def _drop(self, t: int) -> None:
        with self._changed:
            self._bytes -= sum(map(len, self._parts.pop(t, {}).values()))

    def _make_room(self, latest: int) -> None:
        """Forget frames that are not waited for, those first that were not read for longest."""
        for t in list(self._parts):
            if self._bytes <= self._most_bytes:
                return
            if t != latest and t not in self._wanted:
                self._bytes -= sum(map(len, self._parts.pop(t).values()))
