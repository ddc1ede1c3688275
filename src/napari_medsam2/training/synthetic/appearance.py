"""How synthetic classes look: colours, textures, membranes, blur, shading and noise, drawn for each sequence."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ...types import Mode

Array = npt.NDArray[np.float32]

#: How much red, green and blue a stain takes away: haematoxylin, eosin, diaminobenzidine (Ruifrok and Johnston 2001,
#: Anal. Quant. Cytol. Histol. 23:291), and a dark blue between the first two as of blood smears.
_STAINS = np.array([(0.65, 0.70, 0.29), (0.07, 0.99, 0.11), (0.27, 0.57, 0.78), (0.60, 0.75, 0.20)])


#: How often there is no noise, little, some, as much as where photons are few.
_NOISY = (0.3, 0.27, 0.27, 0.16)


@dataclass(frozen=True)
class Appearance:
    """The appearance of every class in one sequence.

    Attributes
    ----------
    colour
        Mean colour of each class, ``[n_classes, 3]`` in 0..1; equal channels where grey.
    texture, grain
        Amplitude of each class's texture, and which of three grain sizes it has, ``[n_classes]``.
    membrane, membrane_width
        Brightness added on borders between instances (0: none), and its width in pixels.
    individual
        Spread of brightness between instances of one class.
    uneven, ground
        Spread of how much instances stand out from the class ``ground``, as the logarithm of a factor.
    blur, noise, speckle, shading
        Point spread in pixels, additive noise, multiplicative noise, and strength of the smooth bias field.
    gamma
        Exponent applied at the end.
    coarse
        How many times coarser the acquisition was than the pixels, as when a small object is magnified.
    span
        Share of the intensity range that the picture uses; less than 1 where only a part of a larger image is seen.
    grey
        One channel repeated.
    axial
        Point spread across slices, in slices: thick slices show what lies above and below.
    clipped
        Share of the pixels, in percent, that are driven to black and to white.
    shadow
        Strength of the dark bands that an ultrasound probe leaves behind what reflects, 0..1.
    lamp
        Where the classes are stained, the colour of the light that comes through where nothing is, ``[3]`` in 0..1.
    """

    colour: Array
    texture: Array
    grain: npt.NDArray[np.int64]
    membrane: float
    membrane_width: float
    individual: float
    blur: float
    noise: float
    speckle: float
    shading: float
    gamma: float
    coarse: float
    span: float
    grey: bool
    axial: float = 0.0
    clipped: tuple[float, float] = (1.0, 1.0)
    shadow: float = 0.0
    lamp: Array | None = None
    uneven: float = 0.0
    ground: int = 0

    @classmethod
    def random(cls, rng: np.random.Generator, classes: int, *, mode: Mode, tissue: bool = False) -> Appearance:
        """Draw an appearance. Neighbouring classes may be alike: low contrast is part of the task.

        In ``tissue`` the cells are mostly told apart by their walls alone.
        """
        grey = bool(rng.random() < (0.9 if mode == "stack" else 0.5))
        contrast = rng.choice([0.3, 0.7, 1.1], p=[0.15, 0.35, 0.5])
        centre = rng.uniform(0.2, 0.8)
        level = np.clip(centre + contrast * rng.uniform(-0.6, 0.6, (classes, 1)), 0, 1)
        tint = np.zeros((classes, 3)) if grey else rng.normal(0, rng.choice([0.08, 0.2, 0.35]), (classes, 3))
        if mode == "flow" and rng.random() < 0.5:  # bright field or dark field: background at one end
            level[:6] = rng.uniform(0.8, 1.0) if rng.random() < 0.55 else rng.uniform(0.0, 0.12)
            level[:6] += rng.normal(0, 0.06, (6, 1))[: len(level[:6])]
            tint[:6] *= 0.4
        return cls(
            colour=np.clip(level + tint, 0, 1).astype(np.float32),
            texture=(rng.uniform(0, rng.choice([0.04, 0.12]), classes) * (rng.random(classes) < 0.6)).astype(
                np.float32
            ),
            grain=rng.integers(0, 3, classes),
            membrane=_membrane(rng, tissue=tissue),
            membrane_width=float(rng.uniform(0.5, 8.0 if tissue else 1.6)),
            individual=float(rng.choice([0.0, 0.03, 0.1])),
            blur=float(rng.choice([0.0, rng.uniform(0.3, 2.0), rng.uniform(1.0, 3.0)])),
            noise=float(
                rng.choice([0.0, rng.uniform(0, 0.03), rng.uniform(0, 0.08), rng.uniform(0.05, 0.2)], p=_NOISY)
            ),
            speckle=float(rng.uniform(0.1, 0.6)) if rng.random() < 0.12 else 0.0,
            shading=float(rng.choice([0.0, rng.uniform(0, 0.4)])),
            gamma=float(np.exp(rng.normal(0, 0.3))),
            coarse=float(rng.uniform(1.5, 8.0)) if mode == "stack" and rng.random() < 0.55 else 1.0,
            span=float(rng.uniform(0.25, 1.0)) if rng.random() < (0.6 if mode == "stack" else 0.25) else 1.0,
            grey=grey,
            axial=float(rng.uniform(0.3, 1.2)) if mode == "stack" and rng.random() < 0.5 else 0.0,
            clipped=(
                float(rng.uniform(0, 2)),
                float(rng.choice([rng.uniform(0, 2), rng.uniform(0, 15)], p=[0.75, 0.25])),
            ),
            shadow=float(rng.uniform(0.3, 0.9)) if rng.random() < 0.06 else 0.0,
        )

    def optically_sectioned(self, rng: np.random.Generator, pixels_per_slice: float) -> Appearance:
        """The same look from a microscope, whose point spread along the axis is as long as it is wide, or up to three
        times as long: on finely spaced slices, walls that are seen face on are a haze over several of them.

        ``pixels_per_slice`` is the distance of two slices.
        """
        wide = max(0.6 * self.membrane_width, self.blur, 0.7)
        return replace(self, axial=float(np.clip(rng.uniform(1.0, 3.0) * wide / pixels_per_slice, 0.3, 3.0)))

    def stained(self, rng: np.random.Generator, backgrounds: int, outer: int, inner: int) -> Appearance:
        """The same look in bright field: one stain or two take light away, the more the more of them there is.

        Classes below ``backgrounds`` are nearly empty, or all of them hold the second stain, as in a section. What is
        ``inner`` holds more than the ``outer`` part of a thing, as a nucleus does.
        """
        first, second = (np.maximum(v + rng.normal(0, 0.1, 3), 0.02) for v in _STAINS[rng.integers(0, 4, 2)])
        count = len(self.colour)
        amount = rng.uniform(0.1, 1.5, (count, 1))
        mix = rng.uniform(0, 1, (count, 1))
        section = rng.random() < 0.4
        amount[:backgrounds] = rng.uniform(0.1, 0.7, (backgrounds, 1)) if section else rng.uniform(0, 0.1)
        mix[:backgrounds] = rng.uniform(0, 0.2)
        amount[outer] = amount[:backgrounds].max() + rng.uniform(0.2, 0.8)
        amount[inner] = amount[outer] + rng.uniform(0.3, 1.2)
        mix[inner] = rng.uniform(0.6, 1)
        lamp = _lamp(rng)
        colour = lamp * np.exp(-amount * (mix * first + (1 - mix) * second))
        return replace(
            self,
            colour=colour.astype(np.float32),
            grey=False,
            lamp=lamp,
            membrane=self.membrane if rng.random() < 0.5 else 0.0,
            shading=0.4 * self.shading,
            speckle=0.0,
            shadow=0.0,
        )

    def graded(self, rng: np.random.Generator, background: int, outer: int, inner: int) -> Appearance:
        """The same look with one class between two others, as a cell between what is around it and its nucleus."""
        colour = self.colour.copy()
        between = rng.uniform(0.25, 0.75)
        colour[outer] = (1 - between) * colour[background] + between * colour[inner]
        return replace(self, colour=colour)

    def set_apart(self, wanted: set[int], rng: np.random.Generator) -> Appearance:
        """The same look with the wanted classes told apart from all others: what cannot be seen cannot be learned."""
        colour = self.colour.copy()
        distance = rng.uniform(0.1, 0.35) if self.lamp is None else rng.uniform(0.08, 0.15)
        targets = colour[sorted(wanted)]
        for c in sorted(set(range(len(colour))) - wanted):
            for _ in range(20):
                if np.abs(targets - colour[c]).max(1).min() >= distance:
                    break
                shift = rng.uniform(-0.5, 0.5, 1 if self.grey else 3)
                colour[c] = np.clip(self.colour[c] + shift, 0, 1)
        return replace(self, colour=colour)

    def darkened(self, air: int, rng: np.random.Generator) -> Appearance:
        """The same look with nothing but noise in one class, as in the air around a body, mostly black.

        :meth:`set_apart` may lighten it where the target is as dark.
        """
        colour, texture = self.colour.copy(), self.texture.copy()
        colour[air] = rng.uniform(0, 0.1) if rng.random() < 0.85 else rng.uniform(0.8, 1)
        texture[air] = 0
        return replace(self, colour=colour, texture=texture)

    def likened(self, neighbour: int, target: int, rng: np.random.Generator) -> Appearance:
        """The same look with one class as grey as another, or nearly: a part of the border is to be guessed."""
        colour, texture, grain = self.colour.copy(), self.texture.copy(), self.grain.copy()
        colour[neighbour] = np.clip(colour[target] + rng.uniform(-0.06, 0.06), 0, 1)
        texture[neighbour], grain[neighbour] = texture[target], grain[target]
        return replace(self, colour=colour, texture=texture, grain=grain)

    def varied(self, rng: np.random.Generator, amount: float = 1.0) -> Appearance:
        """The same look as another acquisition would show it: other gain, cast and gamma.

        ``amount`` is 1 for one microscope on one day; stains and scanners differ two or three times as much.
        """
        if self.lamp is not None:
            lamp = _lamp(rng) if rng.random() < 0.15 * amount else self.lamp
            strength = np.exp(rng.normal(0, 0.15 * amount))
            colour = lamp * np.clip(self.colour / self.lamp, 0.01, 1) ** strength
            return replace(self, colour=colour.astype(np.float32), lamp=lamp)
        cast = rng.normal(0, 0.04 * amount, (1, 3 if not self.grey else 1))
        gain = np.exp(rng.normal(0, 0.08 * amount))
        colour = np.clip(self.colour * gain + cast, 0, 1).astype(np.float32)
        return replace(self, colour=colour, gamma=self.gamma * float(np.exp(rng.normal(0, 0.1 * amount))))


def _lamp(rng: np.random.Generator) -> Array:
    """White light, or in a third of the cases light with a cast, yellow more than anything."""
    lamp = rng.uniform(0.92, 1.0, 3)
    if rng.random() < 0.35:
        lamp[int(rng.choice(3, p=[0.15, 0.15, 0.7]))] = rng.uniform(0.5, 0.95)
    return lamp.astype(np.float32)


def _membrane(rng: np.random.Generator, *, tissue: bool) -> float:
    """Brightness of the borders; in tissue there always are some, more often bright than dark."""
    if tissue:
        return float(rng.uniform(0.2, 0.8) * rng.choice([1, -1], p=[0.75, 0.25]))
    return float(rng.normal(0, 0.4)) if rng.random() < 0.3 else 0.0
