"""``napari-medsam2 bench``: times the stages of a model, or with ``--window`` what the window adds to them."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import OptionError
from .console import add_model_options, load_chosen_model, tell

if TYPE_CHECKING:
    from ..models.device import Model

#: Sizes of the window unless the user says another one.
_SIZES = ((1280, 800), (1920, 1080))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``bench``."""
    add_model_options(parser)
    parser.add_argument(
        "--reference",
        type=Path,
        metavar="FOLDER",
        help="for a SAM 2: a clone of https://github.com/facebookresearch/sam2, whose code runs frame by frame in turn",
    )
    parser.add_argument(
        "--untrained", action="store_true", help="random weights, for a model whose file is not here; the time is alike"
    )
    parser.add_argument("--image-size", type=int, metavar="PIXELS", help="side of the input (default: the model's own)")
    parser.add_argument("--repeats", type=int, default=5, help="timed runs of each stage (default: 5)")
    parser.add_argument("--memories", type=int, default=7, help="memories that a frame looks at (default: 7)")
    parser.add_argument("--json", type=Path, help="write the timings here")
    parser.add_argument(
        "--window", action="store_true", help="open napari, and measure runs in the dock against the session alone"
    )
    parser.add_argument("--frames", type=int, default=100, help="with --window: slices of the stack (default: 100)")
    parser.add_argument("--side", type=int, default=512, help="with --window: pixels on each side (default: 512)")
    parser.add_argument("--turns", type=int, default=3, help="with --window: timed runs of each kind (default: 3)")
    parser.add_argument(
        "--size",
        type=_size,
        action="append",
        metavar="WIDTHxHEIGHT",
        help="with --window: its size; may be repeated (default: 1280x800 and 1920x1080)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure as the arguments say; returns the exit code."""
    return _run_window(arguments) if arguments.window else _run_stages(arguments)


def _run_stages(arguments: argparse.Namespace) -> int:
    from ..evaluation.bench import bench, random_model
    from .reports import save_json, table

    if arguments.untrained:
        model = random_model(arguments.model, arguments.image_size, arguments.device, arguments.precision)
    else:
        model = load_chosen_model(arguments, all_cores=True, image_size=arguments.image_size)
    if arguments.reference:
        return _run_comparison(arguments, model)
    timings = bench(model, repeats=arguments.repeats, memories=arguments.memories)

    import torch

    side, threads = model.network.image_size, torch.get_num_threads()
    tell(f"model {model.name}, {side} x {side}, {model.device}, {threads} thread(s), torch {torch.__version__}\n")
    rows = [[t.stage, f"{1000 * t.median:.1f}", f"{1000 * t.fastest:.1f}"] for t in timings]
    tell(table([["stage", "median ms", "fastest ms"], *rows]))
    if arguments.json:
        content = {t.stage: {"median_seconds": t.median, "fastest_seconds": t.fastest} for t in timings}
        save_json(arguments.json, {"model": model.name, "device": str(model.device), "threads": threads, **content})
    return 0


def _run_comparison(arguments: argparse.Namespace, model: Model) -> int:
    """SAM 2 beside the authors' own, by part."""
    import torch

    from ..evaluation.comparison import compare
    from .reports import save_json, table

    found = compare(model, arguments.reference, repeats=arguments.repeats, memories=arguments.memories)
    ours, theirs, side, threads = found.ours, found.theirs, model.image_size, torch.get_num_threads()
    name, peak = str(found.dtype).removeprefix("torch."), found.peak
    tell(f"model {model.name}, {side} x {side}, {name}, {threads} thread(s), torch {torch.__version__}")
    tell(f"a matrix product reaches {peak / 1e9:.0f} GFLOP/s\n")
    rows = [["part", "ms", "GFLOP", "of peak", "reference ms", "GFLOP", "ratio"]]
    for part in [*sorted({*ours.operations, *theirs.operations}), None]:
        a, b, work = ours.seconds(part), theirs.seconds(part), ours.work(part)
        share = f"{100 * work / a / peak:.0f} %" if a else ""
        cells = [f"{1000 * a:.1f}", f"{work / 1e9:.1f}", share, f"{1000 * b:.1f}", f"{theirs.work(part) / 1e9:.1f}"]
        rows.append([part or "a frame", *cells, f"{b / a:.2f}" if a else ""])
    tell(table(rows))
    tell(f"\nseconds are of the processor; by the clock the ratio is {found.ratio('wall'):.2f}")
    tell(f"the masks of the last frame agree with an IoU of {found.agreement:.4f}")
    if arguments.json:
        parts = {row[0]: dict(zip(rows[0][1:4], row[1:4], strict=True)) for row in rows[1:]}
        whole = {"ratio": found.ratio(), "ratio_wall": found.ratio("wall"), "agreement": found.agreement}
        save_json(
            arguments.json, {"model": model.name, "side": side, "precision": name, "peak": peak, **whole, **parts}
        )
    return 0


def _run_window(arguments: argparse.Namespace) -> int:
    from .._gui.window_bench import bench_window
    from .reports import save_json, table

    if arguments.precision != "auto":
        raise OptionError("the dock chooses the precision itself: leave out --precision with --window")
    frames, side, turns = arguments.frames, arguments.side, arguments.turns
    found = [
        bench_window(size, arguments.model, arguments.device, frames=frames, side=side, turns=turns)
        for size in arguments.size or _SIZES
    ]
    first = found[0]
    tell(f"model {arguments.model}, {frames} slices of {side} x {side}, {turns} turn(s)")
    tell(f"loaded in {first.loading:.1f} s, the longest stall meanwhile {1000 * first.loading_stall:.0f} ms\n")
    heads = ["window", "alone /s", "dock /s", "ratio", "cpu", "interface", "stall ms", "at work ms", "autosave", "bank"]
    rows = [
        [
            f"{one.width} x {one.height}",
            f"{one.bare:.1f}",
            f"{one.shown:.1f}",
            f"{one.ratio:.2f}",
            f"{one.cpu:.2f}",
            f"{100 * one.interface:.0f} %",
            f"{1000 * one.stall:.0f}",
            f"{1000 * one.stall_at_work:.0f}",
            f"{100 * one.autosave:.1f} %",
            f"{100 * one.bank:+.1f} %",
            f"{1000 * one.opening:.0f}",
            f"{one.memory / 1e6:.0f}",
        ]
        for one in found
    ]
    tell(table([[*heads, "opens ms", "MB"], *rows]))
    if arguments.json:
        save_json(
            arguments.json, {"model": arguments.model, "frames": frames, "windows": [asdict(one) for one in found]}
        )
    return 0


def _size(text: str) -> tuple[int, int]:
    """Read ``1280x800``."""
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f"the size of a window is WIDTHxHEIGHT, such as 1280x800; got {text!r}")
    return int(width), int(height)
