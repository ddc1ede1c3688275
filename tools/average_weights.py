"""Average weights files of one network: python tools/average_weights.py OUT.safetensors FILE[=SHARE] ...

States of one training run, or of runs that began from the same weights, often do better averaged than each by itself
(Izmailov et al. 2018, arXiv 1803.05407). A share is any positive number, 1 where it is left out. What a file keeps in
few bits becomes half precision.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from napari_medsam2.network.checkpoints import load_checkpoint
from napari_medsam2.network.few_bits import ENTRY, packed_bits


def main(arguments: Sequence[str]) -> int:
    if len(arguments) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    out, *given = arguments
    pairs = [(name, float(share or 1)) for name, _, share in (item.partition("=") for item in given)]
    if any(share <= 0 for _, share in pairs):
        print("shares are positive numbers", file=sys.stderr)
        return 2
    total = sum(share for _, share in pairs)
    files = [(load_checkpoint(name), share / total) for name, share in pairs]
    first = files[0][0]
    for (name, _), (tensors, _) in zip(pairs, files, strict=True):
        if {k: v.shape for k, v in tensors.items()} != {k: v.shape for k, v in first.items()}:
            print(f"{name} holds another network than {pairs[0][0]}", file=sys.stderr)
            return 1
    kept = [_metadata(name) for name, _ in pairs]
    packed = {name for metadata in kept for name in packed_bits(metadata)}
    mean = {
        name: torch.stack([tensors[name].double() * share for tensors, share in files])
        .sum(0)
        .to(torch.float16 if name in packed else first[name].dtype)
        for name in first
    }
    save_file(mean, out, {key: text for key, text in kept[-1].items() if key != ENTRY})
    return 0


def _metadata(path: str) -> dict[str, str]:
    with safe_open(path, "pt") as file:
        return file.metadata() or {}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
