"""What the panel of the memory bank says, made from its state."""

from __future__ import annotations

from .bank_state import BankRow, BankState

#: What people call the banks.
BANKS = {
    "auto": "Memory: auto",
    "fifo": "Memory: first in, first out",
    "self-sorting": "Memory: self-sorting",
}
_SHORT = {"fifo": "first in, first out", "self-sorting": "self-sorting"}


def bank_summary(state: BankState) -> str:
    """What is remembered, and what the weights are about."""
    if not state.has_dock:
        return "The MedSAM-2 dock was closed. What it found is in the layers; open it again to see what is remembered."
    if not state.has_image:
        return "There is no image yet: open one in the MedSAM-2 dock."
    if not state.rows and state.waiting:
        return f"{state.title}: {_waiting_words(state)} remembered from the next run on."
    if not state.rows:
        first = "" if state.has_prompts else "draw a prompt, then "
        return f"Nothing is remembered of {state.title} yet: {first}find it on all {state.noun}s (Shift+S)."
    templates = sum(row.pinned for row in state.rows)
    room = f" of {state.capacity}" if state.capacity >= len(state.rows) else ""
    told = f"{state.title}: {len(state.rows)}{room} remembered, {templates} template{'' if templates == 1 else 's'}"
    if state.waiting:
        told += f", and {_waiting_words(state)} from the next run on"
    if state.stands_alone:
        return f"{told}. This {state.noun} has a prompt of its own, so no memory is asked here."
    if not state.known:
        return f"{told}. How much each counts here is known once this {state.noun} was looked at."
    return f"{told}. The bars say how much each counts for {state.noun} {state.frame}."


def _waiting_words(state: BankState) -> str:
    which = ", ".join(map(str, state.waiting[:5])) + (", ..." if len(state.waiting) > 5 else "")
    return f"{state.noun}{'' if len(state.waiting) == 1 else 's'} {which}"


def row_title(row: BankRow) -> str:
    """The number of a frame, or the name of an image of a task file."""
    return row.image if row.frame < 0 else str(row.frame)


def row_words(row: BankRow, state: BankState) -> str:
    """All that is known of one memory."""
    where = f"'{row.image}', from a task file" if row.frame < 0 else f"{state.noun.capitalize()} {row.frame}"
    kind = "a template, pinned by hand" if row.held else "a template" if row.pinned else "found, not checked"
    share = "not asked here" if row.share is None else f"{row.share:.0%} of what is heard on {state.noun} {state.frame}"
    return (
        f"{where}: {kind}. Confidence {row.confidence:.2f}, unlike the others by {row.diversity:.2f}, {share}."
        f"{'' if row.frame < 0 else ' A click goes there.'}"
    )


def pin_words(state: BankState) -> str:
    """What the pin does now."""
    return "Unpin" if state.row is not None and state.row.held else "Pin"


def compare_words(state: BankState) -> str:
    """What is compared with what."""
    if state.comparing:
        return "Comparing..."
    other = "self-sorting" if state.bank == "fifo" else "first in, first out"
    return f"Compare with {other}"


def comparison_words(state: BankState) -> str:
    """What came of the comparison."""
    if (found := state.comparison) is None:
        return ""
    if not found.frames:
        return f"There is nothing to compare: find the object on all {state.noun}s first."
    mine, theirs = found.confidence
    both = sum(frame.kept and frame.kept_by_other for frame in found.frames)
    kept, other = sum(frame.kept for frame in found.frames), sum(frame.kept_by_other for frame in found.frames)
    least = min(found.frames, key=lambda frame: frame.overlap)
    differ = f"least on {state.noun} {least.frame} ({least.overlap:.2f})" if least.overlap < 1 else "all the same"
    return (
        f"Run again with {_SHORT[found.other]}: mean confidence {theirs:.2f}, with {_SHORT[found.own]} {mine:.2f}. The "
        f"masks agree by {found.overlap:.2f} (IoU), {differ}. Remembered in the end: {other} and {kept} found "
        f"{state.noun}s, {both} of them the same."
    )


def view_words(state: BankState) -> str:
    """What of the frame the model sees, and how its pixels became that."""
    view = state.view
    if not state.has_dock:
        return "Open the MedSAM-2 dock to see what the model sees."
    if view is None or not state.has_image:
        return "What the model sees of the frame in view is shown once the object has a prompt."
    side, window = view.image.shape[0], view.window
    if view.whole:
        where = f"all of {state.noun} {view.frame}"
    else:
        y, x = window.y0 + 0.5, window.x0 + 0.5
        size = f"{window.size_x:.0f} x {window.size_y:.0f} pixels"
        where = f"{size} of {state.noun} {view.frame}, from ({y:.0f}, {x:.0f})"
    parts = [f"The input: {where} as {side} x {side} pixels, " + ("in colours" if view.colours else "in grey")]
    if view.low:
        parts.append(f"black is {_numbers(view.low)}, white is {_numbers(view.high)}")
    told = "; ".join(parts) + "."
    if view.tile is not None:
        told += f" It was also looked at in tiles of {view.tile} pixels."
    if not view.seen:
        told += f" This {state.noun} was not looked at yet."
    return told


def _numbers(values: tuple[float, ...]) -> str:
    return " / ".join(f"{value:.4g}" for value in values)
