"""Networks that sessions share: each is loaded once, and stays while somebody uses it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..engine.imports import import_gently
from ..errors import ModelError, shortened
from ..models.notices import Notice, OnNotice
from ..models.registry import MODELS, local_file
from .turns import Turns

if TYPE_CHECKING:
    from ..models.device import Model

_PACKAGE = __name__.rpartition(".server.")[0]
#: Networks that nobody uses are kept for the next one who asks, so many of them.
_UNUSED = 1


class SharedModels:
    """The networks of a server.

    Parameters
    ----------
    device
        Where they run.
    files
        Files of weights that are offered under their names, without the suffix.
    load
        ``load(name_or_path, *, device, on_notice) -> Model``; another one in tests.
    """

    def __init__(self, device: str, files: tuple[str, ...] = (), load: Callable[..., Model] | None = None) -> None:
        self._device = device
        self._files = {Path(file).stem: Path(file) for file in files}
        if missing := [str(path) for path in self._files.values() if not path.is_file()]:
            raise ModelError(f"there is no file {missing[0]} to offer as a model")
        self._load = load or _load
        self._loading = threading.Lock()  # one at a time, for which nobody waits who leaves, or has another one
        self._lock = threading.Lock()
        self._loaded: dict[str, Model] = {}  # the one that was asked for last comes last
        self._users: dict[str, dict[object, OnNotice]] = {}
        self.turns = Turns()

    @property
    def offered(self) -> tuple[str, ...]:
        """Names of the models that can be asked for: those that are on this machine."""
        return (*(name for name, entry in MODELS.items() if local_file(entry).is_file()), *self._files)

    @property
    def loaded(self) -> dict[str, str]:
        """Names of the models that are in memory, and where they run."""
        # Others load and leave meanwhile: a copy of a plain dict is made at once.
        return {name: str(model.device) for name, model in self._loaded.copy().items()}

    def get(self, user: object, name: str, on_notice: OnNotice) -> Model:
        """A model for a session, which is told of what memory makes necessary.

        Raises
        ------
        ModelError
            If it is not offered, or cannot be loaded.
        """
        if name not in self.offered:
            raise ModelError(f"this server has no model {shortened(name)}; it has {', '.join(self.offered)}")
        if (model := self._take(user, name, on_notice)) is not None:
            return model
        with self._loading:
            if (model := self._take(user, name, on_notice)) is not None:
                return model
            with self._lock:
                self._make_room()
            file = self._files.get(name)
            told = {"device": self._device, "on_notice": lambda notice: self._tell(name, notice)}
            model = self._load(name if file is None else str(file), **told)
            with self._lock:
                self._loaded[name] = model
            return model

    def _take(self, user: object, name: str, on_notice: OnNotice) -> Model | None:
        """Leave the model of before for this one, which the user is told of from now on; none if it is not loaded."""
        with self._lock:
            self._leave(user)
            self._users.setdefault(name, {})[user] = on_notice
            if (model := self._loaded.pop(name, None)) is not None:
                self._loaded[name] = model
            return model

    def leave(self, user: object) -> None:
        """A session is over; waits for no model that is being loaded."""
        with self._lock:
            self._leave(user)

    def _leave(self, user: object) -> None:
        for users in self._users.values():
            users.pop(user, None)

    def _make_room(self) -> None:
        unused = [name for name in self._loaded if not self._users.get(name)]
        for name in unused[: max(0, len(unused) - _UNUSED + 1)]:
            del self._loaded[name]

    def _tell(self, name: str, notice: Notice) -> None:
        with self._lock:
            told = list(self._users.get(name, {}).values())
        for on_notice in told:
            on_notice(notice)


def _load(name_or_path: str, **options: Any) -> Model:
    import_gently("torch", f"{_PACKAGE}.models.loading", f"{_PACKAGE}.session.recorded")
    from ..models.loading import load_model

    return load_model(name_or_path, **options)
