"""The dense engine's kernels: panels of attempts, and the flips that rows of couplings are added for (dense.py)."""

import numpy as np

from fastgibbs.engines import contract
from fastgibbs.engines.arithmetic import aligned, decide, pushed, show_points
from fastgibbs.engines.bytespins import pack, sum_spins, unpack
from fastgibbs.engines.contract import ALIGN, RANDOM, UNMEASURED
from fastgibbs.engines.contract import LANE_GROUP as WIDTH
from fastgibbs.engines.dense import FEW, PANEL, TILE, DensePlan
from fastgibbs.engines.layouts import LINE
from fastgibbs.engines.spiking import lasting, pack_spikes
from fastgibbs.engines.streams import below, next_words
from fastgibbs.engines.vectors import at, bits, convert, full, load, select, store, total, trailing_zeros
from fastgibbs.jit import by_types, called, gives, inlined


@by_types
def _add_flips(doubled, fields, state, lanes, end):
    """Add 2 J of sites that `up` marks to fields of the first lanes, below site `end`; subtract that of `down` ones."""
    tile = 8 * TILE // doubled.dtype.bitwidth

    def add_flips(doubled, fields, state, lanes, end):
        sites, stride = state.sites, fields.shape[1]
        for first in range(0, end, tile):
            for lane in range(lanes):
                up, down = at(state.up, lane), at(state.down, lane)
                if up | down != 0:
                    field = load(fields, lane * stride + first, tile)
                    while up != 0:
                        field = field + load(doubled, at(sites, trailing_zeros(up)) * stride + first, tile)
                        up &= up - np.uint64(1)
                    while down != 0:
                        field = field - load(doubled, at(sites, trailing_zeros(down)) * stride + first, tile)
                        down &= down - np.uint64(1)
                    store(fields, lane * stride + first, field)

    return add_flips


@called
def refresh(plan, state):
    """Build fields and totals from the spins, if they are stale."""
    if state.stale[0] == 0:
        return
    n, lanes = len(state.spins), state.asked
    state.stale[0] = 0
    state.down[:] = 0
    for lane in range(lanes):
        for i in range(n):
            state.fields[lane, i] = plan.lowest[i]
    for first in range(0, n, PANEL):
        state.up[:] = 0
        for p in range(min(PANEL, n - first)):
            state.sites[p] = first + p
            for lane in range(lanes):
                state.up[lane] |= np.uint64(state.spins[first + p, lane] > 0) << np.uint64(p)
        _add_flips(plan.doubled, state.fields, state, lanes, n)
    for lane in range(lanes):
        total = np.int64(0)
        for i in range(n):
            total += state.spins[i, lane] * (np.int64(state.fields[lane, i]) + plan.own[i])
        state.totals[lane] = total >> 1  # every bond has been met twice, every field too


@called
def _stay_behind(state):
    """Leave the fine fields as they are while spins go on."""
    if state.stale[1] > 0:
        return
    state.stale[1] = 1
    for i in range(len(state.seen)):
        for lane in range(0, state.seen.shape[1], WIDTH):
            position = i * state.seen.shape[1] + lane
            store(state.seen, position, load(state.spins, position, WIDTH))


@called
def _catch_up(plan, state):
    """Let the fine fields follow the spins, if they are stale."""
    if state.stale[1] == 0:
        return
    n, lanes = state.seen.shape
    state.stale[1] = 0
    none = full(0, np.uint64, WIDTH)
    for first in range(0, n, PANEL):
        state.up[:] = 0
        state.down[:] = 0
        for p in range(min(PANEL, n - first)):
            state.sites[p] = first + p
            mark = full(np.uint64(1) << np.uint64(p), np.uint64, WIDTH)
            for lane in range(0, lanes, WIDTH):
                position = (first + p) * lanes + lane
                new, old = load(state.spins, position, WIDTH), load(state.seen, position, WIDTH)
                store(state.up, lane, load(state.up, lane, WIDTH) | select(new > old, mark, none))
                store(state.down, lane, load(state.down, lane, WIDTH) | select(new < old, mark, none))
        _add_flips(plan.fine, state.fine, state, state.asked, min(first + PANEL, n))


