"""Graphs from linear data against controls, the central path and other packages: `python benchmarks/dag.py --quick`.

Medians over instances, with the least and the largest; one fit each, in one process with one thread; seconds are CPU
time. Every table on accuracy holds the controls of
`dag_controls.py`: what no method should be proud to beat, and must. The other packages are in `dag_peers.py`.
"""

from __future__ import annotations

import sys
import time
import warnings

import numpy as np
from common import Report, run_sections
from dag_controls import CONTROLS
from dag_peers import CLASSES, CONTINUOUS, class_distance

from sparsesolve import CoLiDE, estimate_dag
from sparsesolve.dag.central_path import central_path
from sparsesolve.dag.concomitant import concomitant_lasso, forward_edges
from sparsesolve.dag.covariance import natural_units
from sparsesolve.dag.thresholding import threshold_weights
from sparsesolve.datasets import make_linear_sem
from sparsesolve.driver import drive
from sparsesolve.exceptions import AssumptionWarning
from sparsesolve.metrics import cpdag_hamming_distance, structural_hamming_distance

PACKAGES = ("numpy", "scipy", "numba", "causal-learn", "gcastle")
SEED = 700_000
STRONG, WEAK = (0.5, 2.0), (0.25, 1.0)
GRAPHS = {"ER4": "erdos-renyi", "SF4": "scale-free"}
#: The controls of the tables. Larger problems have fewer instances of them, the largest only the empty graph.
SHOWN = ("empty graph", "variance sort", "R2 sort", "random order")
PAPER_CUT = 0.3
#: Seconds of the authors' code on a machine with two cores, one thread.
AUTHORS = {("equal", 20): 4.8, ("equal", 50): 19.6, ("unequal", 50): 20.8}


def draws(count: int, n: int, d: int, **settings):
    """So many problems, on which no choice was made."""
    return [make_linear_sem(n, d, **settings, random_state=SEED + seed) for seed in range(count)]


def instances(options) -> int:
    return min(options.laps, 2) if options.quick else options.laps


def timed(run, *args, **settings):
    """The answer, and the seconds of CPU time it took: what it takes on one thread, whoever else is on the machine."""
    start = time.process_time()
    answer = run(*args, **settings)
    return answer, time.process_time() - start


def fit(data, **settings):
    """The solution of one fit, and its seconds."""
    settings.setdefault("random_state", 0)
    result, seconds = timed(estimate_dag, data.X, **settings)
    return result.solution, seconds


def warm_up(**settings):
    """Compile whatever such a fit runs."""
    for n, d in ((200, 6), (8, 10)):
        fit(make_linear_sem(n, d, degree=1, random_state=0), **settings)


def middle(values) -> str:
    """The median, with the least and the largest value."""
    values = np.asarray(values, dtype=float) + 0.0
    return f"{np.median(values):.3g} ({values.min():.3g} to {values.max():.3g})"


def control_cells(problems, distance, cut: float) -> list[str]:
    """Median distances of the controls, as cells of a row; weights up to `cut` are left out."""
    d = problems[0].X.shape[1]
    cells = []
    for name in SHOWN:
        if d > 200 and name != "empty graph":
            cells.append("-")
            continue
        found = []
        for seed, data in enumerate(problems[: 1 if d >= 200 else None]):
            weights = CONTROLS[name](data.X, random_state=seed)
            found.append(distance(data.adjacency, np.where(np.abs(weights) > cut, weights, 0.0)))
        cells.append(f"{np.median(found):g}")
    return cells


def naive_bic(X, graph) -> float:
    """``n sum log(residual variance) + 2 log n edges`` by least squares on the parents, columns at unit variance."""
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    n, total = len(X), 2.0 * np.log(len(X)) * np.count_nonzero(graph)
    for j in range(X.shape[1]):
        A = X[:, graph[:, j] != 0]
        rest = X[:, j] - A @ np.linalg.lstsq(A, X[:, j], rcond=None)[0] if A.size else X[:, j]
        total += n * np.log(np.mean(rest**2))
    return float(total)


