"""The second widget: scores against a reference, the cost as a table, learning from what was accepted."""

from __future__ import annotations

import csv
import json
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from face import IMAGES, TRUTH, Pace, settled

from napari_medsam2._gui.review_dock import ReviewDock
from napari_medsam2.training.accepted.lesson import read_lesson


@pytest.fixture
def reviewed(make_napari_viewer, opened_dock, qtbot):
    """A disc that was clicked and found, with the second widget beside the dock."""
    viewer = make_napari_viewer()
    viewer.add_image(IMAGES, name="scan", scale=(3, 0.5, 0.5), units=("mm",) * 3)
    dock = opened_dock(viewer, Pace())
    dock.controller.choose_mode("stack")
    dock.controller.use_tool("point")
    viewer.dims.set_current_step(0, 2)
    viewer.layers["scan points"].add((2, 20, 22))
    dock.controller.propagate()
    qtbot.waitUntil(
        lambda: settled(dock) and len(dock.controller.workspace.results.results) == len(IMAGES), timeout=20000
    )
    review = ReviewDock(viewer)
    viewer.window.add_dock_widget(review, name="MedSAM-2 review")
    yield viewer, dock, review
    review.close_review()


def add_reference(viewer, masks, **where):
    usual = {"scale": (3, 0.5, 0.5), "units": ("mm",) * 3}
    return viewer.add_labels(masks.astype(np.uint8), name="truth", **{**usual, **where})


def scored(dock):
    return dock.controller.state.scoring is None and bool(dock.controller.state.scores)


def test_a_reference_gives_a_score_a_slice_and_in_total(reviewed, qtbot, tmp_path):
    viewer, dock, review = reviewed
    assert review.controller is dock.controller, "the dock of this viewer"
    truth = dock.controller.workspace.output_layer.data.copy()
    truth[4] = np.roll(truth[4], 4, axis=1)
    reference = add_reference(viewer, truth)
    review.scores.reference.pick(reference)
    review.scores.compare.click()
    qtbot.waitUntil(lambda: scored(dock), timeout=10000)
    (scores,) = dock.controller.state.scores
    assert [score.dice == 1 for score in scores.frames] == [True, True, True, True, False, True]
    assert scores.frames[4].hd95 == pytest.approx(2.0) and scores.unit == "mm", "four pixels of half a millimetre"
    table = review.scores.table
    assert [table.item(0, column).text() for column in range(2)] == ["all", f"{scores.total.dice:.3f}"]
    assert table.horizontalHeaderItem(3).text() == "HD95 (mm)"
    table.cellClicked.emit(5, 1)
    assert viewer.dims.current_step[0] == 4
    dock.controller.scoring.save(tmp_path / "scores")
    rows = list(csv.DictReader((tmp_path / "scores.csv").read_text().splitlines()))
    assert rows[4]["hd95"] == "2" and rows[-1]["frame"] == "all"


@pytest.mark.parametrize(
    ("shape", "where", "words"),
    [
        ((6, 40, 50), {}, "has the shape"),
        ((6, 40, 60), {"translate": (0, 9, 0)}, "does not lie on the image"),
        ((6, 40, 60), {"units": ("um",) * 3}, "does not lie on the image"),
    ],
)
def test_a_reference_of_another_size_place_or_unit_is_refused_in_words(reviewed, qtbot, shape, where, words):
    viewer, dock, _ = reviewed
    dock.controller.scoring.compare(add_reference(viewer, np.ones(shape), **where))
    qtbot.waitUntil(lambda: words in dock.message.text())
    assert dock.controller.state.scores == () and len(dock.controller.workspace.results.results) == len(IMAGES)


def test_a_reference_with_other_numbers_is_matched_and_that_is_said(reviewed, qtbot):
    viewer, dock, _ = reviewed
    dock.controller.scoring.compare(add_reference(viewer, TRUTH * np.uint8(7)))
    qtbot.waitUntil(lambda: scored(dock), timeout=10000)
    assert "object 1 against label 7" in dock.message.text()
    dock.controller.scoring.compare(dock.controller.workspace.output_layer)
    assert "choose another layer as the reference" in dock.message.text()


def accept(dock, viewer, qtbot, *frames):
    for t in frames:
        viewer.dims.set_current_step(0, t)
        dock.review.accept.click()
        qtbot.waitUntil(lambda t=t: settled(dock) and dock.controller.state.columns[t].accepted)


def pupil(tmp_path, *told, code=0, said=""):
    """A program in place of the one that trains: it says these things, and keeps the lesson that it was given."""
    script = tmp_path / "pupil.py"
    script.write_text(
        textwrap.dedent(f"""
        import pathlib, shutil, sys
        lesson = pathlib.Path(sys.argv[sys.argv.index("--lesson") + 1])
        for end in (".npz", ".json"):
            shutil.copy(lesson.with_suffix(end), {str(tmp_path)!r})
        (lesson.parent / "weights.safetensors").write_text("weights")
        for line in {[*told]!r}:
            print(line.replace("FOLDER", str(lesson.parent)), flush=True)
        print({said!r}, file=sys.stderr)
        sys.exit({code})
        """)
    )
    return (sys.executable, str(script))


