"""A session file holds all that was done, survives a kill, and is not believed."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fakes import click, stack_session
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_medsam2.errors import SessionFileError
from napari_medsam2.images.formats import as_frames
from napari_medsam2.images.opened import LabelledObject
from napari_medsam2.prompts import BoxPrompt, FramePrompts, MaskPrompt, PointPrompt
from napari_medsam2.results import FrameResult
from napari_medsam2.session.image_identity import content_of
from napari_medsam2.session.journal import Entry
from napari_medsam2.session.saved import Changes, SavedImage
from napari_medsam2.session.session_file import SessionFile, read_session

IMAGE = SavedImage("scan", "/data/scan.tif", ((20, 30),) * 4, "abc", {"channel": 1})


def drawn(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((20, 30)) > 0.7


def prompts() -> dict[tuple[int, int], FramePrompts]:
    given = FramePrompts.of(
        PointPrompt(1, 2.5, 3, False, 2), BoxPrompt(1, 0.5, 1, 5, 6.25, 2), MaskPrompt(1, drawn(), 2)
    )
    return {(2, 1): given, (1, 0): FramePrompts.of(PointPrompt(0, 4, 5))}


def result(frame: int, seed: int = 1) -> FrameResult:
    logits = np.random.default_rng(seed).normal(0, 6, (20, 30)).astype(np.float32)
    return FrameResult(frame, 2, logits > 2, 0.5, 0.75, 0.66, frame == 1, 0.25, logits=logits, boxed=True)


def test_all_that_was_done_comes_back(tmp_path):
    labels = np.where(drawn(3), 70000, 0)
    with SessionFile(tmp_path / "a.medsam2", IMAGE, "stack") as file:
        file.write(
            Changes(
                {"model": "micro", "preview": False, "contrast": [1.5, 9.0]},
                {2: LabelledObject("nucleus", "#00ff00")},
                prompts(),
                {(1, 2): result(1), (3, 2): result(3)},
                {0: labels},
            )
        )
    saved = read_session(tmp_path / "a.medsam2")
    assert saved.image == IMAGE and saved.mode == "stack" and saved.objects == {2: LabelledObject("nucleus", "#00ff00")}
    assert saved.facts == {"model": "micro", "preview": False, "contrast": [1.5, 9.0]}
    assert [p.same_as(prompts()[p.object_id, p.frame]) for p in saved.prompts] == [True, True]
    np.testing.assert_array_equal(saved.kept[0], labels)
    for found in saved.results:
        before = result(found.frame)
        assert found.pixels.part == before.pixels.part and found.prompted == before.prompted and found.boxed
        np.testing.assert_array_equal(found.pixels.clearness, before.pixels.clearness)
        assert (found.confidence, found.iou, found.seconds) == (0.5, 0.75, 0.25)


def test_what_is_gone_is_gone(tmp_path):
    with SessionFile(tmp_path / "a.medsam2", IMAGE, "flow") as file:
        file.write(Changes(prompts=prompts(), results={(3, 2): result(3)}, kept={1: np.ones((20, 30), np.uint8)}))
        file.write(Changes({}, {2: None}, {(2, 1): None}, {(3, 2): None}, {1: None}))
    saved = read_session(tmp_path / "a.medsam2")
    assert [p.object_id for p in saved.prompts] == [1] and not saved.results and not saved.kept


def test_a_file_is_gone_on_with(tmp_path):
    for frame in (0, 3):
        with SessionFile(tmp_path / "a.medsam2", IMAGE, "stack") as file:
            file.write(Changes(results={(frame, 2): result(frame)}))
    assert [r.frame for r in read_session(tmp_path / "a.medsam2").results] == [0, 3]


WRITES = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from test_session_file import IMAGE, result
from napari_medsam2.session.session_file import Changes, SessionFile
with SessionFile(Path(sys.argv[1]), IMAGE, "stack") as file:
    for number in range(10**6):
        file.write(Changes({"number": number}, results={(t, 2): result(t, number) for t in range(4)}))
        print(number, flush=True)
"""


