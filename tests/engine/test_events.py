"""What the engine hands out: its states follow each other in known ways, and words are made from kinds."""

from __future__ import annotations

import pytest
from desk import Desk

from napari_medsam2.engine.events import Failed, Finished, RunState, RunStatus, StatusChanged, failure_of
from napari_medsam2.engine.requests import RequestKind
from napari_medsam2.errors import PromptError

IDLE, LOADING, RUNNING = RunState.IDLE, RunState.LOADING, RunState.RUNNING
PAUSED, STOPPING, CLOSED = RunState.PAUSED, RunState.STOPPING, RunState.CLOSED


@pytest.mark.parametrize(
    ("state", "following"),
    [
        (IDLE, {LOADING, RUNNING, CLOSED}),
        (LOADING, {IDLE, RUNNING, PAUSED, STOPPING, CLOSED}),
        (RUNNING, {IDLE, LOADING, PAUSED, STOPPING, CLOSED}),
        (PAUSED, {IDLE, LOADING, RUNNING, STOPPING, CLOSED}),
        (STOPPING, {IDLE, LOADING, CLOSED}),
        (CLOSED, set()),
    ],
)
def test_states_lead_where_the_diagram_says(state, following):
    assert {other for other in RunState if state.leads_to(other)} == {state, *following}


def test_a_run_that_is_being_cancelled_is_never_shown_as_running_again(desk):
    desk.open(let=0)
    desk.engine.propagate()
    desk.wait_for_state(RUNNING)
    desk.wait_until_at_gate()
    desk.engine.cancel()
    while not desk.events.empty():
        desk.events.get()
    desk.let(1)
    seen = []
    while not seen or not isinstance(seen[-1], Finished):
        seen.append(desk.events.get(timeout=10))
    states = [event.status.state for event in seen if isinstance(event, StatusChanged)]
    assert states == [STOPPING, IDLE]


def test_the_states_of_a_session_from_loading_to_closing():
    desk = Desk()
    desk.open()
    desk.engine.pause()
    desk.engine.propagate()
    desk.engine.pause()
    desk.wait_for_state(PAUSED)
    desk.engine.load_model("other blobs")
    desk.wait_for_state(IDLE)
    assert desk.engine.close(timeout=10)
    assert desk.engine.status == RunStatus(CLOSED, finish_reason=desk.engine.status.finish_reason)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (RequestKind.LOAD_MODEL, "could not load the model: ZeroDivisionError: why"),
        (RequestKind.PREVIEW, "could not segment the frame: ZeroDivisionError: why"),
    ],
)
def test_a_defect_is_told_with_what_was_asked_for(kind, message):
    failed = failure_of(ZeroDivisionError("why"), 3, 0, kind, "micro")
    assert isinstance(failed, Failed) and not failed.expected
    assert (failed.kind, failed.message) == (kind, message) and failed.report.startswith(f"{kind.words}: {message}")


def test_what_a_user_can_mend_is_told_as_it_is():
    failed = failure_of(PromptError("the click is outside"), 3, 0, RequestKind.ADD_PROMPT, "micro")
    assert failed.expected and failed.message == "the click is outside"
