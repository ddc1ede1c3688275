"""Two objects on five frames, and a pretended GPU that fills up while they are followed."""

from __future__ import annotations

import torch
from accelerator import Accelerator
from fakes import PLAIN, box, moving_disc

from napari_medsam2.models.loading import load_model
from napari_medsam2.prompts import BoxPrompt
from napari_medsam2.session.session import Session

FRAMES, MASKS = moving_disc(5)
OTHER = BoxPrompt(0, 3.5, 3.5, 15.5, 15.5, 2)
FRAMES[:, 4:16, 4:16] = 160
PROMPTS = (box(0, MASKS), OTHER)


def pretend_gpu(monkeypatch) -> Accelerator:
    """An accelerator that torch reports as a GPU without bfloat16; a thread uses it after entering it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    return Accelerator()


def opened(notices, *, prompts=PROMPTS, model=None) -> Session:
    """A session on the frames, by default with the bundled model; its notices are collected."""
    session = Session(model or load_model("micro", on_notice=notices.append), FRAMES, contrast=PLAIN)
    for prompt in prompts:
        session.add(prompt)
    return session


def masks_of(results) -> dict:
    """Bytes of the masks, by frame and object."""
    return {(r.frame, r.object_id): r.mask.tobytes() for r in results}


def masks_on_cpu() -> dict:
    """What comes out where memory is never short."""
    return masks_of(opened([], model=load_model("micro", device="cpu")).propagate())


def on_a_full_gpu(gpu):
    """A way to load `micro` on the worker thread, whose GPU has no room left from the fifth image on."""

    def load(name, *, device, on_notice):
        gpu.__enter__()  # belongs to a thread; that of the engine ends with it
        model = load_model("micro", device=device, on_notice=on_notice)
        encode, seen = model.network.encode_image, []

        def fills_up(image, mode="stack", *, fine=None):
            seen.append(1)
            if len(seen) == 5:
                gpu.capacity = 0
            return encode(image, mode, fine=fine)

        model.network.encode_image = fills_up
        return model

    return load
