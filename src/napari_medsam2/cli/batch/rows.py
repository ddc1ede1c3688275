"""A table of jobs: its columns are the options of ``segment``, and a line is what would be given to it."""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ...errors import OptionError, UserError, first_few, on_one_line, shortened
from ...models.places import expanded
from .. import segment

#: A larger table is a mistake: it would be a million jobs.
MOST_BYTES = 256 << 20
#: What a line cannot do without.
NEEDED = ("input", "output")
#: Options of ``segment`` that are no matter of one job.
_NOT_OF_A_JOB = ("help", "on_interrupt")
#: What says which objects are meant; a job that says any of it takes none of it from the command line.
PROMPTS = ("point", "box", "mask", "prompts", "task", "session")
#: Options that name files which a job writes.
WRITTEN = ("output", "table", "json", "save_task")
#: In a cell, several of what may be given again.
SEVERAL = ";"
_YES, _NO = ("yes", "true", "1"), ("no", "false", "0")


class _Parser(argparse.ArgumentParser):
    """Raises what it complains of."""

    def error(self, message: str) -> NoReturn:
        raise OptionError(on_one_line(message))  # it may quote a whole cell


@dataclass(frozen=True)
class Row:
    """What one job says, by the names that ``segment`` has for it, and where it says so.

    Attributes
    ----------
    place
        For messages: "line 3 of jobs.csv".
    options
        Only what the job says; paths are absolute.
    """

    place: str
    options: Mapping[str, Any]


def segment_parser() -> argparse.ArgumentParser:
    """The options of ``segment``; complains by :class:`OptionError`."""
    parser = _Parser(prog="segment", add_help=False, allow_abbrev=False)
    segment.add_arguments(parser)
    return parser


def columns() -> dict[str, argparse.Action]:
    """The columns that a table may have, and the option that each of them is."""
    actions = segment_parser()._actions  # argparse has no public list of them
    return {action.dest: action for action in actions if action.dest not in _NOT_OF_A_JOB}


def read_table(path: Path, output: Path) -> list[Row]:
    """The jobs of a CSV file in UTF-8, with commas or semicolons or tabs between its columns.

    Relative paths are relative to where the table is, those of what is written to the folder ``output``.

    Raises
    ------
    OptionError
        If it is no such table, names the line and the column.
    """
    text = _text(path)
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), _dialect(text)))
    except csv.Error as error:
        raise OptionError(f"{path.name} is no table of jobs: {error}") from error
    filled = [
        (number, [cell.strip() for cell in line]) for number, line in enumerate(lines, 1) if any(map(str.strip, line))
    ]
    if not filled:
        raise OptionError(f"{path.name} is empty; its first line names the columns, such as input,prompts,output")
    names = [name.lower().lstrip("-").replace("-", "_") for name in filled[0][1]]
    _check_columns(names, path)
    if len(filled) == 1:
        raise OptionError(f"{path.name} has no line below that of its columns: it names no job")
    rows = []
    for number, cells in filled[1:]:
        place = f"line {number} of {path.name}"
        if len(cells) > len(names) and any(cells[len(names) :]):
            raise OptionError(
                f"{place} has {len(cells)} cells for {len(names)} columns; what has a comma in it, such as a box, is "
                'written in quotes: "0,20,22,44,46"'
            )
        said = {name: cell for name, cell in zip(names, cells, strict=False) if cell}
        rows.append(row_of(said, place, path.absolute().parent, output))
    return rows


def row_of(said: Mapping[str, str], place: str, folder: Path, output: Path) -> Row:
    """The options of a job from the text in its cells.

    Parameters
    ----------
    said
        The text by column.
    place
        Where it stands, for messages.
    folder, output
        What relative paths are relative to, and those of what is written.
    """
    if missing := [name for name in NEEDED if name not in said]:
        raise OptionError(f"{place} says no {' and no '.join(missing)}")
    known = columns()
    words: list[str] = []
    for name, cell in said.items():
        if name != "input":
            words += _words(known[name], cell, place)
    try:
        parsed = vars(segment_parser().parse_args([*words, "--", said["input"]]))
        return Row(place, {name: _anchored(name, parsed[name], output if name in WRITTEN else folder) for name in said})
    except UserError as error:
        raise OptionError(f"{place}: {error}") from error


def anchored(options: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The same with absolute paths; what is relative is so to ``folder``."""
    return {name: _anchored(name, value, folder) for name, value in options.items()}


def _anchored(name: str, value: Any, folder: Path) -> Any:
    if isinstance(value, Path):
        return folder / expanded(value)
    if isinstance(value, list):
        return [_anchored(name, part, folder) for part in value]
    if name == "mask" and isinstance(value, str) and ":" in value:
        frame, _, file = value.partition(":")
        return f"{frame}:{folder / expanded(file)}"
    if name == "model" and isinstance(value, str) and (folder / expanded(value)).is_file():
        return str(folder / expanded(value))
    return value


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)  # a pipe or a device has no size that can be asked for
        if len(data) > MOST_BYTES:
            raise OptionError(
                f"{path.name} has more than {MOST_BYTES >> 20} MB; a table of jobs has a line for each of them"
            )
        if b"\0" in data:
            raise OptionError(f"{path.name} is no table of jobs: there are zero bytes in it")
        return data.decode("utf-8-sig")
    except UnicodeError as error:
        raise OptionError(f"{path.name} is no table of jobs: it is not text in UTF-8") from error
    except OSError as error:
        raise OptionError(f"cannot read the table of jobs {path}: {error.strerror or error}") from error


def _dialect(text: str) -> type[csv.Dialect]:
    """What is between the columns: that of comma, semicolon and tab which the first line has most of."""
    first = next((line for line in text.splitlines() if line.strip()), "")

    class Dialect(csv.excel):
        delimiter = max(",;\t", key=first.count)

    return Dialect


def _check_columns(names: Sequence[str], path: Path) -> None:
    there = f"it has {first_few([shortened(name, 40) for name in names], 10)}"
    if missing := [name for name in NEEDED if name not in names]:
        raise OptionError(f"{path.name} has no column {' and none '.join(missing)}; {there}")
    if twice := [name for name in names if name and names.count(name) > 1]:
        raise OptionError(f"{path.name} has two columns {twice[0]}")
    known = columns()
    if unknown := [name for name in names if name not in known]:
        raise OptionError(
            f"{path.name} has a column {shortened(unknown[0], 40)}, and a job knows {', '.join(sorted(known))}: the "
            "options of segment"
        )


def _words(option: argparse.Action, cell: str, place: str) -> list[str]:
    """What would be written on the command line."""
    flags = [text for text in option.option_strings if text.startswith("--")]
    if option.nargs == 0:
        if cell.lower() not in (*_YES, *_NO):
            raise OptionError(f"{place}: {option.dest} is yes or no; got {shortened(cell, 40)}")
        wanted = cell.lower() in _YES
        return flags[:1] if wanted else flags[1:]  # of two the second says no
    if isinstance(option.nargs, int):
        return [flags[0], *cell.replace(SEVERAL, " ").split()]
    parts = [part.strip() for part in cell.split(SEVERAL)] if isinstance(option.default, list) else [cell]
    return [f"{flags[0]}={part}" for part in parts if part]
