"""Draw what an update costs against sites, chains and threads on this machine.

    python bench/scaling.py [picture, bench/results/scaling.png] [largest number of sites, 10^7]

Whole calls on warm kernels, set-up included, in the processor's time on one core, the best of three. More threads are
judged by the clock, against arithmetic alone in the same rounds, so that what others take of the machine slows both.
6.7 10^7 sites take 200 MB as a lattice; graphs end at 10^6 sites, and dense models at 4096.
"""

import sys
import time
from pathlib import Path

import machine
import numpy as np
from contest import one_core

import fastgibbs as fg
from fastgibbs.benchmark import CRITICAL
from fastgibbs.models import resources
from fastgibbs.plots import figure
from fastgibbs.plots.style import MARK, PALETTE

ROUNDS, MARKERS = 3, "os^D"
GLASSES = {"3D +-J, L = 10": ("bimodal", 2e8), "3D Gaussian, L = 10": ("gaussian", 4e7)}  # and updates of a call
SIZES = {  # model of n sites, numbers of sites, chains, updates of a call
    "square lattice at $T_c$, 1 chain": (lambda n: fg.lattice((round(n**0.5),) * 2), 4 ** np.arange(3, 14), 1, 1e8),
    "6-regular +-J, 512 chains": (lambda n: fg.random_regular(n, 6, seed=1), 10 ** np.arange(2, 7), 512, 5e8),
    "6-regular Gaussian, 64 chains": (
        lambda n: fg.random_regular(n, 6, "gaussian", seed=1),
        10 ** np.arange(2, 7),
        64,
        5e7,
    ),
    "SK Gaussian, 64 chains": (lambda n: fg.sherrington_kirkpatrick(n, seed=1), 4 ** np.arange(3, 7), 64, 4e6),
}


def sampling(model, chains, updates, beta=1.0, threads=1):
    """A call of about so many updates, of ten sweeps at least, and how many they are."""
    sweeps = max(10, round(updates / model.n / chains))
    options = dict(beta=beta, chains=chains, sweeps=sweeps, thin=sweeps, seed=1, threads=threads)
    return lambda: fg.sample(model, **options), sweeps * chains * model.n


def cost(model, chains, updates, beta=1.0):
    """Ns an update."""
    job, done = sampling(model, chains, updates, beta)
    job()
    seconds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        job()
        seconds.append(time.process_time() - began)
    return min(seconds) * 1e9 / done


def gain(job_on, threads):
    """How many times faster a job is on so many threads, where arithmetic alone is `threads` times faster."""

    def seconds(job):
        began = time.perf_counter()
        job()
        return time.perf_counter() - began

    jobs = job_on(1), job_on(threads), lambda: machine.arithmetic(1), lambda: machine.arithmetic(threads)
    rounds = np.array([[seconds(job) for job in jobs] for _ in range(4 * ROUNDS)])[1:]
    return threads * np.median(rounds[:, 0] / rounds[:, 1] * rounds[:, 3] / rounds[:, 2])


def draw_sites(ax, largest):
    for (name, (build, counts, chains, updates)), color, mark in zip(SIZES.items(), PALETTE, MARKERS, strict=False):
        counts = [int(n) for n in counts if n <= largest]
        ax.plot(
            counts, [cost(build(n), chains, updates, CRITICAL) for n in counts], color=color, marker=mark, label=name
        )
    ax.set(xlabel="sites", ylabel="cost of an update (ns)", xscale="log", yscale="log", title="one core")


def draw_chains(ax):
    counts = 4 ** np.arange(7)
    for (name, (kind, updates)), color, mark in zip(GLASSES.items(), PALETTE, MARKERS, strict=False):
        model = fg.edwards_anderson((10, 10, 10), kind, seed=1)
        costs = [cost(model, int(count), updates * min(1, (count + 8) / 512)) for count in counts]
        ax.plot(counts, costs, color=color, marker=mark, label=name)
    ax.set(xlabel="chains", ylabel="cost of an update (ns)", xscale="log", yscale="log", title="one core")


def draw_threads(ax):
    counts = range(1, resources.cores() + 1)
    ax.plot(counts, counts, color=MARK, linestyle="--", label="arithmetic alone")
    for (name, (kind, updates)), color, mark in zip(GLASSES.items(), PALETTE, MARKERS, strict=False):
        model = fg.edwards_anderson((10, 10, 10), kind, seed=1)

        def job_on(threads, model=model, updates=updates):
            return sampling(model, 2048, 4 * updates, threads=threads)[0]

        gains = [1.0] + [gain(job_on, count) for count in counts[1:]]
        ax.plot(counts, gains, color=color, marker=mark, label=name)
    ax.set(
        xlabel="threads",
        ylabel="times faster than one",
        xticks=counts,
        title="2048 chains",
        ylim=(0.5, None),
    )


def main(picture=Path(__file__).parent / "results" / "scaling.png", largest=1e7):
    """Measure and draw."""
    drawn, panels = figure(1, 3, size=(12, 4.2), width_ratios=(1.3, 1, 1))
    with one_core():
        draw_sites(panels[0], float(largest))
        draw_chains(panels[1])
    draw_threads(panels[2])
    for ax in panels:
        lowest, highest = ax.get_ylim()  # and room for the legend above
        ax.set_ylim(lowest, highest * (highest / lowest) ** 0.45 if ax.get_yscale() == "log" else highest * 1.35)
        ax.legend(loc="upper left", frameon=False, fontsize=9)
    what = machine.describe()
    drawn.suptitle(f"{what['processor']}, kernels for {what['compiled_for']}, registers of {what['registers']} bits")
    drawn.savefig(picture, dpi=120)


if __name__ == "__main__":
    main(*sys.argv[1:])
