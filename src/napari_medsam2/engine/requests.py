"""What an engine can be asked to do: the kinds of requests, and one request on its way to the worker thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class RequestKind(Enum):
    """What is asked for. Events and failures carry it; its :attr:`words` are for messages, and are never read back."""

    LOAD_MODEL = "load the model"
    OPEN_IMAGES = "open the images"
    CLOSE_IMAGES = "close the images"
    ADD_PROMPT = "add a prompt"
    CHANGE_PROMPTS = "change the prompts"
    TAKE_RESULTS = "take over the labels"
    PREVIEW = "segment the frame"
    PROPAGATE = "propagate"
    CANCEL = "cancel"
    UNDO = "undo"
    REDO = "redo"
    RESET = "reset"
    CALL = "name the object"
    MERGE = "merge the objects"
    SPLIT = "split the object"
    ACCEPT = "accept what was found"
    PIN = "pin the memory"
    UNPIN = "unpin the memory"
    EVICT = "evict the memory"
    TAKE_TASK = "take up the task"
    SAVE_TASK = "save the task"
    LOOK = "look at the memory"
    COMPARE = "compare the banks"

    @property
    def words(self) -> str:
        """As it is said after "could not", such as ``"load the model"``."""
        return self.value

    @property
    def changes_images(self) -> bool:
        """True if a new generation begins with it: what was asked for about other images is void from then on."""
        return self in (RequestKind.OPEN_IMAGES, RequestKind.CLOSE_IMAGES)

    @property
    def is_of_images(self) -> bool:
        """True if it is about the images that are open, and void once others are opened."""
        return not self.changes_images and self not in (RequestKind.LOAD_MODEL, RequestKind.CANCEL)

    @property
    def ends_pause(self) -> bool:
        """True if nothing is paused any more once it was asked for."""
        return self in (RequestKind.PROPAGATE, RequestKind.COMPARE, RequestKind.CANCEL, RequestKind.CLOSE_IMAGES)


@dataclass(frozen=True)
class Request:
    """Something to be done on the worker thread.

    Attributes
    ----------
    number
        Counts all requests.
    generation
        Number of the sequence of images that was open, or being opened, when it was asked for.
    kind
        What is asked for.
    call
        Does it.
    preview_of
        Frame and object of a preview.
    """

    number: int
    generation: int
    kind: RequestKind
    call: Callable[[Request], None]
    preview_of: tuple[int, int] | None = None
