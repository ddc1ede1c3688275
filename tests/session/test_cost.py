"""What annotating took, counted while somebody works."""

from __future__ import annotations

import csv
import io

from napari_medsam2.session.cost import LONGEST_PAUSE_S, AnnotationCost, CostSummary


def worked() -> AnnotationCost:
    """A box on frame 2, a look around, two clicks on frame 5, frame 0 accepted, a coffee, frame 4 accepted."""
    cost = AnnotationCost()
    cost.look(100.0)
    cost.note(2, 104.0, clicks=1)
    cost.look(106.0)
    cost.note(5, 109.0, clicks=1, corrects=True)
    cost.note(5, 110.0, clicks=1, corrects=True)
    cost.note(0, 112.0)
    cost.note(4, 112.0 + 3600)
    return cost


def test_clicks_and_seconds_go_to_the_frame_that_they_were_for_and_a_pause_is_no_work():
    cost = worked()
    assert [(t, c.clicks, c.seconds) for t, c in cost.frames.items()] == [
        (2, 1, 4.0),
        (5, 2, 6.0),
        (0, 0, 2.0),
        (4, 0, LONGEST_PAUSE_S),
    ]
    assert cost.summary({0, 2, 4, 5}, {0, 4}) == CostSummary(2, 1, 1, 3, 12.0 + LONGEST_PAUSE_S)


def test_a_frame_that_was_corrected_and_then_accepted_counts_as_corrected():
    assert worked().how({2, 5}, {5}) == {2: "prompted", 5: "corrected"}


def test_the_table_has_what_all_frames_up_to_each_took_in_the_order_of_the_work():
    cost = worked()
    text = cost.as_csv(cost.how({0, 2, 5}, {0}), [f"slice {t}" for t in range(6)])
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["checked"], row["frame"], row["how"]) for row in rows] == [
        ("1", "2", "prompted"),
        ("2", "5", "corrected"),
        ("3", "0", "accepted"),
        ("3", "4", ""),
    ]
    assert [row["clicks_so_far"] for row in rows] == ["1", "3", "3", "3"]
    assert rows[1]["name"] == "slice 5" and rows[1]["seconds_so_far"] == "10.0"


def test_it_comes_back_from_plain_values_and_damaged_ones_are_left_out():
    cost = worked()
    assert AnnotationCost.of(cost.told(), 6).told() == cost.told()
    odd = [None, {"frame": "x"}, {"frame": 99}, {"frame": 1, "clicks": -4, "seconds": float("nan")}]
    assert [(t, c.clicks, c.seconds) for t, c in AnnotationCost.of({"frames": odd}, 6).frames.items()] == [(1, 0, 0)]
    assert AnnotationCost.of("nothing", 6).frames == {}


def test_what_learning_saved_is_told_once_there_are_frames_since():
    cost = worked()
    cost.learned_at = len(cost.frames)
    assert cost.summary((), ()).a_frame is None
    cost.note(1, 4000.0)
    cost.note(3, 4001.0, clicks=1)
    assert cost.summary((), ()).a_frame == (0.75, 0.5)
    assert AnnotationCost.of(cost.told(), 6).summary((), ()).a_frame == (0.75, 0.5)
