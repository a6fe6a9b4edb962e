"""The order search as an engine."""

from __future__ import annotations

from ..driver import TICK, Iterate, Solver
from ..result import Status
from .candidate import Candidate
from .minimum_pivot import search_equal_variance
from .options import Options
from .scores import OwnRows
from .unequal_variance import search_unequal_variance
from .weights import finished

#: Certificates of iterates that are on the way.
_ON_THE_WAY = 1.0


def by_order(C, n, kind: str, options: Options, key: int, own: OwnRows | None) -> Solver:
    """The order search as iterates: `Candidate` with a certificate that is small at the end alone."""
    if kind == "equal":
        last = None
        for found in search_equal_variance(C, n, options.constraints, key=key):
            if found is TICK:
                yield TICK
                continue
            fit, progress = found
            last = Candidate(fit.order, fit.graph, None, None, fit.score, ())
            moved = 0 if progress is None else progress.moved
            yield Iterate(last, _ON_THE_WAY, fit.score, {"stage": "search", "moved": moved})
    else:
        last = None
        searched = search_unequal_variance(
            C, n, options.constraints, key=key, starts=options.n_starts, own=own
        )
        for news in searched:
            if news is TICK:
                yield TICK
                continue
            last = Candidate(news.order, news.graph, None, None, news.score, news.start_scores)
            extras = {"stage": news.stage, "moved": news.moved}
            yield Iterate(last, _ON_THE_WAY, news.score, extras)
    if last is None:
        raise RuntimeError("the search ended without an order; this is a fault of sparsesolve")
    done = finished(C, n, last, kind, options, own)
    yield Iterate(done, done.residual, done.score, {"stage": "weights", "moved": 0})
    return Status.STALLED
