"""Other packages that learn directed acyclic graphs, each a function from data to edges; for `dag.py`.

They stand in an environment of their own (see requirements.txt). `CLASSES` is empty without causal-learn, and
`CONTINUOUS` without gCastle.
"""

from __future__ import annotations

import contextlib
import io
import logging
import random
from collections.abc import Callable

import numpy as np

from sparsesolve.graphs import consistent_extension
from sparsesolve.metrics import cpdag_hamming_distance, structural_hamming_distance

#: Functions of the data, that give equivalence classes or graphs; what needs no gradient.
CLASSES: dict[str, Callable[[np.ndarray], np.ndarray]] = {}
#: Those that minimise a smooth function of the weights, as CoLiDE does; their weights below 0.3 are cut.
CONTINUOUS: dict[str, Callable[[np.ndarray], np.ndarray]] = {}
#: Cost of an edge in units of log n and of the log-likelihood, the same as here: 2 log n for twice the log-likelihood.
PENALTY = 1.0


def _edges(graph) -> np.ndarray:
    """causal-learn has -1 where an edge begins and 1 where it ends; here [i, j] is True for i -> j and for i - j."""
    return (graph == -1) & (graph != 0)


def _boss(X):
    random.seed(
        0
    )  # it visits the nodes in an order drawn from Python's own generator, and starts from the columns'
    with contextlib.redirect_stdout(io.StringIO()):
        found = boss(X, score_func="local_score_BIC_from_cov", parameters={"lambda_value": PENALTY})
    return _edges(found.graph)


def _ges(X):
    found = ges(X, score_func="local_score_BIC_from_cov", parameters={"lambda_value": PENALTY})
    return _edges(found["G"].graph)


def _direct_lingam(X):
    model = DirectLiNGAM(random_state=0)
    model.fit(X)
    return model.adjacency_matrix_.T != 0


try:
    from causallearn.search.FCMBased.lingam import DirectLiNGAM
    from causallearn.search.PermutationBased.BOSS import boss
    from causallearn.search.ScoreBased.GES import ges
except ImportError:
    pass
else:
    CLASSES |= {"BOSS": _boss, "GES": _ges, "DirectLiNGAM": _direct_lingam}


def _castle(learner) -> Callable[[np.ndarray], np.ndarray]:
    def fit(X):
        with contextlib.redirect_stdout(io.StringIO()):
            model = learner()
            model.learn(X - X.mean(axis=0))
        return np.asarray(model.causal_matrix) != 0

    return fit


try:
    logging.disable(logging.INFO)  # it logs while it is imported
    from castle.algorithms import GOLEM, Notears

    CONTINUOUS |= {"NOTEARS": _castle(Notears), "GOLEM": _castle(GOLEM)}
except ImportError:
    pass
finally:
    logging.disable(logging.NOTSET)


def class_distance(truth, edges) -> int:
    """Distance of equivalence classes; of the edges as they are, where they are no class of an acyclic graph."""
    try:
        return cpdag_hamming_distance(truth, consistent_extension(edges))
    except ValueError:
        return structural_hamming_distance(truth, edges)