def test_three_accepted_frames_are_learned_from_and_what_is_better_is_offered(reviewed, qtbot, tmp_path, monkeypatch):
    viewer, dock, review = reviewed
    accept(dock, viewer, qtbot, 0, 1, 4)
    told = {"step": 8, "steps": 8, "seconds_left": 40.0, "before": 0.5, "after": 0.75, "judged": 4}
    lines = [json.dumps({**told, "step": 3}), json.dumps({**told, "weights": "FOLDER/weights.safetensors"})]
    dock.controller.lessons._program = pupil(tmp_path, *lines)
    review.lesson.learn.click()
    qtbot.waitUntil(lambda: not dock.controller.state.lesson.running, timeout=20000)
    lesson = read_lesson(tmp_path / "lesson.npz")
    assert lesson.accepted == (0, 1, 2, 4) and len(lesson.dataset.frames) == 5
    assert np.array_equal(lesson.dataset.masks[1] == 1, dock.controller.workspace.results.results[1, 1].mask)
    assert "got better. Dice on 4" in review.lesson.words.text() and "0.500 before, 0.750" in review.lesson.words.text()
    chosen = []
    monkeypatch.setattr(dock.controller.models, "choose", lambda name, device: chosen.append(name))
    review.lesson.take.click()
    assert chosen[0].endswith("weights.safetensors") and not review.lesson.take.isVisibleTo(review)
    assert Path(chosen[0]).is_file()
    review.lesson.learn.click()
    qtbot.waitUntil(lambda: not dock.controller.state.lesson.running, timeout=20000)
    weights = dock.controller.state.lesson.weights
    review.lesson.refuse.click()
    assert len(chosen) == 1 and not review.lesson.refuse.isVisibleTo(review) and review.lesson.words.text() == ""
    assert not weights.exists() and "forgotten" in dock.message.text(), "and what was taken before is there"


def test_what_is_no_better_or_fails_changes_nothing_and_is_said(reviewed, qtbot, tmp_path):
    viewer, dock, review = reviewed
    review.lesson.learn.click()
    assert (
        "Learning needs 3 slices that you accepted, corrected or prompted; so far there is one" in dock.message.text()
    )
    accept(dock, viewer, qtbot, 0, 4)
    model = dock.controller.state.model
    dock.controller.lessons._program = pupil(tmp_path, json.dumps({"before": 0.8, "after": 0.8, "weights": None}))
    review.lesson.learn.click()
    qtbot.waitUntil(lambda: not dock.controller.state.lesson.running, timeout=20000)
    assert "No better, so nothing changes" in review.lesson.words.text() and not review.lesson.take.isVisibleTo(review)
    dock.controller.lessons._program = pupil(tmp_path, code=2, said="napari-medsam2: not enough memory")
    review.lesson.learn.click()
    qtbot.waitUntil(lambda: not dock.controller.state.lesson.running, timeout=20000)
    assert "Nothing was learned: not enough memory." in dock.message.text()
    assert dock.controller.state.model == model


def test_learning_is_cancelled_at_once(reviewed, qtbot, tmp_path):
    viewer, dock, review = reviewed
    accept(dock, viewer, qtbot, 0, 4)
    (tmp_path / "slow.py").write_text("import time; time.sleep(60)")
    dock.controller.lessons._program = (sys.executable, str(tmp_path / "slow.py"))
    review.lesson.learn.click()
    qtbot.waitUntil(lambda: dock.controller.lessons._process is not None, timeout=10000)
    review.lesson.cancel.click()
    assert not dock.controller.state.lesson.running and "cancelled" in dock.message.text()


def test_the_cost_is_a_table_of_what_was_checked(reviewed, qtbot, tmp_path):
    viewer, dock, review = reviewed
    accept(dock, viewer, qtbot, 4)
    assert "2 of 6 checked" in review.lesson.cost.text()
    dock.controller.scoring.save_cost(tmp_path / "cost.csv")
    rows = list(csv.DictReader((tmp_path / "cost.csv").read_text().splitlines()))
    assert [(row["frame"], row["how"], row["clicks_so_far"]) for row in rows] == [
        ("2", "prompted", "1"),
        ("4", "accepted", "1"),
    ]


def test_it_is_a_tab_in_front_of_the_dock_which_keeps_its_height(opened_dock, qtbot):
    dock = opened_dock()
    viewer, window = dock._viewer, dock._viewer.window._qt_window
    window.show()
    qtbot.waitUntil(dock.isVisible)
    review = viewer.window.add_plugin_dock_widget("napari-medsam2", "MedSAM-2 review")[1]
    mine, its = review.parent(), dock.parent()
    qtbot.waitUntil(lambda: mine in window.tabifiedDockWidgets(its))
    qtbot.waitUntil(lambda: mine.geometry().x() >= 0 > its.geometry().x())  # Qt keeps what is behind outside
    dock.controller.store.say("Three slices have to be right.")
    assert review.message.isVisible() and "Three" in review.message.text(), "the dock that says it is behind"
    again = viewer.window.add_dock_widget(ReviewDock(viewer), name="under another name").widget()
    qtbot.waitUntil(lambda: [w for w in viewer.window.dock_widgets.values() if isinstance(w, ReviewDock)] == [again])
    viewer.window.remove_dock_widget(dock)
    qtbot.waitUntil(lambda: not list(viewer.window.dock_widgets))  # it would show what nobody works on


def test_what_was_found_is_no_reference_for_itself(reviewed):
    _, _, review = reviewed
    picker = review.scores.reference
    assert [picker.itemText(place) for place in range(picker.count())] == ["No reference"]