def equal(report: Report, options) -> None:
    """Equal noise variances, data in their own units."""
    cases = [(20, 1000, np.inf), (50, 1000, np.inf)]
    if not options.quick:
        cases += [(100, 1000, np.inf), (200, 1000, 1.0), (500, 2000, 4.0)]
    warm_up(noise="equal")
    report.table("Equal noise, weights 0.5 to 2: SHD", "graph", "here", "seconds", "bar", "", *SHOWN)
    for short, graph in GRAPHS.items():
        for d, n, bar in cases:
            problems = draws(instances(options), n, d, graph=graph)
            found = [fit(data, noise="equal") for data in problems]
            distances = [
                structural_hamming_distance(data.adjacency, solution.adjacency)
                for data, (solution, _) in zip(problems, found, strict=True)
            ]
            seconds = [seconds for _, seconds in found]
            judged = np.isfinite(bar)
            good = np.median(distances) <= 2 and np.median(seconds) <= bar
            report.row(
                f"{short}, d = {d}, n = {n}", middle(distances), middle(seconds),
                f"SHD 2, {bar:g} s" if judged else "", report.verdict(good, of_size=True) if judged else "",
                *control_cells(problems, structural_hamming_distance, PAPER_CUT),
            )  # fmt: skip


def unequal(report: Report, options) -> None:
    """Unequal noise variances, standardised data, random starts."""
    cases = [("0.5 to 2", STRONG, 20, np.inf, np.inf), ("0.25 to 1", WEAK, 20, np.inf, np.inf)]
    if not options.quick:
        cases = [
            ("0.5 to 2", STRONG, 50, 1, 1.0), ("0.5 to 2", STRONG, 100, 2, 6.0), ("0.5 to 2", STRONG, 200, 8, 60.0),
            ("0.25 to 1", WEAK, 50, 5, np.inf), ("0.25 to 1", WEAK, 100, 4, 4.0), ("0.25 to 1", WEAK, 200, 15, 20.0),
        ]  # fmt: skip
    warm_up(noise="unequal")
    report.table(
        "Unequal noise, ER4, standardised, n = 1000: SHD of CPDAGs", "weights", "here", "seconds", "bar", "",
        "SHD of DAGs", "BIC beyond the true graph's", *SHOWN,
    )  # fmt: skip
    reached = []
    for words, weights, d, most, bar in cases:
        problems = draws(instances(options), 1000, d, weights=weights, variances="unequal", standardize=True)
        found = [fit(data, noise="unequal") for data in problems]
        rows = [
            (
                cpdag_hamming_distance(data.adjacency, solution.adjacency), seconds,
                structural_hamming_distance(data.adjacency, solution.adjacency),
                naive_bic(data.X, solution.adjacency) - naive_bic(data.X, data.adjacency),
            )
            for data, (solution, seconds) in zip(problems, found, strict=True)
        ]  # fmt: skip
        distances, seconds, directed, beyond = np.array(rows).T
        reached += list(beyond <= 1e-3)
        good = np.median(distances) <= most and np.median(seconds) <= bar
        report.row(
            f"{words}, d = {d}", middle(distances), middle(seconds),
            (f"{most:g}" + (f", {bar:g} s" if np.isfinite(bar) else "")) if np.isfinite(most) else "",
            report.verdict(good, of_size=True) if np.isfinite(most) else "", middle(directed),
            middle(np.round(beyond, 1)), *control_cells(problems, cpdag_hamming_distance, 0.0),
        )  # fmt: skip
    share = np.mean(reached)
    report.write(
        f"\nBIC no higher than the true graph's in {sum(reached)} of {len(reached)} runs; bar 95 %: "
        f"{report.verdict(share >= 0.95, of_size=True)}."
    )


def scale_free(report: Report, options) -> None:
    """Scale-free graphs with unequal noise, where hubs have many parents: here, and BOSS where it is installed."""
    sizes = (20,) if options.quick else (50, 100)
    warm_up(noise="unequal")
    report.table(
        "Unequal noise, SF4, weights 0.5 to 2, standardised, n = 1000: SHD of CPDAGs", "nodes", "here", "seconds",
        "BIC beyond the true graph's", "BOSS", "seconds", "here below BOSS", *SHOWN,
    )  # fmt: skip
    for d in sizes:
        problems = draws(
            instances(options), 1000, d, graph="scale-free", variances="unequal", standardize=True
        )
        found = [fit(data, noise="unequal") for data in problems]
        distances = [
            cpdag_hamming_distance(data.adjacency, solution.adjacency)
            for data, (solution, _) in zip(problems, found, strict=True)
        ]
        beyond = [
            naive_bic(data.X, solution.adjacency) - naive_bic(data.X, data.adjacency)
            for data, (solution, _) in zip(problems, found, strict=True)
        ]
        cells = ["not installed", "", ""]
        if "BOSS" in CLASSES:
            theirs = [timed(CLASSES["BOSS"], data.X) for data in problems]
            far = [
                class_distance(data.adjacency, edges)
                for data, (edges, _) in zip(problems, theirs, strict=True)
            ]
            verdict = report.verdict(np.median(distances) < np.median(far), of_size=True)
            cells = [middle(far), middle([seconds for _, seconds in theirs]), verdict]
        report.row(
            d, middle(distances), middle([seconds for _, seconds in found]), middle(np.round(beyond, 1)), *cells,
            *control_cells(problems, cpdag_hamming_distance, 0.0),
        )  # fmt: skip


