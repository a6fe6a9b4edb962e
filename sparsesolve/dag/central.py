"""The paper's central path as an engine."""

from __future__ import annotations

import numpy as np

from ..driver import TICK, Iterate, Solver
from ..result import Status
from .candidate import Candidate
from .central_path import Schedule, central_path
from .covariance import natural_units
from .options import Options


def along_central_path(C: np.ndarray, n: int, kind: str, options: Options, key: int, own=None) -> Solver:
    """Points of the path as iterates; the last one's certificate is that of its stage."""
    nodes = np.arange(len(C))
    assert options.alpha is not None
    unit = natural_units(C, "equal")
    C = C / unit / unit[:, None]
    path = central_path(
        C,
        noise=kind,
        alpha=options.alpha,
        schedule=Schedule(tol=options.tol),
        inner=options.inner,
        allowed=options.constraints.allowed,
    )
    for iterate in path:
        if iterate is TICK:
            yield TICK
            continue
        point = iterate.solution
        found = Candidate(
            nodes,
            point.weights != 0.0,
            point.weights,
            point.scales,
            iterate.objective,
            (),
            iterate.certificate,
        )
        yield Iterate(found, iterate.certificate, iterate.objective, iterate.extras, iterate.goes_on)
    return Status.STALLED
