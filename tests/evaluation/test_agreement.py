"""Labels against a reference: each frame, all frames, which label is which object, in what unit."""

from __future__ import annotations

import csv
import io
import math

import numpy as np
import pytest

from napari_medsam2.evaluation.agreement import FrameScore, Grid, compare, matched, scores_as_csv


def square(top: int, left: int, side: int = 4, value: int = 1) -> np.ndarray:
    labels = np.zeros((16, 16), np.uint8)
    labels[top : top + side, left : left + side] = value
    return labels


EMPTY = square(0, 0, 0)


def test_frames_and_the_volume_are_scored_in_the_unit_of_the_pixels():
    found, truth = [square(4, 4), square(4, 4), EMPTY, EMPTY], [square(4, 4), square(4, 6), square(4, 4), EMPTY]
    (scores,) = compare(found, truth, [(1, 1)], Grid("stack", (5.0, 0.5, 0.5), "mm"))
    same, moved, missed, nothing = scores.frames
    assert same == FrameScore(0, 1, 1, 0) and nothing == FrameScore(3, 1, 1, 0)
    assert moved.dice == 0.5 and moved.iou == pytest.approx(1 / 3) and moved.hd95 == pytest.approx(1.0)
    assert (missed.dice, missed.hd95) == (0, math.inf)
    assert scores.total.dice == pytest.approx(2 * (16 + 8) / (32 + 48))
    assert 1.0 < scores.total.hd95 <= 5.0 and scores.unit == "mm", "a slice is 5 mm away"


def test_images_of_a_flow_are_averaged_and_may_differ_in_size():
    found, truth = [square(4, 4), square(4, 4)[:12]], [square(4, 4), square(4, 6)[:12]]
    (scores,) = compare(found, truth, [(1, 1)], Grid("flow"))
    assert scores.total.dice == 0.75 and scores.total.hd95 == pytest.approx(1.0) and scores.unit == "px"
    (missed,) = compare([EMPTY], [square(4, 4)], [(1, 1)], Grid("flow"))
    assert missed.total.dice == 0 and math.isnan(missed.total.hd95)


def test_an_object_stands_against_the_label_of_its_number_else_against_the_one_that_it_shares_most_with():
    found = [square(0, 0) + square(8, 8, value=2)]
    assert matched(found, [square(0, 0, value=2)], {1, 2}) == {2: 2}, "a number counts more than a place"
    assert matched(found, [square(0, 1, value=7) + square(8, 8, value=9)], {1, 2}) == {1: 7, 2: 9}
    assert matched(found, [square(0, 1, value=255)], {1, 2}) == {1: 255}
    assert matched(found, [EMPTY], {1, 2}) == {}


def test_what_is_raised_between_two_frames_ends_the_work():
    def stop(done: int, total: int) -> None:
        assert total == 2
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare([EMPTY, EMPTY], [EMPTY, EMPTY], [(1, 1)], Grid("stack"), on_frame=stop)


def test_the_table_has_each_frame_and_all_of_them():
    scores = compare([square(4, 4), EMPTY], [square(4, 4), square(4, 4)], [(1, 1)], Grid("stack"))
    rows = list(csv.DictReader(io.StringIO(scores_as_csv(scores, ["a.tif", "b.tif"]))))
    assert [(row["frame"], row["name"], row["dice"], row["hd95"]) for row in rows[:2]] == [
        ("0", "a.tif", "1", "0"),
        ("1", "b.tif", "0", "inf"),
    ]
    assert rows[2]["frame"] == "all" and rows[2]["unit"] == "px"
