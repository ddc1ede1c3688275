"""What a binding of Qt gets so wrong that work is lost, and how that is prevented."""

from __future__ import annotations

import ctypes
import sys

import qtpy

#: Versions of PySide6 that let go of ``True`` once too often each time a signal is emitted.
_MISCOUNTING = ("6.12.0",)
_held: list[object] = []


def hold_constants() -> None:
    """Keep PySide6 6.12.0 from ending the program.

    Its ``emit`` returns ``True`` without counting that reference. Before Python 3.12, where constants live for ever, it
    takes some thousands of signals until Python finds that nobody holds ``True`` any more, and aborts. So as many
    references are counted as no session can use up.
    """
    miscounts = getattr(qtpy, "PYSIDE_VERSION", None) in _MISCOUNTING and sys.version_info < (3, 12)
    if miscounts and not _held:
        for constant in (True, False, None):
            _held.append(constant)
            ctypes.c_ssize_t.from_address(id(constant)).value += 1 << 40
