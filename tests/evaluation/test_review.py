"""Whether the frames that are to be checked first are the worst ones, counted against chance."""

from __future__ import annotations

import math

import pytest

from napari_medsam2.evaluation.review import Checked, as_plain, check
from napari_medsam2.session.review import Finding


def findings(confidences):
    return [Finding(t, 1, sure, 1.0, 100, False, t == 0) for t, sure in enumerate(confidences)]


def test_the_tenth_that_comes_first_is_compared_with_the_worst_tenth():
    confidences = [0.9] * 21
    confidences[5] = confidences[6] = 0.1
    right = dict.fromkeys(range(1, 21), 0.95)
    both = check(findings(confidences), {**right, 5: 0.2, 6: 0.3}, "flow")
    assert both == Checked(2, 2, pytest.approx(0.2)) and both.times_chance == pytest.approx(10)
    one = check(findings(confidences), {**right, 5: 0.2, 7: 0.3}, "flow")
    assert (one.found, one.times_chance) == (1, pytest.approx(5))
    assert check(findings(confidences), {**right, 7: 0.2, 8: 0.3}, "flow").found == 0


def test_frames_that_are_equally_bad_make_chance_as_much_better():
    all_lost = check(findings([0.9] * 11), dict.fromkeys(range(1, 11), 0.0), "flow")
    assert all_lost.times_chance == 1, "whatever is looked at is wrong"


def test_where_nothing_is_wrong_nothing_is_counted():
    assert check(findings([0.9] * 11), dict.fromkeys(range(1, 11), 1.0), "flow") == Checked()
    assert math.isnan(Checked().times_chance)


def test_sums_are_told_by_dataset_and_kind_with_the_least():
    told = as_plain(
        [
            ("a", "stack", Checked(2, 2, 0.5)),
            ("a", "stack", Checked(2, 0, 0.5)),
            ("b", "stack", Checked(1, 1, 0.1)),
            ("c", "flow", Checked()),
        ]
    )
    assert told["datasets"]["a"] == {"frames": 4, "found": 2, "by_chance": 1.0, "times_chance": 2.0}
    assert told["stack"]["worst"] == "a" and told["stack"]["found"] == 3
    assert "flow" not in told and "c" not in told["datasets"]
