"""Streams are NumPy's SFC64, word for word, at addresses that depend on nothing but the chain."""

from itertools import product

import numpy as np
import pytest

from fastgibbs.engines import streams
from fastgibbs.engines.vectors import store
from fastgibbs.jit import njit


@njit
def draw_words(states, out):
    for row in range(out.shape[0]):
        for lane in range(0, out.shape[1], 16):
            store(out[row], lane, streams.next_words(states, lane, 16))


@njit
def draw_word(state, out):
    for k in range(out.size):
        out[k] = streams.next_word(state)


@njit
def draw_below(state, n, out):
    for k in range(out.size):
        out[k] = streams.below(state, n)


def test_lanes_equal_numpys_sfc64_word_for_word():
    states = np.column_stack([streams.stream_state(7, streams.SWEEP, k // 64, k % 64) for k in range(32, 80)])
    words = np.empty((1000, 48), np.uint64)
    draw_words(states, words)
    for lane, chain in enumerate(range(32, 80)):
        sequence = np.random.SeedSequence(7, spawn_key=(streams.SWEEP, chain // 64, 0, chain % 64))
        generator = np.random.SFC64(sequence)
        np.testing.assert_array_equal(words[:, lane], generator.random_raw(1000))
        np.testing.assert_array_equal(states[:, lane], generator.state["state"]["state"])


def test_a_single_stream_equals_numpys_sfc64():
    state = streams.stream_state(7, streams.ORDER)
    words = np.empty(1000, np.uint64)
    draw_word(state, words)
    np.testing.assert_array_equal(words, streams.stream(7, streams.ORDER).random_raw(1000))


@pytest.mark.parametrize("n", [1, 2, 3, 5, 1000, 2**31 - 1])
def test_below_is_uniform_and_in_range(n):
    numbers = np.empty(60_000, np.int64)
    draw_below(streams.stream_state(1, streams.ORDER), n, numbers)
    assert numbers.min() >= 0
    assert numbers.max() < n
    bins = min(n, 10)
    counts = np.bincount(numbers * bins // n, minlength=bins)
    width = np.diff([-(-n * b // bins) for b in range(bins + 1)]) / n
    chi2 = ((counts - numbers.size * width) ** 2 / (numbers.size * width)).sum()
    assert chi2 < 35  # 9 degrees of freedom: 1 false alarm in 20,000


def test_domains_and_chains_have_different_streams():
    first = [streams.stream(3, d, k // 64, k % 64).random_raw() for d in range(4) for k in range(130)]
    assert len(set(first)) == len(first)


def test_random_ups_are_the_bits_of_the_start_stream():
    chains = np.array([9, 70, 3])
    expected = [streams.stream(5, streams.START, *divmod(chain, 64)).random_raw(3) for chain in chains.tolist()]
    words = streams.random_ups(5, chains, 150)
    np.testing.assert_array_equal(words, expected)
    assert streams.random_ups(5, chains, 0).shape == (3, 0)
    bits = [[(int(row[i // 64]) >> (i % 64)) & 1 for i in range(150)] for row in words]
    for strips, first, last in [(1, 0, 150), (1, 60, 70), (2, 0, 75), (2, 63, 66), (3, 13, 50)]:
        ups = np.full((3, strips, last - first), 7, np.uint8)
        streams.unpack_ups(words, (first, 150 // strips), ups)
        np.testing.assert_array_equal(ups, np.reshape(bits, (3, strips, -1))[..., first:last])


def test_entropy_repeats_the_run_for_every_kind_of_seed():
    assert streams.entropy_of(5) == 5
    assert streams.entropy_of(np.int64(5)) == 5
    assert streams.entropy_of(np.random.SeedSequence(5)) == 5
    spawned = np.random.SeedSequence(5).spawn(2)
    assert streams.entropy_of(spawned[0]) != streams.entropy_of(spawned[1])
    assert streams.entropy_of(np.random.default_rng(5)) == streams.entropy_of(np.random.default_rng(5))
    generator = np.random.default_rng(5)
    assert streams.entropy_of(generator) != streams.entropy_of(generator)
    assert streams.entropy_of(None) != streams.entropy_of(None)


@pytest.mark.parametrize(("seed", "error"), [(3.5, TypeError), ("1", TypeError), (True, TypeError), (-1, ValueError)])
def test_bad_seeds_are_refused(seed, error):
    with pytest.raises(error, match="seed"):
        streams.entropy_of(seed)


@pytest.mark.parametrize("entropy", [0, 5, 2**32 - 1, 2**32, 2**96, 2**128 - 1, 2**128, 2**4000 + 3])
def test_streams_begin_as_numpys_at_any_address(entropy):
    for domain in range(8):
        blocks, lanes, tiles = np.array([0, 7, 2**32 - 1])[:, None, None], np.array([0, 63])[:, None], np.arange(3)
        found = streams.stream_state(entropy, domain, blocks, lanes, tiles)
        places = product(*(numbers.ravel().tolist() for numbers in (blocks, lanes, tiles)))
        expected = [streams.stream(entropy, domain, *place).state["state"]["state"] for place in places]
        np.testing.assert_array_equal(found, np.reshape(expected, (3, 2, 3, 4)))
        assert found.dtype == np.uint64


def test_streams_of_lanes_are_those_of_each():
    for domain, lanes in [(streams.SWEEP, range(32, 80)), (streams.START, range(130)), (streams.ADAPT, range(0))]:
        expected = [streams.stream_state(5, domain, *divmod(lane, 64)) for lane in lanes]
        np.testing.assert_array_equal(streams.lane_streams(5, lanes, domain), np.reshape(expected, (len(lanes), 4)).T)
