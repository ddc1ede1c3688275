"""Bytes from a server to the disk, with everything that can go wrong on the way: whole and checked, or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock
from hub_server import Faults, HubServer, serving
from huggingface_hub import close_session

from napari_medsam2.errors import DownloadError, DownloadStopped, ServerError
from napari_medsam2.models.download import bytes_here, fetch
from napari_medsam2.models.registry import megabytes
from napari_medsam2.models.remote import ask_hub, ask_server, cached_file, hub_cache

CONTENT = bytes(range(256)) * 1200


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with serving() as server:
        server.add("lab/model", "weights.pt", CONTENT)
        server.files["/plain/weights.pt"] = CONTENT
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"):
            monkeypatch.delenv(name, raising=False)
        yield server


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "models" / "weights.pt"


def get(target: Path, **options: object) -> None:
    fetch(ask_hub("lab/model", "weights.pt"), target, check=lambda path: None, **options)  # type: ignore[arg-type]


def left(target: Path) -> list[str]:
    """Names of what lies in the folder, but for locks."""
    return sorted(path.name for path in target.parent.iterdir() if path.suffix != ".lock")


def test_a_file_of_the_hub_arrives_whole_with_progress(hub: HubServer, target: Path) -> None:
    told: list[tuple[int, int]] = []
    get(target, progress=lambda done, total: told.append((done, total)))
    assert target.read_bytes() == CONTENT
    assert told[0] == (0, len(CONTENT)) and told[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert left(target) == ["weights.pt"]


def test_a_plain_address_works_without_the_hub(hub: HubServer, target: Path) -> None:
    remote = ask_server(f"{hub.address}/plain/weights.pt")
    assert (remote.size, remote.sha256) == (len(CONTENT), None)
    hub.faults.break_after = 100_000
    fetch(remote, target, check=lambda path: None)
    assert target.read_bytes() == CONTENT
    assert hub.ranges == ["", "bytes=100000-", "bytes=200000-", "bytes=300000-"]
    with pytest.raises(ServerError, match="404: the file is not there"):
        ask_server(f"{hub.address}/plain/gone.pt")


def test_a_connection_that_breaks_off_is_taken_up_where_it_ended(hub: HubServer, target: Path) -> None:
    hub.faults.break_after = 200_000
    get(target)
    assert target.read_bytes() == CONTENT
    assert hub.ranges == ["", "bytes=200000-"]


def test_a_server_that_cannot_go_on_from_the_middle_does_not_keep_us_forever(hub: HubServer, target: Path) -> None:
    hub.faults = Faults(break_after=200_000, no_range=True)
    with pytest.raises(ServerError, match=r"the first 200 kB are kept"):
        get(target)
    assert len(hub.ranges) == 2
    hub.faults = Faults(no_range=True)
    get(target)
    assert target.read_bytes() == CONTENT


def test_a_server_that_goes_silent_is_given_up_and_what_came_is_kept(
    hub: HubServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "0.1")
    hub.faults = Faults(stall_after=0)
    with pytest.raises(ServerError, match="did not answer in time"):
        get(target)
    hub.faults = Faults(stall_after=150_000)
    get(target)  # each answer brought something, so each was worth another
    assert hub.ranges[-2:] == ["bytes=150000-", "bytes=300000-"]
    assert target.read_bytes() == CONTENT


def test_a_stopped_download_goes_on_the_next_time(hub: HubServer, target: Path) -> None:
    done = 0

    def progress(now: int, total: int) -> None:
        nonlocal done
        done = now

    with pytest.raises(DownloadStopped, match="the next try goes on"):
        get(target, progress=progress, stopped=lambda: done > 100_000)
    here = bytes_here(target)
    assert 100_000 < here < len(CONTENT) and not target.exists()
    get(target)
    assert hub.ranges == ["", f"bytes={here}-"]
    assert target.read_bytes() == CONTENT and bytes_here(target) == 0


def test_ctrl_c_leaves_a_part_that_is_taken_up(hub: HubServer, target: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done > 100_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(target, progress=interrupt)
    assert bytes_here(target) > 100_000
    get(target)
    assert target.read_bytes() == CONTENT and hub.ranges[1].startswith("bytes=")


def test_a_part_of_another_version_is_not_mixed_in(hub: HubServer, target: Path) -> None:
    with pytest.raises(DownloadStopped):
        get(target, stopped=lambda: bytes_here(target) > 0)
    newer = bytes(reversed(CONTENT))
    hub.add("lab/model", "weights.pt", newer)
    get(target)
    assert target.read_bytes() == newer
    assert left(target) == ["weights.pt"]


def test_a_damaged_file_is_refused_and_removed(hub: HubServer, target: Path) -> None:
    hub.faults.damage = True
    with pytest.raises(ServerError, match=r"came damaged, and was removed: its SHA-256 is [0-9a-f]{64}, and should be"):
        get(target)
    assert left(target) == []


def test_a_file_that_does_not_pass_its_check_is_removed(hub: HubServer, target: Path) -> None:
    def check(path: Path) -> None:
        assert path.read_bytes() == CONTENT
        raise ValueError("no model")

    with pytest.raises(ValueError, match="no model"):
        fetch(ask_hub("lab/model", "weights.pt"), target, check=check)
    assert left(target) == []


@pytest.mark.parametrize("faults", [Faults(head_size=1000), Faults(head_size=2 * len(CONTENT))])
def test_a_size_that_is_not_the_announced_one_is_refused(hub: HubServer, target: Path, faults: Faults) -> None:
    hub.faults = faults
    with pytest.raises(ServerError, match=rf"should have {faults.head_size} bytes, and the server has {len(CONTENT)}"):
        get(target)
    assert not target.exists()


@pytest.mark.parametrize(
    ("faults", "told"),
    [
        (Faults(status=404, code="EntryNotFound"), "has no file weights.pt any more"),
        (Faults(status=401, code="RepoNotFound"), "is not there, or not for everybody: `hf auth login`"),
        (Faults(status=401, code="GatedRepo"), r"accept their terms at http://127.0.0.1:\d+/lab/model, log in"),
        (Faults(status=403, code="GatedRepo"), "accept their terms"),
        (Faults(status=403), "answered 403 instead of weights.pt"),
        (Faults(status=500), "answered 500 instead of weights.pt"),
        (Faults(not_a_hub=True), "does not answer as a Hugging Face server"),
    ],
)
def test_a_refusal_of_the_hub_is_put_in_words(hub: HubServer, faults: Faults, told: str) -> None:
    hub.faults = faults if faults.code else replace(faults, code="-")
    with pytest.raises(ServerError, match=told):
        ask_hub("lab/model", "weights.pt")
    assert hub.ranges == []


def test_a_refusal_in_the_middle_is_put_in_words_and_keeps_the_part(hub: HubServer, target: Path) -> None:
    remote = ask_hub("lab/model", "weights.pt")
    with pytest.raises(DownloadStopped):
        get(target, stopped=lambda: bytes_here(target) > 0)
    hub.faults.status = 503
    with pytest.raises(ServerError, match="answered 503: try again later"):
        fetch(remote, target, check=lambda path: None)
    assert bytes_here(target) > 0


def test_no_server_at_all_is_put_in_words(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ServerError, match=r"127\.0\.0\.1:9 cannot be reached"):
        ask_hub("lab/model", "weights.pt")
    with pytest.raises(ServerError, match=r"127\.0\.0\.1:9 cannot be reached"):
        ask_server("http://127.0.0.1:9/x.pt")


@pytest.mark.parametrize(
    "address", ["mirror.example", "ftp://mirror", "http://[mirror", "http://mirror:99999", "http://"]
)
def test_a_mirror_at_no_address_is_told(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", address)
    with pytest.raises(DownloadError, match=r"HF_ENDPOINT must be an address such as https"):
        ask_hub("lab/model", "weights.pt")


def test_offline_mode_asks_nobody(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DownloadError, match="offline mode is on"):
        ask_hub("lab/model", "weights.pt")
    with pytest.raises(DownloadError, match="offline mode is on"):
        ask_server(f"{hub.address}/plain/weights.pt")
    assert hub.asked == []


def test_a_full_disk_is_told_before_anything_is_fetched(
    hub: HubServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1_000_000))
    with pytest.raises(DownloadError, match=r"not enough room in .*models: 16\.3 MB are needed, 1 MB are free"):
        get(target)
    assert hub.ranges == [] and left(target) == []


def test_a_disk_that_cannot_lock_files_is_told(hub: HubServer, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: FileLock) -> None:
        raise NotImplementedError("FileSystem does not appear to support flock; use SoftFileLock instead")

    monkeypatch.setattr(FileLock, "_acquire", refuse)
    with pytest.raises(DownloadError, match=r"the disk of .*models cannot lock files"):
        get(target)


def test_two_programs_do_not_write_the_same_file(hub: HubServer, target: Path) -> None:
    target.parent.mkdir()
    with FileLock(target.with_name(".weights.pt.lock")), pytest.raises(DownloadError, match="another program"):
        get(target)


def test_the_token_of_the_user_goes_to_the_hub(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask_hub("lab/model", "weights.pt").headers == {}
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    remote = ask_hub("lab/model", "weights.pt")
    assert remote.headers == {"authorization": "Bearer hf_secret"}
    assert "hf_secret" not in repr(remote)


def test_the_content_comes_from_another_server_which_does_not_see_the_token(
    hub: HubServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with serving() as storage:
        storage.files = hub.files
        storage.faults.break_after = 200_000
        hub.storage = storage.address
        get(target)
        assert storage.ranges == ["", "bytes=200000-"] and set(storage.tokens) == {""}
    assert target.read_bytes() == CONTENT
    assert set(hub.tokens) == {"Bearer hf_secret"}


def test_a_proxy_is_used(hub: HubServer, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    close_session()  # the library looks for proxies when it opens one
    monkeypatch.setenv("HTTP_PROXY", hub.address)
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.example")
    hub.files["http://hub.example/lab/model/resolve/main/weights.pt"] = CONTENT
    try:
        get(target)
    finally:
        close_session()
    assert target.read_bytes() == CONTENT
    assert {path for _, path, _ in hub.asked} == {"http://hub.example/lab/model/resolve/main/weights.pt"}


def test_the_cache_that_programs_share_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert hub_cache() == tmp_path / "hub"
    assert cached_file("lab/model", "weights.pt") is None
    commit = "0" * 40
    snapshot = tmp_path / "hub" / "models--lab--model" / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (snapshot / "weights.pt").write_bytes(CONTENT)
    refs = snapshot.parents[1] / "refs"
    refs.mkdir()
    (refs / "main").write_text(commit)
    assert cached_file("lab/model", "weights.pt") == snapshot / "weights.pt"
    assert cached_file("lab/model", "other.pt") is None


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (900, "0.9 kB"),
        (155_851_016, "156 MB"),
        (999_700_000, "1000 MB"),
        (2_300_000_000, "2.3 GB"),
        (5_120_000_000_000, "5120 GB"),
    ],
)
def test_sizes_are_written_as_people_read_them(size: int, words: str) -> None:
    assert megabytes(size) == words
