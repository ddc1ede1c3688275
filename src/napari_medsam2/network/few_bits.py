"""Matrices in four to eight bits a number, so that a large network that stays as it is fits into a small file.

Numbers are rounded in groups of 64 along the inputs of each output: a float16 scale a group, and whole numbers from
``-top`` to ``top``, ``top = 2 ** (bits - 1) - 1``. A number is its code minus ``top``, times its group's scale.

In the file, code after code lies in one stream of bits, little-endian: code ``i`` begins at bit ``i * bits``, its
lowest bit first, and bit ``k`` of the stream is bit ``k % 8`` (0 the lowest) of byte ``k // 8``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import CheckpointError, shortened
from ..json_files import parse_json

#: Numbers that share a scale, and the fewest numbers that are worth packing.
GROUP, FEWEST = 64, 4096
#: The bits that a number may have.
BITS = range(4, 9)
#: The entry of a file's metadata that says which weights are packed, and what their tensors are called.
ENTRY, CODES, SCALES = "few_bits", ":codes", ":scales"

# What of a group's range is tried.
_PARTS = (1, 0.96, 0.92, 0.88, 0.84, 0.8, 0.75, 0.7, 0.65, 0.6)
_LARGEST = torch.finfo(torch.float16).max


def pack(tensor: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Round a matrix to few bits; what was unpacked is packed again without any loss.

    Parameters
    ----------
    tensor
        [O, ...], of two axes at least: outputs first, whatever follows is the inputs of each.
    bits
        Of each number, 4 to 8.

    Returns
    -------
    codes
        uint8 [ceil(numbers * bits / 8)], see the module.
    scales
        float16 [O, groups]; the last group may be shorter than 64. The scale of a group is the one of a few that makes
        its squared error least: cutting off the largest number can serve all others.

    Raises
    ------
    CheckpointError
        If the bits are not 4 to 8, or a number is not finite or too large for a float16 scale.
    """
    _check_bits(bits)
    if tensor.dim() < 2:
        raise CheckpointError(f"a matrix in few bits has two axes or more; this one's shape is {list(tensor.shape)}")
    top = _top(bits)
    rows = tensor.detach().to("cpu", torch.float32).flatten(1)
    if not bool((rows.abs() <= _LARGEST * top).all()):
        raise CheckpointError(f"numbers in {bits} bits are finite and at most {_LARGEST * top:.4g}; some are not")
    groups = F.pad(rows, (0, -rows.shape[1] % GROUP)).unflatten(1, (-1, GROUP))
    scales = _best_scales(groups, top)
    codes = (_rounded(groups, scales, top) + top).flatten(1)[:, : rows.shape[1]]
    return _to_bytes(codes.to(torch.uint8).flatten().numpy(), bits), scales


