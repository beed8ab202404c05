"""Time to solution of a population of reads beside plain annealing and tempering: +-J glasses of 6^3 and 8^3, one core.

    python -m pytest bench/bench_population.py -s

A trial of each side is a run of a seed of its own that has come to the ground energy or not; the time to a solution is
T max(1, log(0.01) / log(1 - p)), T being the CPU time of a run and p the share of those that have. Of plain annealing,
whose reads are trials of their own, p is that of a read and T its share of the run's time. Each side takes its best of
a few settings. The ground energy is the lowest that any side has found.

A population costs its sweeps, and what copying takes between temperatures: a bit of each site for each copy, and the
sites of all reads packed and unpacked.
"""

import time

import numpy as np
from contest import one_core

import fastgibbs as fg

SAMPLES, RUNS, COLDEST = 4, 20, 2.0
ANNEALING = [dict(sweeps=sweeps, betas=fg.linear(0.1, last)) for sweeps in (100, 300, 1000) for last in (2.0, 3.0)]
POPULATION = [
    dict(reads=reads, sweeps=sweeps, betas=fg.linear(0, COLDEST))
    for reads, sweeps in ((512, 200), (512, 1000), (2048, 500), (2048, 1000))
]
TEMPERING = [dict(sweeps=sweeps, ladders=ladders) for sweeps, ladders in ((500, 2), (2000, 2), (2000, 8))]
LADDER = np.geomspace(0.3, COLDEST, 16)


def annealed(model, setting, seed):
    """The lowest energy of each read, and the CPU time of a read."""
    run, seconds = clocked(fg.anneal, model, reads=512, rule="metropolis", seed=seed, **setting)
    return run.energy, seconds / 512


def populated(model, setting, seed):
    """The lowest energy of a run, and its CPU time."""
    run, seconds = clocked(fg.anneal, model, population=True, seed=seed, **setting)
    return run.energy[:1], seconds


def tempered(model, setting, seed):
    """The lowest energy of a run, and its CPU time."""
    asked = dict(betas=LADDER, adapt=False, burn_in=0, overlap_every=0, seed=seed)
    run, seconds = clocked(fg.temper, model, **asked, **setting)
    return np.array([run.energy.min()]), seconds


def clocked(run, model, **asked):
    began = time.process_time()
    result = run(model, threads=1, **asked)
    return result, time.process_time() - began


def time_to_solution(trials, ground):
    energies, seconds = zip(*trials, strict=True)
    p = np.mean(np.concatenate(energies) <= ground)
    return np.mean(seconds) * (max(1.0, np.log(0.01) / np.log1p(-min(p, 1 - 1e-9))) if p else np.inf)


SIDES = {"annealing": (annealed, ANNEALING), "population": (populated, POPULATION), "tempering": (tempered, TEMPERING)}


def test_time_to_solution_of_glasses():
    """Printed, with medians over the samples; each side must solve them all."""
    with one_core():
        for side in (6, 8):
            rows = []
            for seed in range(SAMPLES):
                model = fg.edwards_anderson((side,) * 3, seed=seed)
                trials = {
                    (name, k): [run(model, setting, 100 + number) for number in range(RUNS)]
                    for name, (run, settings) in SIDES.items()
                    for k, setting in enumerate(settings)
                }
                ground = min(energy.min() for of_setting in trials.values() for energy, _ in of_setting)
                best = {
                    name: min(time_to_solution(trials[name, k], ground) for k in range(len(settings)))
                    for name, (_, settings) in SIDES.items()
                }
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