def few_rows(report: Report, options) -> None:
    """Equal noise with fewer rows than columns."""
    cases = [(40, 30, 2)] if options.quick else [(200, 150, 2), (200, 300, 2), (100, 80, 2)]
    warm_up(noise="equal")
    report.table(
        "Equal noise, few rows, weights 0.5 to 2: SHD", "problem", "here", "seconds", "bar", "", *SHOWN
    )
    for d, n, degree in cases:
        problems = draws(instances(options), n, d, degree=degree)
        found = [fit(data, noise="equal") for data in problems]
        distances = [
            structural_hamming_distance(data.adjacency, solution.adjacency)
            for data, (solution, _) in zip(problems, found, strict=True)
        ]
        seconds = [seconds for _, seconds in found]
        judged = n == 150 or options.quick
        good = np.median(distances) <= 6 and np.median(seconds) <= 8
        report.row(
            f"ER{degree}, d = {d}, n = {n}", middle(distances), middle(seconds), "SHD 6, 8 s" if judged else "",
            report.verdict(good, of_size=True) if judged else "",
            *control_cells(problems, structural_hamming_distance, PAPER_CUT),
        )  # fmt: skip


def scaling(report: Report, options) -> None:
    """Columns in other units: the same graph without equal noise, and a warning with it."""
    count, d = (20, 10) if options.quick else (100, 20)
    same = warned = silent = 0
    for seed in range(count):
        data = make_linear_sem(500, d, degree=2, variances="unequal", random_state=SEED + seed)
        rng = np.random.default_rng(seed)
        factors = 10.0 ** rng.uniform(-4, 4, d) * rng.choice([-1, 1], d)
        before, after = (
            estimate_dag(X, noise="unequal", random_state=0).solution for X in (data.X, data.X * factors)
        )
        same += np.array_equal(before.adjacency != 0, after.adjacency != 0)
        warned += warns(data.X / data.X.std(axis=0))
        silent += not warns(data.X)
    report.table(f"Units of the columns, d = {d}", "what", "cases", "bar", "")
    whole = f"{count} of {count}"
    report.row("the same graph for unequal noise", f"{same} of {count}", whole, report.verdict(same == count))
    report.row(
        "a warning for equal noise, standardised", f"{warned} of {count}", whole, report.verdict(warned == count)
    )  # fmt: skip
    report.row("no warning in their own units", f"{silent} of {count}", "", "")


