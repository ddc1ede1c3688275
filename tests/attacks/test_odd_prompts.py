"""Prompts, frames and options of any kind are taken, or refused in a sentence; the session goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import click, stack_session
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from attacks import FEW, MANY, attack, outcome, own_folder
from napari_medsam2.cli.main import main
from napari_medsam2.cli.prompt_files import read_prompt_file
from napari_medsam2.errors import UserError
from napari_medsam2.images.formats import as_frames
from napari_medsam2.prompts import BoxPrompt, MaskPrompt, PointPrompt

ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**30, -1, 2**31, 1e308, -0.0]),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=1),
)
_DTYPES = arrays.scalar_dtypes() | st.just(np.dtype("U3"))
_NUMBER = st.integers(0, 60) | st.floats(0, 60)
_NAMES = ("frame", "y", "x", "y0", "x0", "y1", "x1", "object", "positive", "file", "label")
_ITEM = st.fixed_dictionaries(
    {"type": st.sampled_from(["point", "box", "mask"]) | ODD}, optional=dict.fromkeys(_NAMES, _NUMBER | ODD)
)


def _attack_file(items: Any) -> None:
    with own_folder() as folder:
        (folder / "prompts.json").write_text(json.dumps(items))
        outcome(lambda: read_prompt_file(folder / "prompts.json"))


@attack(10 * FEW)
@given(items=st.fixed_dictionaries({"prompts": st.lists(_ITEM, max_size=3) | ODD}) | ODD)
def test_a_file_of_odd_prompts_is_read_or_refused(items: Any) -> None:
    _attack_file(items)


@pytest.mark.slow
@attack(10 * MANY)
@given(items=st.fixed_dictionaries({"prompts": st.lists(_ITEM, max_size=3) | ODD}) | ODD)
def test_many_files_of_odd_prompts_are_read_or_refused(items: Any) -> None:
    _attack_file(items)


@attack(10 * FEW)
@given(frame=_NUMBER | ODD, places=st.lists(_NUMBER | ODD, min_size=4, max_size=4), number=_NUMBER | ODD)
def test_odd_prompts_are_refused_and_the_session_goes_on(frame: Any, places: list[Any], number: Any) -> None:
    session, masks = stack_session(3)
    session.add(click(0, masks))
    for make in (
        lambda: PointPrompt(frame, places[0], places[1], True, number),
        lambda: BoxPrompt(frame, *places, number),
        lambda: MaskPrompt(frame, np.ones((3, 4), bool), number),
    ):
        outcome(lambda make=make: session.add(make()))
    assert next(iter(session.propagate())).object_id >= 1


@attack(10 * FEW)
@given(
    mask=arrays.arrays(arrays.scalar_dtypes() | st.just(np.dtype("U3")), arrays.array_shapes(max_dims=4, max_side=4))
)
def test_odd_arrays_are_masks_and_frames_or_refused(mask: np.ndarray) -> None:
    outcome(lambda: stack_session(3)[0].add(MaskPrompt(0, mask)))

    def read() -> None:
        frames = as_frames(mask)
        for t in range(len(frames)):
            assert np.asarray(frames[t]).ndim in (2, 3)

    outcome(read)


_WORDS = """--mode stack flow --point 0,1,1 0,1 1e9,1,1 --box 0,1,1,5,5 --mask 0:none.tif --start --stop -1 99 --axis q
--at t=1 --contrast 5 nan --series --channel --bank fifo --passes 2 --direction both --model none.pt --device tpu
--json"""
_WORD = st.sampled_from(["", *_WORDS.split()]) | st.text(max_size=5).filter(lambda text: text not in ("-h", "--h"))


@attack(10 * FEW)
@given(words=st.lists(_WORD, max_size=8))
def test_odd_arguments_are_a_sentence_and_exit_code_2(words: list[str], blobs: list[dict[str, Any]]) -> None:
    with own_folder() as folder:
        (folder / "in").mkdir()
        before = _listed(folder)
        try:  # without prompts that are any good there is nothing to do
            code = main(["segment", str(folder / "none.tif"), "-o", str(folder / "out" / "labels.tif"), *words])
        except SystemExit as stop:
            code = stop.code
        assert code in (0, 2) and _listed(folder) == before


def _listed(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


@pytest.mark.parametrize(
    "mask",
    [
        np.full((64, 64), np.nan),
        np.full((64, 64), "drawn"),
        np.ones((64, 64), complex),
        np.zeros((64, 64), "M8[s]"),
        np.zeros((64, 64), [("a", "i4")]),
        np.ones((64, 64, 5)),
    ],
)
def test_arrays_that_are_no_masks_are_refused(mask: np.ndarray) -> None:
    session, masks = stack_session(3)
    with pytest.raises(UserError):
        session.add(MaskPrompt(0, mask))
    session.add(click(0, masks))
    assert [prompt.frame for prompt in session.prompts] == [0]


def test_a_frame_that_its_own_array_cannot_give_is_a_sentence() -> None:
    class Broken(np.lib.mixins.NDArrayOperatorsMixin):
        shape, dtype, ndim = (3, 20, 24), np.dtype(np.uint8), 3

        def __getitem__(self, key: Any) -> Any:
            raise KeyError("chunk 7")

    def read() -> None:
        frames = as_frames(Broken())
        np.asarray(frames[1])

    assert outcome(read) is not None


def test_an_output_without_a_name_is_refused_before_the_run(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "scan.npy").write_bytes(b"")
    with pytest.raises(SystemExit, match="2"):
        main(["segment", str(tmp_path / "scan.npy"), "-o", "", "--point", "0,1,1"])
    assert "got an empty name" in capsys.readouterr().err
