"""Helpers for tests through the dock: an engine that is real, with a double for a model, or a double itself."""

from __future__ import annotations

import time
from dataclasses import dataclass
from unittest.mock import MagicMock

import numpy as np
from fakes import blob_model

from napari_medsam2._gui.controller import Controller
from napari_medsam2._widget import MedSamDock
from napari_medsam2.engine.engine import Engine
from napari_medsam2.engine.events import RunStatus
from napari_medsam2.results import FrameResult

#: Of the image that docks are tried on.
SHAPE = (5, 40, 60)


def result(frame, number=1, *, confidence=0.9, where=slice(10, 20), prompted=False):
    """A result on that image: some rows of ten pixels."""
    mask = np.zeros(SHAPE[1:], bool)
    mask[where, 10:20] = True
    return FrameResult(frame, number, mask, confidence, confidence, 1.0, prompted, 0.01)


def deliver(qtbot, send, *events):
    """Have a double of the engine tell these, and wait until they are shown."""
    for event in events:
        send(event)
    qtbot.wait(150)  # the labels are redrawn ten times a second


def mocked(viewer):
    """A dock on a double of the engine; returns the dock, the double, and a function that delivers an event.

    The viewer may be a model alone, without a window, which is quick.
    """
    engine = MagicMock(spec=Engine)
    engine.status = RunStatus()
    engine.generation = 0
    receivers = []

    def make(on_event):
        receivers.append(on_event)
        return engine

    return MedSamDock(viewer, Controller(viewer, make)), engine, receivers[0]


@dataclass
class Pace:
    """How long the model takes for an image; may be changed while it runs."""

    seconds: float = 0.0


def blob_engine(on_event, pace: Pace):
    """A real engine whose model is the blob network."""

    def load(name, *, device, on_notice):
        model = blob_model()
        encode = model.network.encode_image

        def slowly(image):
            time.sleep(pace.seconds)
            return encode(image)

        model.network.encode_image = slowly
        return model

    return Engine(on_event, load_model=load)


def running(viewer, seconds: float = 0.0, pace: Pace | None = None) -> MedSamDock:
    """A dock on a real engine, in the window of a real viewer."""
    dock = MedSamDock(viewer, Controller(viewer, lambda on_event: blob_engine(on_event, pace or Pace(seconds))))
    viewer.window.add_dock_widget(dock, name="MedSAM-2")
    return dock


def draw_box(layer, frame: int, y0: float, x0: float, y1: float, x1: float) -> None:
    """Add a rectangle to a Shapes layer of three axes."""
    layer.add(np.array([(frame, y0, x0), (frame, y0, x1), (frame, y1, x1), (frame, y1, x0)]), shape_type="rectangle")
