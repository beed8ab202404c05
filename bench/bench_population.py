"""Time to solution of a population of reads beside plain annealing and tempering: +-J glasses of 6^3 and 8^3, one core.

    python -m pytest bench/bench_population.py -s

A trial is a whole call with a seed of its own, that has come to the ground energy or not; the time to a solution is
T max(1, log(0.01) / log(1 - p)), T being the CPU time of a call, set-up included, and p the share of those that have.
Each side takes its best of a few settings. The ground energy is the lowest that any side has found.

A population costs its sweeps, and what copying takes between temperatures: a bit of each site for each copy, and the
sites of all reads packed and unpacked.
"""

import time

import numpy as np
from contest import one_core

import fastgibbs as fg

SAMPLES, RUNS, COLDEST = 4, 16, 2.0
LADDER = dict(betas=np.geomspace(0.3, COLDEST, 16), adapt=False, burn_in=0, overlap_every=0)
SIDES = {
    "annealing": [
        (fg.anneal, dict(rule="metropolis", reads=reads, sweeps=sweeps, betas=fg.linear(0.1, 2.5)))
        for reads, sweeps in ((64, 100), (64, 300), (64, 1000), (512, 300))
    ],
    "population": [
        (fg.anneal, dict(population=True, reads=reads, sweeps=sweeps, betas=fg.linear(0, COLDEST)))
        for reads, sweeps in ((64, 200), (64, 600), (256, 300), (512, 600))
    ],
    "tempering": [
        (fg.temper, LADDER | dict(sweeps=sweeps, ladders=ladders))
        for sweeps, ladders in ((500, 2), (2000, 2), (500, 8))
    ],
}


def clocked(run, model, **asked):
    began = time.process_time()
    result = run(model, threads=1, **asked)
    return result, time.process_time() - began


def trials(model, run, setting):
    """The lowest energy of each of several runs, and their mean CPU time."""
    done = [clocked(run, model, seed=seed, **setting) for seed in range(RUNS)]
    return np.array([result.energy.min() for result, _ in done]), np.mean([seconds for _, seconds in done])


def time_to_solution(energies, seconds, ground):
    p = np.mean(energies <= ground)
    return seconds * (max(1.0, np.log(0.01) / np.log1p(-min(p, 1 - 1e-9))) if p else np.inf)


def test_time_to_solution_of_glasses():
    """Printed, with medians over the samples; each side must solve them all."""
    with one_core():
        for side in (6, 8):
            rows = []
            for seed in range(SAMPLES):
                model = fg.edwards_anderson((side,) * 3, seed=seed)
                done = {name: [trials(model, *setting) for setting in SIDES[name]] for name in SIDES}
                ground = min(energies.min() for of_side in done.values() for energies, _ in of_side)
                best = {name: min(time_to_solution(*one, ground) for one in done[name]) for name in SIDES}
                rows.append(list(best.values()))
                shown = ", ".join(f"{name} {1e3 * seconds:.3g} ms" for name, seconds in best.items())
                print(f"\n  {side}^3, sample {seed}, E = {ground:.0f}: {shown}", end="")
            medians = dict(zip(SIDES, 1e3 * np.median(rows, axis=0), strict=True))
            print(
                f"\n{side}^3, medians of {SAMPLES}: " + ", ".join(f"{name} {of:.3g} ms" for name, of in medians.items())
            )
            assert np.isfinite(rows).all()


def test_what_copying_costs():
    """CPU time of a population against the same sweeps of plain annealing, and log Z, rho_t of 2048 reads: printed."""
    for name, model in (
        ("+-J 8^3", fg.edwards_anderson((8, 8, 8), seed=1)),
        ("Gaussian 6^3", fg.edwards_anderson((6, 6, 6), "gaussian", seed=1)),
    ):
        kwargs = dict(sweeps=1000, reads=2048, betas=fg.linear(0, COLDEST), seed=1)
        clocked(fg.anneal, model, **kwargs | dict(sweeps=20))  # compiles
        _, plain = clocked(fg.anneal, model, **kwargs)
        for every in (1, 2, 5, 10, 20):
            run, seconds = clocked(fg.anneal, model, population=True, resample_every=every, **kwargs)
            one = run.population
            print(
                f"{name}, resampled every {every}: {seconds / plain:.2f} x annealing, "
                f"log Z +- {one.log_z_error[-1]:.3f}, rho_t {one.rho[-1]:.0f}"
            )


def test_log_z_at_a_price():
    """Error^2 x CPU time of log Z at beta = 2, between runs: a population, annealed importance sampling, tempering."""
    for name, model in (
        ("+-J 6^3", fg.edwards_anderson((6, 6, 6), seed=1)),
        ("Gaussian 6^3", fg.edwards_anderson((6, 6, 6), "gaussian", seed=1)),
    ):
        asked = dict(population=True, sweeps=1000, reads=2048, betas=fg.linear(0, COLDEST))
        sides = {
            "population": lambda seed, model=model, asked=asked: fg.anneal(
                model, seed=seed, threads=1, **asked
            ).population.log_z[-1],
            "ais": lambda seed, model=model: (
                fg.log_z(model, method="ais", beta=COLDEST, steps=1000, chains=2048, seed=seed, threads=1).value
            ),
            "tempering": lambda seed, model=model: (
                fg.log_z(model, method="tempering", beta=COLDEST, steps=4000, seed=seed, threads=1).value
            ),
        }
        for side, run in sides.items():
            run(0)  # compiles
            began = time.process_time()
            found = np.array([run(seed) for seed in range(1, RUNS + 1)])
            seconds = (time.process_time() - began) / RUNS
            price = found.var(ddof=1) * seconds
            print(f"{name}: {side} {found.mean():.3f}, sd {found.std(ddof=1):.3f}, {seconds:.2f} s; sd^2 s {price:.2g}")