def warns(X) -> bool:
    """Whether a fit of equal noise doubts that noise is equal."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimate_dag(X, noise="equal", random_state=0)
    return any(issubclass(warning.category, AssumptionWarning) for warning in caught)


def random_knowledge(rng, d: int):
    """Required and forbidden edges and tiers, in agreement with an order that need not be the true one."""
    order = rng.permutation(d)
    forward = forward_edges(order)
    required = forward & (rng.random((d, d)) < rng.choice([0.0, 0.1, 0.3]))
    forbidden = ~required & (rng.random((d, d)) < rng.choice([0.0, 0.2, 0.6]))
    cuts = np.sort(rng.integers(0, d + 1, rng.integers(0, 3)))
    tiers = np.empty(d, dtype=int)
    tiers[order] = np.searchsorted(cuts, np.arange(d), side="right")
    tiers[rng.random(d) < rng.choice([0.0, 0.3])] = -1
    return required, forbidden, tiers


def constraints(report: Report, options) -> None:
    """What is known of a graph holds in it, and it has no cycle."""
    count = 100 if options.quick else 1000
    good, edges = 0, np.zeros(3)
    for seed in range(count):
        rng = np.random.default_rng(SEED + seed)
        d = int(rng.integers(3, 13))
        n = int(rng.integers(5, 200))
        data = make_linear_sem(n, d, degree=min(1.5, (d - 1) / 2), variances="unequal", random_state=seed)
        required, forbidden, tiers = random_knowledge(rng, d)
        noise = ("unequal", "equal", "auto")[seed % 3]
        found = estimate_dag(
            data.X, noise=noise, required=required, forbidden=forbidden, tiers=tiers, random_state=0
        ).solution.adjacency
        graph = found != 0
        back = (tiers[:, None] >= 0) & (tiers >= 0) & (tiers[:, None] > tiers)
        acyclic = not np.linalg.matrix_power(graph.astype(float), d).any()
        good += acyclic and graph[required].all() and not graph[forbidden].any() and not graph[back].any()
        edges += required.sum(), forbidden.sum(), graph.sum()
    report.table("What is known beforehand", "what", "cases", "bar", "")
    report.row(
        "required, forbidden and tiers hold, no cycle", f"{good} of {count}", f"{count} of {count}",
        report.verdict(good == count),
    )  # fmt: skip
    required, forbidden, found = edges / count
    report.write(f"\nOn average {required:.1f} edges required, {forbidden:.1f} forbidden, {found:.1f} found.")


def bootstrap(report: Report, options) -> None:
    """Resamples of the rows, equal noise."""
    d, resamples = (20, 20) if options.quick else (100, 200)
    data = draws(1, 1000, d)[0]
    warm_up(noise="equal")
    model = CoLiDE(noise="equal").fit(data.X)
    model.bootstrap(data.X, 2, random_state=0)
    found, seconds = timed(model.bootstrap, data.X, resamples, random_state=0)
    true = data.adjacency != 0
    report.table(
        f"Bootstrap, equal noise, ER4, d = {d}, n = 1000", "resamples", "seconds", "bar", "",
        "probability of true edges, median and least", "largest of others", "others above 1/2",
    )  # fmt: skip
    others = found.edge_probability[~true]
    report.row(
        resamples, f"{seconds:.2f}", 15, report.verdict(seconds <= 15, of_size=True),
        f"{np.median(found.edge_probability[true]):.2f}, {found.edge_probability[true].min():.2f}",
        f"{others.max():.2f}", int((others > 0.5).sum()),
    )  # fmt: skip


def naive_kkt(X, W, scales, allowed, alpha: float, noise: str) -> float:
    """Largest violation of the lassos' conditions, from the rows: subgradients over alpha, and scales relatively.

    Scales are no less than a hundredth of the columns' deviations, or of the least one's for equal noise.
    """
    rest = X - X @ W
    gradient = -(X.T @ rest) / len(X) / scales
    at_edges = np.abs(gradient + alpha * np.sign(W))[W != 0].max(initial=0.0)
    at_others = np.clip(np.abs(gradient) - alpha, 0.0, None)[allowed & (W == 0)].max(initial=0.0)
    squares = (rest**2).mean(axis=0)
    floors = 0.01 * (np.full(len(scales), X.std(axis=0).min()) if noise == "equal" else X.std(axis=0))
    expected = np.sqrt(np.full(len(scales), squares.mean()) if noise == "equal" else squares)
    expected = np.maximum(expected, floors)
    return float(max(at_edges / alpha, at_others / alpha, np.abs(scales / expected - 1.0).max()))


def fixed_order(report: Report, options) -> None:
    """Concomitant lassos along the true order: how well they are solved."""
    sizes = (20,) if options.quick else (50, 100, 200)
    report.table(
        "Lassos along a given order, alpha = 0.05, n = 1000", "noise", "nodes", "ms", "edges",
        "KKT residual, from the rows", "bar", "", "its own",
    )  # fmt: skip
    for noise in ("equal", "unequal"):
        variances = 1.0 if noise == "equal" else "unequal"
        for d in sizes:
            rows = []
            for data in draws(instances(options), 1000, d, variances=variances):
                X = data.X - data.X.mean(axis=0)
                X = X / natural_units(X.T @ X / len(X), noise)
                C, allowed = X.T @ X / len(X), forward_edges(data.order)
                concomitant_lasso(C, allowed, 0.05, noise=noise)
                found, seconds = timed(concomitant_lasso, C, allowed, 0.05, noise=noise)
                naive = naive_kkt(X, found.weights, found.scales, allowed, 0.05, noise)
                rows.append((1e3 * seconds, np.count_nonzero(found.weights), naive, found.residual))
            spent, edges, naive, own = np.array(rows).T
            verdict = report.verdict(naive.max() <= 1e-8)
            report.row(
                noise, d, middle(spent), f"{np.median(edges):g}", f"{naive.max():.1e}", "1e-8", verdict,
                f"{own.max():.1e}",
            )  # fmt: skip


def follow_path(X, noise: str, inner: str):
    """The last objective of each stage of the central path, and the graph at its end."""
    X = X - X.mean(axis=0)
    C = X.T @ X / len(X)
    unit = natural_units(C, "equal")
    ends = {}

    def watch(iterate):
        ends[iterate.extras["stage"]] = iterate.objective

    outcome = drive(
        central_path(C / unit / unit[:, None], noise=noise, inner=inner), tol=1e-6, max_iter=10**6, callback=watch
    )  # fmt: skip
    weights = outcome.best.solution.weights * unit / unit[:, None]
    return np.array([ends[stage] for stage in sorted(ends)]), threshold_weights(weights).adjacency


def central_path_section(report: Report, options) -> None:
    """The paper's method, inside it Adam as in the paper or Newton's method; and the order search on the same data."""
    sizes = (10,) if options.quick else (20, 50)
    rows = {}
    for name, noise, graph in (
        ("equal, ER4", "equal", "erdos-renyi"),
        ("equal, SF4", "equal", "scale-free"),
        ("unequal, ER4", "unequal", "erdos-renyi"),
    ):
        warm_up(noise=noise)
        for inner in ("adam", "newton"):
            follow_path(make_linear_sem(100, 4, degree=1, random_state=0).X, noise, inner)
        for d in sizes:
            variances = 1.0 if noise == "equal" else "unequal"
            problems = draws(instances(options), 1000, d, graph=graph, variances=variances)
            runs = [three_ways(data, noise) for data in problems]
            controls = control_cells(problems, structural_hamming_distance, PAPER_CUT)
            rows[f"{name}, d = {d}"] = noise, d, np.array(runs).T, controls
    report.table(
        "Central path, raw data, n = 1000, weights 0.5 to 2", "problem", "Adam: SHD", "seconds",
        "the authors' code", "Newton: SHD", "seconds", "ratio", "bar", "", "stage objectives over Adam's",
        "bar, with SHD within 2", "",
    )  # fmt: skip
    for name, (noise, d, (_, _, far, slow, near, quick, excess), _) in rows.items():
        ratio, judged = float(np.median(slow / quick)), d == 50
        good = excess.max() <= 1e-3 and np.median(near) <= np.median(far) + 2
        report.row(
            name, middle(far), middle(slow), f"{AUTHORS[noise, d]:g} s" if (noise, d) in AUTHORS else "",
            middle(near), middle(quick), f"{ratio:.1f}", 3 if judged else "",
            report.verdict(ratio >= 3, of_size=True) if judged else "", middle(excess), "1e-3",
            report.verdict(good, of_size=True),
        )  # fmt: skip
    report.table(
        "The order search against the central path, same data", "problem", "order: total SHD", "seconds",
        "Adam: total SHD", "ratio of times", "bar", "", "Newton: total SHD", "ratio of times", *SHOWN,
    )  # fmt: skip
    for name, (noise, _, (ours, seconds, far, slow, near, quick, _), controls) in rows.items():
        ratio, judged = float(np.median(slow / seconds)), noise == "equal"
        good = ours.sum() <= far.sum() and ratio >= 200
        report.row(
            name, int(ours.sum()), middle(seconds), int(far.sum()), f"{ratio:.0f}",
            "SHD no higher, 200" if judged else "", report.verdict(good, of_size=True) if judged else "",
            int(near.sum()), f"{np.median(quick / seconds):.0f}", *controls,
        )  # fmt: skip


def three_ways(data, noise: str) -> tuple[float, ...]:
    """SHD and seconds of the order search, the path by Adam, and by Newton; the worst of Newton's stage objectives."""
    order, order_seconds = fit(data, noise=noise)
    (theirs, slow), slow_seconds = timed(follow_path, data.X, noise, "adam")
    (ours, fast), fast_seconds = timed(follow_path, data.X, noise, "newton")
    far, near, own = (
        structural_hamming_distance(data.adjacency, graph) for graph in (slow, fast, order.adjacency)
    )
    excess = float(((ours - theirs) / np.abs(theirs)).max())
    return own, order_seconds, far, slow_seconds, near, fast_seconds, excess


