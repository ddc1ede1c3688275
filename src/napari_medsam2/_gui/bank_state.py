"""What the panel of the memory bank shows, as one frozen value: facts alone. Words are made of it in ``bank_words``."""

from __future__ import annotations

from dataclasses import dataclass

from ..geometry.thumbnail import Thumbnail
from ..session.comparison import Comparison
from ..session.model_view import ModelView


@dataclass(frozen=True)
class BankRow:
    """One memory.

    Attributes
    ----------
    frame
        Below 0 where it is of no frame of these images.
    image
        What its image was called, for one that came with a task file.
    confidence
        Of the network, 0..1.
    diversity
        How unlike the others its image is: 1 less the likeness to the one most like it.
    share
        Of what is heard on the frame in view, 0..1; ``None`` where it is not heard there.
    pinned, held
        A template; pinned by hand.
    picture
        The image and the object on it; ``None`` until it comes.
    """

    frame: int
    image: str
    confidence: float
    diversity: float
    share: float | None
    pinned: bool
    held: bool
    picture: Thumbnail | None


@dataclass(frozen=True)
class BankState:
    """A snapshot for the panel.

    Attributes
    ----------
    title, colour
        Of the object whose memory it is.
    noun, mode
        What people call a frame, and "stack" or "flow".
    has_dock, has_image, has_prompts
        Whether there is a dock, an image in it, and a prompt of the object.
    rows
        In the order in which they came.
    capacity
        Memories that the bank holds; 0 where that is not known.
    bank, chosen
        Which bank it is, and which was chosen ("auto": as suits the images).
    frame
        In view.
    stands_alone
        True if the frame in view has a prompt of its own, so that no memory is heard there.
    waiting
        Accepted frames that become templates with the next run.
    known
        True if the image descriptor of the frame in view is known, so that weights are.
    selected
        The frame of the row that is selected.
    running, comparing
        Whether a run goes on, and whether it is the one that compares.
    comparison
        The latest one.
    view
        What the model sees of the frame in view.
    """

    title: str = ""
    colour: str = "#ffffff"
    noun: str = "slice"
    mode: str = "stack"
    has_dock: bool = True
    has_image: bool = False
    has_prompts: bool = False
    rows: tuple[BankRow, ...] = ()
    capacity: int = 0
    bank: str = "fifo"
    chosen: str = "auto"
    frame: int = 0
    stands_alone: bool = False
    waiting: tuple[int, ...] = ()
    known: bool = True
    selected: int | None = None
    running: bool = False
    comparing: bool = False
    comparison: Comparison | None = None
    view: ModelView | None = None

    @property
    def row(self) -> BankRow | None:
        """The row that is selected."""
        return next((row for row in self.rows if row.frame == self.selected), None)
