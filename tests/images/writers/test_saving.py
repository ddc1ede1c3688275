"""Labels are written whole or not at all, in the smallest type that holds them, as the suffix says."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from label_sets import flow_of, labels_of

from napari_medsam2.errors import OutputError
from napari_medsam2.images.writers.checks import keep_what_is_read
from napari_medsam2.images.writers.labels import label_dtype
from napari_medsam2.images.writers.saving import save_labels
from napari_medsam2.images.writers.table import save_table

LABELS = np.arange(3 * 8 * 9, dtype=np.uint16).reshape(3, 8, 9)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), struct.error("'I' format requires less")])
def test_labels_that_cannot_be_written_leave_the_older_file_as_it_was(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "labels.tif"
    save_labels(path, labels_of(LABELS))
    before = path.read_bytes()

    def fail(draft: Path, *_: Any, **__: Any) -> None:
        draft.write_bytes(b"half")
        raise error

    monkeypatch.setattr(tifffile, "imwrite", fail)
    with pytest.raises(OutputError, match=r"cannot write .*labels\.tif: .*; the labels\.tif from before"):
        save_labels(path, labels_of(LABELS + np.uint16(1)))
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["labels.tif"]


def test_frames_of_differing_size_are_refused_in_one_file_and_keep_their_size_in_a_folder(tmp_path: Path) -> None:
    labels = flow_of([LABELS[0], LABELS[1, :4, :5]], ["a.jpg", "b.jpg"])
    with pytest.raises(OutputError, match=r"cells differ in size .* name a folder"):
        save_labels(tmp_path / "all.tif", labels)
    assert not list(tmp_path.iterdir())
    save_labels(tmp_path / "each", labels)
    for t, name in enumerate(("a.tif", "b.tif")):
        np.testing.assert_array_equal(tifffile.imread(tmp_path / "each" / name), labels.labels(t))


def test_names_that_are_no_utf8_have_labels_and_lines_in_the_table(tmp_path: Path) -> None:
    names = [os.fsdecode(b"Zelle \xe4.jpg"), "Zelle \u00f6.jpg"]  # written as Latin-1, and as UTF-8
    labels = flow_of([LABELS[0], LABELS[1]], names)
    save_labels(tmp_path / "each", labels)
    assert sorted(path.name for path in (tmp_path / "each").iterdir()) == ["Zelle _.tif", "Zelle \u00f6.tif"]
    save_table(tmp_path / "each.csv", labels)
    assert "Zelle \\udce4.jpg,0," in (tmp_path / "each.csv").read_text(encoding="utf-8")


def test_the_type_of_labels_holds_the_largest_number() -> None:
    assert [label_dtype(largest) for largest in (0, 255, 256, 65_536)] == [np.uint8, np.uint8, np.uint16, np.uint32]
    with pytest.raises(OutputError, match="object 4294967296 does not fit into a label image"):
        label_dtype(2**32)


def test_saved_labels_are_compressed_and_read_back(tmp_path: Path) -> None:
    labels = np.zeros((4, 200, 200), np.uint16)
    labels[1, 50:90, 60:100] = 3
    save_labels(tmp_path / "labels.tif", labels_of(labels))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "labels.tif"), labels)
    assert (tmp_path / "labels.tif").stat().st_size < 20_000


class _Compared(type(Path())):  # type: ignore[misc]
    """A path that counts how often it is compared."""

    times = 0

    def __eq__(self, other: object) -> bool:
        _Compared.times += 1
        return bool(super().__eq__(other))

    __hash__ = Path.__hash__


def test_the_check_before_a_run_does_not_compare_each_file_with_each(tmp_path: Path) -> None:
    read = [_Compared(tmp_path / f"{k}.png") for k in range(300)]
    written = [_Compared(tmp_path / "labels" / f"{k}.tif") for k in range(300)]
    _Compared.times = 0
    keep_what_is_read(written, read)
    assert _Compared.times < 600, "once a file at most"
    with pytest.raises(OutputError, match="is read from"):
        keep_what_is_read([*written, read[7]], read)
    with pytest.raises(OutputError, match="among the images"):
        keep_what_is_read(written, [*read, written[0].parent])
