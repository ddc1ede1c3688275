"""Images and their labels are found wherever they are, and what cannot be used is told in words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from training_helpers import discs, write_pairs, write_tif

from napari_medsam2.errors import DatasetError
from napari_medsam2.training.data.pairs import read_labelled


def test_single_images_with_labels_make_a_flow(tmp_path: Path) -> None:
    (found,) = read_labelled([write_pairs(tmp_path / "cells", *discs(5))]).datasets
    assert (found.name, found.mode, len(found.frames), dict(found.objects)) == ("cells", "flow", 5, {1: "object 1"})
    assert np.array_equal(found.masks[3], discs(5)[1][3])


@pytest.mark.parametrize("ending", ["_labels", "_masks", "_seg"])
def test_labels_lie_beside_their_images_and_3d_files_are_stacks(tmp_path: Path, ending: str) -> None:
    for name in ("scan1", "scan2"):
        images, masks = discs(4, mode="stack")
        write_tif(tmp_path / f"{name}.tif", images)
        write_tif(tmp_path / f"{name}{ending}.tif", 3 * masks)
    found = read_labelled([tmp_path]).datasets
    assert [(d.name, d.mode, len(d.frames), list(d.objects)) for d in found] == [
        ("scan1", "stack", 4, [3]),
        ("scan2", "stack", 4, [3]),
    ]
    (flow,) = read_labelled([tmp_path], mode="flow").datasets
    assert flow.mode == "flow" and len(flow.frames) == 8


def test_slices_in_files_of_their_own_make_a_stack_if_asked(tmp_path: Path) -> None:
    (found,) = read_labelled([write_pairs(tmp_path, *discs(4, mode="stack"))], mode="stack").datasets
    assert found.mode == "stack" and len(found.frames) == 4


def test_colour_images_palette_labels_and_other_formats_are_read(tmp_path: Path) -> None:
    images, masks = discs(2)
    for t in range(2):
        Image.fromarray(np.repeat(images[t][..., None], 3, 2)).save(tmp_path / f"p{t}.png")
        palette = Image.fromarray(2 * masks[t], mode=None).convert("P")
        palette.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0])
        palette.save(tmp_path / f"p{t}_label.png")
    (found,) = read_labelled([tmp_path]).datasets
    assert found.frames[0].shape == (48, 48, 3)
    assert list(found.objects) == [2]


def test_instances_of_a_flow_are_one_kind_of_object(tmp_path: Path) -> None:
    masks = np.zeros((3, 40, 40), np.uint8)
    for t, count in enumerate((5, 7, 9)):
        for k in range(count):
            masks[t, 4 * k : 4 * k + 3, 5:20] = k + 1
    write_pairs(tmp_path, masks * 20, masks)
    found = read_labelled([tmp_path])
    assert list(found.datasets[0].objects) == [1] and "--labels classes" in " ".join(found.notes)
    assert list(read_labelled([tmp_path], labels="classes").datasets[0].objects) == list(range(1, 10))


def test_npz_datasets_and_images_without_labels(tmp_path: Path) -> None:
    images, masks = discs(4, mode="stack")
    np.savez(tmp_path / "scan.npz", images=images, masks=masks)
    (tmp_path / "scan.json").write_text(json.dumps({"kind": "stack"}))
    write_pairs(tmp_path / "cells", *discs(5))
    tifffile.imwrite(tmp_path / "cells" / "images" / "lonely.tif", images[0])
    found = read_labelled([tmp_path / "scan.npz", tmp_path / "cells"])
    assert [d.mode for d in found.datasets] == ["stack", "flow"]
    assert "lonely.tif" in found.notes[0]


def test_a_folder_without_pairs_is_told_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="it is empty"):
        read_labelled([tmp_path])
    tifffile.imwrite(tmp_path / "scan.tif", discs(1)[0][0])
    with pytest.raises(DatasetError, match=r"it holds scan\.tif\. Looked for images/ and labels/ .* _mask"):
        read_labelled([tmp_path])
    with pytest.raises(DatasetError, match="there is no file or folder"):
        read_labelled([tmp_path / "nowhere"])
    with pytest.raises(DatasetError, match="name the folder"):
        read_labelled([tmp_path / "scan.tif"])


def test_labels_of_another_size_are_named_with_both_sizes(tmp_path: Path) -> None:
    images, masks = discs(3)
    write_pairs(tmp_path, images, masks)
    tifffile.imwrite(tmp_path / "labels" / "a1.tif", masks[1][:, :40])
    with pytest.raises(DatasetError, match=r"a1\.tif is 48 x 48 and its labels a1\.tif are 48 x 40"):
        read_labelled([tmp_path])
    write_tif(tmp_path / "labels" / "a1.tif", masks)
    with pytest.raises(DatasetError, match=r"has 1 frames and its labels a1\.tif have 3"):
        read_labelled([tmp_path])


@pytest.mark.parametrize(
    ("label", "words"),
    [
        (np.zeros((48, 48), np.uint8), "no object on any label image"),
        (np.full((48, 48), 0.5, np.float32), "not whole numbers"),
        (np.full((48, 48), -1, np.int16), "negative numbers"),
        (np.random.default_rng(0).integers(0, 255, (48, 48, 3), np.uint8), "colour picture"),
    ],
)
def test_labels_that_are_none_are_refused(tmp_path: Path, label: np.ndarray, words: str) -> None:
    write_pairs(tmp_path, discs(1)[0], discs(1)[1])
    tifffile.imwrite(tmp_path / "labels" / "a0.tif", label, photometric="rgb" if label.ndim == 3 else "minisblack")
    with pytest.raises(DatasetError, match=words):
        read_labelled([tmp_path])


def test_an_npz_that_is_no_dataset_and_slices_of_differing_size_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", pictures=np.zeros(3))
    with pytest.raises(DatasetError, match="pictures"):
        read_labelled([tmp_path / "a.npz"])
    images, masks = discs(2)
    write_pairs(tmp_path / "b", images, masks)
    tifffile.imwrite(tmp_path / "b" / "images" / "a1.tif", images[1][:40])
    tifffile.imwrite(tmp_path / "b" / "labels" / "a1.tif", masks[1][:40])
    with pytest.raises(DatasetError, match="the slices of a stack have one size"):
        read_labelled([tmp_path / "b"], mode="stack")
