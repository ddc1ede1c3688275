"""Files are there whole or not at all, whatever stops their writer."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from napari_medsam2.errors import OutputError, SessionError, TrainingError
from napari_medsam2.whole_file import replace_file, replace_folder


def writer(text: str, error: BaseException | None = None):
    def write(draft: Path) -> None:
        draft.write_text(text)
        if error is not None:
            raise error

    return write


def test_a_file_is_written_and_leaves_nothing_beside_it(tmp_path):
    replace_file(tmp_path / "a.json", writer("new"))
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.json", "new")]


@pytest.mark.parametrize("error", [OSError("no"), ValueError("no"), SessionError("no"), KeyboardInterrupt()])
def test_the_file_from_before_stays_where_writing_ends_early(tmp_path, error):
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises((OSError, ValueError, RuntimeError, KeyboardInterrupt)):
        replace_file(path, writer("half", error))
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.json", "old")]


def test_a_file_that_cannot_be_written_is_told_with_its_name_and_what_helps(tmp_path):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(OutputError, match=r"cannot write .*a\.json: the disk is full$"):
        replace_file(tmp_path / "a.json", writer("half", full))
    with pytest.raises(TrainingError, match=r"the disk is full\. Go on with --resume$"):
        replace_file(tmp_path / "a.json", writer("half", full), error=TrainingError, advice="Go on with --resume")
    with pytest.raises(OutputError, match="No such file or directory"):
        replace_file(tmp_path / "no folder" / "a.json", writer("new"))


def test_errors_that_a_writer_wraps_the_systems_in_count_where_they_are_named(tmp_path):
    wrapped = RuntimeError("inline_container: No space left on device")
    with pytest.raises(OutputError, match="the disk is full"):
        replace_file(tmp_path / "a.pt", writer("half", wrapped), wrapped_in=(RuntimeError,))
    with pytest.raises(RuntimeError, match="inline_container"):
        replace_file(tmp_path / "a.pt", writer("half", wrapped))


def test_what_stops_the_writer_for_another_reason_is_raised_as_it_is(tmp_path):
    with pytest.raises(SessionError, match="object 300"):
        replace_file(tmp_path / "a.tif", writer("half", SessionError("object 300")), wrapped_in=(RuntimeError,))


@pytest.mark.skipif(os.name == "nt", reason="permissions and links are those of POSIX")
def test_permissions_are_those_of_any_new_file_and_links_stay(tmp_path):
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old")
    link.symlink_to(target)
    usual = stat.S_IMODE(target.stat().st_mode)

    def privately(draft: Path) -> None:
        draft.write_text("new")
        draft.chmod(0o600)

    replace_file(link, privately)
    assert link.is_symlink() and target.read_text() == "new" and stat.S_IMODE(target.stat().st_mode) == usual
    replace_file(Path(os.devnull), writer("new"))
    assert not Path(os.devnull + ".part").exists()


@pytest.mark.parametrize("name", ["n" * 251, "n" * 125 + "\u00fc" * 63, "\u6f22" * 83])
def test_names_as_long_as_the_disk_takes_are_written(tmp_path, name):
    replace_file(tmp_path / f"{name}.tif", writer("new"), suffix=".tif")
    replace_folder(tmp_path / name, lambda draft: (draft / "a").write_text("new"))
    replace_folder(tmp_path / name, lambda draft: (draft / "b").write_text("newer"))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([f"{name}.tif", name])
    assert [path.name for path in (tmp_path / name).iterdir()] == ["b"]
