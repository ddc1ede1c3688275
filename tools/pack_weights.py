"""Write weights again with large matrices in few bits.

    python tools/pack_weights.py OUT.safetensors FILE BITS [PREFIX ...]

The matrices whose names begin with one of the prefixes, all of them without any, get 4 to 8 bits a number; the rest
becomes half precision. docs/models.md says what such a file looks like.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file

from napari_medsam2.errors import CheckpointError
from napari_medsam2.network.checkpoints import load_checkpoint
from napari_medsam2.network.few_bits import CODES, ENTRY, pack_state


def main(arguments: Sequence[str]) -> int:
    if len(arguments) < 3 or not arguments[2].isdecimal():
        print(__doc__, file=sys.stderr)
        return 2
    out, path, bits, *given = arguments
    prefixes = tuple(given) or ("",)
    try:
        weights = load_checkpoint(path)
        tensors, packed = pack_state(weights, lambda name, _: int(bits) if name.startswith(prefixes) else None)
    except CheckpointError as error:
        print(error, file=sys.stderr)
        return 1
    with safe_open(path, "pt") as file:
        metadata = {key: text for key, text in (file.metadata() or {}).items() if key != ENTRY}
    save_file(tensors, out, metadata | packed)
    few = sum(weights[name.removesuffix(CODES)].numel() for name in tensors if name.endswith(CODES)) / 1e6
    numbers = sum(value.numel() for value in weights.values()) / 1e6
    print(f"{few:.2f} of {numbers:.2f} million numbers in {bits} bits, {Path(out).stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
