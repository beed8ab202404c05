"""A learner's first hour: `python -m fastgibbs.pages fastgibbs/docs/learner.py` makes a page of it."""

# %% [markdown]
# # The learner: bars, and a machine that dreams of them
#
# Data are images of 4 x 4 pixels whose rows, or whose columns, are all on or all off: 30 images.

# %%
import numpy as np

import fastgibbs as fg

rows = np.repeat((np.arange(16)[:, None] >> np.arange(4)) & 1, 4, axis=1)
columns = rows.reshape(16, 4, 4).swapaxes(1, 2).reshape(16, 16)
data = np.unique(np.concatenate([rows, columns]), axis=0)
print(data.shape)

# %% [markdown]
# ## Training
#
# Eight hidden units can be summed out, so that the likelihood in the history is exact. No machine has more than -log 30
# = -3.4 nats a row.

# %%
machine = fg.RBM.random(16, 8, data, seed=1)
run = fg.train(machine, data, epochs=600, batch_size=10, learning_rate=0.1, likelihood_every=100, seed=1)
run

# %%
figure, (left, right) = fg.plots.figure(1, 2)
fg.plots.training_history(run, ax=left)
fg.plots.filters(run.model, shape=(4, 4), ax=right)
figure

# %% [markdown]
# ## What it has learned
#
# The mean log-likelihood of the data, exactly, and what the machine draws when nothing is held.

# %%
before, after = (fg.log_likelihood(model, data).value for model in (machine, run.model))
print(f"{before:.2f} nats a row before, {after:.2f} after")
assert before < -8 < after < -np.log(30)

# %%
dreams = fg.sample(run.model, beta=1.0, sweeps=500, chains=40, seed=1)
figure, ax = fg.plots.figure()
fg.plots.fantasies(dreams.states, shape=(4, 4), ax=ax)
figure
