"""What was done to a session is written down as it is done, and done again it comes to the same masks, bit for bit."""

from __future__ import annotations

import inspect
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from fakes import PLAIN, blob_model, click, moving_disc
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_medsam2.errors import SessionFileError, UserError
from napari_medsam2.images.formats import as_frames
from napari_medsam2.images.opened import LabelledObject
from napari_medsam2.prompts import BoxPrompt, FramePrompts, MaskPrompt, PointPrompt
from napari_medsam2.session.journal import Entry, Journal, digest_of
from napari_medsam2.session.recorded import RecordedSession
from napari_medsam2.session.replay import replay
from napari_medsam2.session.saved import Changes, SavedImage
from napari_medsam2.session.session import Session
from napari_medsam2.session.session_file import SessionFile, read_session

IMAGES, MASKS = moving_disc(8)
IMAGES[:, 4:10, 50:56] = 204  # a second blob on every frame
FRAMES = as_frames(IMAGES)
#: Each step of a script: what is done, and numbers to choose among what can be done.
STEP = st.tuples(
    st.sampled_from(
        (
            *("click", "box", "mask", "remove", "clear", "segment", "run", "cut short", "amid", "amid undone"),
            *("undo", "redo", "merge", "split", "call", "pin", "unpin", "evict", "task", "accept"),
        )
    ),
    st.integers(0, 7),
    st.integers(1, 2),
)


def prompt(kind: str, frame: int, number: int):
    if kind == "click":
        return PointPrompt(frame, 7, 53, number == 1, 1) if number == 2 else click(frame, MASKS)
    if kind == "box":
        return BoxPrompt(frame, 3.5, 49.5, 10.5, 56.5, object_id=2)
    return MaskPrompt(frame, MASKS[frame] if number == 1 else np.zeros(MASKS[frame].shape, bool), 1)


@cache
def task():
    """One blob, learned on these images."""
    session = Session(blob_model(), FRAMES, mode="flow", contrast=PLAIN)
    session.add(click(0, MASKS))
    list(session.propagate())
    with TemporaryDirectory() as folder:
        return session.save_task(Path(folder) / "blob.medsam2task", with_found=True)


def take(steps, n: int) -> None:
    for _, _ in zip(range(n), steps, strict=False):
        pass
    steps.close()


def do(session: Session, what: str, frame: int, number: int) -> None:
    if what in ("click", "box", "mask"):
        session.add(prompt(what, frame, number))
    elif what == "remove":
        session.replace_prompts(number, frame, ())
    elif what == "clear":
        session.reset(number)
    elif what == "segment":
        session.segment(frame, number)
    elif what == "run":
        list(session.propagate(anew=frame > 5))
    elif what == "cut short":
        take(session.propagate(direction="forward"), frame)
    elif what == "amid":
        steps = session.propagate()
        next(steps, None)
        session.add(click(frame, MASKS))
        take(steps, frame)
    elif what == "amid undone":
        steps = session.propagate()
        next(steps, None)
        session.add(click(frame, MASKS))
        next(steps, None)
        session.undo()
        take(steps, frame)
    elif what == "merge":
        session.merge(number, [3 - number])
    elif what == "split":
        session.split(number, frame if frame < 6 else None)
    elif what == "accept":
        session.accept(frame, None if number == 1 else [number])
    elif what == "call":
        session.call(number, LabelledObject(f"name {frame}"))
    elif what in ("pin", "unpin", "evict"):
        getattr(session, what)(frame, number)
    elif what == "task":
        session.take_task(task())
    else:
        getattr(session, what)()


def do_all(session: RecordedSession, script, journal: Journal) -> None:
    for step in script:
        with suppress(UserError):  # as the dock would say
            do(session, *step)
        journal.extend(session.noted())


