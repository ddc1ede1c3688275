"""Prompts, memory banks and a network make results: the synchronous core that the face and scripts drive.

A session joins three parts: a :class:`~napari_medsam2.session.state.SessionState` knows prompts, results and memory, a
:class:`~napari_medsam2.session.propagation.Propagator` decides what is segmented when, and a
:class:`~napari_medsam2.segment.segmenter.FrameSegmenter` does the work on one frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from ..errors import OptionError, OutputError, PromptError, SessionError
from ..images.contrast import ContrastLike, usual_contrast
from ..images.formats import as_frames
from ..images.frames import FrameSource
from ..memory_bank import BankName, bank_for
from ..models.device import Model
from ..prompts import FramePrompts, Prompt
from ..results import FrameResult
from ..segment.options import SegmentOptions, choose_strategy
from ..segment.segmenter import FrameSegmenter
from ..segment.window_predictor import WindowPredictor
from ..types import Direction, Mode
from .label_image import LabelImage, paint_labels
from .memories import SessionMemories
from .objects import SessionObjects
from .options import SessionOptions, check_choice, make_bank
from .propagation import Propagator
from .reviewed import SessionReview
from .state import SessionState
from .steps import span_of


class Session(SessionObjects, SessionMemories, SessionReview):
    """Segments a sequence of frames from prompts.

    Prompts may be changed from another thread at any time; a propagation takes them up at its next frame boundary.

    Parameters
    ----------
    model
        From :func:`napari_medsam2.load_model`.
    frames
        A frame source, or anything that :func:`napari_medsam2.images.formats.as_frames` takes.
    mode
        ``"stack"`` for frames that follow each other, ``"flow"`` for frames without an order.
    bank
        Which memories are kept: ``"fifo"`` (SAM 2), ``"self-sorting"`` (MedSAM-2), or ``"auto"``: first in, first
        out in a stack, self-sorting in a flow.
    contrast
        Makes 0..1 of raw frames; ``None`` estimates it, over the sequence in a stack and per frame in a flow.
    region
        In a stack, run the network on a window that follows the object; in a flow, look again at the part of a frame
        where the object was found, or look at large frames with small things on them in tiles. False shows whole
        frames. ``None`` leaves it to the model: SAM 2 and its descendants see whole frames, and windows or tiles only
        where an object would be too small to be drawn.
    cache_bytes
        Budget of memory for image features.
    scratch_bytes
        Budget of the disk for those that the memory has no room for; see :mod:`napari_medsam2.segment.scratch`. They
        are of use where frames are done again, after a correction or for another object.
    passes
        2 segments those frames of a flow again that were seen before the memory bank was full.
    seed
        Draw memories at random, as MedSAM-2's authors do, with this seed; ``None`` weighs them instead.
    options
        What is rarely changed.

    Examples
    --------
    >>> session = Session(load_model("micro"), volume, mode="stack")       # doctest: +SKIP
    >>> session.add(BoxPrompt(12, 30.5, 40.5, 60.5, 70.5))                 # doctest: +SKIP
    >>> for result in session.propagate(): ...                             # doctest: +SKIP
    """

    def __init__(
        self,
        model: Model,
        frames: Any,
        *,
        mode: Mode = "stack",
        bank: BankName = "auto",
        contrast: ContrastLike | None = None,
        region: bool | None = None,
        cache_bytes: int = 256 << 20,
        scratch_bytes: int = 0,
        passes: int = 1,
        seed: int | None = None,
        options: SessionOptions | None = None,
    ) -> None:
        check_choice("mode", mode, ("stack", "flow"))
        check_choice("bank", bank, get_args(BankName))
        if passes not in (1, 2):
            raise OptionError(f"passes must be 1 or 2; got {passes!r}")
        self.model = model
        self.frames: FrameSource = as_frames(frames)
        self.mode: Mode = mode
        self.bank: str = bank_for(bank, mode)
        self.options = options = options or SessionOptions()
        self.region = model.region if region is None else bool(region)
        self.passes, self.seed = passes if mode == "flow" else 1, seed
        strategy = choose_strategy(mode, self.region)
        how = SegmentOptions(
            mode=mode,
            strategy=strategy,
            region=options.region,
            tiles=options.tiles or strategy.usual_tiles(model.network),
            remember_absent=options.remember_absent,
            show_neighbour=options.show_neighbour,
            adapt=options.adapt if strategy.at_trained_scale else False,
        )
        contrast = contrast or usual_contrast(self.frames, mode)
        self.segmenter = FrameSegmenter(WindowPredictor(model, self.frames, contrast, how, cache_bytes, scratch_bytes))
        new_bank = options.make_bank or partial(make_bank, bank_for(bank, mode), mode, model.network, seed)
        self._state = SessionState(mode, self.frames, new_bank, options.undo_depth)
        self._propagator = Propagator(self._state, self.segmenter, passes=self.passes, patience=options.patience)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the contrast was estimated without, and images that show nothing; in a flow, of those seen so far."""
        return self.segmenter.predictor.remarks

    # ---- prompts ---------------------------------------------------------------------------------------------------

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """All prompts, by object and frame."""
        with self._state.lock:
            objects = sorted(self._state.objects.items())
            return tuple(p for _, known in objects for t in known.prompted for p in known.prompts[t])

    def add(self, prompt: Prompt) -> None:
        """Add a prompt. A drawn mask is final on its frame: clicks and boxes beside it change nothing there.

        An empty mask erases the object from its frame; it goes with the last prompt that says where the object is.

        Raises
        ------
        PromptError
            If it is outside the images, is empty, has the wrong shape, or contradicts the prompts there are; nothing
            is changed then.
        """
        with self._state.lock:
            self._state.change_prompts(self._state.prompts_on(prompt.object_id, prompt.frame).plus(prompt))

    def remove(self, prompt: Prompt) -> None:
        """Remove a prompt; :class:`PromptError` if there is none like it."""
        with self._state.lock:
            old = self._state.prompts_on(prompt.object_id, prompt.frame)
            left = old.less(prompt)
            if len(left) == len(old):
                raise PromptError(f"object {prompt.object_id} has no such prompt on frame {prompt.frame}: {prompt}")
            self._state.change_prompts(left)

    def replace_prompts(
        self, object_id: int, frame: int, prompts: Sequence[Prompt], *, together: object = None
    ) -> None:
        """Make these the prompts of one object on one frame; none removes them. Raises as :meth:`add`.

        Changes that follow each other with the same ``together``, any object but ``None``, are undone as one.
        """
        given = FramePrompts(object_id, frame, tuple(prompts))
        with self._state.lock:
            if not given.same_as(self._state.prompts_on(object_id, frame)):
                self._state.change_prompts(given, together=together)

    def undo(self) -> bool:
        """Take back the latest change: prompts, results and memory are as before. False if there is none.

        Changes are: adding, removing or replacing prompts (with the segmentation of that frame), a preview of another
        frame, a whole propagation, an edit of objects, a reset. Undoing a propagation that still runs ends it. What a
        propagation does after a change that was made while it ran is a change of its own once it is over; while it
        still runs, the change is taken back, and the frames since stay until they are done again.
        """
        with self._state.lock:
            return self._state.undo()

    def redo(self) -> bool:
        """Bring back what was undone. False if there is nothing."""
        with self._state.lock:
            return self._state.redo()

    @property
    def can_undo(self) -> bool:
        """True if there is something to undo."""
        return self._state.history.latest is not None

    @property
    def can_redo(self) -> bool:
        """True if there is something to redo."""
        return self._state.history.latest_undone is not None

    def take_results(self, results: Iterable[FrameResult], *, up_to_date: bool = False) -> None:
        """Take over the results of another session of these frames, as after a change of the model.

        They stay until their frames are segmented again: by the next run, unless they are ``up_to_date``. Nothing is
        remembered from them, so the next run that does more, or a preview, begins with the frames that have a prompt.
        What was done in this session so far can no longer be undone.

        Raises
        ------
        SessionError
            If one of them is not of these frames; nothing is taken then.
        """
        with self._state.lock:
            self._state.take_results(tuple(results), up_to_date=up_to_date)

    # ---- segmenting ------------------------------------------------------------------------------------------------

    def segment(self, frame: int, object_id: int = 1) -> FrameResult:
        """Segment one object on one frame, at once.

        A prompted frame is segmented from its prompts and remembered, unless they only say where the object is not and
        nothing is left of it. Another frame is a preview from whatever is remembered, and is not remembered itself.

        Raises
        ------
        PromptError
            If the object has no prompt that says where it is, or there is no such frame.
        SessionError
            If there is not enough main memory; before that, caches shrink and the network goes to the CPU.
        """
        return self._propagator.segment(frame, object_id)

    def propagate(
        self,
        *,
        objects: Sequence[int] | None = None,
        direction: Direction = "both",
        start: int | None = None,
        stop: int | None = None,
        anew: bool = False,
    ) -> Iterator[FrameResult]:
        """Segment the other frames; yields a result for each object and frame, prompted frames first.

        Frames whose clicks only say where the object is not come when the object has been carried to them.

        Between two results prompts may be changed, also from another thread: frames already done that they can change
        come again. In a stack those are the frames on both sides up to the next prompted frame, for clicks that correct
        a frame those on the side away from the prompt that the object came from; in a flow all frames done so far.
        Another run does what is left: frames without a result, and those that the prompts of since then can change.

        In a flow, objects with prompts on the same frame are told apart there: where one takes pixels of another (see
        :func:`napari_medsam2.session.label_image.paint_labels`), that one comes once more, as it is without them.

        Parameters
        ----------
        objects
            Their numbers; ``None`` for all, those included that get their first prompt during the run.
        direction
            In a stack, away from the prompted frames ``"both"`` ways, ``"forward"`` or ``"backward"``.
        start, stop
            Only frames ``start <= frame < stop``; prompted frames elsewhere still count.
        anew
            Also do those again that are up to date.

        Raises
        ------
        PromptError
            If there is no prompt that says where an object is, and no task file that says what it is.
        SessionError
            If there is not enough main memory; before that, caches shrink and the network goes to the CPU.
        """
        return self._propagator.propagate(span_of(len(self.frames), objects, direction, start, stop), anew=anew)

    def plan(
        self,
        *,
        objects: Sequence[int] | None = None,
        direction: Direction = "both",
        start: int | None = None,
        stop: int | None = None,
        anew: bool = False,
    ) -> int:
        """Number of results that :meth:`propagate` would yield now, second passes not counted."""
        return len(self._propagator.plan(span_of(len(self.frames), objects, direction, start, stop), anew=anew))

    @property
    def steps_left(self) -> int:
        """Results that the propagation in progress has still to yield; 0 if there is none."""
        return self._propagator.steps_left

    @property
    def n_up_to_date(self) -> int:
        """Number of frames on which each object with a prompt was found, or missed, by the prompts as they are now."""
        return self._propagator.n_up_to_date

    # ---- results ---------------------------------------------------------------------------------------------------

    @property
    def results(self) -> Mapping[tuple[int, int], FrameResult]:
        """All results, by ``(frame, object_id)``."""
        with self._state.lock:
            return {(t, n): kept.result for n, state in self._state.objects.items() for t, kept in state.kept.items()}

    def result(self, frame: int, object_id: int = 1) -> FrameResult | None:
        """The result of one object on one frame, or ``None`` if there is none."""
        with self._state.lock:
            state = self._state.objects.get(object_id)
            return None if state is None or frame not in state.kept else state.kept[frame].result

    def labels(self, frame: int, dtype: npt.DTypeLike = np.uint16) -> npt.NDArray[Any]:
        """Label image ``(H, W)`` of a frame: 0 for background, else the object's number.

        Where objects overlap, see :func:`napari_medsam2.session.label_image.paint_labels`.

        Raises
        ------
        SessionError
            If an object's number does not fit into labels of this type.
        """
        return self.label_image(frame, dtype).labels

    def label_image(self, frame: int, dtype: npt.DTypeLike = np.uint16) -> LabelImage:
        """Labels of a frame, and the confidence of each object in the light of the others. Raises as :meth:`labels`."""
        with self._state.lock:
            found = [state.kept[frame].result for state in self._state.objects.values() if frame in state.kept]
        try:
            return paint_labels(self.frames.shape(frame), dtype, found)
        except OutputError as error:
            raise SessionError(str(error)) from error
