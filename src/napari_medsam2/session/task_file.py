"""Task files: prompts, templates and memories of objects in one file, for images of another day.

The file is in the safetensors format: tensors by name, and in its metadata a JSON text that says what they are. Nothing
in it is ever run, and all of it is checked before any of it counts.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from ..errors import JsonError, TaskFileError, UserError, shortened
from ..geometry.thumbnail import SIDE, Thumbnail
from ..images.contrast import Contrast
from ..images.opened import LabelledObject
from ..json_files import MOST_BYTES as MOST_JSON_BYTES
from ..json_files import parse_json
from ..types import AnyArray
from ..whole_file import replace_file
from .naming import checked
from .rows import prompt_of, row_of
from .taught import ImageKind, Task, TaughtBy, TaughtMemory, TaughtObject, Tensors

SUFFIX = ".medsam2task"
#: Larger files are no task files of ours: a memory takes a megabyte or two, and a bank holds some dozens.
MOST_BYTES = 4 << 30
#: Objects, and memories of each.
_MOST = 10_000
_FORMAT = "napari-medsam2 task"
_VERSION = 1


def write_task(path: Path, task: Task) -> Task:
    """Write a task file, whole or not at all; returns the task as it is in the file.

    Raises
    ------
    TaskFileError
        If it cannot be written; an older file is as it was.
    """
    written = replace(task, name=name_of(path))
    data = pack_task(written)
    replace_file(path, lambda draft: draft.write_bytes(data), error=TaskFileError)
    return unpack_task(data, written.name)


def read_task(path: Path) -> Task:
    """Read a task file.

    Raises
    ------
    TaskFileError
        If there is none, it is damaged, of a later version, or says what cannot be.
    """
    try:
        if path.exists() and not path.is_file():
            raise TaskFileError(f"{path} is no file: a task is neither a folder nor a pipe")
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise TaskFileError(f"{path.name} has {size >> 20} MB, and at most {MOST_BYTES >> 20} are read")
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise TaskFileError(f"there is no task file {path}") from error
    except OSError as error:
        raise TaskFileError(f"cannot read the task file {path}: {error.strerror or error}") from error
    return unpack_task(data, name_of(path))


def name_of(path: Path) -> str:
    """What a task is called, after its file."""
    return path.name.removesuffix(SUFFIX)


def pack_task(task: Task) -> bytes:
    """A task as the bytes of its file."""
    tensors: dict[str, AnyArray] = {}
    told = {
        "format": _FORMAT,
        "version": _VERSION,
        "made_by": task.made_by,
        "model": asdict(task.model),
        "kind": task.kind,
        "mode": "flow",
        "bank": task.bank,
        "limits": None if task.limits is None else [list(values) for values in task.limits],
        "gamma": task.gamma,
        "objects": [_told_of(known, tensors) for known in task.objects],
    }
    return pack_told(told, tensors)


def pack_told(told: Any, tensors: Mapping[str, AnyArray]) -> bytes:
    """The bytes of a file of a JSON value and tensors, with the digest that tells a damaged one."""
    text = json.dumps(told)
    metadata = {"task": text, "digest": _digest(text, tensors)}
    return bytes(save({name: np.asarray(value, order="C") for name, value in tensors.items()}, metadata=metadata))


def told_in(data: bytes) -> Any:
    """The JSON value in the bytes of a file, whatever it says; raises as :func:`read_task`."""
    return _parsed(_metadata(data))


def unpack_task(data: bytes, name: str) -> Task:
    """The task in the bytes of a file that is called ``name``; raises as :func:`read_task`."""
    try:
        metadata = _metadata(data)
        told = _told(metadata, name)
        tensors = load(data)
        digest = _digest(metadata["task"], tensors)
        if metadata.get("digest") != digest:
            raise TaskFileError("what is in it is not what was written")
        return _task_of(told, tensors, name, digest)
    except TaskFileError as error:
        raise error if name in str(error) else TaskFileError(f"the task file {name} is damaged: {error}") from error
    except (UserError, SafetensorError, LookupError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise TaskFileError(f"the task file {name} is damaged, or none: {shortened(str(error), 200)}") from error


# ---- what is in it ---------------------------------------------------------------------------------------------------


def _metadata(data: bytes) -> dict[str, Any]:
    """The texts beside the tensors, which the library gives for files alone."""
    try:
        (length,) = struct.unpack_from("<Q", data)
    except struct.error as error:
        raise TaskFileError("it is too short") from error
    if length > min(len(data) - 8, MOST_JSON_BYTES):
        raise TaskFileError("it is cut short, or no task file")
    try:
        header = parse_json(data[8 : 8 + length].decode("utf-8"))
    except (UnicodeError, JsonError) as error:
        raise TaskFileError("it is no task file") from error
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    return metadata if isinstance(metadata, dict) else {}


def _parsed(metadata: Mapping[str, Any]) -> Any:
    text = metadata.get("task")
    return parse_json(text) if isinstance(text, str) else None


def _told(metadata: Mapping[str, Any], name: str) -> dict[str, Any]:
    told = _parsed(metadata)
    if not isinstance(told, dict) or told.get("format") != _FORMAT:
        raise TaskFileError(f"{name} is no task file of napari-medsam2: weights of a model are chosen as the model")
    version = told.get("version")
    if isinstance(version, int) and version > _VERSION:
        raise TaskFileError(f"{name} is of a later version of napari-medsam2: update it to open the file")
    if version != _VERSION:
        raise TaskFileError(f"{name} says version {shortened(version)} of its format, which there is none of")
    return told


def _digest(text: str, tensors: Mapping[str, AnyArray]) -> str:
    digest = hashlib.blake2b(text.encode(), digest_size=16)
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"{name} {value.dtype.str} {value.shape}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def _told_of(known: TaughtObject, tensors: dict[str, AnyArray]) -> dict[str, Any]:
    """What is written of an object as JSON; its tensors are added to ``tensors``."""
    memories = [_memory_told(memory, f"{known.number}/{place}", tensors) for place, memory in enumerate(known.memories)]
    return {"number": known.number, "name": known.called.name, "colour": known.called.colour, "memories": memories}


def _memory_told(memory: TaughtMemory, key: str, tensors: dict[str, AnyArray]) -> dict[str, Any]:
    prompts = []
    for place, prompt in enumerate(memory.prompts):
        told, mask = row_of(prompt)
        prompts.append(told)
        if mask is not None:
            tensors[f"{key}/mask/{place}"] = np.frombuffer(mask, np.uint8)
    tensors |= {f"{key}/token/{name}": value for name, value in memory.tokens.items()}
    if memory.adaptation is not None:
        tensors |= {f"{key}/adaptation/{name}": value for name, value in memory.adaptation.items()}
    tensors[f"{key}/descriptor"] = np.asarray(memory.descriptor, np.float64)
    tensors[f"{key}/picture"] = memory.picture.image
    tensors[f"{key}/outline"] = memory.picture.outline.astype(np.uint8)
    return {
        "image": memory.image,
        "shape": list(memory.shape),
        "prompts": prompts,
        "confidence": float(memory.confidence),
        "pinned": bool(memory.pinned),
        "tile": memory.tile,
    }


def _task_of(told: Mapping[str, Any], tensors: Mapping[str, AnyArray], name: str, digest: str) -> Task:
    if told["kind"] not in get_args(ImageKind):
        raise TaskFileError(f"images are grey or colour; it says {shortened(told['kind'])}")
    objects = tuple(_object_of(given, tensors) for given in _list(told["objects"]))
    numbers = [known.number for known in objects]
    if not objects or len(set(numbers)) < len(numbers):
        raise TaskFileError("it holds no objects, or one twice")
    limits = None
    if told["limits"] is not None:
        low, high = (tuple(float(value) for value in values) for values in told["limits"])
        limits = (low, high)
        Contrast(low, high, float(told["gamma"]))  # refuses what is none
    return Task(
        name=name,
        model=TaughtBy(**{key: str(told["model"][key]) for key in ("name", "source", "checksum")}),
        kind=told["kind"],
        objects=objects,
        limits=limits,
        gamma=float(told["gamma"]),
        bank=str(told["bank"]),
        made_by=str(told["made_by"]),
        digest=digest,
    )


def _object_of(given: Mapping[str, Any], tensors: Mapping[str, AnyArray]) -> TaughtObject:
    number = _whole(given["number"], 1)
    called = checked(number, LabelledObject(str(given["name"]), str(given["colour"])))
    memories = tuple(
        _memory_of(one, f"{number}/{place}", number, tensors) for place, one in enumerate(_list(given["memories"]))
    )
    known = TaughtObject(number, called, memories)
    if not known.templates:
        raise TaskFileError(f"object {number} has no template, which says what to look for")
    return known


def _memory_of(given: Mapping[str, Any], key: str, number: int, tensors: Mapping[str, AnyArray]) -> TaughtMemory:
    height, width = (_whole(length, 1) for length in given["shape"])
    confidence, pinned, tile = float(given["confidence"]), given["pinned"], given["tile"]
    if not 0 <= confidence <= 1 or not isinstance(pinned, bool):
        raise TaskFileError(f"memory {key} says a confidence of {confidence}, and pinned {shortened(pinned)}")
    prompts = tuple(
        prompt_of(row, _bytes(tensors.get(f"{key}/mask/{place}")), 0, number, ((height, width),))
        for place, row in enumerate(_list(given["prompts"]))
    )
    tokens = _group(tensors, f"{key}/token/")
    if not tokens:
        raise TaskFileError(f"memory {key} has no tensors")
    descriptor = tensors[f"{key}/descriptor"]
    if descriptor.ndim != 1 or not np.isfinite(descriptor).all():
        raise TaskFileError(f"memory {key} has no image descriptor")
    return TaughtMemory(
        image=str(given["image"]),
        shape=(height, width),
        prompts=prompts,
        confidence=confidence,
        descriptor=np.asarray(descriptor, np.float64),
        pinned=pinned,
        tile=None if tile is None else _whole(tile, 1),
        tokens=tokens,
        adaptation=_group(tensors, f"{key}/adaptation/") or None,
        picture=_picture(tensors[f"{key}/picture"], tensors[f"{key}/outline"]),
    )


def _group(tensors: Mapping[str, AnyArray], prefix: str) -> Tensors:
    found = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    for name, value in found.items():
        if value.dtype != np.float32 or not np.isfinite(value).all():
            raise TaskFileError(f"tensor {prefix}{name} has values that are no finite numbers")
    return found


def _picture(image: AnyArray, outline: AnyArray) -> Thumbnail:
    fits = image.ndim == 3 and image.shape[2] == 3 and image.shape[:2] == outline.shape and max(outline.shape) <= SIDE
    if not fits or image.dtype != np.uint8:
        raise TaskFileError(f"a picture of {image.shape} with an outline of {outline.shape} is none of ours")
    return Thumbnail(image, outline != 0)


def _list(given: Any) -> Sequence[Any]:
    if not isinstance(given, list) or len(given) > _MOST:
        raise TaskFileError(f"a list was to come; got {shortened(given)}")
    return given


def _whole(given: Any, least: int) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < least:
        raise TaskFileError(f"a whole number, {least} or more, was to come; got {shortened(given)}")
    return given


def _bytes(packed: npt.NDArray[Any] | None) -> bytes:
    return b"" if packed is None else packed.tobytes()
