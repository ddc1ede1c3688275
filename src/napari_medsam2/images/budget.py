"""What a file declares is held against what it can hold and what the computer can hold, before it is decoded."""

from __future__ import annotations

from pathlib import Path

from ..errors import FrameError

#: How many times smaller than its pixels data can be, at most, by how it is compressed. Others have no such bound.
LARGEST_RATIO = {"deflate": 1032, "lzw": 1400, "packbits": 64}

#: Where Linux says what a container may use.
_CONTAINER = Path("/sys/fs/cgroup")


def ask_for(path: Path, what: str, needed: int, *, stored: int | None = None, compression: str = "") -> None:
    """Ask whether pixels can be decoded at all.

    Parameters
    ----------
    path
        The file.
    what
        What would be decoded, such as "60000 x 60000 pixels".
    needed
        Bytes of memory that it takes.
    stored
        Bytes that are there for it in the file.
    compression
        A key of :data:`LARGEST_RATIO`, where it is one of these.

    Raises
    ------
    FrameError
        If so many pixels cannot come of so few bytes, or they do not fit into the memory that is free.
    """
    check_ratio(path, what, needed, stored=stored, compression=compression)
    free = free_memory()
    if needed > free:
        raise FrameError(
            f"{path.name} declares {what}, which need {_size(needed)} of memory; {_size(free)} are free. Open a "
            "smaller version of it, or a part"
        )


def check_ratio(path: Path, what: str, needed: int, *, stored: int | None, compression: str) -> None:
    """The part of :func:`ask_for` that looks at the file alone, and takes no time."""
    ratio = LARGEST_RATIO.get(compression)
    if ratio is not None and stored is not None and needed > ratio * stored + 4096:
        raise FrameError(
            f"{path.name} declares {what}, {_size(needed)}, and has {_size(stored)} for them, which cannot hold so "
            "many: it is truncated or damaged"
        )


def free_memory() -> int:
    """Bytes of memory that can be had without swapping, also where a container may have less than the computer has."""
    import psutil

    free = int(psutil.virtual_memory().available)
    try:
        limit, used = (int((_CONTAINER / name).read_text()) for name in ("memory.max", "memory.current"))
        kinds = dict(line.split() for line in (_CONTAINER / "memory.stat").read_text().splitlines())
        # Of files that were read; given up when needed.
        cached = int(kinds["inactive_file"]) + int(kinds["active_file"])
    except (KeyError, OSError, ValueError):  # no container, or no limit
        return free
    return min(free, max(0, limit - used + cached))


def _size(n_bytes: int) -> str:
    for unit in ("bytes", "KB", "MB"):
        if n_bytes < 1024:
            return f"{n_bytes:.0f} {unit}"
        n_bytes /= 1024  # type: ignore[assignment]
    return f"{n_bytes:.1f} GB"