def unpack(codes: Tensor, scales: Tensor, shape: Sequence[int], bits: int) -> Tensor:
    """Undo :func:`pack`.

    Returns
    -------
    Tensor
        float32, of the given shape.

    Raises
    ------
    CheckpointError
        If the bits are not 4 to 8, or codes and scales are not those of such a matrix.
    """
    _check_bits(bits)
    if not 2 <= len(shape) <= 8 or not all(type(length) is int and 0 < length < 2**31 for length in shape):
        raise CheckpointError(f"its shape should be two to eight whole numbers above zero; it is {shortened(shape)}")
    outputs, inputs = shape[0], math.prod(shape[1:])
    for what, given, dtype, expected in (
        ("codes", codes, torch.uint8, [-(-outputs * inputs * bits // 8)]),
        ("scales", scales, torch.float16, [outputs, -(-inputs // GROUP)]),
    ):
        if given.dtype != dtype or list(given.shape) != expected:
            found, right = (str(kind).removeprefix("torch.") for kind in (given.dtype, dtype))
            raise CheckpointError(
                f"a matrix {list(shape)} in {bits} bits has {what} {right} {expected}, not {found} {list(given.shape)}"
            )
    if not bool(scales.isfinite().all()):
        raise CheckpointError("some of its scales are not finite")
    numbers = torch.from_numpy(_from_bytes(codes.numpy(), outputs * inputs, bits)).float().view(outputs, inputs)
    numbers -= _top(bits)
    numbers *= scales.float().repeat_interleave(GROUP, 1)[:, :inputs]
    return numbers.view(*shape)


def pack_state(
    state: Mapping[str, Tensor], bits_of: Callable[[str, Tensor], int | None]
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Make the tensors and the metadata of a file in which some matrices are in few bits, and the rest is float16.

    Parameters
    ----------
    state
        Weights by name.
    bits_of
        Asked with name and value how many bits a number of it gets; ``None`` leaves it in float16. It is not asked
        about what is never packed: fewer than 4096 numbers, and vectors, as biases and norms are.

    Returns
    -------
    tensors
        Packed weights under their names with ":codes" and ":scales" after it.
    metadata
        What belongs into the metadata of the file; empty if nothing is packed.

    Raises
    ------
    CheckpointError
        As :func:`pack`.
    """
    tensors: dict[str, Tensor] = {}
    packed: dict[str, dict[str, object]] = {}
    for name, value in state.items():
        large = value.dim() > 1 and value.numel() >= FEWEST and value.is_floating_point()
        bits = bits_of(name, value) if large else None
        if bits is None:
            tensors[name] = value.detach().to("cpu", torch.float16).contiguous()
            continue
        try:
            tensors[name + CODES], tensors[name + SCALES] = pack(value, bits)
        except CheckpointError as error:
            raise CheckpointError(f"{name}: {error}") from error
        packed[name] = {"bits": bits, "shape": list(value.shape)}
    return tensors, {ENTRY: json.dumps(packed)} if packed else {}


def unpack_state(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> dict[str, Tensor]:
    """Undo :func:`pack_state`: what was packed is float32, the rest as it is. Files that hold nothing packed may come.

    Raises
    ------
    CheckpointError
        If the metadata is not what :func:`pack_state` writes, or tensors are missing, too many or of another size.
    """
    state = dict(tensors)
    for name, (bits, shape) in _described(metadata).items():
        if name in tensors:
            raise CheckpointError(f"{name} is there twice, in {bits} bits and as it is")
        for part in (name + CODES, name + SCALES):
            if part not in state:
                raise CheckpointError(f"{name} is kept in few bits, and {part} is missing")
        try:
            state[name] = unpack(state.pop(name + CODES), state.pop(name + SCALES), shape, bits)
        except CheckpointError as error:
            raise CheckpointError(f"{name} is kept in few bits and cannot be read: {error}") from error
    lost = next((name for name in state if name.endswith((CODES, SCALES))), None)
    if lost is not None:
        raise CheckpointError(f"{lost} belongs to a matrix in few bits, of which the file's metadata says nothing")
    return state


def packed_bits(metadata: Mapping[str, str]) -> dict[str, int]:
    """How many bits a number has, by the names of what is packed.

    Raises
    ------
    CheckpointError
        If the metadata is not what :func:`pack_state` writes.
    """
    return {name: bits for name, (bits, _) in _described(metadata).items()}


def _described(metadata: Mapping[str, str]) -> dict[str, tuple[int, list[int]]]:
    """Bits and shape by name."""
    text = metadata.get(ENTRY, "{}")
    try:
        told = parse_json(text)
        return {name: (each["bits"], list(each["shape"])) for name, each in told.items()}
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{ENTRY} in the file's metadata should be a JSON object with bits and shape by name; it is "
            f"{shortened(text)}"
        ) from error


def _check_bits(bits: int) -> None:
    if type(bits) is not int or bits not in BITS:
        raise CheckpointError(f"a number may have {BITS[0]} to {BITS[-1]} bits; got {shortened(bits)}")


def _top(bits: int) -> int:
    return (1 << bits - 1) - 1


def _best_scales(groups: Tensor, top: int) -> Tensor:
    """Float16 [O, G] for groups [O, G, 64]."""
    whole = groups.abs().amax(-1) / top
    best, least = torch.zeros_like(whole, dtype=torch.float16), torch.full_like(whole, math.inf)
    for part in _PARTS:
        scales = _rounded_down(whole * part)
        error = (_rounded(groups, scales, top) * scales.float()[..., None] - groups).square().sum(-1)
        best, least = torch.where(error < least, scales, best), torch.minimum(error, least)
    return best


def _rounded_down(values: Tensor) -> Tensor:
    """To float16. A scale that is never too large makes the largest code ``top``, from which it is found again."""
    nearest = values.half()
    below = (nearest.view(torch.int16) - 1).view(torch.float16)  # the float16 before it, as these are above zero
    return torch.where(nearest.float() > values, below, nearest)


def _rounded(groups: Tensor, scales: Tensor, top: int) -> Tensor:
    """Whole numbers, 0 where the scale is."""
    widths = scales.float()[..., None]
    return torch.where(widths > 0, groups / widths, 0).round().clamp(-top, top)


def _to_bytes(codes: np.ndarray, bits: int) -> Tensor:
    """Eight codes fill ``bits`` bytes."""
    eights = np.zeros((math.ceil(len(codes) / 8), 8), np.uint64)
    eights.reshape(-1)[: len(codes)] = codes
    words = np.zeros(len(eights), "<u8")
    for place in range(8):
        words |= eights[:, place] << np.uint64(place * bits)
    stream = words.view(np.uint8).reshape(-1, 8)[:, :bits].reshape(-1)
    return torch.from_numpy(stream[: math.ceil(len(codes) * bits / 8)].copy())


def _from_bytes(stream: np.ndarray, count: int, bits: int) -> np.ndarray:
    eights = math.ceil(count / 8)
    padded = np.zeros(eights * bits, np.uint8)
    padded[: len(stream)] = stream
    words = np.zeros((eights, 8), np.uint8)
    words[:, :bits] = padded.reshape(eights, bits)
    whole = words.view("<u8")[:, 0]
    codes = np.empty((eights, 8), np.uint8)
    for place in range(8):
        codes[:, place] = (whole >> np.uint64(place * bits)) & np.uint64(2**bits - 1)
    return codes.reshape(-1)[:count]
