"""Keys: bound while the dock is open on the viewer and on whichever layer is active, and given back afterwards.

A layer's keys win over the viewer's, and each kind of layer has keys of its own: N, T or P would do something else as
soon as another layer is selected. So the layer that is active gets the keys too, for as long as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from napari.components import ViewerModel
from napari.layers import Layer
from napari.utils.events import Event

#: What is printed on the buttons.
KEYS = {
    "point": "P",
    "box": "B",
    "scribble": "D",
    "lasso": "L",
    "polygon": "G",
    "mask": "M",
    "sign": "T",
    "reading": "O",
    "segment": "S",
    "propagate": "Shift-S",
    "commit": "C",
    "clear": "Shift-C",
    "next": "N",
    "check": "K",
    "accept": "A",
    "undo": "Control-Z",
    "redo": "Control-Shift-Z",
}
#: Bound only while there is something to stop, or to close; at other times these keys are napari's.
SOMETIMES = {"stop": "Escape", "close": "Enter"}

Action = Callable[[], None]


@dataclass
class _Bound:
    """What was on a key before it was bound here. It does not know the action: the two would hold each other."""

    before: Any = None
    released: bool = False


class KeyBindings:
    """Binds actions to keys.

    Parameters
    ----------
    viewer
        Gets the keys, and so does the layer that is active in it; keys that someone bound there before come back.
    actions
        By name, as in :data:`KEYS` and :data:`SOMETIMES`.
    """

    def __init__(self, viewer: ViewerModel, actions: Mapping[str, Action]) -> None:
        self._viewer = viewer
        self._keys: dict[str, Action] = {key: actions[name] for name, key in KEYS.items()}
        self._sometimes = {name: actions[name] for name in SOMETIMES}
        self._bound: dict[ViewerModel | Layer, dict[str, _Bound]] = {}
        self._help = ""
        self._helps: dict[Layer, str] = {}  # what napari says about a layer
        self._helping = False
        self._bind(viewer)
        viewer.layers.selection.events.active.connect(self._on_active)
        self._follow(viewer.layers.selection.active)

    def release_all(self) -> None:
        """Give all keys back."""
        self._viewer.layers.selection.events.active.disconnect(self._on_active)
        self._follow(None)
        self._release(self._viewer)

    def set_bound(self, name: str, bound: bool) -> None:
        """Take one of the keys that are taken sometimes only, or give it back."""
        key, action = SOMETIMES[name], self._sometimes[name]
        if bound == (key in self._keys):
            return
        if bound:
            self._keys[key] = action
        else:
            del self._keys[key]
        for target, keys in self._bound.items():
            if bound:
                keys[key] = _bind(target, key, action)
            else:
                _give_back(target, key, keys.pop(key))

    def set_help(self, words: str) -> None:
        """What the viewer's status bar says of the active layer; nothing: what napari says, but for keys of ours."""
        self._help = words
        self._tell()

    # ---- the active layer --------------------------------------------------------------------------------------------

    def _on_active(self, event: Event) -> None:
        self._follow(event.value)

    def _follow(self, active: Layer | None) -> None:
        for layer in [target for target in self._bound if isinstance(target, Layer) and target is not active]:
            self._release(layer)
            layer.events.help.disconnect(self._on_help)
            layer.help = self._helps.pop(layer)
        if active is not None and active not in self._bound:
            self._bind(active)
            self._helps[active] = active.help
            active.events.help.connect(self._on_help)
            self._tell()

    def _bind(self, target: ViewerModel | Layer) -> None:
        self._bound[target] = {key: _bind(target, key, action) for key, action in self._keys.items()}

    def _release(self, target: ViewerModel | Layer) -> None:
        for key, bound in self._bound.pop(target).items():
            _give_back(target, key, bound)

    # ---- what napari says of it --------------------------------------------------------------------------------------

    def _on_help(self, event: Event) -> None:
        if not self._helping:  # else it is what was written here
            self._helps[event.source] = event.help
            self._tell()

    def _tell(self) -> None:
        self._helping = True
        try:
            for layer, words in self._helps.items():
                layer.help = self._help or _without(words, {_as_printed(key) for key in self._keys})
                self._viewer.help = layer.help
        finally:
            self._helping = False


def _bind(target: ViewerModel | Layer, key: str, action: Action) -> _Bound:
    def call(target: Any) -> None:  # napari asks for its name, so it has to be a function
        action()

    bound = _Bound()
    vars(call)["bound"] = bound
    bound.before = target.bind_key(key, call, overwrite=True)
    return bound


def _give_back(target: ViewerModel | Layer, key: str, bound: _Bound) -> None:
    """Bind what was bound before, unless somebody has taken the key since, such as a second dock."""
    bound.released = True
    current = target.bind_key(key, None)
    while (known := getattr(current, "bound", None)) is not None and known.released:
        current = known.before
    if current is not None:
        target.bind_key(key, current)


def _without(words: str, keys: set[str]) -> str:
    """What napari says of its keys for a layer (``use <2> for select, ...``), without what these keys do not do now."""
    parts = words.split(", ")
    return ", ".join(part for part in parts if not keys & set(re.findall(r"<([^>]+)>", part)))


def _as_printed(key: str) -> str:
    return key.replace("Control", "Ctrl").replace("-", "+")


def printed(name: str) -> str:
    """The key as it is printed on a button: ``Shift+S``."""
    return _as_printed(KEYS[name])
