"""Session files, task files and tables of jobs that are whole, and say odd things: done, or refused in words."""

from __future__ import annotations

import csv
import json
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from fakes import PLAIN, blob_model
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load

from attacks import FEW, MANY, attack, outcome, own_folder
from napari_medsam2.cli.batch.jobs import make_jobs
from napari_medsam2.cli.batch.records import Record, fingerprint, read_record
from napari_medsam2.cli.batch.rows import columns, read_table
from napari_medsam2.cli.batch.summary import Line, in_words, save_summary
from napari_medsam2.cli.host import Host, hosted_by
from napari_medsam2.cli.main import main
from napari_medsam2.images.formats import as_frames
from napari_medsam2.images.opened import LabelledObject
from napari_medsam2.models.device import Model
from napari_medsam2.prompts import BoxPrompt, MaskPrompt, by_object_and_frame
from napari_medsam2.session.image_identity import content_of
from napari_medsam2.session.journal import Journal
from napari_medsam2.session.recorded import RecordedSession
from napari_medsam2.session.rows import sealed
from napari_medsam2.session.saved import Changes, SavedImage
from napari_medsam2.session.session import Session
from napari_medsam2.session.session_file import SessionFile
from napari_medsam2.session.task_file import pack_told, read_task, told_in

ODD: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([None, True, False, "", "a\0b", "x" * 3000, "1", [], {}, [[]], [1, 2], {"a": 1}, -1, 0, 1, 2]),
    st.sampled_from([10**18, -(2**63), 2**31, 1e308, -0.5, 0.5, 1e-300, "micro", "flow", "stack", "mask", "steps"]),
)
#: Where in a tree, and what stands there then; ``"gone"``: nothing does.
CHANGES = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), ODD | st.just("gone")), min_size=1, max_size=2)


