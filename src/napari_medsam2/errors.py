"""Every error that a user can cause: bad input, a file that cannot be used, something that is missing.

All of them are a :class:`UserError`. Whose fault something is, is asked in one way everywhere: by ``isinstance``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class UserError(Exception):
    """Something that the user can mend; the message is a sentence that names the value and what would be right.

    Whatever else is raised, but for the others of :data:`EXPECTED_ERRORS`, is a defect of ours and keeps its traceback.
    """


#: What the user can mend, or the user's computer caused; anything else is a defect of ours.
EXPECTED_ERRORS = (UserError, OSError, MemoryError)


class JsonError(UserError, ValueError):
    """Text that is no JSON, or more than is read of it; the message says what about it."""


class OptionError(UserError, ValueError):
    """An option or argument that cannot be used; the message says what it was and what would be right."""


class PromptError(UserError, ValueError):
    """A prompt that cannot be used; the message says what was given and what would be right."""


class FrameError(UserError, ValueError):
    """Frames that cannot be read or used; the message says which, and what would be right."""


@dataclass(frozen=True)
class SeriesInfo:
    """One of several images in a file or folder, as people are asked which.

    Attributes
    ----------
    key
        What ``series=`` takes for it: its number, name or identifier.
    name
        What it is called there, such as the description of a DICOM series.
    size
        In words: "24 slices of 512 x 512 pixels".
    kind
        The modality, or what else tells it apart.
    """

    key: int | str
    name: str
    size: str = ""
    kind: str = ""


class SeriesError(FrameError):
    """Several images where one is wanted: the message lists them, ``series`` holds them to choose from."""

    def __init__(self, message: str, series: Sequence[SeriesInfo]) -> None:
        super().__init__(message)
        self.series = tuple(series)


class DatasetError(UserError, ValueError):
    """A dataset that cannot be used; the message says what is missing and where."""


class OutputError(UserError, ValueError):
    """A place, file or layer that cannot be written to; the message says why."""


class ModelError(UserError, ValueError):
    """A model or device that cannot be had; the message says what there is instead."""


class CheckpointError(UserError, ValueError):
    """A checkpoint that cannot be used; the message says what is wrong with it, in words."""


class ConfigError(UserError, ValueError):
    """A network that cannot be built; the message names the value and what would be right."""


class DownloadError(UserError, OSError):
    """A file that cannot be fetched; the message says why."""


class ServerError(DownloadError):
    """What one server could not do, and another one might."""


class DownloadStopped(DownloadError):
    """The user stopped it; what came is kept."""


class SessionFileError(UserError, ValueError):
    """A session file that cannot be read or written; the message says why."""


class TaskFileError(UserError, ValueError):
    """A task file that cannot be read, written or used on these images; the message says why."""


class SessionError(UserError, RuntimeError):
    """Something that a session cannot do; the message says why and what helps."""


class NotReadyError(UserError, ValueError):
    """A request that needs a model and a sequence came before there were any."""


class WireError(UserError, ValueError):
    """What came over the network is not what was agreed on; the message says what about it."""


class RemoteError(UserError, OSError):
    """A server that cannot be reached or does not do what was asked; the message says why and what helps."""


class TrainingError(UserError, RuntimeError):
    """Training cannot go on; the last good state is kept on disk."""


class LayoutError(UserError, ValueError):
    """A layer whose axes cannot be used; the message says why."""


class SampleError(UserError, RuntimeError):
    """A sample that cannot be opened; the message says what to install."""


class DemoError(UserError, RuntimeError):
    """The demo could not be finished; the message says where it stopped."""


def first_few(names: Sequence[str], most: int = 5, separator: str = ", ") -> str:
    """Names for a sentence, and how many more there are."""
    return separator.join([*names[:most], *([f"and {len(names) - most} more"] if len(names) > most else [])])


def shortened(value: object, most: int = 80) -> str:
    """A value for a sentence, as Python writes it, cut where it is long."""
    text = repr(value[: most + 1] if isinstance(value, str) else value)
    return text if len(text) <= most else f"{text[:most]}..."


def on_one_line(text: str, most: int = 300) -> str:
    """Text without line breaks; words longer than any name that people read are cut in the middle."""
    words = (word if len(word) <= most else f"{word[: most // 2]}...{word[-most // 4 :]}" for word in text.split())
    return " ".join(words)


def in_words(error: BaseException) -> str:
    """One sentence about an expected error."""
    text = on_one_line(str(error))
    if isinstance(error, MemoryError):
        return f"out of memory{f': {text}' if text else ''}; a smaller model or image may fit"
    return text or type(error).__name__
