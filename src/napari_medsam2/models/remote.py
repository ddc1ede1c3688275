"""What a server says of a file before any of it is fetched: where it is, how long, and its checksum.

Files on the Hugging Face hub are looked up with its own library, so that mirrors (``HF_ENDPOINT``), tokens, proxies and
offline mode (``HF_HUB_OFFLINE``) work as in every other program. Other files are asked for at their plain address.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import DownloadError, ServerError
from .places import cache_folder, expanded

HUB = "https://huggingface.co"
_TIMEOUT_S = 10.0
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TRUE = {"1", "on", "true", "yes"}


@dataclass(frozen=True)
class RemoteFile:
    """A file on a server.

    Attributes
    ----------
    url
        Its address.
    size
        Bytes; ``None`` where the server does not say.
    sha256
        Of the content, in lower-case hexadecimal; ``None`` where the server does not say.
    version
        Changes with the content, as far as the server tells: parts of another version are of no use.
    most
        More bytes than this are refused, whatever the server says or does not say.
    headers
        To send with each request, such as the user's token.
    """

    url: str
    size: int | None
    sha256: str | None
    version: str
    most: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def hub_endpoint() -> str:
    """The hub, or its mirror: ``$HF_ENDPOINT``."""
    return (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")


def hub_address(repo: str, file: str, endpoint: str | None = None) -> str:
    """Where a file of a repository is, for a browser or for us; on the mirror in use unless another hub is named."""
    return f"{endpoint or hub_endpoint()}/{repo}/resolve/main/{file}"


def is_offline() -> bool:
    """True if the user asked for no network, as with the hub's own library: ``HF_HUB_OFFLINE=1``."""
    return any(os.environ.get(name, "").lower() in _TRUE for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))


def hub_cache() -> Path:
    """The cache that all programs that use the hub share: ``$HF_HUB_CACHE``, or ``hub`` in ``$HF_HOME``."""
    named = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if named:
        return expanded(named)
    home = os.environ.get("HF_HOME")
    return (expanded(home) if home else cache_folder() / "huggingface") / "hub"


def cached_file(repo: str, file: str) -> Path | None:
    """A file of the hub that any program has put in the shared cache; looks at the disk only."""
    cache = hub_cache()
    if not (cache / f"models--{repo.replace('/', '--')}").is_dir():
        return None  # without the import below, which takes a while
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repo, file, cache_dir=cache)
    return Path(found) if isinstance(found, str) else None


def ask_hub(repo: str, file: str) -> RemoteFile:
    """Look up a file on the hub, or on its mirror.

    Raises
    ------
    ServerError
        If there is no such file, it is not ours to have, or the hub cannot be reached.
    """
    url, endpoint = hub_address(repo, file), hub_endpoint()
    if not _is_address(endpoint):  # the hub's library, imported below, fails on some of these
        raise DownloadError(f"HF_ENDPOINT must be an address such as {HUB}; got {endpoint!r}")
    refuse_offline(url)

    from huggingface_hub import get_hf_file_metadata
    from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, HfHubHTTPError, RepositoryNotFoundError
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # public, but not marked so

    try:
        found = get_hf_file_metadata(url, timeout=_seconds("HF_HUB_ETAG_TIMEOUT"), library_name="napari-medsam2")
    except GatedRepoError as error:
        raise ServerError(
            f"the authors want to know who takes {file}: accept their terms at {endpoint}/{repo}, log in with "
            "`hf auth login`, and try again"
        ) from error
    except EntryNotFoundError as error:
        raise ServerError(f"{endpoint}/{repo} has no file {file} any more") from error
    except RepositoryNotFoundError as error:
        raise ServerError(f"{endpoint}/{repo} is not there, or not for everybody: `hf auth login` may help") from error
    except HfHubHTTPError as error:
        raise ServerError(f"{host(url)} answered {error.response.status_code} instead of {file}") from error
    except network_errors() as error:
        raise ServerError(unreachable(url, error)) from error
    if found.commit_hash is None:
        raise ServerError(
            f"{host(url)} does not answer as a Hugging Face server does; a proxy or a log-in page may be in between"
        )
    tag = (found.etag or "").lower()
    return RemoteFile(
        url=url,
        size=found.size,
        sha256=tag if _SHA256.fullmatch(tag) else None,
        version=tag or found.commit_hash,
        headers={name: value for name, value in build_hf_headers().items() if name.lower() == "authorization"},
    )


def _is_address(endpoint: str) -> bool:
    try:
        parts = urlsplit(endpoint)
        web = parts.scheme in ("http", "https") and endpoint.isprintable()
        return web and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets without an end, a port that is no number
        return False


def ask_server(url: str) -> RemoteFile:
    """Look up a file at a plain address.

    Raises
    ------
    ServerError
        If there is no such file, or the server cannot be reached.
    """
    refuse_offline(url)
    from huggingface_hub import get_session

    try:
        answer = get_session().head(
            url,
            headers={"Accept-Encoding": "identity"},
            timeout=_seconds("HF_HUB_ETAG_TIMEOUT"),
            follow_redirects=True,
        )
    except network_errors() as error:
        raise ServerError(unreachable(url, error)) from error
    if answer.status_code != 200:
        raise ServerError(refused(url, answer.status_code))
    length = answer.headers.get("Content-Length", "")
    marks = [answer.headers.get(name, "") for name in ("ETag", "Last-Modified")]
    return RemoteFile(
        url=url,
        size=int(length) if length.isdecimal() else None,
        sha256=None,
        version="|".join([*marks, length] if any(marks) else [url, length]),
    )


def open_stream(remote: RemoteFile, start: int) -> Any:
    """Ask for the bytes from ``start`` on; the answer is a context manager of the HTTP library."""
    refuse_offline(remote.url)
    from huggingface_hub import get_session

    headers = {**remote.headers, "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    timeout = _seconds("HF_HUB_DOWNLOAD_TIMEOUT")
    return get_session().stream("GET", remote.url, headers=headers, timeout=timeout, follow_redirects=True)


def network_errors() -> tuple[type[BaseException], ...]:
    """What a connection that fails raises. Which HTTP library the hub's library uses changes with its version."""
    from huggingface_hub.errors import HfHubHTTPError

    return (HfHubHTTPError.__bases__[0], ConnectionError, TimeoutError)


def refuse_offline(url: str) -> None:
    """Raise a :class:`DownloadError` in offline mode."""
    if is_offline():
        raise DownloadError(f"offline mode is on (HF_HUB_OFFLINE), so {host(url)} was not asked")


def refused(url: str, status: int) -> str:
    """A status that is not success, in words."""
    reasons = {401: "it wants a log-in", 403: "it is not for everybody", 404: "the file is not there"}
    return f"{host(url)} answered {status}: {reasons.get(status, 'try again later')}"


def unreachable(url: str, error: BaseException) -> str:
    """A connection that failed, in words."""
    if isinstance(error, TimeoutError) or "timeout" in type(error).__name__.lower():
        return f"{host(url)} did not answer in time"
    detail = re.sub(r"\[Errno -?\d+\] ", "", " ".join(str(error).split())) or type(error).__name__
    return f"{host(url)} cannot be reached: {detail}"


def host(url: str) -> str:
    """The server's name in an address."""
    return urlsplit(url).netloc or url


def _seconds(variable: str) -> float:
    """A time limit of the hub's library, as the environment has it now."""
    try:
        return float(os.environ.get(variable, "")) or _TIMEOUT_S
    except ValueError:
        return _TIMEOUT_S
