"""What users know of a graph, in all its forms; and what contradicts itself."""

import numpy as np
import pytest

from sparsesolve.dag.background import check_background
from sparsesolve.graphs import is_acyclic

NAMES = ["debt", "income", "age", "rent"]


def test_nothing_known():
    known = check_background(3)
    assert not known.required.any()
    np.testing.assert_array_equal(known.forbidden, np.eye(3, dtype=bool))
    assert known.tiers is None


def test_pairs_masks_and_names_say_the_same():
    mask = np.zeros((4, 4), dtype=bool)
    mask[2, 1] = mask[1, 0] = True
    forms = [
        mask,
        [(2, 1), (1, 0)],
        np.array([[2, 1], [1, 0]]),
        [("age", "income"), ("income", 0)],
        {(2, 1), (1, 0)},
    ]
    forms.append(np.array([["age", "income"], ["income", "debt"]]))
    for form in forms:
        np.testing.assert_array_equal(check_background(4, required=form, names=NAMES).required, mask)
        forbidden = check_background(4, forbidden=form, names=NAMES).forbidden
        np.testing.assert_array_equal(forbidden, mask | np.eye(4, dtype=bool))
    assert mask.sum() == 2


def test_edges_that_would_close_a_cycle_are_forbidden():
    known = check_background(4, required=[(0, 1), (1, 2)])
    expected = np.eye(4, dtype=bool)
    expected[1, 0] = expected[2, 1] = expected[2, 0] = True
    np.testing.assert_array_equal(known.forbidden, expected)


def test_forms_of_tiers():
    lists = check_background(4, tiers=[["age"], ["income", "rent"]], names=NAMES)
    numbers = check_background(4, tiers=np.array([-1, 70, 20, 70]))
    assert lists.tiers.tolist() == numbers.tiers.tolist() == [-1, 1, 0, 1]
    expected = np.eye(4, dtype=bool)
    expected[1, 2] = expected[3, 2] = True
    for known in (lists, numbers, check_background(4, tiers=[[2], [], (1, 3)])):
        np.testing.assert_array_equal(known.forbidden, expected)


def test_random_knowledge_is_consistent_or_refused():
    rng = np.random.default_rng(0)
    kept = 0
    for _ in range(300):
        d = int(rng.integers(1, 6))
        required, forbidden = (rng.random((d, d)) < share for share in (0.15, 0.2))
        tiers = rng.integers(-1, 3, d)
        bad = (required & forbidden).any() or not is_acyclic(required)
        bad |= any(required[i, j] and tiers[i] > tiers[j] >= 0 for i in range(d) for j in range(d))
        if bad:
            with pytest.raises(ValueError, match="required"):
                check_background(d, required, forbidden, tiers)
            continue
        kept += 1
        known = check_background(d, required, forbidden, tiers)
        assert not (known.required & known.forbidden).any()
        # Any one allowed edge goes with the required ones.
        for i, j in np.argwhere(~known.forbidden):
            graph = known.required.copy()
            graph[i, j] = True
            assert is_acyclic(graph)
            assert not forbidden[i, j]
            assert not tiers[i] > tiers[j] >= 0
    assert kept > 50


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"required": [(0, 1)], "forbidden": [(0, 1)]}, "both hold the edge debt -> income"),
        ({"required": [(0, 1), (1, 2), (2, 0)]}, "cycle debt -> income -> age -> debt"),
        ({"required": [(1, 1)]}, "edge income -> income"),
        ({"required": [("income", "age")], "tiers": [["age"], ["income"]]}, "into tier 0, before"),
        ({"required": [("incom", "age")]}, "'incom', which is not known: is 'income' meant"),
        ({"forbidden": [("zzz", "age")]}, "names are debt, income, age, rent"),
        ({"forbidden": [(0, 4)]}, "forbidden names the node 4, but nodes are 0 to 3"),
        ({"forbidden": [(0, -1)]}, "node -1"),
        ({"required": [(0, 1, 2)]}, "required must be pairs"),
        ({"required": 3}, "required must be pairs"),
        ({"required": np.zeros((3, 3), dtype=bool)}, r"shape \(3, 3\)"),
        ({"tiers": [["age"], ["age"]]}, "names the node age twice"),
        ({"tiers": [0, 1]}, "tiers has 2 numbers"),
        ({"tiers": ["age", "debt"]}, r"tiers\[0\]='age' must be a list"),
        ({"tiers": [[0], [9]]}, "tiers names the node 9"),
        ({"names": ["a", "b"]}, "names holds 2 names"),
        ({"names": ["a", "b", "a", "c"]}, "holds 'a' twice"),
        ({"names": None, "required": [("age", "debt")]}, "nodes have no names"),
    ],
)
def test_contradictions_and_unknown_nodes_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        check_background(4, **{"names": NAMES, **options})
