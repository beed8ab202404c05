"""Draw what an update costs against sites, chains and threads, on this machine: bench/results/scaling.png.

    python bench/scaling.py [largest number of sites, 10^7] [picture]

Whole calls on a warm kernel, set-up included, by the processor's time on one core, by the clock on several; the best of
three. 10^8 sites take 10 GB and some minutes.
"""

import sys
import time
from pathlib import Path

import numpy as np
from contest import one_core

import fastgibbs as fg
from fastgibbs.benchmark import CRITICAL
from fastgibbs.models import resources
from fastgibbs.plots import figure

UPDATES = 2e8  # of one call on the fastest engine; a slower one takes a few
SLOWEST = 2e7
GLASS = "3D +-J, L = 10", "3D Gaussian, L = 10"


def _side(sites, dimensions):
    return (round(sites ** (1 / dimensions)),) * dimensions


SIZES = {  # name: model of about so many sites, chains, updates of a call, most sites
    "2D at T$_c$, 1 chain": (lambda n: fg.lattice(_side(n, 2)), 1, UPDATES, 1e8),
    "6-regular +-J, 512 chains": (lambda n: fg.random_regular(n, 6, seed=1), 512, UPDATES, 1e6),
    "6-regular Gaussian, 64 chains": (lambda n: fg.random_regular(n, 6, "gaussian", seed=1), 64, SLOWEST, 1e6),
    "SK Gaussian, 64 chains": (lambda n: fg.sherrington_kirkpatrick(n, seed=1), 64, 1e6, 4096),
}


def cost(model, chains, updates, threads=1, **kwargs):
    """Ns an update, of the best of three calls."""
    sweeps = max(1, round(updates / model.n / chains))
    options = dict(chains=chains, sweeps=sweeps, thin=sweeps, seed=1, threads=threads) | kwargs
    clock = time.process_time if threads == 1 else time.perf_counter
    fg.sample(model, **options | dict(sweeps=1, thin=1))
    least = np.inf
    for _ in range(3):
        began = clock()
        fg.sample(model, **options)
        least = min(least, clock() - began)
    return least * 1e9 / (sweeps * model.n * chains)


def against_sites(ax, largest):
    for name, (build, chains, updates, most) in SIZES.items():
        counts = np.unique(
            np.geomspace(100, min(most, largest), round(2 * np.log10(min(most, largest))) - 3).astype(int)
        )
        models = [build(int(n) - int(n) % 2) for n in counts]
        ax.plot([model.n for model in models], [cost(m, chains, updates, beta=CRITICAL) for m in models], label=name)
    ax.set(xlabel="sites", ylabel="ns an update")


def against_chains(ax):
    counts = 4 ** np.arange(7)
    for name, kind in zip(GLASS, ("bimodal", "gaussian"), strict=True):
        model = fg.edwards_anderson((10, 10, 10), kind, seed=1)
        ax.plot(
            counts,
            [cost(model, int(c), 1e6 + 1e4 * c * (4 if kind == "bimodal" else 1), beta=1.0) for c in counts],
            label=name,
        )
    ax.set(xlabel="chains")


def against_threads(ax):
    counts = np.arange(1, resources.cores() + 1)
    for name, kind in zip(GLASS, ("bimodal", "gaussian"), strict=True):
        model = fg.edwards_anderson((10, 10, 10), kind, seed=1)
        ax.plot(
            counts, [cost(model, 2048, 1e9 if kind == "bimodal" else 1e8, int(t), beta=1.0) for t in counts], label=name
        )
    ax.set(xlabel="threads, 2048 chains")


def main(largest=1e7, picture=Path(__file__).parent / "results" / "scaling.png"):
    drawn, (sites, chains, threads) = figure(1, 3, size=(12, 4.2), width_ratios=(1.4, 1, 1))
    with one_core():
        against_sites(sites, float(largest))
        against_chains(chains)
    against_threads(threads)
    for ax in (sites, chains, threads):
        ax.set(xscale="log", yscale="log")
    drawn.savefig(picture, dpi=150)


if __name__ == "__main__":
    main(*sys.argv[1:])
