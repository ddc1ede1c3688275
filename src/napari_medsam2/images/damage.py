"""What goes wrong in files of users: any library may read them, and each has errors of its own for a damaged one."""

from __future__ import annotations

import struct
import tokenize
import zipfile
import zlib

#: What the libraries raise on files that are truncated, damaged, or not what their name says. They lean on the file: a
#: length of 0 is divided by, a number is looked up in a table, bytes are decoded as text. A header of an npy is Python.
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
