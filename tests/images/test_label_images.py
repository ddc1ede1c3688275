"""Label files are read as the numbers that are stored; what is no label image is refused in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_medsam2.cli.prompt_files import MaskedSequence, parse_mask, read_prompt_file
from napari_medsam2.errors import PromptError
from napari_medsam2.images.formats import read_images
from napari_medsam2.images.label_images import label_image
from napari_medsam2.training.data.pairs import read_labelled

LABELS = np.zeros((8, 10), np.uint8)
LABELS[1:3, 1:4] = 1
LABELS[4:7, 5:9] = 2
STACK = np.stack([np.roll(LABELS, shift, axis=0) for shift in range(4)])


def palette(labels: np.ndarray, *, first: tuple[int, int, int] = (0, 0, 0)) -> Image.Image:
    image = Image.fromarray(labels)
    image.putpalette([*first, 128, 0, 0, 0, 128, 0] + [0] * 759)
    assert image.mode == "P"
    return image


def as_read(path: Path) -> np.ndarray:
    return label_image(read_images(path, as_labels=True).frames_along().frames[0], path.name)


def of_json(folder: Path, file: str, label: int, frame: int = 0) -> np.ndarray:
    prompt = {"type": "mask", "frame": frame, "file": file, "label": label}
    (folder / "prompts.json").write_text(json.dumps({"prompts": [prompt]}))
    [mask] = read_prompt_file(folder / "prompts.json").prompts
    return mask.mask  # type: ignore[union-attr, return-value]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".gif", ".bmp"])
@pytest.mark.parametrize("first", [(0, 0, 0), (255, 255, 255)])
def test_of_a_palette_the_indices_are_the_labels(suffix: str, first: tuple[int, int, int], tmp_path: Path) -> None:
    palette(LABELS, first=first).save(tmp_path / f"m{suffix}")
    np.testing.assert_array_equal(as_read(tmp_path / f"m{suffix}"), LABELS)
    np.testing.assert_array_equal(of_json(tmp_path, f"m{suffix}", 2), LABELS == 2)
    assert parse_mask(f"0:{tmp_path / f'm{suffix}'}")[0].mask.sum() == np.count_nonzero(LABELS)


def test_a_palette_with_a_transparent_colour_and_few_bits(tmp_path: Path) -> None:
    palette(LABELS).save(tmp_path / "clear.png", transparency=0)
    palette(LABELS).save(tmp_path / "few.png", bits=2)
    for name in ("clear.png", "few.png"):
        np.testing.assert_array_equal(as_read(tmp_path / name), LABELS)


def test_grey_of_four_bits_is_read_as_it_is_stored(tmp_path: Path) -> None:
    import struct
    import zlib

    rows = b"".join(b"\0" + bytes(int(a) << 4 | int(b) for a, b in row.reshape(-1, 2)) for row in LABELS)
    parts = ((b"IHDR", struct.pack(">IIBBBBB", 10, 8, 4, 0, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    chunks = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    (tmp_path / "m.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    np.testing.assert_array_equal(as_read(tmp_path / "m.png"), LABELS)


def rgb(labels: np.ndarray, colour: tuple[int, ...]) -> np.ndarray:
    return np.where(labels[..., None] > 0, np.array(colour, np.uint8), np.uint8(0))


BINARY = {
    "0 and 255": np.where(LABELS > 0, 255, 0).astype(np.uint8),
    "bool": LABELS > 0,
    "grey in three colours": rgb(LABELS, (255, 255, 255)),
    "red on black": rgb(LABELS, (255, 0, 0)),
    "white on transparent white": np.dstack([np.full((8, 10, 3), 255, np.uint8), np.where(LABELS > 0, 255, 0)]),
    "grey with alpha": np.dstack([np.full((8, 10), 200, np.uint8), np.where(LABELS > 0, 255, 0).astype(np.uint8)]),
    "floats": (LABELS > 0).astype(np.float32),
}


@pytest.mark.parametrize("name", BINARY)
def test_masks_however_they_are_drawn(name: str, tmp_path: Path) -> None:
    drawn = BINARY[name]
    if drawn.dtype == np.float32:
        tifffile.imwrite(tmp_path / "m.tif", drawn)
    else:
        Image.fromarray(drawn.astype(bool if drawn.dtype == bool else np.uint8)).save(tmp_path / "m.png")
    [file] = tmp_path.glob("m.*")
    np.testing.assert_array_equal(parse_mask(f"3:{file}")[0].mask, LABELS > 0)


def animation(path: Path) -> None:
    palette(LABELS).save(path, save_all=True, append_images=[palette(np.roll(LABELS, 1))])


def write_tif(dtype: str, largest: float) -> Callable[[Path], None]:
    return lambda path: tifffile.imwrite(path, np.where(LABELS == 2, largest, LABELS * 1.0).astype(dtype))


def colours(path: Path) -> None:
    Image.fromarray(np.dstack([LABELS * 100, 255 - LABELS * 100, LABELS])).save(path)


REFUSED = {
    "colours.png": (colours, "colour picture, in 3 colours"),
    "photo.jpg": (lambda path: Image.fromarray(LABELS * 100).save(path), "JPEG, which changes numbers"),
    "lossy.webp": (lambda path: Image.fromarray(LABELS * 100).save(path), "WebP with loss, which changes numbers"),
    "jpeg.tif": (lambda path: Image.fromarray(LABELS * 100).save(path, compression="jpeg"), "compressed as JPEG"),
    "moving.gif": (animation, "animation, which has colours for numbers of labels: save them as tif"),
    "halves.tif": (write_tif("f4", 1.5), "not whole numbers; they reach from 0 to 1.5"),
    "none.tif": (write_tif("f4", np.nan), "infinite or no numbers"),
    "negative.tif": (write_tif("i2", -1), "negative numbers"),
    "five.npy": (lambda path: np.save(path, np.ones((8, 10, 5), np.uint8)), "more axes|frames|one number a pixel"),
    "complex.npy": (lambda path: np.save(path, LABELS.astype(complex)), "complex"),
    "words.npy": (lambda path: np.save(path, LABELS.astype(str)), "numbers"),
    "objects.npy": (lambda path: np.save(path, LABELS.astype(object), allow_pickle=True), "cannot read objects"),
    "empty.png": (lambda path: Image.fromarray(LABELS * 0).save(path), "0 everywhere on frame 9"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_label_image_is_refused_in_words(name: str, tmp_path: Path) -> None:
    write, words = REFUSED[name]
    write(tmp_path / name)
    with pytest.raises(PromptError, match=words) as told:
        parse_mask(f"9:{tmp_path / name}", MaskedSequence(12))
    assert name in str(told.value)


def test_large_numbers_stay_apart_and_missing_ones_are_told_with_those_there(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "m.tif", np.where(LABELS > 0, LABELS.astype(np.uint32) + 70_000, 0).astype(np.uint32))
    np.testing.assert_array_equal(of_json(tmp_path, "m.tif", 70_002), LABELS == 2)
    with pytest.raises(PromptError, match="no label 2; it has 70001, 70002"):
        of_json(tmp_path, "m.tif", 2)


def nifti(path: Path) -> None:
    import nibabel

    nibabel.save(nibabel.Nifti1Image(STACK.transpose(2, 1, 0), np.eye(4)), path)


def zarr_array(path: Path) -> None:
    import zarr

    zarr.open(str(path), mode="w", shape=STACK.shape, dtype=STACK.dtype)[:] = STACK


def folder(path: Path) -> None:
    path.mkdir()
    for t, labels in enumerate(STACK):
        palette(labels).save(path / f"frame{t}.png")


STACKS: dict[str, Callable[[Path], None]] = {
    "stack.tif": lambda path: tifffile.imwrite(
        path, STACK, compression="zlib", photometric="minisblack", metadata={"axes": "ZYX"}
    ),
    "flow.tif": lambda path: tifffile.imwrite(path, STACK, photometric="minisblack", metadata={"axes": "IYX"}),
    "imagej.tif": lambda path: tifffile.imwrite(path, STACK, imagej=True, metadata={"axes": "TYX"}),
    "stack.npy": lambda path: np.save(path, STACK),
    "stack.nii.gz": nifti,
    "stack.zarr": zarr_array,
    "frames": folder,
}


@pytest.mark.parametrize("name", STACKS)
def test_of_a_stack_of_masks_the_frame_is_taken_that_is_meant(name: str, tmp_path: Path) -> None:
    STACKS[name](tmp_path / name)
    mask, file = parse_mask(f"2:{tmp_path / name}", MaskedSequence(4))
    np.testing.assert_array_equal(mask.mask, STACK[2] > 0)
    assert file == tmp_path / name
    np.testing.assert_array_equal(of_json(tmp_path, name, 1, frame=3), STACK[3] == 1)
    with pytest.raises(PromptError, match="has 4 frames, and the images have 5"):
        parse_mask(f"2:{tmp_path / name}", MaskedSequence(5))
    with pytest.raises(PromptError, match="has frames 0 to 3; got 4"):
        parse_mask(f"4:{tmp_path / name}")


def test_a_stack_of_masks_is_cut_along_the_axis_of_the_images(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "m.tif", STACK, photometric="minisblack", metadata={"axes": "ZYX"})
    mask, _ = parse_mask(f"5:{tmp_path / 'm.tif'}", MaskedSequence(8, axis=1))
    np.testing.assert_array_equal(mask.mask, STACK[:, 5] > 0)


def test_training_reads_the_same_labels(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK * 50, photometric="minisblack", metadata={"axes": "ZYX"})
    nifti(tmp_path / "a_labels.nii.gz")
    for t in range(2):
        Image.fromarray(STACK[t] * 50).save(tmp_path / f"b{t}.png")
        palette(STACK[t]).save(tmp_path / f"b{t}_mask.png")
    stack, flow = read_labelled([tmp_path]).datasets
    for t in range(4):
        np.testing.assert_array_equal(stack.masks[t], STACK[t])
    for t in range(2):
        np.testing.assert_array_equal(flow.masks[t], STACK[t])
