"""The same seed gives the same bits, whatever runs beside it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import threadpool_limits


def bits(entry, model):
    return entry.answer(model).tobytes()


@pytest.fixture(params=[200, 40000], ids=["few-rows", "many-rows"])
def any_size(request, entry, rng):
    return entry.problem(rng, n_rows=request.param)


def test_same_seed_same_bits(entry, any_size):
    first, second = (entry.make(random_state=3).fit(*any_size) for _ in range(2))
    assert bits(entry, first) == bits(entry, second)
    assert entry.claimed(first) == entry.claimed(second)


def test_refit_forgets(entry, any_size, small):
    model = entry.make(random_state=3)
    first = bits(entry, model.fit(*any_size))
    model.fit(*small)
    assert bits(entry, model.fit(*any_size)) == first


def test_same_bits_for_any_number_of_threads(entry, any_size):
    answers = set()
    for limit in (1, 2, 4):
        with threadpool_limits(limit):
            answers.add(bits(entry, entry.make(random_state=3).fit(*any_size)))
    assert len(answers) == 1


def test_eight_threads_fitting_at_once(entry, any_size):
    alone = bits(entry, entry.make(random_state=3).fit(*any_size))
    start = threading.Barrier(8)

    def fit(_):
        start.wait(timeout=30)
        return bits(entry, entry.make(random_state=3).fit(*any_size))

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(fit, range(8))) == {alone}


def test_threads_are_given_back(entry, any_size):
    """A fit limits BLAS to one thread for a while; afterwards the limit of the caller holds again."""
    from threadpoolctl import threadpool_info

    def limits():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    entry.make(random_state=3).fit(*any_size)
    before = limits()
    entry.make(random_state=3).fit(*any_size)
    assert limits() == before


@pytest.mark.parametrize("random_state", [0, None])
def test_global_random_state_is_left_alone(entry, any_size, random_state):
    before = np.random.get_state()  # noqa: NPY002  (it is the global state that is looked at)
    entry.make(random_state=random_state).fit(*any_size)
    after = np.random.get_state()  # noqa: NPY002
    assert before[0] == after[0]
    np.testing.assert_array_equal(before[1], after[1])
    assert before[2:] == after[2:]


def test_any_seed_gives_the_same_answer_but_for_rounding(entry, any_size):
    answers = [entry.answer(entry.make(random_state=seed).fit(*any_size)) for seed in (0, 1, None)]
    for answer in answers[1:]:
        np.testing.assert_allclose(answer, answers[0], rtol=entry.accuracy)


@pytest.mark.parametrize("make_state", [np.random.default_rng, np.random.RandomState])
def test_generators_are_taken(entry, data, make_state):
    first, second = (entry.make(random_state=make_state(5)).fit(*data) for _ in range(2))
    assert bits(entry, first) == bits(entry, second)
