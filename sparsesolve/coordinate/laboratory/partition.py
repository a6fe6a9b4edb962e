"""Fixed partitions of the coordinates into blocks, made before the first step."""

from __future__ import annotations

import numpy as np

from ...operators.forest import is_forest
from .graph import colour_blocks, tree_blocks
from .problems import Problem
from .units import Units

PARTITIONS = ("order", "sort", "average", "variable", "red-black", "tree")
#: Those that follow the graph of couplings instead of a block size.
GRAPH_PARTITIONS = ("red-black", "tree")


def fixed_blocks(
    name: str, problem: Problem, units: Units, scales: np.ndarray, block_size: int
) -> list[np.ndarray]:
    """The blocks of a partition.

    Parameters
    ----------
    name : str
        "order": consecutive units. "sort": consecutive after sorting by scale, so that large ones meet large ones.
        "average": large and small ones in turn. "red-black": blocks without couplings inside. "tree": blocks whose
        couplings form forests.
    problem : Problem
    units : Units
    scales : ndarray of shape (n_coordinates,)
        Lipschitz constants of the coordinates.
    block_size : int
        Not used by the last two.

    Returns
    -------
    list of ndarray
        Blocks of coordinates, every coordinate in one.
    """
    if name in GRAPH_PARTITIONS:
        graph = problem.couplings()
        return colour_blocks(graph) if name == "red-black" else tree_blocks(graph, scales)
    order = np.arange(units.count)
    if name != "order":
        order = np.argsort(-units.largest(scales), kind="stable")
    if name == "average":
        order = _alternate(order)
    return units.cut(order, block_size)


def given_blocks(partition, problem: Problem, units: Units) -> tuple[str, list[np.ndarray]]:
    """A partition given as blocks, checked, and the name of the partition whose rules it follows.

    Raises
    ------
    ValueError
        Unless every coordinate is in exactly one block, and every group of the penalty in one.
    """
    blocks = [np.asarray(block) for block in partition]
    if not blocks or any(
        block.ndim != 1 or block.size == 0 or block.dtype.kind not in "iu" for block in blocks
    ):
        raise ValueError("partition must be a name, or a sequence of non-empty arrays of coordinates.")
    blocks = [block.astype(np.int64) for block in blocks]
    if not np.array_equal(np.sort(np.concatenate(blocks)), np.arange(problem.n_coordinates)):
        raise ValueError(
            f"partition must hold each of the {problem.n_coordinates} coordinates in exactly one block."
        )
    if sum(units.units_of(block).size for block in blocks) != units.count:
        raise ValueError("partition splits a group of the penalty: a block must hold whole groups.")
    graph = problem.couplings()
    forests = graph is not None and all(is_forest(graph, block) for block in blocks)
    return "tree" if forests else "order", blocks


def _alternate(order):
    """First, last, second, last but one, and so on."""
    mixed = np.empty_like(order)
    half = (order.size + 1) // 2
    mixed[0::2], mixed[1::2] = order[:half], order[half:][::-1]
    return mixed
