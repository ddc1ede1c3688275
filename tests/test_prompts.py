"""Prompts by object and frame."""

from __future__ import annotations

import numpy as np

from napari_medsam2.prompts import BoxPrompt, MaskPrompt, PointPrompt, in_replay_order


def test_a_new_session_is_told_where_an_object_is_before_where_it_is_not():
    gone = MaskPrompt(2, np.zeros((4, 4)), 1)
    drawn, erased = MaskPrompt(5, np.eye(4), 2), MaskPrompt(5, np.zeros((4, 4)), 2)
    click, box = PointPrompt(7, 1, 1, object_id=1), BoxPrompt(7, 0, 0, 3, 3, 1)
    order = in_replay_order((gone, click, drawn, box, erased))
    assert order == [((1, 7), (click, box)), ((2, 5), (drawn, erased)), ((1, 2), (gone,))]
