"""What the dock says, made from its state. Nothing here is ever read back: what somebody acts on is in the state."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

from ..engine.events import FinishReason, RunState
from ..models.registry import MODELS, megabytes
from ..remote.address import host_of, is_address
from .dock_state import DockState, DownloadStatus, ModelPhase

#: What people call a stack and a flow.
MODE_WORDS = {"stack": "Slices or time", "flow": "Separate images"}
#: The folder of what was learned from accepted frames, and what the folder of each lesson is called.
LEARNED, LEARNED_AT = "learned", "%Y-%m-%d-%H%M%S"
_LEARNED = re.compile(r"(\d{4}-\d\d-\d\d)-(\d\d)(\d\d)\d\d")
#: From so many seconds a frame on, the dock says so.
SLOW_S = 2.0
_GPU_ADVICE = (
    " An NVIDIA GPU is here, but this torch cannot use it: take the pip command for CUDA from "
    "pytorch.org/get-started, and restart napari."
)
#: What each tool does, and how it says what is not part of the object.
_TOOLS = {
    "point": "click on the object; with Ctrl or the right button: on what is not part of it",
    "box": "drag from corner to corner; with Ctrl or the right button: takes away what is in the box",
    "scribble": "drag along the object; with Ctrl or the right button: along what is not part of it",
    "lasso": "drag around the object, or what is missing; with Ctrl or the right button: around what is to go",
    "polygon": "click from corner to corner, then double-click; with Ctrl or the right button: around what is to go",
    "mask": "paint the object, or what is missing; with Ctrl: erases",
}


def ready_words(state: DockState) -> str:
    """Say when the first model is there, so that prompts can be drawn."""
    if not (left := state.loading_left):
        return f"{title_of(state.model)} is loading: ready in a moment."
    return f"{title_of(state.model)} is loading: ready in about {max(1, round(left))} s."


def tool_words(state: DockState) -> str:
    """How the tool in hand is used, for the status bar; nothing without one."""
    return f"{state.tool.capitalize()}: {_TOOLS[state.tool]}. Space moves the view" if state.tool else ""


def recovery_words(state: DockState) -> str:
    """What was done with this image before and never saved; nothing if nothing was."""
    found = state.recovery
    if found is None:
        return ""
    what = [f"{found.n_objects} object{'' if found.n_objects == 1 else 's'}"] if found.n_objects else []
    what += [f"labels on {found.n_frames} {state.noun}{'' if found.n_frames == 1 else 's'}"] if found.n_frames else []
    day = "" if found.when.date() == date.today() else f"{found.when:%d %B} "
    told = f"until {day}{found.when:%H:%M}, and not saved: {', '.join(what)}."
    if found.changed:
        return f"An image with other pixels was worked on here before, {told} It can be brought back on this one."
    return f"This image was worked on before, {told}"


def image_words(state: DockState) -> str:
    """Say what the axes are, why the frames were taken as a stack or as a flow, and what the contrast leaves out."""
    if not state.layout:
        return "No image layer yet."
    guess = f"{MODE_WORDS[state.mode]}: {state.reason}." if state.axes and state.reason else ""
    return " ".join(filter(None, (f"{state.layout}.", guess, *state.remarks)))


def learning_words(state: DockState) -> str:
    """Say what learning from drawn masks costs, or nothing."""
    return state.learning.words if state.learning is not None else ""


def keep_words(state: DockState) -> str:
    """What the button that keeps results does now."""
    if not state.running:
        return "Keep and start next object (C)"
    return "Kept at the end of the run (C: not)" if state.keeps_at_end else "Keep at the end of the run (C)"


def cost_words(state: DockState) -> str:
    """How many frames were checked, how, and what that took; nothing before one was looked at and accepted or mended.

    The seconds of the first prompt count, too: they are part of what the images cost.
    """
    cost = state.cost
    if not cost.accepted and not cost.corrected:
        return ""
    ways = ((cost.accepted, "accepted"), (cost.corrected, "corrected"), (cost.prompted, "prompted"))
    how = ", ".join(f"{count} {way}" for count, way in ways if count)
    clicks = f"{cost.clicks} click{'' if cost.clicks == 1 else 's'}"
    spent = f"{cost.seconds:.0f} s" if cost.seconds < 90 else f"{cost.seconds / 60:.1f} min"
    since = ""
    if cost.a_frame is not None:
        before, now = cost.a_frame
        since = f"; since it learned {now:.1f} clicks a {state.noun}, before {before:.1f}"
    return f"{cost.checked} of {len(state.columns)} checked ({how}), {clicks}, {spent}{since}"


def lesson_words(state: DockState) -> str:
    """How far learning is, or what came of it."""
    lesson = state.lesson
    if lesson.running:
        done = f"Learning, {lesson.step} of {lesson.steps}" if lesson.steps else "Preparing"
        return ", ".join(filter(None, (done, time_left(lesson.seconds_left))))
    if lesson.before is None or lesson.after is None:
        return ""
    count = f"{lesson.judged} {state.noun}{'' if lesson.judged == 1 else 's'}"
    told = f"Dice on {count}, each left out once: {lesson.before:.3f} before, {lesson.after:.3f} after learning."
    if lesson.weights is not None:
        return f"It got better. {told}"
    same = "No better" if lesson.after <= lesson.before else "That may be chance"
    return f"{told} {same}, so nothing changes."


def progress_words(state: DockState) -> str:
    """Say how many frames are up to date, and how long the others take or why they do not come."""
    count, status = len(state.columns), state.status
    if status.state is RunState.LOADING:
        return loading_words(state)
    if not state.image or count < 2 or not (state.running or state.has_prompts or state.has_results):
        return ""
    return ", ".join(filter(None, (f"{state.done} of {count} {state.noun}s", _run_words(state))))


def loading_words(state: DockState) -> str:
    """What is being loaded; of a file of a model its name alone."""
    if state.model_phase is ModelPhase.LOADING:
        return f"Loading {title_of(state.model)}"
    return (state.status.detail or "loading").capitalize()


def _run_words(state: DockState) -> str:
    status = state.status
    if status.state is RunState.RUNNING:
        left = time_left(status.seconds_left)
        return f"looking again, {left}".rstrip(", ") if state.done == len(state.columns) else left
    if state.running:
        return ", ".join(filter(None, (status.state.value, status.detail)))
    if state.done == len(state.columns):
        return "done"
    if status.finish_reason is FinishReason.DONE and state.done:
        return "up to date"
    ended = {FinishReason.CANCELLED: "cancelled", FinishReason.FAILED: "stopped by an error"}
    return ended.get(status.finish_reason, "") if status.finish_reason is not None else ""


def time_left(seconds: float | None) -> str:
    """Write seconds as people say them, no finer than they can be known."""
    if seconds is None:
        return ""
    if seconds < 1:
        return "less than 1 s left"
    if seconds < 90:
        return f"{seconds if seconds < 10 else 5 * round(seconds / 5):.0f} s left"
    return f"{seconds / 60:.0f} min left"


def about(seconds: float) -> str:
    """Write an estimate as people say it."""
    if seconds < 90:
        return f"about {seconds:.2g} s" if seconds < 10 else f"about {seconds:.0f} s"
    minutes = seconds / 60
    return f"about {minutes:.0f} min" if minutes < 90 else f"about {minutes / 60:.0f} h"


def model_words(state: DockState) -> str:
    """Say what the chosen model is for, or, once it was asked for, what has become of it."""
    if state.model_phase is ModelPhase.LOADING:
        return f"loading {Path(state.model).name} ..."
    if state.model_phase is ModelPhase.IN_USE:
        return f"{title_of(state.model)} runs on {state.device}.{_GPU_ADVICE if state.idle_gpu else ''}"
    if state.model_phase is ModelPhase.MISSING:
        return "no model"
    return f"{MODELS[state.model].purpose}." if state.model in MODELS else state.model


def model_warning(state: DockState) -> str:
    """Say what a user of this model should know: that memory was short, that it is slow; or nothing."""
    return " ".join(filter(None, (state.notice.message if state.notice else "", speed_warning(state))))


def speed_warning(state: DockState) -> str:
    """Say that the chosen model is slow where it runs, or nothing."""
    seconds = state.seconds_a_frame
    if seconds is None or seconds < SLOW_S:
        return ""
    frames = len(state.columns)
    whole = f", {about(seconds * frames)} for {frames} {state.noun}s" if frames > 1 else ""
    return f"Slow on a CPU: {about(seconds)} a {state.noun}{whole}. A smaller model or a GPU is faster."


def download_words(status: DownloadStatus) -> str:
    """How far a download is."""
    if status.stopping:
        return f"{status.title}: stopping; what came is kept."
    if not status.done:
        return f"{status.title}: asking the server..."
    if status.done >= status.total > 0:
        return f"{status.title}: checking the file..."
    words = [f"{megabytes(status.done)} of {megabytes(status.total)}" if status.total else megabytes(status.done)]
    if status.rate:
        words.append(f"{megabytes(status.rate)}/s")
        if status.total:
            words.append(time_left((status.total - status.done) / status.rate))
    return f"{status.title}: {', '.join(words)}"


def title_of(model: str) -> str:
    """What people call a model or a file of one; what was learned from accepted frames by when that was."""
    if model in MODELS:
        return MODELS[model].title
    path = Path(model)
    learned = _LEARNED.fullmatch(path.parent.name) if path.parent.parent.name == LEARNED else None
    return path.name if learned is None else "Micro, learned {} {}:{}".format(*learned.groups())


def image_summary(state: DockState) -> str:
    """Which image, in few words."""
    if not state.image:
        return "none yet"
    count = len(state.columns)
    if count < 2:
        return f"{state.image}, one image"
    kind = f"{count} separate images" if state.mode == "flow" else f"{count} {state.noun}s"
    return f"{state.image}, {kind}{', see the remark' if state.remarks else ''}"


def objects_summary(state: DockState) -> str:
    """How many objects there are, and which one prompts go to."""
    if not state.image:
        return ""
    if not (state.has_prompts or state.has_results):
        return "none yet"
    count = len(state.objects)
    now = next((row.title for row in state.rows if row.number == state.current), f"Object {state.current}")
    return f"{count} objects, now {now}" if count > 1 else "1 object"


def model_line(state: DockState) -> str:
    """Which model runs where, and what it sees; or what there is to know of it first."""
    if state.download is not None:
        return download_words(state.download)
    if state.model_phase is ModelPhase.MISSING:
        return "No model"
    chosen = host_of(state.wanted_device) if is_address(state.wanted_device) else state.wanted_device
    device = state.device or (chosen if chosen != "auto" else "")
    where = f" on {device}" if device else ""
    about_it = "contrast as shown" if state.contrast_as_shown else "automatic contrast"
    if speed_warning(state):
        about_it = f"slow, {about(state.seconds_a_frame or 0)} a {state.noun}"
    if state.notice is not None:
        about_it = "short of memory"
    return f"{title_of(state.model).removesuffix(' (bundled)')}{where}, {about_it}"


def review_summary(state: DockState) -> str:
    """How much was looked at, and whether it was saved."""
    unsaved = "not saved yet" if state.has_results or state.has_kept else ""
    saved = unsaved if state.saved is None else f"saved as {state.saved.name}"
    return "; ".join(filter(None, (cost_words(state), saved)))


#: What the headings of the four steps say.
SUMMARIES = (image_summary, objects_summary, model_line, review_summary)
