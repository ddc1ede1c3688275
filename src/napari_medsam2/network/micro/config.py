"""The sizes of the bundled network. No torch here."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import ConfigError


@dataclass(frozen=True)
class MicroConfig:
    """Sizes of the network. Saved with the weights, so that a file says what it is.

    Attributes
    ----------
    image_size
        Side of the network input in pixels for whole frames; a multiple of 16. The network takes any such size.
    region_size
        The same for windows around one object.
    widths
        Channels at strides 2, 4, 8, 16.
    match_dim
        Dimensions of the pixel features that the ridge regression works on.
    heads, head_dim
        Of the cosine attention to memory.
    prior_dim
        Components of the features of each of two pretrained networks, for flows; 0: the network has neither.

    Raises
    ------
    ConfigError
        If a size is no positive number, or the input cannot be halved four times.
    """

    image_size: int = 256
    region_size: int = 128
    widths: tuple[int, int, int, int] = (24, 48, 80, 128)
    match_dim: int = 32
    heads: int = 4
    head_dim: int = 16
    prior_dim: int = 0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            several = name == "widths"
            sizes = value if several and isinstance(value, tuple) else (value,)
            least = 0 if name == "prior_dim" else 1
            if not all(type(size) is int and size >= least for size in sizes) or len(sizes) != (4 if several else 1):
                right = "four positive whole numbers" if several else "a positive whole number"
                raise ConfigError(f"{name} of the micro network must be {right}; got {value!r}")
        for name in ("image_size", "region_size"):
            if getattr(self, name) % 16:
                raise ConfigError(f"{name} of the micro network must be a multiple of 16; got {getattr(self, name)}")
