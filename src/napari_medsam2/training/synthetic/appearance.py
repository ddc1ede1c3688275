"""How synthetic labels look: random colours, textures, membranes, blur, shading and noise per class and sequence."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from ...types import Mode
from .scenes import LAST_BACKGROUND

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


def _grains(rng: np.random.Generator, shape: tuple[int, ...]) -> list[Array]:
    """Three textures of unit size, fine to coarse, alike on neighbouring slices."""
    grains = []
    for sigma in (0.6, 1.6, 4.0):
        step = 1 if sigma < 1 else 2
        small = (shape[0], -(-shape[1] // step), -(-shape[2] // step))
        noise = rng.standard_normal(small, dtype=np.float32)
        noise = ndimage.gaussian_filter(noise, (0.7 if shape[0] > 1 else 0, sigma / step, sigma / step))
        noise = noise.repeat(step, 1).repeat(step, 2)[:, : shape[1], : shape[2]]
        grains.append((noise / (noise.std() + 1e-6)).astype(np.float32))
    return grains


def _shading(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    coarse = rng.normal(size=(4, 4))
    fine = ndimage.zoom(coarse, (shape[0] / 4, shape[1] / 4), order=3)[: shape[0], : shape[1]]
    return np.asarray(fine, np.float32)


def _coarsened(image: Array, factor: float, noise: float, rng: np.random.Generator) -> Array:
    """``[T, H, W, C]`` as from a sensor ``factor`` times coarser, its noise too, drawn again at full size."""
    h, w = image.shape[1:3]
    small = torch.nn.functional.interpolate(
        torch.from_numpy(np.ascontiguousarray(np.moveaxis(image, -1, 1), np.float32)),
        size=(max(12, int(h / factor)), max(12, int(w / factor))),
        mode="area",
    )
    small += noise * torch.from_numpy(rng.standard_normal(tuple(small.shape), dtype=np.float32))
    large = torch.nn.functional.interpolate(small, size=(h, w), mode="bilinear", align_corners=False)
    return np.asarray(np.moveaxis(large.numpy(), 1, -1), np.float32)


def _shadows(rng: np.random.Generator, shape: tuple[int, ...], strength: float) -> Array:
    """Factors ``[T, H, W]`` of a few dark bands along the beam, at about the same place on neighbouring slices."""
    columns = np.zeros(shape[2], np.float32)
    for _ in range(rng.integers(1, 4)):
        columns[rng.integers(shape[2])] += 1
    columns = ndimage.gaussian_filter1d(columns, rng.uniform(0.02, 0.08) * shape[2])
    rows = np.linspace(0, 1, shape[1], dtype=np.float32) > rng.uniform(0, 0.5)
    return np.asarray(1 - strength * np.outer(rows, columns / (columns.max() + 1e-6)), np.float32)[None]


def _walls(ids: npt.NDArray[np.int32], appearance: Appearance) -> Array:
    """How much of a wall between two instances is seen, ``[T, H, W]``, up to 1 and a little more where walls meet.

    A wall across the slices is a line. With an axial point spread, one that lies in the slice is a haze, which is as
    bright in its middle, once the slices have been blurred along the axis.
    """
    line = np.zeros(ids.shape, np.float32)
    line[:, 1:] = ids[:, 1:] != ids[:, :-1]
    line[:, :, 1:] = np.maximum(line[:, :, 1:], ids[:, :, 1:] != ids[:, :, :-1])
    width = appearance.membrane_width
    walls = np.minimum(ndimage.gaussian_filter(line, (0, width, width)) * 1.6 * max(width, 1.0), 1.0)
    if appearance.axial:
        face_on = np.zeros(ids.shape, np.float32)
        crossed = 0.5 * (ids[1:] != ids[:-1])
        face_on[1:] += crossed
        face_on[:-1] += crossed
        face_on = ndimage.gaussian_filter(face_on, (0, 0.5 * width, 0.5 * width))
        walls += max(2.5 * appearance.axial, 1.0) * face_on
    return np.asarray(walls, np.float32)


def render(
    ids: npt.NDArray[np.int32], class_of: npt.NDArray[np.int64], appearance: Appearance, rng: np.random.Generator
) -> Array:
    """Paint instance ids ``[T, H, W]`` as images ``[T, 3, H, W]`` in 0..1, stretched as contrast limits would."""
    classes = class_of[ids]
    individual = (
        rng.normal(0, appearance.individual, len(class_of)).astype(np.float32) if appearance.individual else None
    )
    channels = 1 if appearance.grey else 3
    image = appearance.colour[classes][..., :channels]
    if appearance.uneven:
        factor = np.exp(rng.normal(0, appearance.uneven, len(class_of))).clip(0.35, 2.0).astype(np.float32)
        factor[class_of <= LAST_BACKGROUND] = 1
        ground = appearance.colour[appearance.ground, :channels]
        image = ground + (image - ground) * factor[ids][..., None]
    plain = np.zeros(ids.shape, np.float32)
    grains = _grains(rng, ids.shape)
    amplitude, grain = appearance.texture[classes], appearance.grain[classes]
    for g, noise in enumerate(grains):
        plain += np.where(grain == g, amplitude, 0) * noise
    if individual is not None:
        plain += individual[ids]
    if appearance.membrane:
        plain += appearance.membrane * _walls(ids, appearance)
    image = image + plain[..., None]
    if appearance.axial and len(image) > 1:
        image = ndimage.gaussian_filter1d(image, appearance.axial, axis=0, mode="nearest", truncate=2.0)
    if appearance.blur:
        image = ndimage.gaussian_filter(image, (0, appearance.blur, appearance.blur, 0))
    if appearance.shading:
        image = image * (1 + appearance.shading * _shading(rng, ids.shape[1:])[None, :, :, None])
    if appearance.speckle:
        image = image * (1 + appearance.speckle * grains[0][..., None])
    if appearance.shadow:
        image = image * _shadows(rng, ids.shape, appearance.shadow)[..., None]
    if appearance.coarse > 1:
        image = _coarsened(image, appearance.coarse, appearance.noise, rng)
    elif appearance.noise:
        image = image + appearance.noise * rng.standard_normal(image.shape, dtype=np.float32)
    low, high = np.percentile(image[:, ::2, ::2], (appearance.clipped[0], 100 - appearance.clipped[1]))
    image = np.clip((image - low) / max(high - low, 0.05), 0, 1) ** appearance.gamma
    if appearance.span < 1:
        image = image * appearance.span + rng.uniform(0, 1 - appearance.span)
    image = np.broadcast_to(image, (*ids.shape, 3))
    return np.ascontiguousarray(np.moveaxis(image, -1, 1), np.float32)
