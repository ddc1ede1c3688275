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
        with self._lock:
            self._leave(user)
            if name not in self._loaded:
                self._make_room()
                file = self._files.get(name)
                told = {"device": self._device, "on_notice": lambda notice: self._tell(name, notice)}
                self._users[name] = {user: on_notice}
                self._loaded[name] = self._load(name if file is None else str(file), **told)
            self._loaded[name] = self._loaded.pop(name)
            self._users.setdefault(name, {})[user] = on_notice
            return self._loaded[name]

    def leave(self, user: object) -> None:
        """A session is over."""
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
        for on_notice in list(self._users.get(name, {}).values()):
            on_notice(notice)


def _load(name_or_path: str, **options: Any) -> Model:
    import_gently("torch", f"{_PACKAGE}.models.loading", f"{_PACKAGE}.session.recorded")
    from ..models.loading import load_model

    return load_model(name_or_path, **options)
