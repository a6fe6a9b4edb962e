"""Numerical optimization and sketching solvers with certificates, under a scikit-learn API.

Every solver returns a solution, a certificate that can be recomputed from the data, and a trace of how it got there.
The public names are imported when they are first used: importing the package itself takes no time.
"""

from difflib import get_close_matches
from importlib import import_module
from typing import Any

__version__ = "0.1.0.dev0"

#: Public names, and the modules that define them.
_HOMES = {
    "BCDClassifier": "coordinate",
    "BCDClassifierCV": "coordinate",
    "BCDRegressor": "coordinate",
    "BCDRegressorCV": "coordinate",
    "CoLiDE": "dag",
    "FastRP": "projection",
    "GraphLabelPropagation": "coordinate",
    "KroneckerSBL": "kronecker",
    "LpRegression": "regression",
    "MatrixCompletion": "completion",
    "QuantileRegression": "regression",
    "Result": "result",
    "SampledLeastSquares": "regression",
    "SinkhornNewtonSparse": "transport",
    "SketchedLinearRegression": "regression",
    "SparseProjection": "projection",
    "Status": "result",
    "block_coordinate_descent": "coordinate",
    "complete": "completion",
    "entropic_transport": "transport",
    "estimate_dag": "dag",
    "kronecker_sbl": "kronecker",
    "lp_regression": "regression",
    "lstsq": "regression",
    "quantile_regression": "regression",
}
#: Public modules.
_ROOMS = (
    "backends",
    "completion",
    "coordinate",
    "dag",
    "datasets",
    "exceptions",
    "kronecker",
    "metrics",
    "plotting",
    "projection",
    "prox",
    "reference",
    "regression",
    "sketch",
    "streams",
    "transport",
)

__all__ = sorted([*_HOMES, *_ROOMS])


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f".{name}", __name__)
    if name in _HOMES:
        value = globals()[name] = getattr(import_module(f".{_HOMES[name]}", __name__), name)
        return value
    near = get_close_matches(name, __all__, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"its public names are {', '.join(__all__)}."
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}: {hint}", name=name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
