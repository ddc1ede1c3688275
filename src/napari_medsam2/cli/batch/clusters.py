"""Where workers come from: this computer, a scheduler of dask's that is there, or a queue of SLURM, LSF or PBS."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ...errors import OptionError
from ...models.device import cores, gpus, need_torch

if TYPE_CHECKING:
    from distributed import Client

#: Seconds that a scheduler has to answer in.
ANSWER_S = 10
#: A worker that dies takes its job to another one so many times.
_DEATHS = 1
#: The queues that there are, by the classes of dask-jobqueue.
QUEUES = {"slurm": "SLURMCluster", "lsf": "LSFCluster", "pbs": "PBSCluster"}
#: What libraries that compute look at for the number of threads.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def add_cluster_options(parser: argparse.ArgumentParser) -> None:
    """Where the workers are, and what each of them gets."""
    where = parser.add_argument_group("workers", "each does one job at a time; give each a GPU of its own")
    place = where.add_mutually_exclusive_group()
    place.add_argument(
        "--local", type=_count, metavar="N", help="N workers on this computer (default: one a GPU, else 1)"
    )
    place.add_argument("--scheduler", metavar="ADDRESS", help="those of a dask scheduler, such as tcp://lab:8786")
    for name in QUEUES:
        place.add_argument(f"--{name}", type=_count, metavar="N", help=f"N jobs of {name.upper()}, a worker in each")
    where.add_argument("--threads", type=_count, metavar="N", help="of each worker (default: its share of the cores)")
    queue = parser.add_argument_group("queue", "what is not said here is taken from dask's configuration (jobqueue)")
    queue.add_argument("--queue", metavar="NAME", help="the partition or queue")
    queue.add_argument("--memory", default="16GB", help="of each worker (default: 16GB)")
    queue.add_argument("--walltime", metavar="HH:MM:SS", help="the longest that a worker runs")
    queue.add_argument(
        "--directive",
        action="append",
        default=[],
        metavar="TEXT",
        help="a line of its header: --directive=--gres=gpu:1",
    )
    queue.add_argument(
        "--prologue", action="append", default=[], metavar="TEXT", help='a line before it, such as "module load cuda"'
    )
    queue.add_argument("--show-script", action="store_true", help="print what would be submitted, and do nothing")


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"a number of 1 or more is wanted; got {text!r}")
    return int(text)


def need_dask() -> None:
    """Refuse to go on without the libraries of the extra; :class:`OptionError`."""
    if find_spec("distributed") is None:
        raise OptionError('batch needs dask.distributed: pip install "napari-medsam2[batch]"')


@contextmanager
def workers_of(arguments: argparse.Namespace) -> Iterator[Client]:
    """Connect to workers, which end with it if it started them.

    Raises
    ------
    OptionError
        If there is no scheduler, or the workers cannot be started; in words.
    """
    import dask
    from distributed import Client

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what happens to a job is said once, in words
    # A worker takes the next job when it has none: a long one that waits behind another would be the last of all.
    told = {"distributed.scheduler.allowed-failures": _DEATHS, "distributed.scheduler.worker-saturation": 1.0}
    with dask.config.set(told):
        if arguments.scheduler is not None:
            with _connected(arguments.scheduler) as client:
                yield client
            return
        queued = _queue_of(arguments)
        with (
            _queue(arguments, queued) if queued else _on_this_computer(arguments) as cluster,
            Client(cluster) as client,
        ):
            yield client


def job_script(arguments: argparse.Namespace) -> str:
    """What would be submitted to the queue."""
    queued = _queue_of(arguments)
    if queued is None:
        raise OptionError(f"--show-script goes with {', '.join('--' + name for name in QUEUES)}")
    with _queue(arguments, queued, scale=False) as cluster:
        return str(cluster.job_script())


def n_wanted(arguments: argparse.Namespace) -> int | None:
    """How many workers were asked for; ``None`` if a scheduler has its own."""
    queued = _queue_of(arguments)
    if queued is not None:
        return int(getattr(arguments, queued))
    return None if arguments.scheduler is not None else arguments.local or max(1, len(gpus()))


def _queue_of(arguments: argparse.Namespace) -> str | None:
    return next((name for name in QUEUES if getattr(arguments, name) is not None), None)


@contextmanager
def _connected(address: str) -> Iterator[Client]:
    from distributed import Client

    client, problem = None, ""
    try:
        client = Client(address, timeout=ANSWER_S)
    except (OSError, asyncio.TimeoutError, ValueError, TypeError) as error:
        problem = type(error).__name__
    if client is None:
        # Now: one that is collected while the next is made waits for a lock of dask's that its own thread holds.
        gc.collect()
        raise OptionError(
            f"no dask scheduler answers at {address} within {ANSWER_S} s ({problem}); `dask scheduler` "
            "starts one and says its address, such as tcp://host:8786"
        )
    with client:
        yield client


@contextmanager
def _on_this_computer(arguments: argparse.Namespace) -> Iterator[Any]:
    """Workers as processes of their own, each with a GPU where there are any, in turn."""
    from distributed import Nanny, Scheduler, SpecCluster

    need_torch()
    number, devices = n_wanted(arguments) or 1, gpus()
    threads = arguments.threads or int(os.environ.get("OMP_NUM_THREADS") or max(1, (cores() - 1) // number))
    with tempfile.TemporaryDirectory(prefix="napari-medsam2-batch-", ignore_cleanup_errors=True) as folder:
        workers = {}
        for index in range(number):
            env = dict.fromkeys(_THREADS, str(threads))
            if devices:
                env["CUDA_VISIBLE_DEVICES"] = devices[index % len(devices)]
            options = {"nthreads": 1, "memory_limit": 0, "env": env, "host": "127.0.0.1", "local_directory": folder}
            workers[index] = {
                "cls": Nanny,
                "options": {**options, "dashboard": False, "silence_logs": logging.CRITICAL},
            }
        scheduler = {"cls": Scheduler, "options": {"host": "127.0.0.1", "port": 0, "dashboard_address": "127.0.0.1:0"}}
        with _started(lambda: SpecCluster(workers, scheduler, silence_logs=logging.CRITICAL, name="batch")) as cluster:
            yield cluster


@contextmanager
def _queue(arguments: argparse.Namespace, kind: str, *, scale: bool = True) -> Iterator[Any]:
    """Workers as jobs of a queue."""
    if find_spec("dask_jobqueue") is None:
        raise OptionError(f'--{kind} needs dask-jobqueue: pip install "napari-medsam2[batch]"')
    import dask_jobqueue

    threads = arguments.threads or 1
    prologue = [*(f"export {name}={threads}" for name in _THREADS), *arguments.prologue]
    said = {"queue": arguments.queue, "walltime": arguments.walltime}
    options = {
        **{name: value for name, value in said.items() if value is not None},
        "cores": threads,
        "processes": 1,
        "memory": arguments.memory,
        "job_name": "napari-medsam2",
        "job_extra_directives": arguments.directive,
        "job_script_prologue": prologue,
        "worker_extra_args": ["--nthreads", "1"],  # the cores are for the network's threads; one job at a time
        "python": sys.executable,
        "scheduler_options": {"dashboard_address": ":0"},
    }
    with _started(lambda: getattr(dask_jobqueue, QUEUES[kind])(**options)) as cluster:
        if scale:
            cluster.scale(jobs=getattr(arguments, kind))
        yield cluster


@contextmanager
def _started(start: Any) -> Iterator[Any]:
    try:
        cluster = start()
    except (OSError, RuntimeError, asyncio.TimeoutError, TypeError, ValueError) as error:
        raise OptionError(f"the workers cannot be started: {' '.join(str(error).split())}") from error
    with cluster:
        yield cluster
