"""Weights and noise along an order, and how exactly they solve their problem."""

from __future__ import annotations

import math

import numpy as np

from .candidate import Candidate
from .concomitant import concomitant_lasso, forward_edges
from .covariance import natural_units
from .full_regressions import refit, refit_own
from .options import Options
from .scores import OwnRows
from .unequal_variance import fit_unequal_variance, unequal_variance_penalty


def finished(C, n, candidate: Candidate, kind: str, options: Options, own: OwnRows | None) -> Candidate:
    """Parents, weights and noise along the order, where they are not there yet."""
    if candidate.weights is not None:
        return candidate
    order, graph = candidate.order, candidate.graph
    if options.alpha is not None:
        allowed = forward_edges(order, options.constraints.allowed)
        unit = natural_units(C, kind)
        fit = concomitant_lasso(C / unit / unit[:, None], allowed, options.alpha, noise=kind)
        weights = fit.weights * unit / unit[:, None]
        return candidate._replace(
            graph=weights != 0.0, weights=weights, scales=fit.scales * unit, residual=fit.residual
        )
    if graph is None:
        penalty = unequal_variance_penalty(n)
        graph = fit_unequal_variance(C, order, n, options.constraints, penalty, own=own).graph
    weights, variances = refit_own(C, graph, own)
    n = n if own is None else own.rows[own.group]
    freedom = np.maximum(n - 1 - graph.sum(axis=0), 1)
    together = np.full(len(C), (n * variances).sum() / freedom.sum())
    variances = together if kind == "equal" else variances * (n / freedom)
    residual = _own_residual(C, weights, graph, own)
    return candidate._replace(graph=graph, weights=weights, scales=np.sqrt(variances), residual=residual)


def _normal_residual(C, W, graph) -> float:
    """How far the weights are from least squares on their parents, relative to the columns."""
    gradient = np.where(graph, C @ (np.eye(len(C)) - W), 0.0)
    size = np.sqrt(np.maximum(np.diag(C), 0.0))
    size = np.where(size > 0.0, size, 1.0)
    # What rounding of the sums alone may leave: a column may be a small difference of large ones.
    rounding = len(C) * np.finfo(float).eps * (np.abs(C) @ (np.eye(len(C)) + np.abs(W)))
    beyond = np.maximum(np.abs(gradient) - rounding, 0.0)
    return float((beyond / size[:, None] / size).max(initial=0.0))


def _own_residual(C, W, graph, own: OwnRows | None) -> float:
    """The same where nodes have rows of their own."""
    if own is None:
        return _normal_residual(C, W, graph)
    groups = enumerate(own.covariances)
    return max(_normal_residual(covariance, W, graph & (own.group == group)) for group, covariance in groups)


def plausible_noise(C, n, graph) -> tuple[str, str]:
    """Whether the residuals of a graph that was found for equal noise have equal variances, by BIC; and why."""
    d = len(C)
    variances = np.maximum(refit(C, graph)[1], np.finfo(float).tiny)
    gain = n * (d * math.log(float(variances.mean())) - float(np.log(variances).sum()))
    price = (d - 1) * math.log(n)
    noise = "equal" if gain <= price else "unequal"
    words = "do not differ" if noise == "equal" else "differ"
    spread = math.sqrt(variances.max() / variances.min())
    return noise, (
        f"noise={noise!r}: on the graph for equal noise the residuals' deviations {words} (largest over least "
        f"{spread:.2f}; unequal ones gain {gain:.0f} at a price of {price:.0f} in BIC)"
    )
