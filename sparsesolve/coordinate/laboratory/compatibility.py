"""Which choices of the laboratory go together, and what to say where they do not."""

from __future__ import annotations

import numpy as np

from ...prox import Zero
from ...validation import check_choice
from .partition import GRAPH_PARTITIONS, PARTITIONS
from .problems import PROBLEM_METHODS, Problem
from .scores import NONSMOOTH_SCORES
from .selection import SELECTIONS
from .update import UPDATES

GSQ_METHODS = ("omp", "iht")
#: Maximum improvement minimises every block in every iteration: on more variable coordinates it makes no sense.
_MI_LARGEST = 2000
_DENSE_LARGEST = 10_000


def check_choices(
    problem: Problem, partition, selection, update, block_size: int, nonsmooth_score, gsq_method
) -> None:
    """Raise a ValueError that says what is possible, unless the choices go together on this problem."""
    check_choice("partition", partition, PARTITIONS)
    if not callable(selection):
        check_choice("selection", selection, SELECTIONS)
    check_choice("update", update, UPDATES)
    check_choice("nonsmooth_score", nonsmooth_score, NONSMOOTH_SCORES)
    check_choice("gsq_method", gsq_method, GSQ_METHODS)
    _demand("partition", partition, PARTITIONS, lambda name: partition_refusal(problem, name))
    _demand(
        "selection",
        selection,
        SELECTIONS,
        lambda name: selection_refusal(problem, partition, name, block_size, gsq_method),
    )
    _demand("update", update, UPDATES, lambda name: update_refusal(problem, partition, selection, name))


def _demand(argument, value, names, refusal):
    reason = refusal(value)
    if reason is not None:
        possible = ", ".join(repr(name) for name in names if refusal(name) is None)
        raise ValueError(f"{argument}={value!r} cannot be used here: {reason}. Possible here: {possible}.")


def check_problem(problem) -> None:
    """Raise a ValueError for an object that lacks a part of the protocol `Problem`."""
    names = ("n_coordinates", "penalty", "is_quadratic", *PROBLEM_METHODS)
    missing = [name for name in names if not hasattr(problem, name)]
    if missing:
        raise ValueError(
            f"problem={problem!r} lacks {', '.join(missing)}: use LeastSquares, Logistic, Multinomial, Poisson, "
            "SVMDual, GraphQuadratic, or an object with all methods of sparsesolve.coordinate.Problem."
        )


def partition_refusal(problem: Problem, name: str) -> str | None:
    """Why a partition cannot be used, or None."""
    if name in GRAPH_PARTITIONS:
        return _no_graph(problem)
    return None


def selection_refusal(
    problem: Problem, partition: str, name: str, block_size: int, gsq_method: str
) -> str | None:
    """Why a selection cannot be used with a partition, or None."""
    smooth = isinstance(problem.penalty, Zero)
    variable = partition == "variable"
    if callable(name):
        return None if variable else "a rule of your own needs partition='variable'"
    if name == "gsl" and problem.lipschitz() is None:
        return "it needs a bound of the Hessian, and this loss has none"
    if name == "gsq" and gsq_method == "iht" and variable and not smooth:
        return "gsq_method='iht' needs a problem without a penalty; gsq_method='omp' does not"
    if name == "gsc":
        if not smooth:
            return "it needs a problem without a penalty"
        if problem.third_bound(np.zeros(1, np.int64)) is None:
            return "it needs a bound of the third derivative, and this loss has none"
    if name == "mi" and variable and (block_size > 1 or problem.n_coordinates > _MI_LARGEST):
        return f"it needs a fixed partition, or block_size=1 and at most {_MI_LARGEST} coordinates"
    if name == "greedy-tree":
        return _no_graph(problem) if variable else "it needs partition='variable'"
    return None


def update_refusal(problem: Problem, partition: str, selection: str, name: str) -> str | None:
    """Why an update cannot be used with a partition and a selection, or None."""
    penalty = problem.penalty
    smooth = isinstance(penalty, Zero)
    by_graph = partition in GRAPH_PARTITIONS or selection == "greedy-tree"
    if by_graph and name != "message-passing" and problem.n_coordinates > _DENSE_LARGEST:
        return f"blocks of a graph of more than {_DENSE_LARGEST} nodes are too large for dense matrices"
    if name in ("lipschitz", "matrix") and problem.lipschitz() is None:
        return "it needs a bound of the Hessian, and this loss has none"
    if name in ("newton", "cubic") and not smooth:
        return "it needs a problem without a penalty"
    if name == "two-metric" and not penalty.has_pieces:
        return f"it needs a penalty with kinks of single coordinates that it knows, unlike {type(penalty).__name__}"
    if name == "message-passing":
        if not by_graph:
            return "it needs blocks that are forests: partition='red-black' or 'tree', or selection='greedy-tree'"
        if not smooth:
            return "it needs a problem without a penalty"
    return None


def _no_graph(problem):
    if problem.couplings() is None:
        return "it needs a sparse graph of couplings, as that of GraphQuadratic"
    if problem.penalty.groups is not None:
        return "it needs a penalty that is separable over coordinates"
    return None
