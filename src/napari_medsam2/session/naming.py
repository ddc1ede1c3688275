"""What objects may be called."""

from __future__ import annotations

import re
import unicodedata

from ..errors import PromptError
from ..images.opened import LabelledObject

#: Longer names are no names; files and tables cannot show them.
LONGEST_NAME = 100
_COLOUR = re.compile(r"#[0-9a-f]{6}")


def checked(object_id: int, called: LabelledObject) -> LabelledObject:
    """A name and a colour as they are kept: the name on one line, the colour in small letters.

    Raises
    ------
    PromptError
        If the number is none of an object, the name is too long, or the colour is none.
    """
    if isinstance(object_id, bool) or not isinstance(object_id, int) or object_id < 1:
        raise PromptError(f"an object's number must be 1 or more (0 is background); got {object_id!r}")
    name = one_line(called.name)
    if len(name) > LONGEST_NAME:
        raise PromptError(f"a name may have {LONGEST_NAME} letters at most; got {len(name)}: '{name[:20]}...'")
    colour = called.colour.lower()
    if colour and not _COLOUR.fullmatch(colour):
        raise PromptError(f"a colour is written as #rrggbb, such as #ffb000; got {called.colour!r}")
    return LabelledObject(name, colour)


def one_line(name: str) -> str:
    """A name without line breaks and other signs that control a terminal or a file, and without spaces around it."""
    shown = "".join(" " if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") else sign for sign in name)
    return " ".join(shown.split())