def peers(report: Report, options) -> None:
    """Other packages on the same standardised data, one after the other in this process."""
    d, degree = (15, 2) if options.quick else (50, 4)
    warm_up(noise="unequal")
    report.table(
        f"Other packages, unequal noise, ER{degree}, d = {d}, standardised, n = 1000: SHD of CPDAGs", "weights", "who",
        "SHD of CPDAGs", "seconds", "ratio to ours", "bar", "",
    )  # fmt: skip
    small = make_linear_sem(100, 5, degree=1, random_state=0)
    for words, weights in (("0.5 to 2", STRONG), ("0.25 to 1", WEAK)):
        problems = draws(
            instances(options), 1000, d, degree=degree, weights=weights, variances="unequal", standardize=True
        )
        solutions = [fit(data, noise="unequal") for data in problems]
        ours = [
            cpdag_hamming_distance(data.adjacency, solution.adjacency)
            for data, (solution, _) in zip(problems, solutions, strict=True)
        ]
        base = np.array([seconds for _, seconds in solutions])
        report.row(words, "here", middle(ours), middle(base), "", "", "")
        for name, learn in CLASSES.items():
            if name == "GES" and d > 20:
                report.row(words, name, "not run", "more than three minutes a fit", "", "", "")
                continue
            learn(small.X)
            found = [timed(learn, data.X) for data in problems]
            distances = [
                class_distance(data.adjacency, edges)
                for data, (edges, _) in zip(problems, found, strict=True)
            ]
            ratio = float(np.median([seconds / own for (_, seconds), own in zip(found, base, strict=True)]))
            judged = name == "BOSS"
            good = np.median(ours) <= np.median(distances) and ratio >= 30
            report.row(
                words, name, middle(distances), middle([seconds for _, seconds in found]), f"{ratio:.0f}",
                "SHD no higher, 30" if judged else "", report.verdict(good, of_size=True) if judged else "",
            )  # fmt: skip
        for name, cell in zip(SHOWN, control_cells(problems, cpdag_hamming_distance, 0.0), strict=True):
            report.row(words, name, cell, "", "", "", "")
    report.write(
        "\nEdges cost 2 log n for all. The fit here has two starts. DirectLiNGAM wants noise that is not Gaussian."
        if CLASSES
        else "\ncausal-learn is not installed."
    )


