"""The colours of the dock on napari's dark and light themes, and its style sheet.

Hues are those of Okabe and Ito, which people who are blind to some colours tell apart; none says anything alone.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

from napari.components import ViewerModel
from napari.utils.theme import get_theme
from qtpy.QtWidgets import QWidget

from ..layers.colours import NEGATIVE, POSITIVE

#: Bluish green, vermilion, orange and blue.
GOOD, BAD, CARE, ACCENT = "#009e73", "#d55e00", "#e69f00", "#0072b2"


@dataclass(frozen=True)
class Shades:
    """Colours on one theme, as style sheets name them.

    Attributes
    ----------
    text, dim
        Of what matters, and of what explains it.
    raised
        Behind the heading of a step.
    focus
        Around what has the keyboard.
    told, good, bad, asked
        Behind instructions, good news, problems and questions.
    """

    text: str
    dim: str
    raised: str
    focus: str
    told: str
    good: str
    bad: str
    asked: str


_DARK = Shades("#f0f1f2", "#a9b2bf", "#333841", "#56b4e9", "#173a56", "#0f4033", "#5a2a0c", "#4d3908")
_LIGHT = Shades("#1d1f23", "#565c66", "#d5d8dc", "#0072b2", "#d6e9f7", "#cdeee3", "#fbdfce", "#fdecc4")


def shades_of(theme: str) -> Shades:
    """The colours on one of napari's themes."""
    return _LIGHT if get_theme(theme).type == "light" else _DARK


def style_sheet(shades: Shades) -> str:
    """What the dock adds to napari's style sheet; widgets are named by their property ``role``."""
    boxes = {"told": (shades.told, ACCENT), "good": (shades.good, GOOD), "bad": (shades.bad, BAD)}
    boxes["asked"] = (shades.asked, CARE)
    told = "".join(
        f'*[role="{role}"] {{ background-color: {behind}; color: {shades.text}; border-left: 4px solid {edge};'
        " border-radius: 3px; padding: 5px; }"
        for role, (behind, edge) in boxes.items()
    )
    return f"""
    {told}
    *[role="good"] QLabel, *[role="bad"] QLabel {{ background: transparent; color: {shades.text}; }}
    *[role="good"] > QWidget, *[role="bad"] > QWidget {{ background: transparent; }}
    QLabel[role="dim"] {{ color: {shades.dim}; }}
    QLabel[role="care"] {{ color: {shades.text}; border-left: 4px solid {CARE}; padding-left: 5px; }}
    QPushButton {{ border: 1px solid transparent; padding: 3px 4px; }}
    QPushButton:focus, QComboBox:focus, QCheckBox:focus, QListView:focus, QTableView:focus,
    *[role="strip"]:focus {{ border: 1px solid {shades.focus}; }}
    QPushButton[role="main"] {{ background-color: {ACCENT}; color: white; font-weight: bold; padding: 5px 4px; }}
    QPushButton[role="main"]:hover {{ background-color: #0083cc; }}
    QPushButton[role="main"]:focus {{ border: 1px solid {shades.text}; }}
    QPushButton[role="main"]:disabled {{ background-color: {shades.raised}; color: {shades.dim}; }}
    QPushButton[role="positive"], QPushButton[role="negative"] {{ background-color: {POSITIVE}; color: black;
        font-weight: bold; }}
    QPushButton[role="negative"] {{ background-color: {NEGATIVE}; }}
    QPushButton[role="positive"]:focus, QPushButton[role="negative"]:focus {{ border: 1px solid {shades.text}; }}
    QPushButton[role="step"] {{ background-color: {shades.raised}; text-align: left; }}
    QPushButton[role="step"]:hover {{ border: 1px solid {shades.dim}; }}
    QPushButton[role="step"]:focus {{ border: 1px solid {shades.focus}; }}
    QPushButton[role="fold"] {{ background: transparent; text-align: left; color: {shades.dim}; }}
    QPushButton[role="fold"]:hover {{ color: {shades.text}; }}
    QPushButton[role="fold"]:focus {{ border: 1px solid {shades.focus}; }}
    QPushButton[role="help"] {{ font-weight: bold; padding: 3px 7px; }}
    QPushButton[role="help"]::menu-indicator {{ image: none; width: 0px; }}
    QPushButton[role="close"] {{ background: transparent; padding: 0px 4px; }}
    """


class ThemeFollower:
    """Styles a widget for the theme of a viewer, and again whenever that changes.

    Parameters
    ----------
    viewer
        Whose theme.
    widget
        Gets the style sheet.
    """

    def __init__(self, viewer: ViewerModel, widget: QWidget) -> None:
        self._viewer = viewer
        self._widget = weakref.ref(widget)  # which holds this: a circle would end when Python collects garbage
        viewer.events.theme.connect(self._on_theme)
        self._on_theme()

    def release(self) -> None:
        """Follow the viewer no more."""
        self._viewer.events.theme.disconnect(self._on_theme)

    def _on_theme(self, event: Any = None) -> None:
        widget = self._widget()
        if widget is not None:
            widget.setStyleSheet(style_sheet(shades_of(self._viewer.theme)))


def play(widget: QWidget, role: str) -> None:
    """Give a widget the looks of a role."""
    if widget.property("role") == role:
        return
    widget.setProperty("role", role)
    style = widget.style()
    if style is not None:
        style.unpolish(widget)
        style.polish(widget)
