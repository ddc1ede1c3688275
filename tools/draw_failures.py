"""Draw docs/images/failures.jpg, where the model is most wrong: draw_failures.py OUT MODEL DATASET.npz...

Each dataset is segmented in one session, a box around each of the largest parts of each object on one frame, as
``evaluate --prompt box`` does. Of its other frames the worst is drawn, by Dice with the truth, beside the prompted one.
Show only images whose licence allows it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from napari_medsam2.evaluation.prompting import make_prompts, prompt_frame
from napari_medsam2.geometry.overlap import dice
from napari_medsam2.images.contrast import usual_contrast
from napari_medsam2.images.datasets import Dataset, read_dataset
from napari_medsam2.models.device import Model
from napari_medsam2.models.loading import load_model
from napari_medsam2.prompts import BoxPrompt
from napari_medsam2.session.session import Session
from napari_medsam2.types import Mask

#: Sides of the square that an image is fitted into, of the margins, and of the text above, in pixels; pairs in a row.
SIDE, MARGIN, HEADING, PER_ROW = 300, 8, 44, 2
TRUE, FOUND, BOX, INK, PAPER = (0, 220, 90), (255, 40, 40), (255, 220, 0), (20, 20, 20), (255, 255, 255)


@dataclass(frozen=True, eq=False)
class Failure:
    """The frame of a dataset on which an object was found worst, and what it was found from."""

    dataset: Dataset
    object_id: int
    template: int
    boxes: tuple[BoxPrompt, ...]
    frame: int
    found: Mask
    dice: float
    confidence: float


def worst_of(model: Model, dataset: Dataset) -> Failure:
    """Segment a dataset from boxes on one frame, and take what is most wrong on the others."""
    session = Session(model, dataset.frames, mode=dataset.mode)
    templates = {object_id: prompt_frame(dataset, object_id) for object_id in dataset.objects}
    for object_id, frame in templates.items():
        for prompt in make_prompts(dataset.truth(frame, object_id), "box", frame=frame, object_id=object_id):
            session.add(prompt)
    for _ in session.propagate():
        pass
    failures = []
    for t in range(len(dataset.frames)):
        shown = session.label_image(t)
        for object_id in (number for number, frame in templates.items() if frame != t):
            boxes = tuple(p for p in session.prompts if isinstance(p, BoxPrompt) and p.object_id == object_id)
            found = shown.labels == object_id
            overlap = dice(found, dataset.truth(t, object_id))
            sure = shown.confidences.get(object_id, 0.0)
            failures.append(Failure(dataset, object_id, templates[object_id], boxes, t, found, overlap, sure))
    return min(failures, key=lambda failure: failure.dice)


def fitted(frame: npt.NDArray[np.float32]) -> tuple[Image.Image, float]:
    """A frame ``(H, W, 3)`` in 0..1 as large as the square allows, and how much larger that is."""
    scale = SIDE / max(frame.shape[:2])
    height, width = (round(scale * length) for length in frame.shape[:2])
    return Image.fromarray((frame * 255).astype(np.uint8)).resize((width, height), Image.Resampling.BILINEAR), scale


def outline(mask: Mask, size: tuple[int, int]) -> Mask:
    """The inner border of a mask, two pixels wide, on a picture of ``size`` (width, height)."""
    large = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
    border: Mask = large & ~ndimage.binary_erosion(large, iterations=2)
    return border


def drawn(failure: Failure) -> Image.Image:
    """The prompted frame with its boxes, the worst frame with both outlines, and what is to be said of it."""
    dataset, t = failure.dataset, failure.frame
    contrast = usual_contrast(dataset.frames, dataset.mode)
    left, scale = fitted(contrast.apply(dataset.frames[failure.template]))
    pen = ImageDraw.Draw(left)
    for box in failure.boxes:
        edges = (np.array([box.x0, box.y0, box.x1, box.y1]) + 0.5) * scale
        pen.rectangle([float(edge) for edge in edges - [0, 0, 1, 1]], outline=BOX, width=2)
    right, _ = fitted(contrast.apply(dataset.frames[t]))
    pixels = np.array(right)
    for mask, colour in ((dataset.truth(t, failure.object_id), TRUE), (failure.found, FOUND)):
        pixels[outline(mask, right.size)] = colour
    pair = Image.new("RGB", (2 * SIDE + 3 * MARGIN, max(left.height, right.height) + HEADING + MARGIN), PAPER)
    text, font = ImageDraw.Draw(pair), ImageFont.load_default(14)
    measured = f"Dice {failure.dice:.2f}, confidence {failure.confidence:.2f}"
    for x, picture, said in (
        (MARGIN, left, f"{dataset.name}\n{dataset.objects[failure.object_id]}"),
        (SIDE + 2 * MARGIN, Image.fromarray(pixels), f"image {t}\n{measured}"),
    ):
        pair.paste(picture, (x, HEADING))
        text.text((x, MARGIN // 2), said, INK, font)
    return pair


def beside_each_other(pairs: Sequence[Image.Image]) -> Image.Image:
    """Pictures of one width in rows, each as high as its highest."""
    rows = [pairs[first : first + PER_ROW] for first in range(0, len(pairs), PER_ROW)]
    heights = [max(pair.height for pair in row) for row in rows]
    whole = Image.new("RGB", (len(rows[0]) * pairs[0].width, sum(heights)), PAPER)
    for number, row in enumerate(rows):
        for column, pair in enumerate(row):
            whole.paste(pair, (column * pair.width, sum(heights[:number])))
    return whole


def main(arguments: Sequence[str]) -> int:
    if len(arguments) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    out, name, *paths = arguments
    model = load_model(name)
    failures = [worst_of(model, read_dataset(path)) for path in paths]
    for failure in failures:
        known = f"{failure.dataset.name} {failure.object_id}, prompted on {failure.template}"
        print(f"{known}: {failure.dice:.3f} on {failure.frame}, confidence {failure.confidence:.3f}")
    beside_each_other([drawn(failure) for failure in failures]).save(out, quality=80)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
