"""What to do next, and what the main button does: the two that lead a newcomer through the dock."""

from __future__ import annotations

from ..engine.events import RunState
from .dock_state import Column, DockState
from .words import loading_words, ready_words

#: Pauses and resumes a run.
PAUSE_KEY = "Esc"
#: Below this confidence a frame deserves a look.
UNSURE = 0.5
_OPEN = "Open an image: press Open... in step 1, or drag it in. To try it out: File > Open Sample > MedSAM-2."
#: No instruction is longer, so the place for it need not change.
LONGEST = _OPEN
_POINT_OUT = {
    "box": "Drag a box tightly around one object.",
    "point": "Click on one object.",
    "mask": "Paint one object.",
    "scribble": "Drag along one object.",
    "lasso": "Drag around one object.",
    "polygon": "Click around one object, corner by corner, and double-click.",
}


def next_step(state: DockState) -> str:
    """Say one thing to do next."""
    return _of_engine(state) or _of_prompts(state) or _of_results(state)


def _of_engine(state: DockState) -> str:
    """What there is to do while there is no image, or the engine is busy with it."""
    if not state.image:
        return _OPEN
    if state.loading_left is not None:
        return f"{ready_words(state)} Then draw a box around one object."
    if state.aside:
        return "You look at another position of a fixed axis: go back there, or press Clear all to start here."
    if state.another_selected:
        return "Another image is selected. Choose in step 1 which one is to be segmented."
    if state.drawing:
        return "Click for each corner. Double-click or Enter closes it, Ctrl+Z takes a corner back, Esc drops it all."
    status = state.status
    if status.state is RunState.LOADING:
        return f"{loading_words(state)}... you can draw meanwhile."
    if status.state is RunState.PAUSED and status.detail:
        return f"Paused: {status.detail}. The run goes on by itself; you can draw meanwhile."
    if status.state is RunState.PAUSED:
        return f"Paused. Correct the {state.noun} that is wrong with a click, a box or the brush, then press Resume."
    if status.state in (RunState.RUNNING, RunState.STOPPING):
        return f"Watch it find the object on each {state.noun}. Press Pause ({PAUSE_KEY}) when one looks wrong."
    return ""


def _of_prompts(state: DockState) -> str:
    """How to point out an object, while that was not done, or not seen."""
    noun, count = state.noun, len(state.columns)
    seen = any(column.confidence is not None for column in state.columns)
    if not state.has_prompts or not (seen or any(column.prompted for column in state.columns)):
        if state.tool:
            save = " Or press Save labels..." if state.has_kept and not state.has_prompts else ""
            return f"{_POINT_OUT[state.tool]}{save}"
        if count > 1 and state.mode == "stack":
            return f"Go to a {noun} that shows an object well. Press Box (B), and drag a box around it."
        return "Press Box (B) and drag a box around one object."
    if seen:
        return ""
    return f"Press {_find_words(state)}, or S for this {noun} only." if count > 1 else "Press S to see what is found."


def _of_results(state: DockState) -> str:
    """What to do with what was found."""
    noun, count = state.noun, len(state.columns)
    found = sum(column.confidence is not None for column in state.columns)
    if count < 2:
        return "Is it right? Then save it in step 4. If not, press Point (P) and click where it is wrong."
    if found < count:
        return f"Is it right? Then press {_find_words(state)}. If not, press Point (P) and click where it is wrong."
    if state.done < count:
        return f"Press {_find_words(state)} once more: only what your changes can change is done again."
    if state.saved is not None:
        return f"Saved. Correct any {noun} and save again, or press New object for the next one."
    if any(_is_unsure(column) for column in state.columns):
        if _is_unsure(state.columns[state.frame]):
            return f"Is this {noun} right? Press Accept (A). If not, press Point (P) and click where it is wrong."
        return f"Press Next to check (K) for the {noun} that is most likely wrong; when you are content, save."
    return f"All {count} {noun}s are done. Scroll through them to check, then press Save labels..."


def _is_unsure(column: Column) -> bool:
    found = column.confidence is not None and not column.prompted and not column.absent
    return found and (column.confidence or 0) < UNSURE


def _find_words(state: DockState) -> str:
    return f"Find on all {len(state.columns)} {state.noun}s"


def main_words(state: DockState) -> tuple[str, str, str]:
    """What the main button does now, its key, and the same at length."""
    noun, count = state.noun, len(state.columns)
    run = state.status.state
    if run is RunState.STOPPING:
        return "Stopping...", "", f"Ends after the {noun} it is at"
    if run is RunState.PAUSED:
        return "Resume", PAUSE_KEY, "Go on where it was paused; corrections count from here on"
    if state.running:
        return "Pause", PAUSE_KEY, f"Stop at the next {noun}, correct, and go on from there"
    if count > 1:
        words, key, tip = (
            f"Find on all {count} {noun}s",
            "Shift+S",
            f"Find all objects on the other {noun}s (propagate)",
        )
    elif state.image:
        words, key, tip = f"Find on this {noun}", "S", f"Find the object on this {noun}"
    else:
        return "Find on all slices", "", "Open an image first"
    return words, key, tip if state.has_prompts else "Point out one object first, with a tool of step 2"