@inlined
def show_panel(plan, state, size):
    """Copy the fields of the panel's sites, lanes side by side, and forget the flips of the panel before."""
    lanes, stride = state.fields.shape
    for lane in range(lanes):
        state.up[lane] = 0
        state.down[lane] = 0
        for p in range(size):
            state.panel[p, lane] = at(state.fields, lane * stride + at(state.sites, p))


@inlined
def local_field(plan, state, p, lane):
    """h_i + sum_j J_ij s_j in units of `unit`, float32 lanes, of attempt p of the panel."""
    site = at(state.sites, p)
    field = load(state.panel, p * state.spins.shape[1] + lane, WIDTH)
    return convert(convert(field >> at(plan.shifts, site), np.int32), np.float32) * at(plan.factors, site)


@inlined
def attempt(plan, state, rule, p, size, lane, words):
    """Attempt p of a panel of `size` in lanes `lane` ... `lane + 15`, decided by 32 random bits a lane.

    A flip changes the fields of the attempts that follow in the panel, and is marked for all others.
    """
    lanes, stride = state.spins.shape[1], state.fields.shape[1]
    site = at(state.sites, p)
    position = site * lanes + lane
    spin = load(state.spins, position, WIDTH)
    exponent = local_field(plan, state, p, lane) * load(state.scale, lane, WIDTH)
    exponent = pushed(plan, state, exponent, lane, WIDTH)
    new = aligned(exponent, spin, WIDTH) if rule == ALIGN else decide(rule, exponent, spin, words, WIDTH)
    new = lasting(state.neurons, position, new)
    if bits((new ^ spin) < 0) == 0:
        return
    up, down = new > spin, new < spin
    store(state.spins, position, new)
    none, mark = full(0, np.uint64, WIDTH), full(np.uint64(1) << np.uint64(p), np.uint64, WIDTH)
    store(state.up, lane, load(state.up, lane, WIDTH) | select(up, mark, none))
    store(state.down, lane, load(state.down, lane, WIDTH) | select(down, mark, none))
    gain = convert(load(state.panel, p * lanes + lane, WIDTH), np.int64) << 1
    total = load(state.totals, lane, WIDTH)
    total = select(up, total + gain, total)
    store(state.totals, lane, select(down, total - gain, total))
    for q in range(p + 1, size):
        change = at(plan.doubled, site * stride + at(state.sites, q))
        field = load(state.panel, q * lanes + lane, WIDTH)
        field = select(up, field + change, field)
        store(state.panel, q * lanes + lane, select(down, field - change, field))


@by_types
def _add_row(doubled, fields, site, lane, up):
    """Add 2 J of a site that has turned up to all fields of a lane, or subtract it."""
    tile = 8 * TILE // doubled.dtype.bitwidth
    line = 8 * LINE // doubled.dtype.bitwidth

    def add_row(doubled, fields, site, lane, up):
        stride = fields.shape[1]
        for first in range(0, stride - line, tile):
            field, row = load(fields, lane * stride + first, tile), load(doubled, site * stride + first, tile)
            store(fields, lane * stride + first, field + row if up else field - row)

    return add_row


@inlined
def attempt_alone(plan, state, rule, site, lane, words):
    """One attempt at a site in one lane, decided by 32 random bits: a flip changes all fields at once.

    Returns by how much the spin has changed.
    """
    field, position = load(state.fields, lane * state.fields.shape[1] + site, 1), site * state.spins.shape[1] + lane
    rounded = convert(convert(field >> at(plan.shifts, site), np.int32), np.float32) * at(plan.factors, site)
    exponent = pushed(plan, state, rounded * at(state.scale, lane), lane, 1)
    spin = load(state.spins, position, 1)
    new = aligned(exponent, spin, 1) if rule == ALIGN else decide(rule, exponent, spin, words, 1)
    new = lasting(state.neurons, position, new)
    change = total(new) - total(spin)
    if change != 0:
        store(state.spins, position, new)
        state.totals[lane] += 2 * np.int64(total(new)) * np.int64(total(field))
        if total(new) > 0:
            _add_row(plan.doubled, state.fields, site, lane, True)
        else:
            _add_row(plan.doubled, state.fields, site, lane, False)
    return change


