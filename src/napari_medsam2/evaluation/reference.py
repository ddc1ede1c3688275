"""The authors' implementation of SAM 2, run from a clone of their repository, to be measured beside ours.

Nothing of it is in this package: its classes are built as its own configuration files say, with our weights.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..errors import OptionError
from ..network.sam2.config import architecture

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ..network.interface import Memory
    from ..network.sam2.network import Sam2

#: The configuration of each size, for version 2.0 in its folder sam2 and for 2.1 in sam2.1.
_LETTERS = {"tiny": "t", "small": "s", "base+": "b+", "large": "l"}
#: What their builder adds to a configuration for use: the best mask where the single one is not stable.
_STABILITY = {
    "dynamic_multimask_via_stability": True,
    "dynamic_multimask_stability_delta": 0.05,
    "dynamic_multimask_stability_thresh": 0.98,
}


class Reference:
    """One frame of a video after the other, as the authors' video predictor does it, with the weights of a network.

    Parameters
    ----------
    clone
        A clone of https://github.com/facebookresearch/sam2.
    network
        Ours, of one of the published sizes.

    Raises
    ------
    OptionError
        If there is no such code, or the network is none of its sizes.
    """

    def __init__(self, clone: Path, network: Sam2) -> None:
        built = architecture(network.config)
        from ..network.sam2.precision import working_dtype

        version, _, size = built.removeprefix("sam").partition(" ")
        if size not in _LETTERS or not network.config.behaviour.normalise:
            raise OptionError(f"the reference implementation has no network such as this one ({built})")
        file = clone / "sam2" / "configs" / f"sam{version.removesuffix('.0')}"
        file /= f"sam{version.removesuffix('.0')}_hiera_{_LETTERS[size]}.yaml"
        if not file.is_file():
            raise OptionError(
                f"{clone} is no clone of https://github.com/facebookresearch/sam2: it has no {file.relative_to(clone)}"
            )
        _make_importable(clone)
        told = _read(file)["model"]
        told |= {"image_size": network.image_size, "sam_mask_decoder_extra_args": _STABILITY}
        self.network: Any = _built(told)
        self.network.load_state_dict(network.state_dict())
        self.network.to(network.no_mem_embed.device).eval().requires_grad_(False)
        self._dtype = working_dtype(network)

    def remembered(self, memories: Sequence[Memory]) -> dict[str, dict[int, dict[str, Any]]]:
        """What :meth:`frame` asks for: memories of the frames 0, 1, ... of which the first was prompted."""
        entries = {
            t: self._entry(memory.tokens["spatial"], memory.tokens["pointer"]) for t, memory in enumerate(memories)
        }
        return {"cond_frame_outputs": {0: entries.pop(0)}, "non_cond_frame_outputs": entries}

    def frame(self, image: Tensor, t: int, remembered: dict[str, dict[int, dict[str, Any]]]) -> dict[str, Any]:
        """Segment frame ``t``, a normalised image ``[1, 3, S, S]``, without prompts, and remember it.

        What comes back has its mask logits ``[1, 1, S / 4, S / 4]`` under "pred_masks".
        """
        with self._precision(image.device):
            seen = self.network.forward_image(image)
            _, features, codes, sizes = self.network._prepare_backbone_features(seen)
            found: dict[str, Any] = self.network.track_step(
                frame_idx=t,
                is_init_cond_frame=False,
                current_vision_feats=features,
                current_vision_pos_embeds=codes,
                feat_sizes=sizes,
                point_inputs=None,
                mask_inputs=None,
                output_dict=remembered,
                num_frames=t + 1,
            )
        remembered["non_cond_frame_outputs"][t] = self._entry(found["maskmem_features"], found["obj_ptr"])
        return found

    def _entry(self, spatial: Tensor, pointer: Tensor) -> dict[str, Any]:
        import torch

        code = self.network.memory_encoder.position_encoding(spatial)
        return {"maskmem_features": spatial.to(torch.bfloat16), "maskmem_pos_enc": [code], "obj_ptr": pointer}

    def _precision(self, device: torch.device) -> Any:
        import torch

        return nullcontext() if self._dtype == torch.float32 else torch.autocast(device.type, dtype=self._dtype)


def _make_importable(clone: Path) -> None:
    """Have its parts found without running the ``__init__`` of the package, which asks for hydra."""
    package = ModuleType("sam2")
    package.__path__ = [str(clone / "sam2")]
    sys.modules["sam2"] = package
    if "iopath" not in sys.modules and find_spec("iopath") is None:  # which it would read weights with
        for name in ("iopath", "iopath.common", "iopath.common.file_io"):
            sys.modules[name] = ModuleType(name)
        sys.modules["iopath.common.file_io"].g_pathmgr = None  # type: ignore[attr-defined]


def _read(file: Path) -> Any:
    """A configuration; PyYAML comes with napari."""
    import yaml  # type: ignore[import-untyped]

    return yaml.safe_load(file.read_text())


def _built(told: Any) -> Any:
    """What a configuration describes: classes by name under "_target_", the rest are their arguments."""
    if isinstance(told, list):
        return [_built(one) for one in told]
    if not isinstance(told, dict):
        return _number(told)
    given = {key: _built(value) for key, value in told.items()}
    if "_target_" not in given:
        return given
    module, _, name = given.pop("_target_").rpartition(".")
    return getattr(import_module(module), name)(**given)


def _number(told: Any) -> Any:
    """What they write as 1e-6 is text to PyYAML, as it has no point."""
    try:
        return float(told) if isinstance(told, str) else told
    except ValueError:
        return told