def gradient_peers(report: Report, options) -> None:
    """Packages that descend along smooth scores of the weights: equal noise, raw data."""
    if not CONTINUOUS:
        report.write("\ngCastle is not installed: no figures of NOTEARS and GOLEM.")
        return
    sizes = (10,) if options.quick else (20, 50)
    warm_up(noise="equal")
    report.table("Smooth scores, equal noise, ER4, raw data, n = 1000: SHD", "nodes", "who", "SHD", "seconds")
    for d in sizes:
        problems = draws(instances(options), 1000, d)
        found = {"here": [fit(data, noise="equal") for data in problems]}
        rows = {"here": [(solution.adjacency, seconds) for solution, seconds in found["here"]]}
        rows |= {name: [timed(learn, data.X) for data in problems] for name, learn in CONTINUOUS.items()}
        for name, answers in rows.items():
            distances = [
                structural_hamming_distance(data.adjacency, edges)
                for data, (edges, _) in zip(problems, answers, strict=True)
            ]
            report.row(d, name, middle(distances), middle([seconds for _, seconds in answers]))
        for name, cell in zip(
            SHOWN, control_cells(problems, structural_hamming_distance, PAPER_CUT), strict=True
        ):
            report.row(d, name, cell, "")


SECTIONS = {
    "equal": equal,
    "unequal": unequal,
    "scale_free": scale_free,
    "few_rows": few_rows,
    "scaling": scaling,
    "constraints": constraints,
    "bootstrap": bootstrap,
    "fixed_order": fixed_order,
    "central_path": central_path_section,
    "peers": peers,
    "gradient_peers": gradient_peers,
}


if __name__ == "__main__":
    sys.exit(run_sections("Directed acyclic graphs", __doc__, SECTIONS, PACKAGES, one_thread=True))
