"""How the worldline engine draws: uniforms, local fields in all slices, and all spins of a site in many lanes at once.

Messages are weights of + and - that nothing is divided by: a power of two brings them into range from time to time.
Exponentials would be half of the work: where a site has few local fields and many slices, a table has those of all its
fields. Fields of whole numbers are added up in 8 bits as the sparse engine's are, whose plan of the classical model a
plan has; all else is float32. Uniforms have 31 bits, half a word each.
"""

import numpy as np

from fastgibbs.engines.arithmetic import exp2
from fastgibbs.engines.contract import LANE_GROUP as WIDTH
from fastgibbs.engines.sparse_draws import highs, lows, paired
from fastgibbs.engines.sparse_sums import add_whole, floating
from fastgibbs.engines.streams import close_streams, open_streams, stepped
from fastgibbs.engines.vectors import at, bitcast, convert, full, load, select, store
from fastgibbs.jit import inlined

MOST = 40.0  # of |2 dt f log2 e|, and 2^-MOST is the least r
LARGEST = 120  # of the exponents of messages
_EXPONENT, _TWICE_BIAS = 0xFF << 23, 254 << 23  # of float32
_DRAWN = 8  # lanes of streams that registers hold


@inlined
def draw_uniforms(state):
    """Uniforms of one attempt in all lanes, two of a word, the low half first: u = r 2^-31 + 2^-32."""
    streams, uniforms = state.streams, state.uniforms
    lanes = streams.shape[1]
    for lane in range(0, lanes, _DRAWN):
        a, b, c, counter = open_streams(streams, lane, lanes, _DRAWN)
        a, b, c, counter = paired(a), paired(b), paired(c), paired(counter)
        for place in range(lane, uniforms.size, 2 * lanes):
            word, a, b, c, counter = stepped(a, b, c, counter)
            low, high = bitcast(lows(word) >> 1, np.int32), bitcast(highs(word) >> 1, np.int32)
            store(uniforms, place, convert(low, np.float32) * 2.0**-31 + 2.0**-32)
            store(uniforms, place + lanes, convert(high, np.float32) * 2.0**-31 + 2.0**-32)
        close_streams(streams, lane, lanes, (paired(a), paired(b), paired(c), paired(counter)))


@inlined
def gather(plan, state, site):
    """Write whole numbers of a site's local fields in all slices to `state.sums`, if they are what it takes."""
    if plan.classical.step > 0:
        total = at(plan.classical.row_sums, site) - at(plan.least, site)
        count = plan.slices * state.spins.shape[1]  # slices of a worldline follow each other, and so do their lanes
        add_whole(plan.classical, state.spins, total, site, state.sums, count)


def _drawing(width):
    """The function that draws worldlines in `width` lanes at once."""
    float_sum = floating(width)

    @inlined
    def tabulated(table, twice, places):
        """Of the rows of a table that of each lane, given twice its number below 2^places."""
        one, two = twice << 30 < 0, twice << 29 < 0
        low = select(
            two,
            select(one, load(table, 3 * width, width), load(table, 2 * width, width)),
            select(one, load(table, width, width), load(table, 0, width)),
        )
        if places < 3:
            return low
        high = select(
            two,
            select(one, load(table, 7 * width, width), load(table, 6 * width, width)),
            select(one, load(table, 5 * width, width), load(table, 4 * width, width)),
        )
        return select(twice << 28 < 0, high, low)

    @inlined
    def weight(plan, state, site, place, scale, row):
        """exp(2 dt f_t) of fields at `place`; or of row `row` of the table, or of that which the fields ask for."""
        classical = plan.classical
        if plan.places > 0 and row < 0:
            return tabulated(state.table, convert(load(state.sums, place, width), np.int32), plan.places)
        if plan.places > 0:
            whole_field = full(at(plan.least, site) + 2 * row, np.float32, width)
            field = whole_field * np.float32(classical.step / classical.unit)
        elif classical.step > 0:
            field = convert(load(state.sums, place, width), np.float32) * np.float32(classical.step / classical.unit)
        else:
            field = float_sum(classical, state.spins, site, place)
        exponent, most = field * scale, full(MOST, np.float32, width)
        exponent = select(exponent > most, most, exponent)
        least = full(-MOST, np.float32, width)
        return exp2(select(exponent < least, least, exponent))

    @inlined
    def whole_power(a, b, c, d):
        """The power of two by which the largest of these numbers above 0 comes to 1 ... 2."""
        a, c = select(a < b, b, a), select(c < d, d, c)
        largest = bitcast(select(a < c, c, a), np.int32)
        return bitcast(full(_TWICE_BIAS, np.int32, width) - (largest & _EXPONENT), np.float32)

    @inlined
    def draw_worldline(plan, state, site, lane):
        lanes, M, messages, uniforms = state.spins.shape[1], plan.slices, state.messages, state.uniforms
        r = load(state.tunnels, at(plan.kinds, site) * lanes + lane, width)
        scale = load(state.scale, lane, width)
        one = full(1.0, np.float32, width)
        p, q, y, z = one, r, r, one  # weights of + and - at slice t of all after it: given s_0 = +, and given -
        t, scaled = M - 1, M - 1 - plan.period
        row = 2**plan.places - 1 if plan.places > 0 else -1
        while True:  # so that there is one copy of the weights, which take long to compile
            w = weight(plan, state, site, t * lanes + lane, scale, row)
            if row >= 0:
                store(state.table, row * width, w)
                row -= 1
                continue
            p, y = w * p, w * y
            if t == 0:
                break
            store(messages, 4 * t * width, p)
            store(messages, (4 * t + 1) * width, q)
            store(messages, (4 * t + 2) * width, y)
            store(messages, (4 * t + 3) * width, z)
            p, q, y, z = p + r * q, r * p + q, y + r * z, r * y + z
            t -= 1
            if t == scaled:
                scaled -= plan.period
                power = whole_power(p, q, y, z)
                p, q, y, z = p * power, q * power, y * power, z * power
        rarer = load(uniforms, lane, width) * (p + z) - select(p < z, p, z)
        first = bitcast(p - z, np.int32) ^ bitcast(rarer, np.int32)  # of which the signs are those of spins
        position, s = site * M * lanes + lane, first
        store(state.spins, position, convert(s >> 31 | 1, np.int8))
        for t in range(1, M):
            p, q = load(messages, 4 * t * width, width), load(messages, (4 * t + 1) * width, width)
            p = select(first < 0, load(messages, (4 * t + 2) * width, width), p)
            q = select(first < 0, load(messages, (4 * t + 3) * width, width), q)
            turn, stay = r * select(s < 0, p, q), select(s < 0, q, p)
            s = s ^ bitcast(load(uniforms, t * lanes + lane, width) * (turn + stay) - turn, np.int32)
            store(state.spins, position + t * lanes, convert(s >> 31 | 1, np.int8))

    return draw_worldline


WIDE = 2 * WIDTH
draw_wide, draw_last = _drawing(WIDE), _drawing(WIDTH)
