"""What the estimators of linear models share: their parameters, and the way from these to a posed problem."""

from __future__ import annotations

import numpy as np

from ...validation import check_choice, check_real
from ..losses import Loss
from .pose import Posed, pose, pose_groups

PENALTIES = ("l1", "elastic-net", "l2", "group", "none")


def pose_fit(X, y, loss: Loss, parameters, sample_weight) -> Posed:
    """The posed problem of an estimator's parameters, at alpha = 1; a ValueError names the one that is wrong."""
    positive, fit_intercept = bool(parameters.positive), bool(parameters.fit_intercept)
    common = {"sample_weight": sample_weight, "fit_intercept": fit_intercept}
    groups = check_groups(parameters, X.shape[1])
    if groups is None:
        l1, l2 = penalty_shares(parameters)
        return pose(X, y, loss, l1, l2, positive=positive, **common)
    if positive:
        raise ValueError(
            "positive=True is not known to penalty='group': use 'l1', 'elastic-net', 'l2' or 'none'."
        )
    return pose_groups(X, y, loss, groups, group_weights(parameters.group_weights, len(groups)), **common)


def penalty_shares(parameters) -> tuple[float, float]:
    """How much of alpha is the strength of the l1 part, and of the squares."""
    ratio = check_real("l1_ratio", parameters.l1_ratio, minimum=0)
    if ratio > 1.0:
        raise ValueError(f"l1_ratio={parameters.l1_ratio!r} must be at most 1.")
    shares = {"l1": (1.0, 0.0), "elastic-net": (ratio, 1.0 - ratio), "l2": (0.0, 1.0), "none": (0.0, 0.0)}
    return shares[parameters.penalty]


def check_groups(parameters, n_features: int) -> list[np.ndarray] | None:
    """The groups' columns, for the group penalty; a ValueError where they are given for another one."""
    check_choice("penalty", parameters.penalty, PENALTIES)
    if parameters.penalty == "group":
        return as_groups(parameters.groups, n_features)
    if parameters.groups is not None:
        raise ValueError(
            f"groups is given, but penalty={parameters.penalty!r}: use penalty='group', or leave it out."
        )
    return None


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
