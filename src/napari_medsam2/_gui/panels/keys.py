"""Keys: bound on the viewer and on our own layers while the dock is open, and given back afterwards.

napari's layer keymaps shadow the viewer's, so our layers get the keys too; the user's layers get none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from napari.components import ViewerModel
from napari.layers import Layer

#: What is printed on the buttons; ``Escape`` pauses and is bound only while something runs.
KEYS = {
    "point": "P",
    "box": "B",
    "mask": "M",
    "sign": "T",
    "segment": "S",
    "propagate": "Shift-S",
    "commit": "C",
    "clear": "Shift-C",
    "next": "N",
    "undo": "Control-Z",
    "redo": "Control-Shift-Z",
}
PAUSE = "Escape"

Action = Callable[[], None]


class KeyBindings:
    """Binds actions to keys on several targets.

    Parameters
    ----------
    viewer
        Gets the keys at once; keys that someone bound there before come back on release.
    actions
        By name, as in :data:`KEYS`, and ``pause``.
    """

    def __init__(self, viewer: ViewerModel, actions: Mapping[str, Action]) -> None:
        self._actions = dict(actions)
        self._bound: list[tuple[ViewerModel | Layer, dict[str, Any]]] = []
        self._pause_is_bound = False
        self.bind(viewer)

    def bind(self, target: ViewerModel | Layer) -> None:
        """Give a target the keys."""
        before: dict[str, Any] = {}
        for name, key in KEYS.items():
            before[key] = target.bind_key(key, self._handler(name), overwrite=True)
        if self._pause_is_bound:
            before[PAUSE] = target.bind_key(PAUSE, self._handler("pause"), overwrite=True)
        self._bound.append((target, before))

    def release(self, target: ViewerModel | Layer) -> None:
        """Give a target back the keys that it had before."""
        for known, before in self._bound:
            if known is target:
                for key, previous in before.items():
                    target.bind_key(key, previous, overwrite=True)
        self._bound = [(known, before) for known, before in self._bound if known is not target]

    def release_all(self) -> None:
        """Give all keys back."""
        for target, _ in list(self._bound):
            self.release(target)

    def set_running(self, running: bool) -> None:
        """Take the pause key while something runs; at other times it is napari's."""
        if running == self._pause_is_bound:
            return
        self._pause_is_bound = running
        for target, before in self._bound:
            if running:
                before[PAUSE] = target.bind_key(PAUSE, self._handler("pause"), overwrite=True)
            else:
                target.bind_key(PAUSE, before.pop(PAUSE), overwrite=True)

    def _handler(self, name: str) -> Callable[[Any], None]:
        action = self._actions[name]

        def handle(target: Any) -> None:
            action()

        return handle


def printed(name: str) -> str:
    """The key as it is printed on a button: ``Shift+S``."""
    return {"Control-Z": "Ctrl+Z", "Control-Shift-Z": "Ctrl+Shift+Z"}.get(KEYS[name], KEYS[name].replace("-", "+"))
