"""What is kept of a result: committed labels and files."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import tifffile
from face import IMAGES, SHAPE, TRUTH, answer, deliver, result

from napari_medsam2._gui import keeping
from napari_medsam2._gui.commits import Kept
from napari_medsam2._gui.keeping import merged
from napari_medsam2.engine.events import Restored, ResultReady
from napari_medsam2.engine.requests import RequestKind
from napari_medsam2.errors import OutputError


def test_commit_keeps_the_result_and_starts_the_next_object(viewer, prompted, qtbot):
    dock, _engine, send = prompted
    deliver(qtbot, send, ResultReady(1, 0, result(2), RequestKind.PREVIEW))
    dock.review.commit.click()
    deliver(qtbot, send, Restored(2, 0, True, (), {}, RequestKind.RESET))
    assert viewer.layers["scan kept"].data.sum() == 100 and viewer.layers["scan segmentation"].data.sum() == 0
    assert dock.controller.state.current == 2


def test_a_layer_of_the_user_that_has_the_name_of_the_kept_labels_is_not_taken_for_them(viewer, prompted, qtbot):
    dock, _engine, send = prompted
    theirs = viewer.add_labels(np.zeros(SHAPE, np.uint8), name="scan kept")
    for number in (1, 2):
        deliver(
            qtbot,
            send,
            ResultReady(1, 0, result(2, number, where=slice(10 * number, 10 * number + 5)), RequestKind.PREVIEW),
        )
        dock.review.commit.click()
        deliver(qtbot, send, Restored(2, 0, True, (), {}, RequestKind.RESET))
    (kept,) = (layer for layer in viewer.layers if layer.name.startswith("scan kept") and layer is not theirs)
    assert not theirs.data.any() and np.unique(kept.data).tolist() == [0, 1, 2]
    assert f"Kept in '{kept.name}'" in dock.message.text()


def test_the_next_object_has_a_number_that_was_not_kept(viewer, clicked, qtbot):
    dock, _, send = clicked
    do = dock.controller
    deliver(qtbot, send, answer(2, prompted=True))
    do.commit()
    deliver(qtbot, send, Restored(2, 0, True, (), {}, RequestKind.RESET))
    viewer.layers["scan"].name = "renamed"
    do.choose_image(viewer.add_image(IMAGES, name="other"))
    do.choose_image(viewer.layers["renamed"])
    assert do.state.current == 2 and do.keeping.kept_layer(do.workspace) is viewer.layers["scan kept"]


def test_committing_never_overwrites_what_was_kept():
    kept = np.array([[0, 5]], np.uint16)
    assert Kept.copy(np.array([[1, 1]], np.uint16), kept).labels.tolist() == [1]
    assert kept.tolist() == [[1, 5]]
    with pytest.raises(OutputError, match="object 300 does not fit into a labels layer of uint8"):
        Kept.copy(np.array([[300]], np.uint16), np.zeros((1, 1), np.uint8))


def test_labels_over_each_other_keep_their_numbers():
    kept, theirs = np.array([[0, 5, 0]], np.uint16), np.array([[70_000, 8, -1]], np.int32)
    labels = merged([kept, theirs])
    assert labels.tolist() == [[70_000, 5, -1]] and kept.tolist() == [[0, 5, 0]]


def test_labels_are_saved(viewer, prompted, qtbot, tmp_path):
    import tifffile

    dock, _, send = prompted
    deliver(qtbot, send, ResultReady(1, 0, result(2), RequestKind.PREVIEW))
    dock.output.save_requested.emit(str(tmp_path / "out"))
    qtbot.waitUntil(lambda: "Saved" in dock.message.text())
    assert tifffile.imread(tmp_path / "out.tif").shape == SHAPE
    dock.output.save_requested.emit(str(tmp_path / "no such folder" / "out.tif"))
    qtbot.waitUntil(lambda: "could not be saved" in dock.message.text())


def test_labels_that_differ_from_what_was_saved_are_not_called_saved(viewer, clicked, qtbot, tmp_path):
    dock, _, send = clicked
    do = dock.controller

    def save(name: str) -> None:
        do.save(tmp_path / name)
        qtbot.waitUntil(lambda: dock.message.text().endswith(name))

    deliver(qtbot, send, answer(2, prompted=True))
    save("one.tif")
    assert dock.steps[3].heading.summary == "saved as one.tif"
    deliver(qtbot, send, answer(3))
    assert dock.steps[3].heading.summary == "not saved yet", "another frame was found since"
    save("two.tif")
    do.commit()
    deliver(qtbot, send, Restored(2, 0, True, (), {}, RequestKind.RESET))
    assert dock.steps[3].heading.summary == "not saved yet" and not do.state.has_results, "what is kept counts too"
    save("three.tif")
    assert dock.steps[3].heading.summary == "saved as three.tif"
    viewer.layers["scan kept"].paint((2, 20, 22), 5)
    assert dock.steps[3].heading.summary == "not saved yet", "painted over since"
    save("four.tif")
    do.choose_image(viewer.add_image(IMAGES, name="other"))
    assert dock.steps[3].heading.summary == "" and do.state.saved is None, "the other image was never saved"


def test_what_comes_while_labels_are_saved_is_not_called_saved(viewer, clicked, qtbot, tmp_path, monkeypatch):
    dock, _, send = clicked
    came, write = threading.Event(), tifffile.imwrite

    def wait_and_write(*args, **options):
        assert came.wait(10)
        write(*args, **options)

    monkeypatch.setattr(tifffile, "imwrite", wait_and_write)
    deliver(qtbot, send, answer(2, prompted=True))
    dock.controller.save(tmp_path / "labels.tif")
    deliver(qtbot, send, answer(3))
    came.set()
    qtbot.waitUntil(lambda: dock.message.text().startswith("Saved"))
    assert dock.steps[3].heading.summary == "not saved yet"


def test_an_image_named_like_the_kept_labels_is_not_saved_as_labels(viewer, clicked, qtbot, tmp_path):
    dock, _, send = clicked
    viewer.add_image(np.ones((6, 5, 5)), name="scan kept")
    deliver(qtbot, send, answer(2, prompted=True))
    dock.controller.save(tmp_path / "labels.tif")
    qtbot.waitUntil(lambda: dock.message.text().startswith("Saved"))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "labels.tif")[2] == 1, TRUTH[2])


def test_what_is_cleared_while_it_is_saved_is_in_the_file(viewer, clicked, qtbot, tmp_path, monkeypatch):
    dock, _, send = clicked
    deliver(qtbot, send, answer(2, prompted=True))
    cleared, write = threading.Event(), tifffile.imwrite

    def wait_and_write(*args, **options):
        assert cleared.wait(10)
        write(*args, **options)

    monkeypatch.setattr(tifffile, "imwrite", wait_and_write)
    dock.controller.save(tmp_path / "labels.tif")
    deliver(qtbot, send, Restored(2, 0, True, (), {}, RequestKind.RESET))
    assert not viewer.layers["scan segmentation"].data.any()
    cleared.set()
    qtbot.waitUntil(lambda: dock.message.text().startswith("Saved"))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "labels.tif")[2] == 1, TRUTH[2])


def test_a_save_that_fails_says_so_and_leaves_the_old_file(viewer, clicked, qtbot, tmp_path, monkeypatch):
    dock, _, send = clicked
    file = tmp_path / "labels.tif"
    file.write_text("old")
    deliver(qtbot, send, answer(2, prompted=True))

    def fill_the_disk(path, *args, **options):
        path.write_text("half")
        raise OSError("no space left on device")

    monkeypatch.setattr(tifffile, "imwrite", fill_the_disk)
    dock.controller.save(file)
    qtbot.waitUntil(lambda: "no space left" in dock.message.text())
    assert file.read_text() == "old" and [path.name for path in tmp_path.iterdir()] == ["labels.tif"]


def test_a_commit_into_the_user_s_layer_leaves_the_result_there(viewer, prompted, qtbot):
    dock, engine, send = prompted
    data = np.zeros(SHAPE, np.uint8)
    data[2, 12, 12] = 9
    viewer.add_labels(data, name="mine")
    dock.output.output.activated.emit(dock.output.output.findText("mine"))
    deliver(qtbot, send, ResultReady(1, 0, result(2, prompted=True), RequestKind.PREVIEW))
    committed = data.copy()
    assert committed[2, 12, 12] == 9 and np.count_nonzero(committed == 1) == 99
    dock.review.commit.click()
    engine.reset.assert_called_once_with()
    deliver(qtbot, send, Restored(2, 0, True, (), {}, RequestKind.RESET))
    np.testing.assert_array_equal(data, committed)
    assert "Kept in 'mine'. The next prompt starts object 2." in dock.message.text()
    assert "scan kept" not in viewer.layers and "scan segmentation" not in viewer.layers
    deliver(qtbot, send, ResultReady(1, 0, result(2, 2, where=slice(15, 25)), RequestKind.PREVIEW))
    assert np.count_nonzero(data == 1) == 99, "later results go around what was committed"


def test_a_commit_of_nothing_is_explained(viewer, prompted):
    dock, engine, _ = prompted
    assert not dock.review.commit.isEnabled()
    dock.controller.commit()
    assert "no result to keep yet" in dock.message.text()
    engine.reset.assert_not_called()


def test_saving_nothing_is_explained_and_writes_nothing(viewer, stack, mocked, tmp_path):
    dock, _, _ = mocked(viewer)
    dock.output.save_requested.emit(str(tmp_path / "out.tif"))
    assert dock.message.text() == "There are no labels to save yet." and not list(tmp_path.iterdir())


def test_saving_without_enough_memory_is_explained_and_writes_nothing(viewer, prompted, qtbot, tmp_path, monkeypatch):
    dock, _, send = prompted
    deliver(qtbot, send, ResultReady(1, 0, result(2), RequestKind.PREVIEW))

    def no_memory(parts):
        raise MemoryError

    monkeypatch.setattr(keeping, "merged", no_memory)
    dock.output.save_requested.emit(str(tmp_path / "out.tif"))
    assert "not enough memory to save the labels" in dock.message.text() and not list(tmp_path.glob("out*"))
    assert dock.controller.state.saved is None
