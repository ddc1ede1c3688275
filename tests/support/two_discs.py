"""Sessions on two discs that stay where they are, as one object or as two."""

from __future__ import annotations

import numpy as np
from fakes import PLAIN, blob_model, disc, state

from napari_medsam2.prompts import BoxPrompt, PointPrompt
from napari_medsam2.session.session import Session

SHAPE = (64, 64)
#: Two discs that stay where they are, and come together nowhere.
LEFT, RIGHT = disc(SHAPE, 30, 16, 7), disc(SHAPE, 30, 46, 5)


def two_discs(n_frames=5, mode="stack"):
    """A session on images of both discs."""
    frames = np.where(LEFT | RIGHT, 204, 25).astype(np.uint8)[None].repeat(n_frames, axis=0)
    return Session(blob_model(), frames, mode=mode, contrast=PLAIN)


def two_objects(mode="stack"):
    """One session with an object on each of the discs, found on all frames."""
    session = two_discs(mode=mode)
    session.add(PointPrompt(1, 30, 16, object_id=1))
    session.add(PointPrompt(1, 30, 46, object_id=2))
    list(session.propagate())
    return session


def one_object(mode="stack"):
    """Both discs as one object, boxed on frame 1 and found on all frames."""
    session = two_discs(mode=mode)
    session.add(BoxPrompt(1, 5, 5, 60, 60))
    list(session.propagate())
    return session


def whole(session):
    """All that undo restores, of all objects."""
    results = {key: (result, result.mask.tobytes()) for key, result in session.results.items()}
    return session.prompts, results, dict(session.called), state(session)
