"""Torch is imported on the worker thread such that the interface thread goes on meanwhile.

Two things would hold Python's one lock for long. Loading a shared library does (0.3 s for torch's own, seconds from a
slow disk), but not where the system's loader is called as a foreign function; what is loaded already costs nothing when
Python asks for it. And while hundreds of thousands of objects come, the garbage collector looks three times through all
objects of the process, 0.15 to 0.35 s each time, and finds nothing.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import importlib.util
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: What to load ahead, in this order: no library with Python in it. On Windows torch itself does it in such a way.
_LIBRARIES = {
    "linux": ("libtorch_global_deps.so", "libtorch.so"),
    "darwin": ("libtorch_global_deps.dylib", "libtorch.dylib"),
}


def import_gently(*modules: str) -> None:
    """Import modules that need torch, and hold up the other threads of this process as little as can be."""
    if all(name in sys.modules for name in modules):
        return
    if "torch" not in sys.modules:
        _load_libraries()
    with _collecting_later():
        for name in modules:
            importlib.import_module(name)


def _load_libraries() -> None:
    """Have the system load torch's libraries; what cannot be loaded so is left to torch."""
    found = importlib.util.find_spec("torch")
    if found is None or not found.submodule_search_locations:
        return
    for name in _LIBRARIES.get(sys.platform, ()):
        path = Path(found.submodule_search_locations[0]) / "lib" / name
        if path.is_file():
            load = ctypes.CDLL(None).dlopen  # a call through ctypes lets go of the lock, unlike `ctypes.CDLL(path)`
            load.restype, load.argtypes = ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_int)
            load(os.fsencode(path), os.RTLD_NOW | (os.RTLD_GLOBAL if "global" in name else os.RTLD_LOCAL))


class _Pause:
    """How many threads want no garbage collected, and whether it is to be collected again afterwards."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.threads = 0
        self.resume = False


_pause = _Pause()


@contextmanager
def _collecting_later() -> Iterator[None]:
    """Collect no garbage meanwhile, and take what was made for old afterwards, which makes the next time come late."""
    with _pause.lock:
        if _pause.threads == 0:
            _pause.resume = gc.isenabled()
            gc.disable()
        _pause.threads += 1
    try:
        yield
    finally:
        with _pause.lock:
            _pause.threads -= 1
            if _pause.threads == 0 and _pause.resume:
                gc.freeze()  # all objects to a place of their own,
                gc.unfreeze()  # and from there to the oldest ones; neither looks at any
                gc.enable()
