"""An optimiser's first hour: `python -m fastgibbs.pages fastgibbs/docs/optimiser.py` makes a page of it."""

# %% [markdown]
# # The optimiser: a QUBO, a cut, and how sure their answers are
#
# Problems come as they are: a dict of a QUBO, dimod models, networkx graphs, files of nine formats.

# %%
import tempfile
from pathlib import Path

import numpy as np

import fastgibbs as fg

# %% [markdown]
# ## A cover
#
# The fewest vertices that touch all edges of a ring of nine with three chords: a unit each, and a penalty for an edge
# without one, 2 (1 - x_i) (1 - x_j).

# %%
names = "ABCDEFGHI"
edges = [(names[i], names[(i + 1) % 9]) for i in range(9)] + [("A", "D"), ("B", "F"), ("E", "I")]
Q = {(name, name): 1.0 for name in names}
for i, j in edges:
    Q[i, i] -= 2.0
    Q[j, j] -= 2.0
    Q[i, j] = 2.0
found = fg.anneal(Q, sweeps=200, reads=64, seed=1)
found

# %% [markdown]
# The ground states, in the units of the problem and by its names. The energy leaves out 2 for each edge.

# %%
for state, reads in zip(found.ground_states, found.ground_counts, strict=True):
    cover = [name for name, x in found.model.labelled(state).items() if x]
    assert all(i in cover or j in cover for i, j in edges)
    print(f"{cover}, in {reads} reads")
assert found.energy[0] + 2 * len(edges) == len(cover)

# %% [markdown]
# ## A cut of a graph from a file
#
# The largest cut of a graph of 800 vertices, of which a file has an edge and its weight in each line. `fg.read` knows
# formats by their heads; the lowest energy is the largest cut. A networkx graph could stand in the place of the file.

# %%
i, j, _ = fg.random_regular(800, 6, seed=1).bonds
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "graph.rud")
    path.write_text(f"800 {i.size}\n" + "".join(f"{a + 1} {b + 1} 1\n" for a, b in zip(i, j, strict=True)))
    graph = fg.read(path)
run = fg.anneal(graph, sweeps=1000, reads=128, seed=1)
best = fg.cut(graph, run.states[0])
print(f"a cut of {best:.0f} of {i.size} edges")
run

# %% [markdown]
# The mean of the reads cools as the schedule does; where they end is a matter of luck, so that there are many.

# %%
figure, (left, right) = fg.plots.figure(1, 2)
fg.plots.annealing_trace(run, ax=left)
fg.plots.read_histogram(run, ax=right)
figure

# %% [markdown]
# ## How long to anneal?
#
# The time to solution is that of as many reads as find the ground state once with a probability of 99 %. Short reads
# must be repeated often, long ones need not have been so long. The target is what a longer annealing of this glass came
# to again and again. `time_to_solution` has seconds of this machine; the picture counts sweeps, of which any machine
# needs as many. Bars are intervals of 95 %.

# %%
glass = fg.edwards_anderson((10, 10), seed=3)
long = fg.anneal(glass, sweeps=4000, reads=256, seed=2)
lengths = [8, 16, 32, 64, 128, 256, 512, 1024]
runs = [fg.anneal(glass, sweeps=sweeps, reads=2048, threads=1, seed=1) for sweeps in lengths]
print(f"target {long.energy[0]:g}: {long.ground_counts.sum()} of {long.energy.size} long reads")
for sweeps, one in zip(lengths, runs, strict=True):
    share = one.success(target=long.energy[0])
    print(f"{sweeps:4} sweeps: {share.rate:.4f} of the reads, {share.low:.4f} to {share.high:.4f}")
best = runs[3].time_to_solution(target=long.energy[0])
print(f"of {lengths[3]} sweeps: {1e6 * best.seconds:.3g} microseconds")

# %%
times = [np.array(one.time_to_solution(target=long.energy[0])) / one.seconds_per_read for one in runs]
middle, low, high = np.transpose(times) * lengths
assert low.min() > 50 and high[3] < low[[0, -1]].min()
figure, ax = fg.plots.figure()
ax.errorbar(lengths, middle, [middle - low, high - middle], fmt="o-", color=fg.plots.PALETTE[0], capsize=2)
ax.set(xscale="log", yscale="log", xlabel="sweeps of a read", ylabel="sweeps to solution")
figure
