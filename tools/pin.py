"""Print constraints.txt for the environment this runs in: what the package and its `dev` extra need, nothing else.

Run as ``.venv/bin/python tools/pin.py > constraints.txt`` after a deliberate upgrade.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = "napari-medsam2"


def needed(name: str, extras: frozenset[str], seen: dict[tuple[str, frozenset[str]], str]) -> None:
    """Collect the installed versions of ``name`` and of everything it asks for here, extras included."""
    key = (canonicalize_name(name), extras)
    if key in seen:
        return
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return
    seen[key] = found.version.split("+")[0]
    for line in found.requires or ():
        requirement = Requirement(line)
        environments = [{"extra": extra} for extra in ("", *extras)]
        if requirement.marker is None or any(requirement.marker.evaluate(e) for e in environments):
            needed(requirement.name, frozenset(requirement.extras), seen)


def main() -> None:
    seen: dict[tuple[str, frozenset[str]], str] = {}
    needed(ROOT, frozenset({"dev"}), seen)
    pins = {name: version for (name, _), version in seen.items() if name != ROOT}
    print("# The versions the tests ran with, on Python 3.11. Made by tools/pin.py; used by tools/setup.sh.")
    print("# Some of them have no release for Python 3.10, where pip chooses by pyproject.toml alone.")
    for name, version in sorted(pins.items()):
        print(f'{name}=={version} ; python_version >= "3.11"')


if __name__ == "__main__":
    main()
