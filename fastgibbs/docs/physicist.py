"""A physicist's first hour: `python -m fastgibbs.pages fastgibbs/docs/physicist.py` makes a page of it."""

# %% [markdown]
# # The physicist: a transition, and a glass
#
# Energies are E(s) = -1/2 s.J.s - h.s with spins of -1 and +1, and temperatures are 1 / beta in units of J.

# %%
import numpy as np

import fastgibbs as fg

# %% [markdown]
# ## The square lattice around Tc
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
print(deviations.round(1))
assert (np.abs(deviations) < 4).all()

# %%
figure, (left, right) = fg.plots.figure(1, 2)
fg.plots.energy_curve(run, ax=left)
fg.plots.heat_capacity_curve(run, ax=right)
figure

# %% [markdown]
# ## A glass
#
# Replicas at eight temperatures exchange them, on eight ladders: overlaps of pairs of these tell of order. log Z comes
# with the run, and enumeration of all 65,536 states agrees.

# %%
glass = fg.edwards_anderson((4, 4), seed=1)
tempered = fg.temper(glass, betas=np.linspace(0, 1.5, 8), sweeps=4000, ladders=8, seed=1)
known = fg.exact.spectrum(glass).log_z(1.5)
print(f"log Z = {tempered.log_z.bar[-1]:.3f} +- {tempered.log_z.bar_error[-1]:.3f}, exactly {known:.3f}")
assert abs(tempered.log_z.bar[-1] - known) < 5 * tempered.log_z.bar_error[-1]

# %%
figure, (left, right) = fg.plots.figure(1, 2)
fg.plots.overlap_distribution(tempered, ax=left)
fg.plots.swap_rates(tempered, ax=right)
figure
