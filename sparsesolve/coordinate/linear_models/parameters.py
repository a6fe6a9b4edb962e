"""What the estimators of linear models share: their parameters, and the way from these to a posed problem."""

from __future__ import annotations

import numpy as np

from ...validation import check_choice, check_real
from ..losses import Loss
from .pose import Posed, pose, pose_groups

PENALTIES = ("l1", "elastic-net", "group", "none")


def pose_fit(X, y, loss: Loss, parameters, sample_weight) -> Posed:
    """The posed problem of an estimator's parameters; a ValueError names the one that is wrong."""
    check_choice("penalty", parameters.penalty, PENALTIES)
    alpha = check_real("alpha", parameters.alpha, minimum=0)
    positive, fit_intercept = bool(parameters.positive), bool(parameters.fit_intercept)
    common = {"sample_weight": sample_weight, "fit_intercept": fit_intercept}
    if parameters.penalty == "group":
        if positive:
            raise ValueError(
                "positive=True is not known to penalty='group': use 'l1', 'elastic-net' or 'none'."
            )
        groups = as_groups(parameters.groups, X.shape[1])
        weights = group_weights(parameters.group_weights, len(groups))
        return pose_groups(X, y, loss, groups, alpha * weights, **common)
    if parameters.groups is not None:
        raise ValueError(
            f"groups is given, but penalty={parameters.penalty!r}: use penalty='group', or leave it out."
        )
    ratio = check_real("l1_ratio", parameters.l1_ratio, minimum=0)
    if ratio > 1.0:
        raise ValueError(f"l1_ratio={parameters.l1_ratio!r} must be at most 1.")
    l1, l2 = {"l1": (alpha, 0.0), "elastic-net": (alpha * ratio, alpha * (1.0 - ratio)), "none": (0.0, 0.0)}[
        parameters.penalty
    ]
    return pose(X, y, loss, l1, l2, positive=positive, **common)


def as_groups(groups, n_features: int) -> list[np.ndarray]:
    """Arrays of column numbers, one a group, from these or from the number (or name) of each column's group."""
    if groups is None:
        raise ValueError("groups=None, but penalty='group' needs them: give the group of each feature.")
    if np.ndim(groups[0]) == 0:
        labels = np.asarray(groups)
        if labels.shape != (n_features,):
            raise ValueError(
                f"groups has {labels.size} labels, but there are {n_features} features: give one each."
            )
        _, labels = np.unique(labels, return_inverse=True)
        order = np.argsort(labels, kind="stable")
        return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    parts = [np.asarray(part, dtype=np.int64) for part in groups]
    if not np.array_equal(np.sort(np.concatenate(parts)), np.arange(n_features)) or min(map(len, parts)) == 0:
        raise ValueError(
            f"groups must hold every column number from 0 to {n_features - 1} once, and no group may be empty."
        )
    return parts


def group_weights(weights, n_groups: int) -> np.ndarray:
    """Weights of at least 0, one a group; ones for None."""
    if weights is None:
        return np.ones(n_groups)
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != (n_groups,) or not np.isfinite(weights).all() or weights.min() < 0.0:
        raise ValueError(f"group_weights must hold {n_groups} finite numbers of at least 0, one a group.")
    return weights
