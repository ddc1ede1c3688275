"""Whatever is done to a session, in whatever order, it goes on: the bundled model, small images, actions at random."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import numpy as np
import pytest
from fakes import PLAIN, disc

from napari_medsam2.errors import PromptError
from napari_medsam2.models.device import Model
from napari_medsam2.models.loading import load_model
from napari_medsam2.prompts import BoxPrompt, MaskPrompt, PointPrompt, Prompt, by_object_and_frame
from napari_medsam2.session.options import SessionOptions
from napari_medsam2.session.session import Session

SHAPE = (44, 60)
N_FRAMES = 5


@pytest.fixture(scope="module")
def micro() -> Model:
    return load_model("micro")


def frames(rng: np.random.Generator) -> np.ndarray:
    """Three discs on mottled ground, which drift and overlap; uint8 ``(T, H, W)``."""
    images = rng.normal(60, 8, (N_FRAMES, *SHAPE))
    for y, x, radius, grey in ((14, 16, 8, 150), (20, 26, 10, 110), (30, 46, 7, 200)):
        for t in range(N_FRAMES):
            images[t][disc(SHAPE, y + 2 * t, x, radius)] += grey - 60
    return images.clip(0, 255).astype(np.uint8)


class Hands:
    """Does things to a session that a user may do."""

    def __init__(self, session: Session, rng: np.random.Generator) -> None:
        self.session = session
        self.rng = rng
        self.acts: list[Callable[[], object]] = [
            self.prompt, self.prompt, self.prompt, self.prompt, self.erase, self.run, self.run, self.run_in_part,
            session.undo, session.redo, self.remove, self.preview, self.reset,
        ]  # fmt: skip

    def act(self) -> None:
        with contextlib.suppress(PromptError):  # said in words, and nothing is changed
            self.acts[self.rng.integers(len(self.acts))]()

    def some_prompt(self) -> Prompt:
        frame, number = int(self.rng.integers(N_FRAMES)), int(self.rng.integers(1, 3))
        (y0, y1), (x0, x1) = (sorted(self.rng.uniform(0, side - 1, 2)) for side in SHAPE)
        kind = self.rng.random()
        if kind < 0.4:
            return BoxPrompt(frame, y0 - 0.5, x0 - 0.5, y1 + 0.5, x1 + 0.5, number)
        if kind < 0.5:
            mask = np.zeros(SHAPE, bool)
            mask[int(y0) : int(y1) + 1, int(x0) : int(x1) + 1] = True
            return MaskPrompt(frame, mask, number)
        return PointPrompt(frame, y0, x0, bool(self.rng.random() < 0.7), number)

    def prompt(self) -> None:
        self.session.add(self.some_prompt())

    def erase(self) -> None:
        self.session.add(MaskPrompt(int(self.rng.integers(N_FRAMES)), np.zeros(SHAPE, bool), 1))

    def run(self) -> None:
        list(self.session.propagate())

    def run_in_part(self) -> None:
        run = self.session.propagate(direction=("both", "forward", "backward")[self.rng.integers(3)])
        for _ in range(int(self.rng.integers(1, 6))):
            next(run, None)
        self.prompt()
        for _ in range(int(self.rng.integers(6))):
            next(run, None)
        run.close()

    def remove(self) -> None:
        if self.session.prompts:
            self.session.remove(self.session.prompts[self.rng.integers(len(self.session.prompts))])

    def preview(self) -> None:
        self.session.segment(int(self.rng.integers(N_FRAMES)), int(self.rng.integers(1, 3)))

    def reset(self) -> None:
        if self.rng.random() < 0.3:
            self.session.reset(int(self.rng.integers(1, 3)))


def go_on(model: Model, mode: str, seed: int, *, n_acts: int, adapt: bool) -> None:
    """Do things at random, see after each that what is known makes sense, and at the end that all frames do."""
    rng = np.random.default_rng(seed)
    options = SessionOptions(adapt=adapt)
    session = Session(model, frames(rng), mode=mode, contrast=PLAIN, passes=1 + seed % 2, options=options)
    hands = Hands(session, rng)
    for _ in range(n_acts):
        hands.act()
        for number in (1, 2):
            known = session.confidences(number)
            assert ((known >= 0) & (known <= 1) | np.isnan(known)).all()
    for number in {*session.objects, 9}:  # so that each is shown somewhere
        session.add(PointPrompt(2, 24, 16 + number, object_id=number))
    for result in session.propagate():
        there = by_object_and_frame(session.prompts).get((result.object_id, result.frame))
        drawn = None if there is None else there.mask
        assert drawn is None or np.array_equal(result.mask, drawn), "what was drawn is final"
    for t in range(N_FRAMES):
        found = {number for number in session.objects if not session.results[t, number].absent}
        assert set(np.unique(session.labels(t)).tolist()) <= {0, *found}


@pytest.mark.parametrize(
    ("mode", "seed", "adapt"),
    # Learning from drawn masks takes most of the time.
    [("stack", 2, True), ("stack", 4, False), ("flow", 1, False), ("flow", 4, False)],
)
def test_a_session_goes_on_whatever_is_done(micro, mode, seed, adapt):
    go_on(micro, mode, seed, n_acts=8, adapt=adapt)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["stack", "flow"])
@pytest.mark.parametrize("seed", range(12))
def test_a_session_goes_on_for_long_whatever_is_done(micro, mode, seed):
    go_on(micro, mode, seed, n_acts=14, adapt=seed % 4 == 0)
