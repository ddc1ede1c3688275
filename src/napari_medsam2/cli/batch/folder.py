"""A folder of jobs: each image in it that has prompts beside it, or each image where prompts go for all."""

from __future__ import annotations

from pathlib import Path

from ...errors import OptionError, PromptError
from ...images.listing import VOLUME_SUFFIXES, image_stem, list_images, stem_of
from ...json_files import read_json
from ...session.session_file import SUFFIX as SESSION_SUFFIX
from ..console import say
from .records import FOLDER as RECORDS
from .rows import Row, row_of

#: What else is an image of its own beside pictures, tifs and volumes.
_OTHER_SUFFIXES = (".zarr", ".zarr.zip", ".npz", ".dcm")


def jobs_folder(folder: Path, output: Path, suffix: str, *, all_have_prompts: bool) -> list[Row]:
    """A job for each image of a folder: NAME.tif with its prompts in NAME.json or NAME.medsam2 makes NAME_labels.tif.

    Parameters
    ----------
    folder
        Its images: files of any kind that is read, and folders of images or of DICOM. Label files are none.
    output
        The folder for labels.
    suffix
        What labels are written as, such as ".nii.gz"; empty for a folder with one file an image.
    all_have_prompts
        Whether an image needs no file of prompts beside it.

    Raises
    ------
    OptionError
        If there is no job in it.
    """
    try:
        images = _images_of(folder, output)
    except OSError as error:
        raise OptionError(f"cannot look into the folder {folder}: {error.strerror or error}") from error
    rows, without = [], []
    for image in images:
        name = stem_of(image)
        said = {"input": str(image), "output": str(output / f"{name}_labels{suffix}")}
        beside = {"prompts": image.parent / f"{name}.json", "session": image.parent / f"{name}{SESSION_SUFFIX}"}
        found = [(option, path) for option, path in beside.items() if path.is_file() and not _is_of_a_dataset(path)]
        if len(found) == 2:
            raise OptionError(
                f"{image.name} has prompts in {name}.json and in {name}{SESSION_SUFFIX}; leave one of them"
            )
        if not found and not all_have_prompts:
            without.append(image.name)
            continue
        rows.append(
            row_of(said | {option: str(path) for option, path in found}, f"{image.name} in {folder}", folder, folder)
        )
    if not rows:
        raise OptionError(
            f"{folder} has no job in it: no image with its prompts beside it, in NAME.json or NAME{SESSION_SUFFIX}. "
            "--box, --point, --task or --prompts say prompts that are the same for all"
        )
    if without:
        say(f"{len(without)} image(s) of {folder} have no prompts beside them and are left out, such as {without[0]}")
    return rows


def _is_of_a_dataset(path: Path) -> bool:
    """Whether a JSON file says what its images are, as that of an npz does, and not what to find on them."""
    try:
        content = read_json(path, PromptError) if path.suffix == ".json" else {}
    except PromptError:  # the job says what is wrong with it
        return False
    return isinstance(content, dict) and "kind" in content and "prompts" not in content


def _images_of(folder: Path, output: Path) -> list[Path]:
    images, others = list_images(folder)
    ends = (*VOLUME_SUFFIXES, *_OTHER_SUFFIXES)
    images += [path for path in others if path.name.lower().endswith(ends)]
    folders = [path for path in others if path.is_dir() and path not in images and path.resolve() != output.resolve()]
    images += [path for path in folders if not (path / RECORDS).exists()]  # the results of another batch
    names = {stem_of(path) for path in images}
    return [path for path in images if image_stem(path) == stem_of(path) or image_stem(path) not in names]