def places_in(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to all values in lists and objects."""
    inside = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in inside:
        yield (*path, key)
        yield from places_in(value, (*path, key))


def changed(tree: Any, changes: list[tuple[float, Any]]) -> Any:
    """A copy of what JSON holds, with other values in some places."""
    tree = json.loads(json.dumps(tree))
    for where, given_odd in changes:
        odd = deepcopy(given_odd)  # the same list may come twice, and would then be put into itself
        places = list(places_in(tree))
        if not places:
            return odd
        *way, last = places[int(where * len(places))]
        there = tree
        for key in way:
            there = there[key]
        if odd == "gone":
            del there[last]
        else:
            there[last] = odd
    return tree


FRAMES = np.zeros((3, 24, 28), np.uint8) + np.random.default_rng(0).integers(0, 40, (3, 24, 28), dtype=np.uint8)
FRAMES[:, 8:16, 9:18] += 180


@cache
def _task() -> bytes:
    session = Session(blob_model(), FRAMES, mode="flow", contrast=PLAIN)
    session.add(BoxPrompt(0, 7, 8, 16, 18))
    session.add(MaskPrompt(1, FRAMES[1] > 100))
    session.call(1, LabelledObject("nucleus", "#ff0000"))
    list(session.propagate())
    with own_folder() as folder:
        session.save_task(folder / "a.medsam2task", with_found=True)
        return (folder / "a.medsam2task").read_bytes()


def _attack_task(changes: list[tuple[float, Any]], tensor: tuple[float, str] | None) -> None:
    told, tensors = told_in(_task()), dict(load(_task()))
    if tensor is None:
        told = changed(told, changes)
    else:
        name = sorted(tensors)[int(tensor[0] * len(tensors))]
        value = tensors.pop(name)
        other = {
            "flat": lambda: value.reshape(-1),
            "half": lambda: value[..., : value.shape[-1] // 2],
            "whole": lambda: value.astype(np.int64),
            "large": lambda: value * 0 + np.array(255, value.dtype),
            "zero": lambda: value * 0,
            "none": lambda: value[:0],
        }.get(tensor[1])
        if other is not None:
            tensors[name] = np.ascontiguousarray(other())
    with own_folder() as folder:
        (folder / "a.medsam2task").write_bytes(pack_told(told, tensors))

        def use() -> None:
            task = read_task(folder / "a.medsam2task")
            session = Session(blob_model(), FRAMES, mode="flow", contrast=PLAIN)
            session.take_task(task)
            list(session.propagate())
            session.save_task(folder / "b.medsam2task", with_found=True)

        outcome(use)


def _tif(folder: Path) -> Path:
    tifffile.imwrite(folder / "scan.tif", FRAMES, photometric="minisblack")
    return folder / "scan.tif"


TENSOR = st.none() | st.tuples(
    st.floats(0, 1, exclude_max=True), st.sampled_from(["gone", "flat", "half", "whole", "large", "zero", "none"])
)


@attack(FEW)
@given(changes=CHANGES, tensor=TENSOR)
def test_an_odd_task_file_is_used_or_refused(changes: list[tuple[float, Any]], tensor: Any) -> None:
    _attack_task(changes, tensor)


@pytest.mark.slow
@attack(MANY)
@given(changes=CHANGES, tensor=TENSOR)
def test_many_odd_task_files_are_used_or_refused(changes: list[tuple[float, Any]], tensor: Any) -> None:
    _attack_task(changes, tensor)


@cache
def _session_file() -> bytes:
    with own_folder() as folder:
        frames = as_frames(FRAMES)
        first = Session(blob_model(), frames, mode="flow")
        first.add(BoxPrompt(0, 7, 8, 16, 18))
        list(first.propagate())
        task = first.save_task(folder / "a.medsam2task", with_found=True)
        session, journal = RecordedSession(blob_model(), frames, mode="flow"), Journal()
        session.add(BoxPrompt(0, 7, 8, 16, 18))
        list(session.propagate())
        session.accept(1)
        session.take_task(task)
        session.pin(2)
        session.evict(2)
        session.add(MaskPrompt(2, FRAMES[2] > 100))
        list(session.propagate())
        session.undo()
        journal.extend(session.noted())
        shapes = tuple(frames.shape(t) for t in range(len(frames)))
        image = SavedImage("scan", "scan.tif", shapes, content_of(frames), {})
        facts = {"model": "micro", "bank": "auto"}
        prompts = by_object_and_frame(session.prompts)
        with SessionFile(folder / "a.medsam2", image, "flow") as file:
            kept = {0: (FRAMES[0] > 100).astype(np.uint32)}
            tasks = {task.digest: task}
            file.write(Changes(facts, session.called, prompts, session.results, kept, journal.since([]), tasks))
        return (folder / "a.medsam2").read_bytes()


class _BlobHost(Host):
    """Has no other model."""

    def load_model(self, name: str, **options: Any) -> Model:
        return blob_model()


def _attack_session(which: float, changes: list[tuple[float, Any]], key: Any) -> None:
    with own_folder() as folder:
        path, images = folder / "a.medsam2", _tif(folder)
        path.write_bytes(_session_file())
        with closing(sqlite3.connect(path)) as database, database:
            tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            rows = [(table, row) for table in tables for (row,) in database.execute(f"SELECT rowid FROM {table}")]
            table, row = rows[int(which * len(rows))]
            cursor = database.execute(f"SELECT * FROM {table} WHERE rowid = ?", (row,))
            names = [each[0] for each in cursor.description]
            there = dict(zip(names, cursor.fetchone(), strict=True))
            keys = names[: names.index("value")]
            if key is not None and len(keys):
                there[keys[int(which * 7919) % len(keys)]] = key
            value = changed(json.loads(there["value"].partition(" ")[2]), changes if key is None else [])
            pixels = [zlib.crc32(there[name] or b"") for name in names[names.index("value") + 1 :]]
            beside = (tuple(there[name] for name in keys), *pixels) if pixels else (there[keys[0]],)
            there["value"] = sealed(value, *beside)
            marks = ", ".join(f"{name} = ?" for name in names)
            try:
                database.execute(f"UPDATE {table} SET {marks} WHERE rowid = ?", (*there.values(), row))
            except (sqlite3.Error, OverflowError):
                return
        for more in ([], ["--stored"]):
            out = str(folder / f"o{len(more)}.tif")
            with hosted_by(_BlobHost()):
                assert main(["segment", str(images), "--session", str(path), "-o", out, *more]) in (0, 2)


KEY = st.none() | st.sampled_from([-1, 99, 2**31, 2**62, "x", 1.5])


@attack(FEW)
@given(which=st.floats(0, 1, exclude_max=True), changes=CHANGES, key=KEY)
def test_an_odd_session_file_is_done_again_or_refused(which: float, changes: Any, key: Any) -> None:
    _attack_session(which, changes, key)


@pytest.mark.slow
@attack(MANY)
@given(which=st.floats(0, 1, exclude_max=True), changes=CHANGES, key=KEY)
def test_many_odd_session_files_are_done_again_or_refused(which: float, changes: Any, key: Any) -> None:
    _attack_session(which, changes, key)


_CELL = st.sampled_from(
    ["", "0", "-1", "nan", "0,1,2", "0,1,1,5,5", "yes", "maybe", "~nobody/x.tif", "a\0b", "x" * 200_000, "../out.tif"]
) | st.sampled_from(["in.tif", "o.tif", ".", "5 nan", "0:m.tif", "--help", "9" * 5000, ";;", "micro", "²", '"', "=1"])


@attack(10 * FEW)
@given(
    names=st.lists(st.sampled_from([*columns(), "", "other"]), max_size=4),
    cells=st.lists(st.lists(_CELL, min_size=2, max_size=7), max_size=2),
)
def test_an_odd_table_of_jobs_is_jobs_or_refused(names: list[str], cells: list[list[str]]) -> None:
    with own_folder() as folder:
        with (folder / "jobs.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["input", "output", *names], *cells])

        def read() -> None:
            for job in make_jobs(read_table(folder / "jobs.csv", folder), {}, folder):
                assert all(path.is_relative_to(folder) for path in job.written)
                fingerprint(job, folder)

        outcome(read)


@attack(20 * FEW)
@given(changes=CHANGES)
def test_an_odd_record_of_a_batch_is_known_or_nothing(changes: list[tuple[float, Any]]) -> None:
    summary = {"frames": 3, "found": 2, "confidence": 0.9, "lowest": None, "doubt": 0.1, "why": "", "remarks": ["a"]}
    told = changed(dict(vars(Record("a", True, "b", {**summary, "seconds": 1.5, "check_first": "x"}))), changes)
    with own_folder() as folder:
        (folder / "record.json").write_text(json.dumps(told))
        if (record := read_record(folder / "record.json")) is not None:
            line = Line("a.tif", "a", "done before", record.summary)
            assert in_words([line, line])
            save_summary(folder / "summary.csv", [line, line])
