"""Helpers for tests through the dock: an engine that is real, with a double for a model, or a double itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from unittest.mock import MagicMock

import numpy as np
from fakes import blob_model, moving_disc
from qtpy.QtWidgets import QApplication

from napari_medsam2._gui.controller import Controller
from napari_medsam2._gui.layers.layout import Layout, resolve_layout
from napari_medsam2._widget import MedSamDock
from napari_medsam2.engine.engine import Engine
from napari_medsam2.engine.events import Event, ModelLoaded, ResultReady, RunState, RunStatus
from napari_medsam2.engine.requests import RequestKind
from napari_medsam2.results import FrameResult

#: Of the image that docks are tried on.
SHAPE = (5, 40, 60)
#: Where the sliders of a viewer are.
POINT = (0.0, 0.0, 0.0)
#: Another one, of a disc that moves, and where the disc is.
IMAGES, TRUTH = moving_disc(6, (40, 60))
#: Some pixels of its frames that the disc is not on.
SQUARE = np.zeros((40, 60), bool)
SQUARE[:8, :8] = True


def result(frame, number=1, *, confidence=0.9, where=slice(10, 20), prompted=False):
    """A result on that image: some rows of ten pixels."""
    mask = np.zeros(SHAPE[1:], bool)
    mask[where, 10:20] = True
    return FrameResult(frame, number, mask, confidence, confidence, 1.0, prompted, 0.01)


def answer(frame, number=1, *, generation=0, prompted=False):
    """What a run tells of the disc on a frame."""
    found = FrameResult(frame, number, TRUTH[frame], 0.9, 0.9, 1.0, prompted, 0.01)
    return ResultReady(1, generation, found, RequestKind.PROPAGATE)


def paint(layer, frame, where, label):
    """Paint pixels of a frame of a Labels layer of three axes as the brush does."""
    y, x = np.nonzero(where)
    layer.data_setitem((np.full(len(y), frame), y, x), label)


class Teller:
    """Has the double of an engine tell an event to the dock."""

    def __init__(self) -> None:
        self.dock: MedSamDock | None = None
        self.receive: Callable[[Event], None] | None = None

    def __call__(self, event: Event) -> None:
        assert self.receive is not None
        self.receive(event)

    @property
    def settled(self) -> bool:
        """True if all that was told, drawn and painted is on the layers and shown."""
        assert self.dock is not None
        return self.dock.controller.client.settled


def deliver(qtbot, send: Teller, *events) -> None:
    """Have a double of the engine tell these, and wait until they are shown."""
    for event in events:
        send(event)
    qtbot.waitUntil(lambda: send.settled)


def mocked(viewer, *, loads: bool = True):
    """A dock on a double of the engine; returns the dock, the double, and what delivers an event.

    The viewer may be a model alone, without a window, which is quick. A model is there as soon as it is asked for,
    unless ``loads`` is false: then a test tells what becomes of it.
    """
    engine = MagicMock(spec=Engine)
    engine.status = RunStatus()
    engine.generation = 0
    engine.replace_prompts.return_value = 0
    send = Teller()

    def make(on_event):
        send.receive = on_event
        return engine

    def load(name, *, device):
        send(ModelLoaded(1, name, "cpu" if device == "auto" else device, True))
        return 1

    if loads:
        engine.load_model.side_effect = load

    send.dock = MedSamDock(viewer, Controller(viewer, make))
    return send.dock, engine, send


def stack_layout(shape=SHAPE, **kwargs) -> Layout:
    """Layout of an image whose first axis has the slider."""
    order = list(range(len(shape)))
    return resolve_layout([shape], **{"rgb": False, "order": order, "position": [0.0] * len(shape), **kwargs})


class Pace:
    """How many images the model still takes: all, until :meth:`hold` lets it have so many more."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._left: float = float("inf")

    def hold(self, images: int) -> None:
        """Take so many images more, then wait."""
        with self._changed:
            self._left = images

    def go(self) -> None:
        """Take all that come."""
        with self._changed:
            self._left = float("inf")
            self._changed.notify_all()

    def take(self) -> None:
        """One image more; waits until it may."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._left > 0, timeout=30)
            self._left -= 1


def blob_engine(on_event, pace: Pace, *, region: bool = False):
    """A real engine whose model is the blob network."""

    def load(name, *, device, on_notice):
        model = blob_model(region=region)
        encode = model.network.encode_image

        def paced(image, mode="stack", *, fine=None):
            pace.take()
            return encode(image, mode, fine=fine)

        model.network.encode_image = paced
        return model

    return Engine(on_event, load_model=load)


def running(viewer, pace: Pace | None = None, *, region: bool = False) -> MedSamDock:
    """A dock on a real engine, in the window of a real viewer."""
    dock = MedSamDock(viewer, Controller(viewer, lambda on_event: blob_engine(on_event, pace or Pace(), region=region)))
    viewer.window.add_dock_widget(dock, name="MedSAM-2")
    wait_for_model(dock)
    return dock


def wait_for_model(dock: MedSamDock) -> None:
    """Let the first model come, if one is on its way: the tools are off until then."""
    end = time.monotonic() + 60
    while dock.controller.state.loading_left is not None:
        QApplication.processEvents()
        time.sleep(0.005)  # Python's one lock is for the thread that loads it
        assert time.monotonic() < end, "the model did not come"


def settled(dock: MedSamDock) -> bool:
    """True if a real engine rests, and all that it told is on the layers and shown."""
    do = dock.controller
    rests = do.engine.status.state is RunState.IDLE and not do.engine.n_unfinished
    QApplication.processEvents()  # what it told before it came to rest
    return rests and do.client.settled


def draw_box(layer, frame: int, y0: float, x0: float, y1: float, x1: float) -> None:
    """Add a rectangle to a Shapes layer of three axes."""
    layer.add(np.array([(frame, y0, x0), (frame, y0, x1), (frame, y1, x1), (frame, y1, x0)]), shape_type="rectangle")
