"""Loops over sweeps that work for every engine: what is advanced, measured and recorded, and when."""

from fastgibbs.engines import multispin_kernels, sparse  # noqa: F401 - they give the contract's functions their bodies
from fastgibbs.engines.contract import measure, snapshot, sweep
from fastgibbs.jit import njit


@njit
def advance(plan, state, rungs, rule, scan, first, last, burn_in, thin, energies, magnetizations, samples, crew):
    """Run sweeps `first` ... `last - 1` of a block; after every thin-th past burn_in, record a draw.

    `energies` and `magnetizations` are float64 (draws, lanes); `samples` uint16 (draws or 0, n, lanes // 16)
    receives packed spins if it has room. Stopping at any sweep and going on later changes nothing.
    Every worker of a crew makes this call.
    """
    for done in range(first + 1, last + 1):
        sweep(plan, state, rungs, rule, scan, crew)
        if done > burn_in and (done - burn_in) % thin == 0:
            draw = (done - burn_in) // thin - 1
            measure(plan, state, energies[draw], magnetizations[draw], crew)
            if samples.shape[0] > 0 and crew.worker == 0:
                snapshot(plan, state, samples[draw])
