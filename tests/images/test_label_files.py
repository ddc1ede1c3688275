"""Labels are written whole or not at all, in the smallest type that holds them."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_medsam2.errors import OutputError
from napari_medsam2.images.label_files import keep_what_is_read, label_dtype, save_labels, write_labels

LABELS = np.arange(3 * 8 * 9, dtype=np.uint16).reshape(3, 8, 9)


@pytest.mark.parametrize(("offset", "dtype"), [(0, np.uint8), (200, np.uint16)])
def test_labels_are_saved_in_eight_bits_where_that_is_enough(offset: int, dtype: Any, tmp_path: Path) -> None:
    save_labels(tmp_path / "labels.tif", LABELS + np.uint16(offset))
    saved = tifffile.imread(tmp_path / "labels.tif")
    assert saved.dtype == dtype
    np.testing.assert_array_equal(saved, LABELS + np.uint16(offset))
    assert [path.name for path in tmp_path.iterdir()] == ["labels.tif"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), struct.error("'I' format requires less")])
def test_labels_that_cannot_be_written_leave_the_older_file_as_it_was(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "labels.tif"
    save_labels(path, LABELS)
    before = path.read_bytes()

    def fail(draft: Path, *_: Any, **__: Any) -> None:
        draft.write_bytes(b"half")
        raise error

    monkeypatch.setattr(tifffile, "imwrite", fail)
    options: Any = {"dtype": np.uint8, "names": ["a"] * 3, "mode": "stack"}
    for write in (
        lambda: save_labels(path, LABELS + np.uint16(1)),
        lambda: write_labels(path, lambda t: LABELS[t], [(8, 9)] * 3, **options),
    ):
        with pytest.raises(OutputError, match=r"cannot write .*labels\.tif: .*; the labels\.tif from before"):
            write()
        assert path.read_bytes() == before
        assert [found.name for found in tmp_path.iterdir()] == ["labels.tif"]


def test_frames_of_differing_size_are_padded_in_one_file_and_keep_their_size_in_a_folder(tmp_path: Path) -> None:
    labels = [LABELS[0], LABELS[1, :4, :5]]
    options: Any = {"dtype": np.uint8, "names": ["a.png", "b.png"], "mode": "flow"}
    write_labels(tmp_path / "all.tif", lambda t: labels[t], [one.shape for one in labels], **options)
    with tifffile.TiffFile(tmp_path / "all.tif") as tif:
        assert tif.series[0].axes == "IYX"
        together = tif.asarray()
    np.testing.assert_array_equal(together[1, :4, :5], labels[1])
    assert together.shape == (2, 8, 9) and not together[1, 4:].any() and not together[1, :, 5:].any()
    (tmp_path / "each").mkdir()
    write_labels(tmp_path / "each", lambda t: labels[t], [one.shape for one in labels], **options)
    for name, one in zip(("a.tif", "b.tif"), labels, strict=True):
        np.testing.assert_array_equal(tifffile.imread(tmp_path / "each" / name), one)


def test_the_type_of_labels_holds_the_largest_number() -> None:
    assert [label_dtype(largest) for largest in (0, 255, 256, 65_536)] == [np.uint8, np.uint8, np.uint16, np.uint32]
    with pytest.raises(OutputError, match="object 4294967296 does not fit into a label image"):
        label_dtype(2**32)


def test_saved_labels_are_compressed_and_read_back(tmp_path: Path) -> None:
    labels = np.zeros((4, 200, 200), np.uint16)
    labels[1, 50:90, 60:100] = 3
    save_labels(tmp_path / "labels.tif", labels)
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