@pytest.mark.parametrize("mode", ["stack", "flow"])
@settings(max_examples=25, deadline=None)
@given(script=st.lists(STEP, max_size=12))
def test_whatever_was_done_is_done_again_to_the_bit(mode, script):
    session, journal = RecordedSession(blob_model(), FRAMES, mode=mode, contrast=PLAIN), Journal()
    do_all(session, [("click", 2, 1), *script], journal)
    tasks = {task().digest: task()}
    again = replay(journal.entries, session.results, FRAMES, lambda name: blob_model(), tasks=tasks)
    assert again.others == again.not_computed == ()
    now = again.session.results
    assert {k: digest_of(found) for k, found in now.items()} == {k: digest_of(r) for k, r in session.results.items()}
    assert [p.frame for p in again.session.prompts] == [p.frame for p in session.prompts]


def test_what_another_session_found_is_gone_on_with(tmp_path):
    """As after a restart: what was found is taken as it is, and what comes then is found beside it."""
    journal = Journal()
    session = RecordedSession(blob_model(), FRAMES, contrast=PLAIN)
    do_all(session, [("click", 2, 1), ("run", 0, 1), ("mask", 5, 1), ("segment", 5, 1)], journal)
    later = RecordedSession(blob_model(), FRAMES, contrast=PLAIN)
    for group in {p.frame: FramePrompts.of(p) for p in session.prompts}.values():
        later.replace_prompts(1, group.frame, group.given, together=later)
    later.take_results(session.results.values(), up_to_date=True)
    do_all(later, [("click", 6, 2), ("run", 0, 1)], journal)
    image = SavedImage("scan", "", ((64, 64),) * 8, "abc")
    with SessionFile(tmp_path / "a.medsam2", image, "stack") as file:
        file.write(Changes(results=later.results, journal=journal.since([])))
    saved = read_session(tmp_path / "a.medsam2")
    shown = {(found.frame, found.object_id): found for found in saved.results}
    again = replay(saved.journal, shown, FRAMES, lambda name: blob_model())
    assert again.others == again.not_computed == () and set(again.results) == set(later.results)
    for key, found in again.results.items():
        assert np.array_equal(found.pixels.clearness, later.results[key].pixels.clearness)


def test_only_what_is_new_is_written_and_a_run_that_went_on_is_written_again():
    journal = Journal([Entry("open"), Entry("run"), Entry("steps", {"n": 2})])
    written = list(journal.entries)
    assert journal.since(written) == {} and list(journal.since([])) == [0, 1, 2]
    journal.extend([Entry("steps", {"n": 1}), Entry("end")])
    assert journal.since(written) == {2: Entry("steps", {"n": 3}), 3: Entry("end")}


def test_what_was_not_found_as_it_was_shown_is_told():
    session, journal = RecordedSession(blob_model(), FRAMES, contrast=PLAIN), Journal()
    do_all(session, [("click", 2, 1), ("run", 0, 1)], journal)
    shown = dict(session.results)
    dimmer = as_frames(np.where(IMAGES > 0, IMAGES - 60, 0).astype(np.uint8))
    again = replay(journal.entries, shown, dimmer, lambda name: blob_model())
    assert set(again.others) == set(shown) and again.not_computed == ()
    unknown = replay([], shown, FRAMES, lambda name: blob_model())
    assert set(unknown.not_computed) == set(shown) and unknown.results == shown


@pytest.mark.parametrize(
    "entries",
    [
        [Entry("undo")],
        [Entry("open")],
        [Entry("system", {"command": "x"})],
        [Entry("open", {"complete": True, "model": "micro", "limits": None, "adapt": None})],
    ],
)
def test_a_journal_that_says_what_cannot_be_is_refused_in_words(entries):
    with pytest.raises(SessionFileError):
        replay(entries, {}, FRAMES, lambda name: blob_model())


def test_each_method_that_changes_a_session_is_written_down():
    """Whoever adds one has it noted in ``RecordedSession`` and done again by ``replay``."""
    only_looks = {"plan", "result", "memory", "evicted", "task", "confidences", "next_to_prompt", "to_check", "labels"}
    only_looks |= {"label_image", "descriptor", "descriptors", "picks"}
    only_looks |= {"model_view", "other_bank", "other_reading", "save_task", "templates_to_be"}
    methods = {name for name, _ in inspect.getmembers(Session, inspect.isfunction) if not name.startswith("_")}
    assert methods - only_looks <= set(vars(RecordedSession))
