"""The engine of a dock, on this computer or on a server; another one takes its place once it has a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from ..engine.engine import Engine
from ..engine.events import Event, Failed, ModelLoaded
from ..engine.requests import RequestKind
from ..models.notices import Notice
from ..remote.address import is_address
from ..remote.remembered import KnownServers

if TYPE_CHECKING:
    from ..remote.engine import RemoteEngine

    AnyEngine = Engine | RemoteEngine

#: Where an engine on this computer is.
_HERE = ""


@dataclass(eq=False)
class _Place:
    """An engine, and where it is: the address of a server and its key, or here."""

    where: tuple[str, str]
    engine: AnyEngine | None = None


class Engines(QObject):
    """Has one engine in use, and perhaps another one that is on its way.

    Parameters
    ----------
    make_engine
        Makes an engine on this computer from its event callback.
    servers
        Knows the keys of servers.
    """

    #: An event of the engine in use.
    arrived = Signal(object)
    #: Another engine is in use from now on; it knows of no images yet.
    replaced = Signal()
    #: Of the models that were asked for and are not there, in order: which one the next event answers, and which one is
    #: not waited for any more, because another engine took the place of the one that was asked.
    answered = Signal(int)
    dropped = Signal(int)

    _heard = Signal(object, object)

    def __init__(self, make_engine: Callable[[Callable[[Event], None]], Engine], servers: KnownServers) -> None:
        super().__init__()
        self._make_engine = make_engine
        self._servers = servers
        self._closed = False
        self._asked: list[_Place] = []  # for a model, and without an answer
        self._next: _Place | None = None
        self._heard.connect(self._on_event)
        self._now = self._begin((_HERE, ""))

    @property
    def in_use(self) -> AnyEngine:
        """The engine that is asked."""
        assert self._now.engine is not None
        return self._now.engine

    def load_model(self, name: str, *, device: str) -> int:
        """Load a model on a device of this computer, or on the server of this address."""
        where = (device, self._servers.key_of(device)) if is_address(device) else (_HERE, "")
        if self._next is not None and self._next.where != where:
            self._drop_next()
        if self._next is None and where != self._now.where:
            self._next = self._begin(where)
        place = self._next or self._now
        assert place.engine is not None
        self._asked.append(place)
        return place.engine.load_model(name, device=device)

    def close(self, timeout: float = 0.0) -> None:
        """Close both."""
        self._closed = True
        for place in (self._next, self._now):
            if place is not None and place.engine is not None:
                place.engine.close(timeout)

    def _begin(self, where: tuple[str, str]) -> _Place:
        place = _Place(where)
        address, key = where
        if address == _HERE:
            place.engine = self._make_engine(partial(self._pass_on, place))
        else:
            from ..remote.engine import RemoteEngine

            place.engine = RemoteEngine(partial(self._pass_on, place), address, key)
        return place

    def _drop_next(self) -> None:
        place = self._next
        self._close_next()
        self._drop_asked(place)

    def _drop_asked(self, place: _Place | None) -> None:
        """Nobody answers what was asked of this one."""
        while place in self._asked:
            self.dropped.emit(self._asked.index(place))
            self._asked.remove(place)

    def _close_next(self) -> None:
        place, self._next = self._next, None
        if place is not None and place.engine is not None:
            place.engine.close(0.0)

    def _pass_on(self, place: Any, event: Event) -> None:
        """Bring an event from the engine's thread to the interface thread."""
        if self._closed:
            return
        try:
            self._heard.emit(place, event)
        except RuntimeError:
            # The window was closed, and this object deleted by Qt, between the check and the call.
            self._closed = True

    def _on_event(self, place: _Place, event: Event) -> None:
        failed = isinstance(event, Failed) and event.kind is RequestKind.LOAD_MODEL
        if place is self._next and isinstance(event, ModelLoaded):
            before, self._now, self._next = self._now, place, None
            assert before.engine is not None
            before.engine.close(0.0)
            self._drop_asked(before)
            self.replaced.emit()
        if place in self._asked and (failed or isinstance(event, ModelLoaded)):
            self.answered.emit(self._asked.index(place))
            self._asked.remove(place)
        if place is self._now:
            self.arrived.emit(event)
        elif place is self._next and failed:
            self._close_next()
            self.arrived.emit(event)
        elif place is self._next and isinstance(event, Notice):
            self.arrived.emit(event)
