"""A propagation under way: paused, corrected, cancelled, replaced; and how long it may still take."""

from __future__ import annotations

import numpy as np
from desk import MASKS

from napari_medsam2.engine.events import (
    Finished,
    FinishReason,
    PromptsChanged,
    ResultReady,
    RunState,
    StatusChanged,
)
from napari_medsam2.prompts import MaskPrompt


def test_pause_correct_resume(desk):
    desk.open(let=3)
    desk.engine.propagate()
    for expected in range(3):
        assert desk.wait_for(ResultReady).result.frame == expected
    desk.engine.pause()
    desk.let(1)
    assert desk.wait_for(ResultReady).result.frame == 3, "the frame in progress is finished"
    desk.wait_for_state(RunState.PAUSED)
    assert (desk.engine.status.done, desk.engine.status.total) == (4, 8)
    drawn = np.roll(MASKS[2], 1, axis=1)
    desk.engine.replace_prompts(1, 2, [MaskPrompt(2, drawn)])
    desk.wait_for(PromptsChanged)
    desk.engine.preview(2)
    np.testing.assert_array_equal(desk.wait_for(ResultReady).result.mask, drawn)
    assert desk.engine.status.state is RunState.PAUSED
    desk.let(8)
    desk.engine.resume()
    frames, reason = desk.frames_until_finished()
    assert reason is FinishReason.DONE
    assert frames == [1, 3, 4, 5, 6, 7], "frame 2 came with the preview"


def test_time_left_is_estimated(desk):
    desk.open()
    desk.engine.propagate()
    first = desk.wait_for(StatusChanged, where=lambda event: event.status.done == 1).status
    assert first.seconds_left is None, "one step, on a frame with a prompt, says nothing of the others"
    status = desk.wait_for(StatusChanged, where=lambda event: event.status.done == 4).status
    assert status.total == 8 and status.seconds_left is not None and 0 < status.seconds_left < 10


def test_cancel_keeps_the_results_so_far(desk):
    desk.open(let=3)
    desk.engine.propagate()
    for _ in range(3):
        desk.wait_for(ResultReady)
    desk.engine.cancel()
    assert desk.engine.status.state is RunState.STOPPING
    desk.let(1)
    frames, reason = desk.frames_until_finished()
    assert reason is FinishReason.CANCELLED and frames in ([], [3])
    assert len(desk.engine.session.results) == 3 + len(frames)
    assert desk.engine.status.state is RunState.IDLE


def test_cancel_while_paused(desk):
    desk.open()
    desk.engine.pause()
    desk.engine.propagate()
    desk.engine.pause()
    desk.wait_for_state(RunState.PAUSED)
    desk.engine.cancel()
    assert desk.wait_for(Finished).reason is FinishReason.CANCELLED


def test_a_second_propagate_takes_the_place_of_the_first(desk):
    desk.open(let=2)
    desk.engine.propagate()
    desk.wait_for(ResultReady)
    desk.engine.propagate(direction="forward", stop=4)
    desk.let(10)
    before, reason = desk.frames_until_finished()
    assert reason is FinishReason.SUPERSEDED
    after, reason = desk.frames_until_finished()  # what the first run had begun with meanwhile is not done again
    assert before + after == [1, 2, 3] and after and reason is FinishReason.DONE
