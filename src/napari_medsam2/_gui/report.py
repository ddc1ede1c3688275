"""A report for who helps: versions, settings, how the image is laid out, and what happened last. It holds no pixels."""

from __future__ import annotations

import platform
from collections import deque
from datetime import datetime
from typing import Any

import qtpy

from ..distribution import CLIENT, COMPLETE, version_of
from .dock_state import DockState

#: So many of the latest events are remembered.
EVENTS = 30
_PACKAGES = (COMPLETE, CLIENT, "napari", qtpy.API_NAME, "superqt", "torch", "numpy")
#: What of the state is an event when it differs.
_NOTED = (
    *("layout", "mode", "axis", "model", "wanted_device", "model_phase", "device", "contrast_as_shown", "adapt"),
    *("objects", "current", "positive", "preview", "direction", "output", "keep", "saved", "recovery", "up_to_date"),
    *("problem", "note"),
)


class EventLog:
    """The latest events, each with its time."""

    def __init__(self) -> None:
        self._events: deque[tuple[datetime, str]] = deque(maxlen=EVENTS)

    def note(self, words: str) -> None:
        """Remember that this happened."""
        self._events.append((datetime.now(), words))

    def note_changes(self, before: DockState, after: DockState) -> None:
        """Remember what differs between two states."""
        for name in _NOTED:
            value = getattr(after, name)
            if value != getattr(before, name):
                self.note(f"{name}: {_in_words(value)}")
        was, now = before.status, after.status
        if (now.state, now.finish_reason) != (was.state, was.finish_reason):
            ended = f", {now.finish_reason.value}" if now.finish_reason is not None else ""
            self.note(f"engine: {now.state.value}{ended} {now.detail}".rstrip())

    @property
    def lines(self) -> list[str]:
        """The events, the oldest first."""
        return [f"{when:%H:%M:%S}.{when.microsecond // 100_000} {words}" for when, words in self._events]


def report_of(state: DockState, log: EventLog) -> str:
    """All of it as text."""
    parts = {
        "Versions": [f"{name} {version_of(name) or 'not installed'}" for name in _PACKAGES]
        + [f"Python {platform.python_version()}", platform.platform()],
        "Model": [
            f"{state.model}, {state.model_phase.value}, device {state.device or '-'} (chosen: {state.wanted_device})",
            *(["an NVIDIA GPU is here that torch cannot use"] if state.idle_gpu else []),
            *([state.notice.message] if state.notice is not None else []),
        ],
        "Image": _image_lines(state),
        "State": [
            f"engine {state.status.state.value}, step {state.status.done} of {state.status.total}",
            f"{state.done} of {len(state.columns)} {state.noun}s up to date, {state.noun} {state.frame} in view",
            f"objects {_in_words(state.objects)}, current {state.current}, tool {state.tool or '-'}, "
            f"{'positive' if state.positive else 'negative'}",
            f"preview {state.preview}, direction {state.direction}, contrast "
            f"{'as shown' if state.contrast_as_shown else 'automatic'}, learning {_in_words(state.adapt)}",
            f"prompts {state.has_prompts}, results {state.has_results}, results go to "
            f"{'a layer of the user' if state.output is not None else 'a layer of ours'}, keep {state.keep}",
        ],
        "Last events": log.lines or ["none"],
    }
    if state.report:
        parts["Problem"] = [state.report]
    return "\n\n".join("\n".join((f"## {heading}", *lines)) for heading, lines in parts.items()) + "\n"


def _image_lines(state: DockState) -> list[str]:
    """How the layer is laid out; neither its name nor its file, which may tell of a patient."""
    layer = state.image_layer
    if layer is None:
        return ["none"]
    data = layer.data[0] if layer.multiscale else layer.data
    module = type(data).__module__.partition(".")[0]
    return [
        f"shape {tuple(data.shape)}, {data.dtype}, {module}.{type(data).__name__}"
        f"{'' if module == 'numpy' else ' (lazy)'}",
        f"axes {_in_words(layer.axis_labels)}, scale {_in_words(float(s) for s in layer.scale)}, "
        f"units {_in_words(str(unit) for unit in layer.units)}, rgb {layer.rgb}, multiscale {layer.multiscale}",
        f"taken as {state.mode} along axis {_in_words(state.axis)}: {state.layout}, {state.reason or 'no guess'}",
        *state.remarks,
    ]


def _in_words(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, (str, bool, int, float)):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, (list, tuple)) or hasattr(value, "__next__"):
        return " ".join(_in_words(part) for part in value) or "-"
    return str(getattr(value, "value", None) or type(value).__name__)
