"""The sizes of a SAM 2 network and the ways in which its descendants behave differently. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ...errors import ConfigError


@dataclass(frozen=True)
class Behaviour:
    """What a network does with its parameters: SAM 2's behaviour by default.

    Attributes
    ----------
    normalise
        Subtract ImageNet's mean and divide by its standard deviation; otherwise images stay in 0..1.
    pointers
        Remember object pointers beside the spatial memory.
    temporal_code
        Add SAM 2's temporal slot code to spatial memories in a stack.
    flow_memory_position
        Give memories in a flow the temporal code of a prompted frame; otherwise they get none.
    no_memory_embedding
        Add the learned "no memory" vector where there is no memory; otherwise nothing is added.
    conditioned_memory
        Remember the features after memory attention instead of the encoder's.
    multimask
        Predict three masks and keep the best where the prompt is ambiguous (at most one click).
    max_pointers
        How many pointers the network was made to see; scales the pointers' time code.
    """

    normalise: bool = True
    pointers: bool = True
    temporal_code: bool = True
    flow_memory_position: bool = False
    no_memory_embedding: bool = True
    conditioned_memory: bool = False
    multimask: bool = True
    max_pointers: int = 16


#: The 2D code of MedSAM-2 (Zhu et al., arXiv 2408.00874), which departs from SAM 2 in all of these.
ZHU_2D = Behaviour(
    normalise=False,
    pointers=False,
    temporal_code=False,
    no_memory_embedding=False,
    conditioned_memory=True,
    multimask=False,
)

#: How the published models behave, by the name that the table of models uses.
BEHAVIOURS: Mapping[str, Behaviour] = {"sam2": Behaviour(), "zhu-2d": ZHU_2D}


@dataclass(frozen=True)
class VitConfig:
    """The sizes of EfficientTAM's plain ViT trunk.

    Attributes
    ----------
    dim, heads, depth
        Channels, heads and number of blocks.
    window, global_blocks
        Window side in cells of 16 pixels, and the blocks that attend globally instead.
    position_side
        Side of the grid of the position embedding.
    """

    dim: int = 384
    heads: int = 6
    depth: int = 12
    window: int = 14
    global_blocks: tuple[int, ...] = (2, 5, 8, 11)
    position_side: int = 14


@dataclass(frozen=True)
class Sam2Config:
    """Everything that decides the names and shapes of a SAM 2 network's parameters, its input size and behaviour.

    Attributes
    ----------
    embed_dim, heads, stages, windows, global_blocks, position_grid
        The Hiera trunk: channels and heads of the first stage (both double with each stage), blocks per stage,
        window side per stage, blocks that attend globally, and the grid of the position embedding.
    vit
        A plain ViT instead of the Hiera trunk, whose sizes are then ignored. Its features are at stride 16 only.
    dim, memory_dim
        Channels of image features and of memories.
    memory_layers, memory_feedforward, memory_slots
        Memory attention, and the number of temporal slots.
    decoder_feedforward, decoder_heads, iou_hidden
        Mask decoder.
    version
        "2.0" or "2.1", which added an embedding for hidden objects and a time code for object pointers.
    image_size
        Side of the square input in pixels, a multiple of 32. Any size loads any weights.
    behaviour
        See :class:`Behaviour`.

    Raises
    ------
    ConfigError
        If sizes do not fit together.
    """

    embed_dim: int = 96
    heads: int = 1
    stages: tuple[int, ...] = (1, 2, 7, 2)
    windows: tuple[int, ...] = (8, 4, 14, 7)
    global_blocks: tuple[int, ...] = (5, 7, 9)
    position_grid: tuple[int, int] = (7, 7)
    vit: VitConfig | None = None
    dim: int = 256
    memory_dim: int = 64
    memory_layers: int = 4
    memory_feedforward: int = 2048
    memory_slots: int = 7
    decoder_feedforward: int = 2048
    decoder_heads: int = 8
    iou_hidden: int = 256
    version: str = "2.1"
    image_size: int = 1024
    behaviour: Behaviour = field(default_factory=Behaviour)

    def __post_init__(self) -> None:
        if self.image_size < 32 or self.image_size % 32:
            raise ConfigError(f"the image size of SAM 2 must be a multiple of 32; got {self.image_size}")
        if self.version not in ("2.0", "2.1"):
            raise ConfigError(f"SAM 2 comes in versions 2.0 and 2.1; got {self.version!r}")
        if len(self.stages) != 4 or len(self.windows) != 4:
            raise ConfigError(f"a Hiera trunk has four stages; got blocks {self.stages} and windows {self.windows}")
        if self.dim % self.memory_dim or self.dim % (2 * self.decoder_heads) or self.dim % 8:
            raise ConfigError(
                f"image features ({self.dim} channels) must be a multiple of the memory width ({self.memory_dim}), "
                f"of twice the decoder's heads ({self.decoder_heads}) and of 8"
            )

    @property
    def grid(self) -> int:
        """Side of the coarsest feature map, in cells of 16 pixels."""
        return self.image_size // 16


_TINY = Sam2Config()

_PLAIN = replace(_TINY, vit=VitConfig(), version="2.0", image_size=512)

#: The released sizes: those of SAM 2 as version 2.1 at 1024 pixels, EfficientTAM at 512.
LAYOUTS: Mapping[str, Sam2Config] = {
    "tiny": _TINY,
    "small": replace(_TINY, stages=(1, 2, 11, 2), global_blocks=(7, 10, 13)),
    "base+": replace(
        _TINY, embed_dim=112, heads=2, stages=(2, 3, 16, 3), global_blocks=(12, 16, 20), position_grid=(14, 14)
    ),
    "large": replace(
        _TINY, embed_dim=144, heads=2, stages=(2, 6, 36, 4), windows=(8, 4, 16, 8), global_blocks=(23, 33, 43)
    ),
    "efficienttam small": _PLAIN,
    "efficienttam tiny": replace(_PLAIN, vit=VitConfig(dim=192, heads=3)),
}


def layout(architecture: str) -> Sam2Config:
    """The sizes that the table of models means by "sam2.1 tiny" or "efficienttam small".

    Raises
    ------
    ConfigError
        If there is no such architecture.
    """
    version, _, size = architecture.removeprefix("sam").partition(" ")
    if architecture in LAYOUTS and LAYOUTS[architecture].vit is not None:
        return LAYOUTS[architecture]
    if not architecture.startswith("sam") or size not in LAYOUTS:
        raise ConfigError(f"there is no architecture {architecture!r}; a size is one of {', '.join(LAYOUTS)}")
    return replace(LAYOUTS[size], version=version)


def sam2_config(told: Mapping[str, Any]) -> Sam2Config:
    """Read what :func:`dataclasses.asdict` made of a configuration, and JSON of that.

    Raises
    ------
    TypeError, ValueError
        If it is no such thing.
    """
    plain, vit = _tuples(told), told.get("vit")
    plain["vit"] = None if vit is None else VitConfig(**_tuples(vit))
    return Sam2Config(**{**plain, "behaviour": Behaviour(**plain.get("behaviour", {}))})


def _tuples(told: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has lists where we have tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in told.items()}


def architecture(config: Sam2Config) -> str:
    """What :func:`layout` calls these sizes, whatever the input size and behaviour; "unknown" for others."""
    for name, known in LAYOUTS.items():
        if replace(config, version=known.version, image_size=known.image_size, behaviour=known.behaviour) == known:
            return name if known.vit is not None else f"sam{config.version} {name}"
    return "unknown"