@pytest.mark.parametrize("after", [1, 7, 20])
def test_a_kill_in_the_middle_leaves_what_was_written_and_nothing_torn(tmp_path, after):
    path = tmp_path / "a.medsam2"
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "support")]
    writer = subprocess.Popen([sys.executable, "-c", WRITES, path, *folders], stdout=subprocess.PIPE, text=True)
    for _ in range(after):
        last = int(writer.stdout.readline())
    writer.send_signal(signal.SIGKILL)
    writer.stdout.close()
    writer.wait()
    saved = read_session(path)
    number = saved.facts["number"]
    assert number >= last
    for found in saved.results:
        np.testing.assert_array_equal(found.mask, result(found.frame, number).mask)


def test_a_change_that_cannot_be_written_changes_nothing(tmp_path):
    with SessionFile(tmp_path / "a.medsam2", IMAGE, "stack") as file:
        file.write(Changes({"number": 1}))
        with pytest.raises(SessionFileError, match="cannot write"):
            file.write(Changes({"number": 2, "odd": object()}))
        file.write(Changes({"other": 3}))
    assert read_session(tmp_path / "a.medsam2").facts == {"number": 1, "other": 3}


def spoil(path: Path, statement: str) -> None:
    database = sqlite3.connect(path)
    database.execute(statement)
    database.commit()
    database.close()


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("PRAGMA user_version = 99", "later version"),
        ("PRAGMA application_id = 5", "no session file"),
        ("UPDATE results SET mask = x'00000000000000000900000009000000'", "damaged"),
        ("UPDATE results SET mask = 'text'", "damaged"),
        ("UPDATE results SET frame = 77", "damaged"),
        ("UPDATE results SET value = '{}'", "damaged"),
        ("UPDATE prompts SET value = '{\"type\": \"point\", \"y\": 1e999, \"x\": 1, \"positive\": true}'", "damaged"),
        ("UPDATE prompts SET object = -3", "damaged"),
        ("UPDATE facts SET value = '[[[[' WHERE name = 'image'", "damaged"),
        ("UPDATE facts SET value = '\"pile\"' WHERE name = 'mode'", "damaged"),
        ("DELETE FROM facts WHERE name = 'image'", "damaged"),
        ("DROP TABLE prompts", "cannot read"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_a_sentence(tmp_path, statement, told):
    path = tmp_path / "a.medsam2"
    with SessionFile(path, IMAGE, "stack") as file:
        file.write(Changes(prompts=prompts(), results={(1, 2): result(1)}))
    spoil(path, statement)
    with pytest.raises(SessionFileError, match=told):
        read_session(path)


def test_a_mask_that_unpacks_to_more_than_its_frame_is_refused(tmp_path):
    import zlib

    from napari_medsam2.session.packing import unpack_mask

    bomb = np.array([0, 0, 20, 30], "<u4").tobytes() + zlib.compress(bytes(10**7))
    with pytest.raises(SessionFileError, match="more"):
        unpack_mask(bomb, (20, 30))


@pytest.mark.parametrize("content", [b"", b"\x00" * 5000, b"SQLite format 3\x00" + b"x" * 200, b"II*\x00"])
def test_other_files_are_no_sessions(tmp_path, content):
    (tmp_path / "a.medsam2").write_bytes(content)
    with pytest.raises(SessionFileError):
        read_session(tmp_path / "a.medsam2")
    with pytest.raises(SessionFileError, match="there is no session file"):
        read_session(tmp_path / "none.medsam2")


def test_a_cut_file_is_a_sentence(tmp_path):
    path = tmp_path / "a.medsam2"
    with SessionFile(path, IMAGE, "stack") as file:
        file.write(Changes(results={(t, 2): result(t) for t in range(4)}))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SessionFileError):
        read_session(path)


def test_images_are_told_apart_by_their_pixels():
    stack = np.random.default_rng(0).integers(0, 200, (40, 8, 9), dtype=np.uint8)
    other = stack.copy()
    other[0, 0, 0] += 1
    contents = {
        content_of(as_frames(data)) for data in (stack, stack.copy(), other, stack[:39], stack.astype(np.int16))
    }
    assert len(contents) == 4


