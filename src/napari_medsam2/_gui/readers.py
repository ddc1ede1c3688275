"""File > Open and drag and drop: what napari asks a plugin for, given a path."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari import current_viewer
from napari.utils import progress
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QMainWindow

from ..distribution import plugin_name
from ..errors import EXPECTED_ERRORS, FrameError, SeriesError, SeriesInfo, in_words
from ..images.formats import read_files, read_images
from ..images.listing import image_stem, stem_of
from ..images.opened import OpenedImages
from ..session.session_file import SUFFIX
from .layers.layout import OPENED_KEY
from .layers.opened_layers import LayerData, layers_of
from .series_dialog import ask_series

#: What a reader gives that opened no layer, and told why.
NOTHING: list[tuple[None]] = [(None,)]
#: Looking at so many files is shown as progress.
_MANY = 200


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData] | list[tuple[None]]]:
    """Give napari the function that opens a file or a folder as layers."""
    return _open


def open_layers(path: Path) -> list[LayerData]:
    """Layers of a file or a folder; of several series in it those that the user chooses, of which the first is shown.

    What is in it beside them is told.

    Raises
    ------
    FrameError, DatasetError
        If it cannot be read; in words. Of several series where there is no window to ask in: a ``SeriesError``.
    """
    try:
        return series_layers(path)
    except SeriesError as error:
        if (window := _window()) is None:
            raise
        chosen = ask_series(path.name, error.series, window)
    first, *others = [series_layers(path, series) for series in chosen] or [[]]
    hidden = [(data, {**options, "visible": False}, kind) for layers in others for data, options, kind in layers]
    return [*first, *hidden]


def open_together(paths: Sequence[str]) -> list[LayerData]:
    """One image of several files, as "Open Files as Stack..." asks for; raises as :func:`open_layers`."""
    with _progress("Looking at the files") as tell:
        return _told(read_files(paths, progress=tell), None, {"paths": [str(path) for path in paths]})


def _open(path: str | list[str]) -> list[LayerData] | list[tuple[None]]:
    """Open a path, or several as one image. In a window errors are told there: napari would show a traceback."""
    paths = [path] if isinstance(path, str) else path
    if len(paths) == 1 and paths[0].endswith(SUFFIX):
        return _open_session(Path(paths[0]))
    try:
        layers = open_layers(Path(paths[0])) if len(paths) == 1 else open_together(paths)
    except EXPECTED_ERRORS as error:
        if _window() is None:
            raise
        show_error(in_words(error))
        return NOTHING
    return layers or NOTHING


def _open_session(path: Path) -> list[tuple[None]]:
    """Have the dock open a session file, in the window that was asked to; no layer comes of that at once."""
    viewer = current_viewer()
    if viewer is None or not hasattr(viewer, "window"):
        raise FrameError(f"{path.name} is a session, which opens in a window of napari")

    def show() -> None:
        _, dock = viewer.window.add_plugin_dock_widget(plugin_name(), "MedSAM-2")
        dock.controller.open_session(path)

    QTimer.singleShot(0, show)
    return NOTHING


def series_layers(path: Path, series: SeriesInfo | None = None) -> list[LayerData]:
    """Layers of one series, and of the labels that lie on it in the same file."""
    if image_stem(path) != stem_of(path):
        with suppress(FrameError):  # it is only called so, and holds colours or fractions
            return _labels(path, series)
    images = _read(path, series)
    if images.labels:
        return _labels(path, series)
    layers = _told(images, series, _opened(path, series))
    for key in images.label_series:
        layers += _labels(path, SeriesInfo(key, ""))
    return layers


def _labels(path: Path, series: SeriesInfo | None) -> list[LayerData]:
    return _told(replace(_read(path, series, as_labels=True), labels=True), series, _opened(path, series))


def _opened(path: Path, series: SeriesInfo | None) -> dict[str, Any]:
    return {"path": str(path.absolute()), "series": None if series is None else series.key}


def _told(images: OpenedImages, series: SeriesInfo | None, opened: dict[str, Any]) -> list[LayerData]:
    """The layers, which say how they were opened; what was left out is told with them."""
    if series is not None and series.name and series.name not in images.name:
        images = replace(images, name=f"{images.name} {series.name}")
    layers = layers_of(images)
    for channel, (_, options, _) in enumerate(layers):
        options["metadata"][OPENED_KEY] = opened | {"channel": channel if len(layers) > 1 else None}
    for sentence in images.left_out:
        show_info(f"{images.name}: {sentence}")
    return layers


def _read(path: Path, series: SeriesInfo | None, *, as_labels: bool = False) -> OpenedImages:
    with _progress(f"Looking at {path.name}") as tell:
        return read_images(path, series=None if series is None else series.key, as_labels=as_labels, progress=tell)


@contextmanager
def _progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar of napari's for as long as many files are looked at."""
    bars: list[progress] = []

    def tell(done: int, total: int) -> None:
        if not bars and total >= _MANY:
            bars.append(progress(total=total, desc=title))
        for bar in bars:
            bar.update(done - bar.n)

    try:
        yield tell
    finally:
        for bar in bars:
            bar.close()


def _window() -> QMainWindow | None:
    """A window of napari to ask or to tell something in; ``None`` where a script has none, or hides it."""
    if QApplication.instance() is None:
        return None
    windows = (widget for widget in QApplication.topLevelWidgets() if isinstance(widget, QMainWindow))
    return next((window for window in windows if window.isVisible()), None)
