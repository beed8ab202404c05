"""What a machine makes of half a picture."""

import numpy as np

from fastgibbs.engines import phases
from fastgibbs.engines.streams import entropy_of
from fastgibbs.learning.machines import SampledRBM
from fastgibbs.models import RBM, checks


def fill_in(rbm, states, known, *, sweeps=200, averaged=100, seed=None) -> np.ndarray:
    """P(v_i = 1 | the known units) of each row, estimated by Gibbs sampling with these held: float64 (N, V).

    After every draw of the visible units the known ones are set back, so that h | v and v | h are drawn from the
    conditional distribution; the mean of the last `averaged` of `sweeps` sweeps is returned.

    `states`: (N, V) units; `known`: bool (V,) or (N, V). TypeError or ValueError names the argument.
    """
    if not isinstance(rbm, RBM):
        raise TypeError(f"rbm is {rbm!r}: give an RBM")
    v = checks.units("states", np.atleast_2d(states), rbm.n_visible)
    if np.asarray(known).dtype != bool:
        raise TypeError(f"known has dtype {np.asarray(known).dtype}: give bools, True for units that are held")
    known = np.broadcast_to(known, v.shape)
    sweeps = checks.integer("sweeps", sweeps)
    averaged = min(checks.integer("averaged", averaged), sweeps)
    one = SampledRBM(rbm, "pcd", 1, len(v), 1, False, None, entropy_of(seed), 1)
    p, chains = one.block.parameters, one.block.chains
    visible = one.v[: len(v), : rbm.n_visible]
    visible[:] = chains.spins[: rbm.n_visible, : len(v)].T
    total = np.zeros(v.shape)
    for sweep in range(sweeps):
        visible[known] = v[known]
        phases.draw_hidden(p.tiles, p.hidden_bias, chains, one.v, 0, rbm.n_hidden, True, 0, len(v))
        phases.draw_visible(p.tiles, p.visible_bias, chains, one.v, 0, rbm.n_visible, 0, len(v))
        if sweep >= sweeps - averaged:
            total += visible
    return np.where(known, v, total / averaged)
