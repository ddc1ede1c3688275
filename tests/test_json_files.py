"""JSON from outside is read within bounds, whatever is in it."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_medsam2 import json_files
from napari_medsam2.errors import JsonError, PromptError
from napari_medsam2.json_files import MOST_DEPTH, parse_json, read_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)  # fmt: skip


@given(JSON)
def test_what_json_has_is_read(value: object) -> None:
    assert parse_json(json.dumps(value)) == value


@given(st.text())
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    with suppress(JsonError):
        parse_json(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "damaged, or no JSON"),
        ('{"prompts": [', "damaged, or no JSON"),
        ("[" * 100_000, "deep"),
        ("[" * 100 + "]" * 100, "deep"),
        ('{"a":' * 500 + "1" + "}" * 500, "deep"),
        ("[" + "9" * 5000 + "]", "too large a number"),
        ("[9223372036854775808]", "too large a number"),
        ("[1e400]", "too large a number"),
        ("[NaN]", "NaN is no number"),
        ("[-Infinity]", "-Infinity is no number"),
        ('{"frame": 1, "frame": 2}', "'frame' twice"),
    ],
)
def test_what_is_refused(text: str, told: str) -> None:
    with pytest.raises(JsonError, match=told) as caught:
        parse_json(text)
    assert len(str(caught.value)) < 200


def test_the_deepest_that_is_read() -> None:
    parse_json("[" * MOST_DEPTH + "]" * MOST_DEPTH)


@pytest.mark.parametrize(
    ("content", "told"), [(b"\xff\xfe\x00", "cannot read"), (b"[]" + b" " * 1000, "at most"), (b"[", "cannot read")]
)
def test_a_file_is_refused_with_its_name(
    content: bytes, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_files, "MOST_BYTES", 1000)
    path = tmp_path / "given.json"
    path.write_bytes(content)
    with pytest.raises(PromptError, match=rf"given\.json.*{told}|{told}.*given\.json"):
        read_json(path, PromptError)


def test_a_byte_order_mark_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "from_windows.json"
    path.write_text('{"a": 1}', encoding="utf-8-sig")
    assert read_json(path, PromptError) == {"a": 1}


def test_a_file_that_is_not_there_and_one_that_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="there is no file"):
        read_json(tmp_path / "none.json", PromptError)
    with pytest.raises(PromptError, match="cannot read"):
        read_json(tmp_path, PromptError)