@inlined
def _sweep_alone(plan, state, rule, size):
    """A panel of `size` attempts in the lanes that were asked for, one lane after the other."""
    for lane in range(state.asked):
        up, down = np.uint64(0), np.uint64(0)
        for p in range(size):
            if p % 2 == 0:
                store(state.words, lane, next_words(state.streams, lane, 1))
            words = convert(load(state.words, lane, 1) >> 32 * (p % 2), np.uint32)
            change = attempt_alone(plan, state, rule, at(state.sites, p), lane, words)
            up |= np.uint64(change > 0) << np.uint64(p)
            down |= np.uint64(change < 0) << np.uint64(p)
        state.up[lane], state.down[lane] = up, down


@inlined
def _sweep_panel(plan, state, rule, size):
    """A panel of `size` attempts in all lanes, and their flips."""
    lanes = state.spins.shape[1]
    show_panel(plan, state, size)
    for p in range(0, size, 2):
        for lane in range(0, lanes, WIDTH):
            words = next_words(state.streams, lane, WIDTH)
            store(state.words, lane, words)
            attempt(plan, state, rule, p, size, lane, convert(words, np.uint32))
        if p + 1 < size:
            for lane in range(0, lanes, WIDTH):
                words = convert(load(state.words, lane, WIDTH) >> 32, np.uint32)
                attempt(plan, state, rule, p + 1, size, lane, words)
    _add_flips(plan.doubled, state.fields, state, lanes, len(state.spins))


@gives(contract.sweep, DensePlan)
def _sweep(plan, state, rungs, rule, scan, counts, crew):
    free = plan.free.size
    refresh(plan, state)
    follows = len(plan.fine) > 0 and counts != UNMEASURED and state.stale[1] == 0
    if not follows:
        _stay_behind(state)
    show_points(plan, state, rungs)
    for first in range(0, free, PANEL):
        size = min(PANEL, free - first)
        for p in range(size):
            state.sites[p] = plan.free[below(state.order, free) if scan == RANDOM else first + p]
        if state.asked <= FEW:
            _sweep_alone(plan, state, rule, size)
        else:
            _sweep_panel(plan, state, rule, size)
        if follows:
            last = 0
            for p in range(size):
                last = max(last, at(state.sites, p))
            _add_flips(plan.fine, state.fine, state, state.asked, last)


@gives(contract.measure, DensePlan)
def _measure(plan, state, energies, magnetizations, crew):
    lanes = state.spins.shape[1]
    refresh(plan, state)
    sum_spins(state.spins, magnetizations)
    _catch_up(plan, state)
    for lane in range(lanes):
        energies[lane] = plan.offset  # fields of lanes that nobody asked for wrap, so that what they add up to drifts
    for lane in range(state.asked):
        fine = np.int64(0)
        for i in range(len(plan.fine)):
            fine += np.int64(at(state.spins, i * lanes + lane)) * np.int64(state.fine[lane, i])
        total = np.float64(state.totals[lane]) + np.float64(fine) * plan.fineness
        energies[lane] = plan.offset - total * plan.grain * plan.unit


@gives(contract.snapshot, DensePlan)
def _snapshot(plan, state, words):
    pack(state.spins, words)
    pack_spikes(state.neurons, words)


@gives(contract.restore, DensePlan)
def _restore(plan, state, words):
    _stay_behind(state)
    unpack(words, state.spins)
    state.stale[0] = 1
