"""Every tool puts its prompt on the pixels that the mouse was over, however the image lies, and whatever is shown."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mouse import Mouse
from napari.components import ViewerModel

from napari_medsam2._gui.layers.sequence import ImageSequence
from napari_medsam2._gui.layers.workspace import Workspace
from napari_medsam2.geometry.strokes import clicks_along, filled
from napari_medsam2.prompts import BoxPrompt, MaskPrompt, PointPrompt

SIZE = (4, 30, 44)
#: Where each tool draws: y and x on frame 2.
PATHS = {
    "point": [(12.3, 20.7)],
    "box": [(4.6, 6.4), (20.2, 31.8)],
    "scribble": [(5, 6), (9, 16), (14, 30)],
    "lasso": [(4.6, 6.4), (5.2, 30.3), (21.7, 28.8), (18.4, 9.1)],
    "polygon": [(4.6, 6.4), (5.2, 30.3), (21.7, 28.8), (18.4, 9.1)],
}


class Bench:
    """A workspace on an image in a viewer, without a dock."""

    def __init__(self, viewer: ViewerModel, image) -> None:
        self.viewer, self.image = viewer, image
        self.told: list[str] = []
        sequence = ImageSequence(viewer, image)
        self.work = Workspace(sequence, self._edited, lambda layer, made: None, lambda: None)
        self.layout = sequence.layout

    def _edited(self, problem: str = "", note: str = "") -> None:
        self.told.append(problem)
        self.prompts = [p for group in self.work.book.changes() for p in group]

    def draw(self, tool: str) -> None:
        """Draw with a tool on frame 2; what is drawn is in pixels of the used level."""
        self.work.sequence.go_to(2)
        self.work.use(tool, 1, True)
        mouse = Mouse(self.viewer, self.image)
        places = [self.layout.from_frames(np.array([(2, y, x)], float))[0] for y, x in PATHS[tool]]
        if tool == "polygon":
            for place in places:
                mouse.click(place)
            self.work.tools.pen.finish()
        elif tool == "box":  # napari draws it, in steps of the pixels of a window that is not there
            x = self.layout.plane[1]
            top, bottom = places
            corners = [top, top.copy(), bottom, bottom.copy()]
            corners[1][x], corners[3][x] = bottom[x], top[x]
            layer = self.viewer.layers.selection.active
            assert layer.mode == "add_rectangle"
            layer.add(np.array([layer.world_to_data(self.image.data_to_world(at)) for at in corners]))
        else:
            mouse.drag(*places)

    def check(self, tool: str, atol: float = 1e-3) -> None:
        """The prompts are what was drawn."""
        path = np.array(PATHS[tool])
        assert self.told == [""] and {p.frame for p in self.prompts} == {2}
        if tool in ("lasso", "polygon"):
            (mask,) = self.prompts
            assert isinstance(mask, MaskPrompt)
            np.testing.assert_array_equal(mask.mask, filled(path, self.layout.frame_shape))
        elif tool == "box":
            (box,) = self.prompts
            assert isinstance(box, BoxPrompt)
            np.testing.assert_allclose((box.y0, box.x0, box.y1, box.x1), path.ravel(), atol=1e-3)
        else:
            assert all(isinstance(p, PointPrompt) for p in self.prompts)
            np.testing.assert_allclose([(p.y, p.x) for p in self.prompts], clicks_along(path), atol=atol)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    scale=st.tuples(*[st.floats(0.2, 5)] * 3),
    translate=st.tuples(*[st.floats(-50, 50)] * 3),
    angle=st.sampled_from([0, 90, 33]),
    shear=st.floats(-0.5, 0.5),
    order=st.permutations([0, 1, 2]),
)
@pytest.mark.parametrize("tool", PATHS)
@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")  # a new layer is sliced along another axis for a moment
def test_wherever_the_image_lies_and_whichever_axis_has_the_slider(tool, scale, translate, angle, shear, order, qapp):
    viewer = ViewerModel()
    affine = np.eye(4)
    turn = np.deg2rad(angle)
    y, x = sorted(order[-2:])
    affine[[y, y, x, x], [y, x, y, x]] = np.cos(turn), -np.sin(turn), np.sin(turn), np.cos(turn)
    skew = np.eye(4)
    skew[y, x] = shear
    shape = np.empty(3, int)
    shape[order[0]], shape[y], shape[x] = SIZE
    viewer.dims.ndim = 3
    viewer.dims.order = tuple(order)
    image = viewer.add_image(np.zeros(shape), name="scan", scale=scale, translate=translate, affine=affine @ skew)
    bench = Bench(viewer, image)
    assert (bench.layout.axis, bench.layout.plane) == (order[0], (y, x))
    bench.draw(tool)
    bench.check(tool)


@pytest.mark.parametrize("tool", PATHS)
@pytest.mark.parametrize("kind", ["rgb", "multiscale", "time", "flat"])
def test_on_images_of_every_kind(tool, kind, viewer, monkeypatch, qapp):
    if kind == "rgb":
        image = viewer.add_image(np.zeros((*SIZE, 3), np.uint8), rgb=True, scale=(2, 0.5, 0.5))
    elif kind == "multiscale":
        monkeypatch.setattr("napari_medsam2._gui.layers.layout.LARGEST_FRAME", SIZE[1] * SIZE[2])
        data = [np.zeros((4, 60, 88), np.uint8), np.zeros(SIZE, np.uint8)]
        image = viewer.add_image(data, multiscale=True, translate=(5, 6, 7))
    elif kind == "time":
        image = viewer.add_image(np.zeros((3, *SIZE)), translate=(1, 2, 3, 4))
        viewer.dims.set_current_step(0, 1)
    else:
        viewer.add_image(np.zeros(SIZE[1:]), name="flat below")
        image = viewer.add_image(np.zeros(SIZE))
    bench = Bench(viewer, image)
    assert bench.layout.frame_shape == SIZE[1:] and bench.layout.n_frames == 4
    bench.draw(tool)
    bench.check(tool)


def test_a_stroke_through_several_slices_is_no_prompt(viewer, qapp):
    image = viewer.add_image(np.zeros(SIZE), name="scan")
    bench = Bench(viewer, image)
    bench.work.use("lasso", 1, True)
    viewer.dims.order = (1, 0, 2)
    Mouse(viewer, image).drag((0, 5, 5), (0, 5, 30), (3, 5, 30), (3, 5, 5))
    assert "several frames" in bench.told[-1] and not bench.prompts
