"""From the table of models to a file that loads: fetched after a yes, or taken in from a file at hand."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hub_server import COMMIT, Faults, HubServer
from published import publishing, tiny_weights

from golden.cases import build
from napari_medsam2.cli.main import main
from napari_medsam2.errors import CheckpointError, DownloadError, DownloadStopped, ModelError
from napari_medsam2.models.download import bytes_here
from napari_medsam2.models.files import before_download, by_hand, download_model, import_model
from napari_medsam2.models.loading import load_model
from napari_medsam2.models.registry import MODELS, ModelEntry, local_file, own_file


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[HubServer, ModelEntry, bytes]]:
    with publishing(tmp_path, monkeypatch) as everything:
        yield everything


@pytest.fixture
def hub(published: tuple[HubServer, ModelEntry, bytes]) -> HubServer:
    return published[0]


@pytest.fixture
def entry(published: tuple[HubServer, ModelEntry, bytes]) -> ModelEntry:
    return published[1]


def change(patch: pytest.MonkeyPatch, entry: ModelEntry, **facts: Any) -> ModelEntry:
    """Say other facts in the table of models."""
    entry = replace(entry, **facts)
    patch.setitem(MODELS, entry.name, entry)  # type: ignore[arg-type]
    return entry


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


# ---- download ------------------------------------------------------------------------------------------------------


def test_a_published_model_is_fetched_once_and_found_by_its_name(hub: HubServer, entry: ModelEntry) -> None:
    with pytest.raises(ModelError, match="models download tiny"):
        load_model("tiny")
    assert hub.asked == []
    path = download_model("Tiny")
    assert path == own_file(entry) and left(path.parent) == ["tiny.safetensors"]
    assert load_model("tiny", device="cpu").image_size == 64
    asked = len(hub.asked)
    assert download_model("tiny") == path
    assert download_model("micro") == local_file(MODELS["micro"])
    assert len(hub.asked) == asked


def test_a_file_that_another_program_fetched_is_used_from_the_shared_cache(
    hub: HubServer, entry: ModelEntry, published: tuple[HubServer, ModelEntry, bytes], tmp_path: Path
) -> None:
    repo = tmp_path / "cache" / "models--lab--tiny"
    snapshot = repo / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(COMMIT)
    (snapshot / entry.file).write_bytes(published[2])
    assert download_model("tiny") == snapshot / entry.file == local_file(entry)
    assert load_model("tiny", device="cpu").name == "tiny"
    assert hub.asked == []


def test_another_form_of_the_same_weights_in_the_shared_cache_counts(hub: HubServer, tmp_path: Path) -> None:
    entry = MODELS["sam2.1-tiny"]
    assert not local_file(entry).exists()
    cached = tmp_path / "cache" / "models--facebook--sam2.1-hiera-tiny" / "snapshots" / COMMIT / "model.safetensors"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"as another program left it")
    refs = cached.parents[2] / "refs"
    refs.mkdir()
    (refs / "main").write_text(COMMIT)
    assert local_file(entry) == cached
    own_file(entry).parent.mkdir()
    own_file(entry).write_bytes(b"ours")
    assert local_file(entry) == own_file(entry)


def test_a_failed_download_says_how_to_do_it_by_hand(hub: HubServer, entry: ModelEntry) -> None:
    hub.faults = Faults(status=500, code="-")
    with pytest.raises(DownloadError) as error:
        download_model("tiny")
    told = str(error.value)
    assert "Tiny could not be fetched" in told and "answered 500" in told
    assert f"{hub.address}/lab/tiny/resolve/main/tiny.safetensors" in told
    assert "napari-medsam2 models import FILE" in told and str(own_file(entry).parent) in told


def test_another_server_is_asked_where_the_hub_fails_and_goes_on_from_there(
    hub: HubServer, entry: ModelEntry, published: tuple[HubServer, ModelEntry, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = published[2]
    hub.files["/mirror/tiny.safetensors"] = content
    entry = change(
        monkeypatch,
        entry,
        sha256=hashlib.sha256(content).hexdigest(),
        alternatives=(f"{hub.address}/mirror/tiny.safetensors", f"{hub.address}/mirror/model.safetensors"),
    )
    assert "mirror/tiny.safetensors" in before_download(entry)["from"]
    with pytest.raises(DownloadStopped):
        download_model("tiny", stopped=lambda: bytes_here(own_file(entry)) > 0)
    here = bytes_here(own_file(entry))
    del hub.files["/lab/tiny/resolve/main/tiny.safetensors"]
    assert download_model("tiny").read_bytes() == content
    assert hub.ranges[-1] == f"bytes={here}-"


def test_a_mirror_that_serves_something_else_is_refused(
    hub: HubServer, entry: ModelEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.files = {"/mirror/tiny.safetensors": tiny_weights()}
    change(monkeypatch, entry, sha256="0" * 64, alternatives=(f"{hub.address}/mirror/tiny.safetensors",))
    with pytest.raises(DownloadError, match=r"has no file .*; .*came damaged"):
        download_model("tiny")
    assert left(own_file(entry).parent) == []


def test_a_hub_that_says_another_checksum_than_the_table_sends_nothing(
    hub: HubServer, entry: ModelEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(monkeypatch, entry, sha256="0" * 64)
    with pytest.raises(DownloadError, match=r"another file than the one that was published as Tiny.*update"):
        download_model("tiny")
    assert hub.ranges == [] and left(own_file(entry).parent) == []


@pytest.mark.parametrize("plain", [False, True])
def test_a_server_that_never_ends_is_left_and_nothing_stays(
    hub: HubServer, entry: ModelEntry, plain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if plain:
        hub.files = {"/mirror/tiny.safetensors": tiny_weights()}
        change(monkeypatch, entry, alternatives=(f"{hub.address}/mirror/tiny.safetensors",))
    hub.faults = Faults(endless=True)
    with pytest.raises(DownloadError, match=r"sends more than .*: that is not the published file"):
        download_model("tiny")
    assert left(own_file(entry).parent) == []


@pytest.mark.parametrize(
    "faults", [Faults(status=500, code="-"), Faults(break_after=0), Faults(head_size=10**12, length=10**12)]
)
def test_a_download_that_brought_nothing_leaves_nothing(hub: HubServer, entry: ModelEntry, faults: Faults) -> None:
    hub.faults = faults
    with pytest.raises(DownloadError):
        download_model("tiny")
    assert left(own_file(entry).parent) == []


def test_what_is_not_the_model_it_claims_to_be_is_removed(
    hub: HubServer, entry: ModelEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(entry.repo, entry.file, b"<html>please log in</html>")
    with pytest.raises(ModelError, match=r"what came for Tiny was removed again: .*no checkpoint.* By hand: open"):
        download_model("tiny")
    hub.add(entry.repo, entry.file, tiny_weights())
    change(monkeypatch, entry, architecture="sam2.1 tiny")
    with pytest.raises(ModelError, match=r"a network of the kind micro, and tiny is sam2\.1 tiny"):
        download_model("tiny")
    assert left(own_file(entry).parent) == []


def test_a_folder_that_cannot_be_written_is_told(
    hub: HubServer, entry: ModelEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").write_text("a file, not a folder")
    monkeypatch.setenv("NAPARI_MEDSAM2_MODELS", str(tmp_path / "taken"))
    with pytest.raises(DownloadError, match=r"Tiny could not be fetched: .*taken.* could not be written"):
        download_model("tiny")


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ModelError, match=r"no model named 'medsm2' \(did you mean medsam2\?\)"):
        download_model("medsm2")


@pytest.mark.parametrize("name", [name for name, entry in MODELS.items() if not entry.bundled])
def test_every_published_model_says_all_before_it_is_fetched(name: str, tmp_path: Path) -> None:
    entry = MODELS[name]
    facts = before_download(entry)
    assert facts["from"].startswith("http") and entry.file in facts["from"] and entry.file in facts["to"]
    assert facts["size"].endswith("MB") and entry.licence in facts["licence"]
    assert ("non-commercial" in facts["licence"]) >= entry.non_commercial
    assert entry.file in by_hand(entry)


# ---- at the terminal -----------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    """Someone who types."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_without_a_yes_nothing_is_fetched(
    hub: HubServer, entry: ModelEntry, monkeypatch: pytest.MonkeyPatch, capsys: Any, answer: str
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert main(["models", "download", "tiny"]) == 2
    told = capsys.readouterr().err
    assert "Fetch it? [y/N]" in told and "nothing was fetched" in told
    for fact in ("non-commercial", f"{hub.address}/lab/tiny/resolve/main/tiny.safetensors", str(own_file(entry)), "kB"):
        assert fact in told
    assert hub.asked == []


