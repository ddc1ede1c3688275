"""Damaged files: what the libraries that read them raise, and how to put it in words."""

from __future__ import annotations

import struct
import tokenize
import zipfile
import zlib

#: What the libraries raise on files that are truncated, damaged, or not what their name says. The list is long because
#: they trust what is in a file: they divide by its sizes, look its numbers up in tables, assert what should hold, and
#: parse the header of an npy as Python.
DECODING_ERRORS: tuple[type[Exception], ...] = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def reason_of(error: Exception) -> str:
    """What an error says, on one line; its type where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__
