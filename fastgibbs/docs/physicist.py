"""A physicist's first hour: `python -m fastgibbs.pages fastgibbs/docs/physicist.py` makes a page of it."""

# %% [markdown]
# # The physicist: a transition, and a glass
#
# Energies are E(s) = -1/2 s.J.s - h.s with spins of -1 and +1, and temperatures are 1 / beta in units of J.

# %%
import numpy as np

import fastgibbs as fg

# %% [markdown]
# ## The square lattice through Tc
#
# 32 chains at each of six temperatures, in one call. The table says whether to believe it: `tau` is an autocorrelation
# time in draws, `R-hat` is above 1.01 where chains disagree.

# %%
temperatures = np.array([1.8, 2.0, 2.2, 2.4, 2.8, 3.5])
square = fg.lattice((16, 16))
betas = np.repeat(1 / temperatures, 32)
run = fg.sample(square, beta=betas, sweeps=4000, burn_in=500, thin=4, start=np.ones(square.n), seed=1)
print(run.summary())

# %% [markdown]
# Kaufman solved this very torus: energies are within their errors of his.

# %%
exact = fg.exact.torus((16, 16), 1 / temperatures).energy / square.n
groups = run.by_beta()[::-1]  # ascending temperature
errors = [fg.analysis.standard_error(group.energy / square.n) for group in groups]
deviations = np.array([(found.mean - known) / found.error for found, known in zip(errors, exact, strict=True)])
print("standard errors from the exact energies:", deviations.round(1))
assert (np.abs(deviations) < 4).all()

# %%
figure, axes = fg.plots.figure(2, 2)
fg.plots.energy_curve(run, ax=axes[0, 0])
fg.plots.heat_capacity_curve(run, ax=axes[0, 1])
fg.plots.magnetization_curve(run, ax=axes[1, 0])
fg.plots.susceptibility_curve(run, ax=axes[1, 1])
figure

# %% [markdown]
# ## Where is Tc?
#
# Binder cumulants U of two sizes cross there. Each size is sampled at five temperatures, by single spins and by moves
# of clusters, and its histograms are reweighted to a line. Onsager has 2.2692, where U of the infinite lattice is
# 0.6107; lattices as small as these cross 0.3 % below.

# %%
around, fine, found = 1 / np.linspace(2.2, 2.34, 5), 1 / np.linspace(2.2, 2.34, 41), {}
for side in (8, 16):
    model = fg.lattice((side, side))
    draws = fg.sample(model, beta=np.repeat(around, 64), sweeps=2000, burn_in=200, clusters="swendsen-wang", seed=2)
    found[side] = fg.analysis.reweight(draws, np.sort(fine))
crossing = fg.analysis.binder_crossing(found[8], found[16])
print(f"they cross at T = {crossing.temperature:.4f} +- {crossing.temperature_error:.4f}, U = {crossing.value:.3f}")
assert abs(crossing.temperature - 2.2692) < 0.01

# %%
figure, ax = fg.plots.figure()
lines = {side: (1 / of.betas, of.binder, of.binder_error) for side, of in found.items()}
fg.plots.binder_crossing(lines, critical=(2.2692, 0.6107), ax=ax)
figure

# %% [markdown]
# ## A glass
#
# Below Tc a glass falls into one of many valleys, and chains stay there. In tempering the replicas of a ladder exchange
# their temperatures: what is stuck in the cold gets free in the heat. The summary has what speaks against
# equilibrium, if anything does.

# %%
glass = fg.edwards_anderson((4, 4, 4), seed=1)
tempered = fg.temper(glass, betas=np.geomspace(0.2, 1.6, 12), sweeps=20_000, burn_in=4000, thin=4, ladders=8, seed=1)
print(tempered.summary())

# %% [markdown]
# Pairs of ladders are pairs of replicas. Their overlap q is small at random in the heat; in the cold it has two peaks
# at +-q_EA, and something between them, the more the more valleys there are.

# %%
figure, (left, right) = fg.plots.figure(1, 2)
fg.plots.overlap_distribution(tempered, [0.65, 1.0, 1.5, 4.0], ax=left)
fg.plots.swap_rates(tempered, ax=right)
figure

# %% [markdown]
# ## How one knows
#
# A glass of 16 spins can be enumerated. The free energy of its ladder, from beta = 0 on, agrees with all 65,536 states.

# %%
small = fg.edwards_anderson((4, 4), seed=1)
ladder = fg.temper(small, betas=np.linspace(0, 1.5, 8), sweeps=4000, ladders=8, seed=1)
known = fg.exact.spectrum(small).log_z(1.5)
print(f"log Z = {ladder.log_z.bar[-1]:.3f} +- {ladder.log_z.bar_error[-1]:.3f}, exactly {known:.3f}")
assert abs(ladder.log_z.bar[-1] - known) < 5 * ladder.log_z.bar_error[-1]