def test_what_a_session_found_is_taken_up_by_another_one_and_not_looked_for_again(tmp_path):
    session, masks = stack_session(8)
    session.add(click(2, masks))
    list(session.propagate())
    image = SavedImage("disc", "", tuple(session.frames.shape(t) for t in range(8)), content_of(session.frames))
    with SessionFile(tmp_path / "a.medsam2", image, "stack") as file:
        file.write(
            Changes(
                prompts={(1, 2): FramePrompts.of(*session.prompts)},
                results=session.results,
            )
        )
    saved = read_session(tmp_path / "a.medsam2")
    again, _ = stack_session(8)
    for group in saved.prompts:
        again.replace_prompts(group.object_id, group.frame, group.given)
    again.take_results(saved.results, up_to_date=True)
    assert again.n_up_to_date == 8 and list(again.propagate()) == [], "all of it is as the prompts are"
    assert all(np.array_equal(again.labels(t), session.labels(t)) for t in range(8))
    assert sorted(r.frame for r in again.propagate(anew=True)) == list(range(8)), "unless all is asked for anew"


@pytest.mark.parametrize("by", ["run", "preview"])
def test_what_goes_on_from_another_session_is_told_its_prompts_first(by):
    """The memory of a prompted frame does not come with its mask: whatever needs it makes it first."""
    session, masks = stack_session(8)
    session.add(click(2, masks))
    session.add(MaskPrompt(1, np.zeros_like(masks[1])))
    list(session.propagate(stop=5))
    again, _ = stack_session(8)
    again.add(click(2, masks))
    again.add(MaskPrompt(1, np.zeros_like(masks[1])))  # erased there, of which nothing is remembered
    again.take_results(session.results.values(), up_to_date=True)
    assert again.n_up_to_date == 5 and not again.memory().entries
    if by == "run":
        assert [r.frame for r in again.propagate()] == [2, 5, 6, 7]
    else:
        assert again.segment(7).area > 0
    assert 2 in again.memory() and again.n_up_to_date == (8 if by == "run" else 5)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a session file with something in each table, and what is in it."""
    path = tmp_path_factory.mktemp("whole") / "a.medsam2"
    journal = {0: Entry("open", {"mode": "stack"}), 1: Entry("add", {}, (MaskPrompt(2, drawn(), 2),))}
    with SessionFile(path, IMAGE, "stack") as file:
        objects, kept = {2: LabelledObject("nucleus", "#00ff00")}, {0: drawn(3).astype(np.uint16)}
        file.write(Changes({"model": "micro"}, objects, prompts(), {(1, 2): result(1)}, kept, journal))
    return path.read_bytes(), told(read_session(path))


def told(saved) -> str:
    """All of a session in words, to be compared."""
    results = [(r.frame, r.object_id, r.pixels.part, r.pixels.clearness.tolist(), r.iou) for r in saved.results]
    given = [[p if not isinstance(p, MaskPrompt) else p.mask.tolist() for p in group] for group in saved.prompts]
    kept = {frame: labels.tolist() for frame, labels in saved.kept.items()}
    entries = [(e.what, e.values, [p.mask.tolist() for p in e.prompts]) for e in saved.journal]
    return repr((saved.image, saved.mode, saved.facts, saved.objects, results, given, kept, entries))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_bit_is_noticed_or_does_no_harm(whole, tmp_path, data):
    content, as_it_was = whole
    spoilt = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        spoilt[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path / "a.medsam2"
    path.write_bytes(spoilt)
    try:
        saved = read_session(path)
    except SessionFileError:
        return
    assert told(saved) == as_it_was


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.99])
def test_a_file_that_was_cut_off_anywhere_is_a_sentence(whole, tmp_path, share):
    (tmp_path / "a.medsam2").write_bytes(whole[0][: int(share * len(whole[0]))])
    with pytest.raises(SessionFileError):
        read_session(tmp_path / "a.medsam2")


def test_a_file_of_before_the_first_release_is_a_sentence(tmp_path):
    with SessionFile(tmp_path / "a.medsam2", IMAGE, "stack"):
        pass
    spoil(tmp_path / "a.medsam2", "PRAGMA user_version = 1")
    for call in (read_session, lambda path: SessionFile(path, IMAGE, "stack")):
        with pytest.raises(SessionFileError, match="before the first release"):
            call(tmp_path / "a.medsam2")
