"""An optimiser's first hour: `python -m fastgibbs.pages fastgibbs/docs/optimiser.py` makes a page of it."""

# %% [markdown]
# # The optimiser: a QUBO, its answers, and how sure they are
#
# Problems come as they are: dimod models, networkx graphs, files, or a dict of a QUBO.

# %%
import fastgibbs as fg

# %% [markdown]
# ## A cover
#
# The fewest vertices that touch all edges of a ring of nine with three chords: a unit each, and a penalty for an edge
# without one, 2 (1 - x_i) (1 - x_j).

# %%
edges = [(i, (i + 1) % 9) for i in range(9)] + [(0, 3), (1, 5), (4, 8)]
Q = {(i, i): 1.0 for i in range(9)}
for i, j in edges:
    Q[i, i] -= 2.0
    Q[j, j] -= 2.0
    Q[i, j] = 2.0
found = fg.anneal(Q, sweeps=200, reads=64, seed=1)
found

# %% [markdown]
# The best states of the reads, in the units of the problem. The energy leaves out 2 for each edge.

# %%
lowest = found.lowest(3)
lowest

# %%
cover = [i for i, x in enumerate(lowest.states[0]) if x]
assert all(i in cover or j in cover for i, j in edges)
assert found.energy[0] + 2 * len(edges) == len(cover)
print(f"{len(cover)} vertices: {cover}")

# %% [markdown]
# ## A glass, and the time to its ground state
#
# The share of reads that come to the lowest energy tells how often to try. Enumeration proves that there is none lower.

# %%
glass = fg.edwards_anderson((4, 4), seed=1)
run = fg.anneal(glass, sweeps=50, reads=256, seed=1)
assert run.energy[0] == fg.exact.spectrum(glass).ground_energy
share = run.success()
print(f"{share.rate:.2f} of the reads, {share.low:.2f} to {share.high:.2f}")

# %%
figure, (left, right) = fg.plots.figure(1, 2)
fg.plots.annealing_trace(run, ax=left)
fg.plots.read_histogram(run, ax=right)
figure
