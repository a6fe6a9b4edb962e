"""Which of a patient's measurements act on which: edges that fits to resampled rows agree on."""

from __future__ import annotations

from functools import partial

import numpy as np

from .row import Stage, TourRow, timed, timed_in_turn

_RESAMPLES = {True: 10, False: 60}
_SURE = 0.9


def diabetes_graph(stage: Stage) -> TourRow:
    """Estimate the graph and bootstrap it, beside scikit-learn's graphical lasso, which gives no directions."""
    from sklearn.covariance import GraphicalLasso
    from sklearn.datasets import load_diabetes

    from ...dag import CoLiDE

    data = load_diabetes()
    X = np.column_stack([data.data, data.target])
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    names = [*data.feature_names, "progression"]
    # Age and sex come before everything, the progression after it.
    model = CoLiDE(tiers=[0, 0, *[1] * 8, 2])
    stage.report("compiling the kernels of the order search")
    seconds = timed(partial(model.fit, X))[1]
    stage.note(f"Compiling or loading the kernels of the order search took {seconds:.2g} s before.")
    stage.report("searching for orders, and waiting for the graphical lasso")
    skeleton = GraphicalLasso(alpha=0.1)
    (_, seconds), (_, their_seconds) = timed_in_turn(
        [partial(model.fit, X), partial(skeleton.fit, X)], rounds=1 if stage.quick else 3
    )
    stage.report("drawing rows anew")
    again = model.bootstrap(X, _RESAMPLES[stage.quick], random_state=0)
    edges = model.adjacency_ != 0.0
    sure = int((again.edge_probability[edges] > _SURE).sum())
    joined = np.abs(skeleton.precision_) > 1e-3
    shared = float(joined[edges].mean())
    stage.report("drawing the graph")
    _draw(stage, model, again, names)
    return TourRow(
        problem=f"graph of {len(names)} measurements on {len(X)} patients",
        solver=type(model).__name__,
        seconds=seconds,
        reference="scikit-learn GraphicalLasso",
        reference_seconds=their_seconds,
        certificate=f"KKT residual {model.kkt_residual_:.1e}",
        agreement=f"{sure} of {int(edges.sum())} edges are sure; {shared:.0%} are edges there too",
    )


def _draw(stage: Stage, model, again, names) -> None:
    from matplotlib.figure import Figure

    from ...plotting import GraphDisplay

    figure = Figure(figsize=(8, 7), layout="constrained")
    display = GraphDisplay(
        adjacency=model.adjacency_, cpdag=model.cpdag_, confidence=again.edge_probability, names=names
    )
    display.plot(figure.subplots())
    stage.save(
        figure,
        "diabetes-graph.png",
        "Which measurement acts on which among diabetes patients, by the fitted graph, beside the graphical lasso.",
    )
