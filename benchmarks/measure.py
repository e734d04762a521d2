"""Measure cases against each other: in one process, in turning order, after a comparison of values.

A ratio is taken within a round; its spread is over rounds.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

Call = Callable[[], Any]
Cases = dict[str, Call]

PACKAGES = ("torch", "jax", "jaxlib", "neural-tangents", "numpy", "scipy")
OURS = "rnnlimits"
TOLERANCE = 1e-10  # largest deviation of a value from ours, relative to its largest entry
LEAST_SECONDS = 0.1  # a quick call is repeated for so long; its median counts


def seconds(call: Call) -> float:
    """Return the median duration of a call, repeated for LEAST_SECONDS (a slow one runs once)."""
    samples: list[float] = []
    while sum(samples) < LEAST_SECONDS:
        start = time.perf_counter()
        call()
        samples.append(time.perf_counter() - start)
    return statistics.median(samples)


def race(title: str, cases: Cases, rounds: int) -> dict[str, list[float]]:
    """Run every case once per round, in an order that turns by one each round."""
    names = list(cases)
    result: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            result[name].append(seconds(cases[name]))
    load = os.getloadavg()[0]
    for name, samples in result.items():
        low, middle, high = min(samples), statistics.median(samples), max(samples)
        print(f"{title}: {name}: {middle:.3g} s ({low:.3g} to {high:.3g}), load {load:.1f}",
              flush=True)
    return result


def deviation(value: Any, reference: Tensor) -> float:
    """Return the largest deviation relative to the largest entry, and stop the run if it is wrong.

    Raises:
        AssertionError: the two are not the same.
    """
    array = torch.from_numpy(np.array(value, dtype=np.float64)).reshape(reference.shape)
    found = float((array - reference).abs().max() / reference.abs().max())
    if not found <= TOLERANCE:
        raise AssertionError(f"a value deviates from ours by {found:.1e}")
    return found


def group(
    title: str, cases: Cases, rounds: int, reference: Tensor | None = None,
    compared: Sequence[str] = (), **sizes: int,
) -> dict[str, Any]:
    """Check the compared cases against the reference, warm up the others, then time all."""
    deviations = {}
    for name, call in cases.items():
        value = call()
        if name in compared and reference is not None:
            deviations[name] = deviation(value, reference)
            print(f"{title}: {name} equals ours to {deviations[name]:.0e}", flush=True)
        del value
    return {"sizes": sizes, "seconds": race(title, cases, rounds), "deviation": deviations}


def processor() -> str:
    """Return the processor's name as the system gives it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def conditions(rounds: int, threads: int) -> dict[str, Any]:
    """Return what one needs to know of the machine and the versions to read the numbers."""
    return {
        "processor": processor(),
        "python": platform.python_version(),
        "versions": {name: version(name).split("+")[0] for name in PACKAGES},
        "threads": threads,
        "rounds": rounds,
    }


def main(run: Callable[[int, int, bool], dict[str, Any]], name: str, description: str) -> None:
    """Run all groups of a script and write one file of results."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="small sizes, nothing is written")
    default = Path(__file__).parent / "results" / f"{name}.json"
    parser.add_argument("--output", type=Path, default=default)
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):  # JAX takes as many threads as it may use processors
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    torch.set_num_threads(options.threads)
    results = run(options.rounds, options.threads, options.quick)
    if options.quick:
        print("quick run: nothing written")
        return
    part = options.output.with_suffix(".part")
    part.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    part.replace(options.output)
    print(f"written: {options.output.name}")
