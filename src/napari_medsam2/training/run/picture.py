"""The training curve as a picture: smoothed Dice by kind above, the loss below. Drawn with Pillow alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from ...types import Mode
from .saving import save_run_file

Colour = tuple[int, int, int]
Points = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]

_WIDTH, _HEIGHT = 960, 640
_LEFT, _RIGHT = 64, 196
#: Everything is drawn larger and shrunk, which makes lines smooth.
_FINE = 2
_INK, _FAINT, _GRID, _PAPER = (38, 43, 51), (120, 128, 140), (229, 232, 236), (255, 255, 255)
#: Colours that people with any colour vision tell apart (Okabe and Ito).
_ORANGE, _BLUE, _GREEN, _RED, _BLACK = (230, 159, 0), (0, 114, 178), (0, 158, 115), (213, 94, 0), (60, 66, 75)


@dataclass(frozen=True, eq=False)
class Line:
    """A curve: name, colour, steps and values; ``dots`` marks every value instead of smoothing."""

    name: str
    colour: Colour
    points: Points
    dots: bool = False


def draw_curve(rows: Sequence[Mapping[str, float]], path: Path, before: float | None = None) -> None:
    """Draw the rows of a :class:`.curve.Curve` to a PNG, whole or not at all.

    ``before`` is the Dice on what was held out before the first step, where it was scored.
    """
    last = max(row["step"] for row in rows)
    canvas = _Canvas()
    canvas.text(_LEFT, 16, "Training", 20, _INK)
    canvas.text(_LEFT + 100, 20, f"{len(rows)} steps; lines are smoothed", 14, _FAINT)
    scored = _series(rows, "held_out")
    if before is not None:
        scored = np.insert(scored[0], 0, 0.0), np.insert(scored[1], 0, before)
    dice = [
        Line("stacks", _BLUE, _series(rows, "others", "stack")),
        Line("flows", _ORANGE, _series(rows, "others", "flow")),
        Line("prompted frames", _GREEN, _series(rows, "prompted")),
        Line("held out", _RED, scored, dots=True),
    ]
    loss = [Line("loss", _BLACK, _series(rows, "loss"))]
    _panel(canvas, 56, 392, "Dice", dice, last, (0.0, 1.0))
    _panel(canvas, 432, 592, "loss", loss, last, _range(loss))
    canvas.text((_LEFT + _WIDTH - _RIGHT) / 2, 614, "step", 14, _FAINT, "mt")
    picture = canvas.image.resize((_WIDTH, _HEIGHT), Image.Resampling.LANCZOS)
    save_run_file(path, lambda draft: picture.save(draft, format="PNG"))


def _series(rows: Sequence[Mapping[str, float]], name: str, mode: Mode | None = None) -> Points:
    chosen = [
        (row["step"], row[name])
        for row in rows
        if math.isfinite(row.get(name, math.nan)) and (mode is None or row.get("ordered") == (mode == "stack"))
    ]
    pairs = np.array(chosen, float).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def smooth(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """An average that forgets over a fiftieth of the values, without a bias at the start."""
    keep = 1 - 1 / max(len(values) / 50, 3.0)
    out = np.empty_like(values)
    total = weight = 0.0
    for i, value in enumerate(values):
        total, weight = keep * total + value, keep * weight + 1
        out[i] = total / weight
    return out


def _range(lines: Sequence[Line]) -> tuple[float, float]:
    """From 0 to a little over what the smoothed lines reach."""
    tops = [float(np.quantile(smooth(line.points[1]), 0.98)) for line in lines if len(line.points[1])]
    return 0.0, 1.1 * max(tops, default=1.0) or 1.0


def _panel(
    canvas: _Canvas, top: int, bottom: int, title: str, lines: Sequence[Line], last: float, limits: tuple[float, float]
) -> None:
    left, right = _LEFT, _WIDTH - _RIGHT
    low, high = limits

    def place(steps: npt.NDArray[np.float64], values: npt.NDArray[np.float64]) -> list[tuple[float, float]]:
        x = left + steps / max(last, 1.0) * (right - left)
        y = bottom - np.clip((values - low) / (high - low), 0, 1) * (bottom - top)
        return list(zip(x.tolist(), y.tolist(), strict=True))

    for value in _ticks(low, high, 5):
        ((_, y),) = place(np.zeros(1), np.array([value]))
        canvas.line([(left, y), (right, y)], _GRID, 1)
        canvas.text(left - 10, y, f"{value:g}", 13, _FAINT, "rm")
    for step in _ticks(0, last, 6):
        ((x, _),) = place(np.array([step]), np.zeros(1))
        canvas.line([(x, bottom), (x, bottom + 5)], _FAINT, 1)
        canvas.text(x, bottom + 8, f"{step:g}", 13, _FAINT, "mt")
    canvas.line([(left, bottom), (right, bottom)], _FAINT, 1)
    canvas.text(left + 8, top - 2, title, 15, _INK, "ls")
    ends = []
    for line in lines:
        steps, values = line.points
        if not len(steps):
            continue
        if not line.dots:
            canvas.line(place(steps, values), _pale(line.colour), 1)
            values = smooth(values)
        points = place(steps, values)
        canvas.line(points, line.colour, 3)
        for x, y in points if line.dots or len(points) == 1 else []:
            canvas.dot(x, y, 4, line.colour)
        ends.append((points[-1][1], f"{line.name}  {values[-1]:.2f}", line.colour))
    for (_, text, colour), y in zip(
        sorted(ends), _apart([end[0] for end in sorted(ends)], 20, top, bottom), strict=True
    ):
        canvas.text(right + 14, y, text, 15, colour, "lm")


def _pale(colour: Colour) -> Colour:
    red, green, blue = (round(0.22 * part + 0.78 * 255) for part in colour)
    return red, green, blue


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers from low to high."""
    rough = max(high - low, 1e-9) / most
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * k for k in (1, 2, 5, 10) if size * k >= rough)
    first, count = math.ceil(low / step), math.floor((high - low) / step + 1e-9)
    return [round((first + k) * step, 10) for k in range(count + 1)]


def _apart(heights: Sequence[float], least: float, top: float, bottom: float) -> list[float]:
    """Heights moved so far apart that texts there do not overlap; the order stays."""
    placed: list[float] = []
    for height in heights:
        placed.append(max(height, placed[-1] + least) if placed else max(height, top))
    excess = placed[-1] - bottom if placed else 0.0
    for i in range(len(placed) - 1, -1, -1):
        if excess <= 0:
            break
        limit = bottom if i == len(placed) - 1 else placed[i + 1] - least
        placed[i] = min(placed[i], limit)
    return placed


class _Canvas:
    """A picture in units of the final one's pixels."""

    def __init__(self) -> None:
        self.image = Image.new("RGB", (_WIDTH * _FINE, _HEIGHT * _FINE), _PAPER)
        self._draw = ImageDraw.Draw(self.image)

    def line(self, points: Sequence[tuple[float, float]], colour: Colour, width: int) -> None:
        scaled = [(x * _FINE, y * _FINE) for x, y in points]
        if len(scaled) > 1:
            self._draw.line(scaled, colour, width * _FINE, joint="curve")

    def dot(self, x: float, y: float, radius: float, colour: Colour) -> None:
        box = ((x - radius) * _FINE, (y - radius) * _FINE, (x + radius) * _FINE, (y + radius) * _FINE)
        self._draw.ellipse(box, colour)

    def text(self, x: float, y: float, text: str, size: int, colour: Colour, anchor: str = "lt") -> None:
        self._draw.text((x * _FINE, y * _FINE), text, colour, ImageFont.load_default(size * _FINE), anchor)