def test_a_yes_fetches_with_progress(
    hub: HubServer, entry: ModelEntry, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert main(["models", "download", "tiny"]) == 0
    told = capsys.readouterr()
    assert told.out.strip() == str(own_file(entry)) and own_file(entry).is_file()
    assert "100%" in told.err and "B/s" in told.err
    assert main(["models", "download", "tiny"]) == 0
    assert "here already" in capsys.readouterr().err


def test_a_script_needs_the_yes_in_its_options(
    hub: HubServer, entry: ModelEntry, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert main(["models", "download", "tiny"]) == 2
    assert "--yes" in capsys.readouterr().err and hub.asked == []
    assert main(["models", "download", "tiny", "--yes"]) == 0
    assert own_file(entry).is_file()


def test_ctrl_c_says_that_it_can_go_on(hub: HubServer, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def interrupt(*arguments: Any, **options: Any) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_medsam2.models.files.download_model", interrupt)
    assert main(["models", "download", "tiny", "--yes"]) == 130
    assert "goes on from there" in capsys.readouterr().err


def test_offline_mode_is_told_with_what_to_do(hub: HubServer, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main(["models", "download", "tiny", "--yes"]) == 2
    told = capsys.readouterr().err
    assert "offline mode is on" in told and "models import FILE" in told
    assert hub.asked == []


# ---- import --------------------------------------------------------------------------------------------------------


def test_a_file_at_hand_is_taken_in_under_the_name_of_its_model(
    published: tuple[HubServer, ModelEntry, bytes], tmp_path: Path, capsys: Any
) -> None:
    hub, entry, content = published
    stick = tmp_path / "stick"
    stick.mkdir()
    (stick / entry.file).write_bytes(content)
    assert main(["models", "import", str(stick / entry.file)]) == 0
    told = capsys.readouterr()
    assert told.out.strip() == str(own_file(entry)) and "recognised micro" in told.err and "Tiny" in told.err
    assert (stick / entry.file).is_file() and left(own_file(entry).parent) == [entry.file]
    assert load_model("tiny", device="cpu").name == "tiny"
    assert import_model(own_file(entry)).path == own_file(entry)  # it is there already
    assert hub.asked == []


def test_a_file_with_another_name_is_told_by_its_content_or_by_the_user(
    published: tuple[HubServer, ModelEntry, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, entry, content = published
    mine = tmp_path / "mine.pt"
    mine.write_bytes(content)
    taken = import_model(mine)
    assert (taken.entry, taken.path) == (entry, own_file(entry))
    other = change(monkeypatch, replace(entry, name="other", file="other.safetensors"))
    with pytest.raises(ModelError, match="one of tiny, other: say with --as"):
        import_model(mine)
    assert import_model(mine, "other").path == own_file(other)
    change(monkeypatch, other, sha256=hashlib.sha256(content).hexdigest())
    assert import_model(mine).entry.name == "other"


def test_a_file_that_cannot_be_taken_in_is_refused_and_nothing_is_left(
    published: tuple[HubServer, ModelEntry, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, entry, content = published
    mine = tmp_path / "mine.pt"
    with pytest.raises(ModelError, match="no file"):
        import_model(mine)
    with pytest.raises(ModelError, match="is a folder"):
        import_model(tmp_path)
    mine.write_bytes(content[:-100])
    with pytest.raises(CheckpointError, match=f"^{re.escape(str(mine))} cannot be read"):
        import_model(mine)
    torch.save(build("small_128").state_dict(), mine)
    with pytest.raises(CheckpointError, match=f"^{re.escape(str(mine))}: .*16 channels"):
        import_model(mine, "tiny")
    mine.write_bytes(content)
    with pytest.raises(ModelError, match=r"of the kind micro, and medsam2 is sam2\.1 tiny"):
        import_model(mine, "medsam2")
    with pytest.raises(ModelError, match="inside the package"):
        import_model(mine, "micro")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(ModelError, match="not enough room"):
        import_model(mine)
    folder = own_file(entry).parent
    assert not folder.exists() or left(folder) == []
