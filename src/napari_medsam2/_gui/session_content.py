"""What a session file has of a workspace, and what of that is not written yet: values for the thread that writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from napari.layers import Labels

from ..session.saved import Changes
from ..types import AnyArray
from .dock_state import DockState
from .keeping import merged
from .layers.layout import Layout
from .layers.workspace import Workspace
from .session_record import LabelsMadeOf, SessionRecord, all_in, differing, same_prompts, same_result


def made_of(work: Workspace, record: SessionRecord) -> LabelsMadeOf:
    """What the labels are made of now."""
    return dict(work.book.groups), dict(work.results.results), record.kept_version


def changes_of(
    work: Workspace, record: SessionRecord, chosen: DockState, layer: Labels | None
) -> tuple[Changes, dict[int, AnyArray]]:
    """What differs from what was written, which is then what there is; and kept labels that may differ.

    Parameters
    ----------
    work, record
        The workspace, and what is known of its file.
    chosen
        What was chosen in the dock.
    layer
        Where labels are kept; ``None`` if there are none.
    """
    prompts, results, version = made_of(work, record)
    facts = {
        "model": chosen.model,
        "direction": chosen.direction,
        "current": chosen.current,
        "contrast_as_shown": chosen.contrast_as_shown,
        "adapt": chosen.adapt,
        "bank": chosen.bank,
        "taught": [[number, t.task.digest, t.number] for number, t in sorted(work.book.taught.items())],
        "preview": chosen.preview,
        "cost": work.past.cost.told(),
        "stale": sorted([frame, number] for frame, number in work.past.stale),
        "saved": record.saved is not None and all_in(record.saved, (prompts, results, version)),
    }
    changes = Changes(
        {name: value for name, value in facts.items() if name not in record.facts or record.facts[name] != value},
        differing(record.objects, work.roster.all_called, lambda one, other: one == other),
        differing(record.prompts, prompts, same_prompts),
        differing(record.results, results, same_result),
        journal=work.past.journal.since(record.journal),
        tasks={digest: task for digest, task in work.past.tasks.items() if digest not in record.tasks},
    )
    if work.image not in work.sequence.viewer.layers:  # as when napari closes: its layers went with it, one by one
        changes = replace(changes, prompts=_without_gone(changes.prompts), results=_without_gone(changes.results))
    kept = _kept(work.sequence.layout, record, layer)
    if not (changes.prompts or changes.results or changes.objects or changes.tasks or kept) and record.path is None:
        return Changes(), {}  # nothing is lost if this is
    record.facts, record.prompts, record.results, record.kept_changed = facts, prompts, results, set()
    record.objects = work.roster.all_called
    record.journal = list(work.past.journal.entries)
    record.tasks = set(work.past.tasks)
    return changes, kept


def _kept(layout: Layout, record: SessionRecord, layer: Labels | None) -> dict[int, AnyArray]:
    """Copies of kept labels ``(H, W)`` that may differ, by frame: they may be painted while they are written."""
    frames = range(layout.n_frames) if record.kept_changed is None else sorted(record.kept_changed)
    kept: dict[int, AnyArray] = {}
    for t in frames:
        height, width = layout.size_of(t)
        parts = [] if layer is None else [np.asarray(layer.data[layout.index(t)])[:height, :width]]
        if t in record.kept_elsewhere:
            parts.append(record.kept_elsewhere[t][:height, :width])
        if parts:
            kept[t] = merged(parts)
    return kept


def _without_gone(changes: Mapping[Any, Any]) -> dict[Any, Any]:
    return {key: value for key, value in changes.items() if value is not None}
