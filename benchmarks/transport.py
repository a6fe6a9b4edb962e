"""Entropic transport against its named peers, in one process and in turns: `python benchmarks/transport.py --quick`.

Everybody has one thread, and returns the plan as a dense array. An answer counts when the L1 error of its marginals,
computed here from the plan, is at most 1e-9. Each peer gets the loosest stopping threshold that achieves it, looked for
before the clock runs; one that does not get there within its seconds is shown with a lower bound of the ratio, and its
error. The full form takes about an hour; the sections can be run one by one.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from common import Report, Timing, extra_memory, run_sections

from sparsesolve import Status, entropic_transport
from sparsesolve.datasets import (
    TransportProblem,
    hard_transport_problems,
    load_digit_transport,
    make_assignment_problem,
    make_block_transport,
    make_line_transport,
    make_point_clouds,
)
from sparsesolve.exceptions import ConvergenceWarning
from sparsesolve.reference.transport import exact_marginal_error, marginal_error, optimal_marginals, plan_of
from sparsesolve.transport import PointCloudCost

try:
    import ot
except ImportError:
    ot = None
try:
    import regot
except ImportError:
    regot = None
try:
    from sparsesolve.transport import entropic_transport_batch
except ImportError:
    entropic_transport_batch = None

PACKAGES = ("numpy", "scipy", "numba", "POT", "regot")
TOLERANCE = 1e-9
ETA = 1200.0
# Stopping thresholds of the peers, of whatever norm each of them measures.
THRESHOLDS = 10.0 ** -np.arange(7.0, 11.6, 0.5)
# Seconds of all laps together, after which a slow peer sits out.
PATIENCE = 15.0
SEED = 100


class Entry(NamedTuple):
    """A peer that is ready for a race.

    `reached` says whether its error is within the tolerance, `gave_up` whether it ended before its steps were used up
    though it is not: its time then means nothing.
    """

    run: Callable[[], object]
    error: float
    reached: bool
    gave_up: bool


class Contest(NamedTuple):
    """Times of all, and their errors; ours has the name ''."""

    times: dict[str, Timing]
    entries: dict[str, Entry]
    error: float
    counts: dict

    def ratio(self, name: str) -> float:
        """Their time over ours."""
        return self.times[name].median / self.times[""].median


def pot(method):
    """A method of ot.sinkhorn; its log tells the steps taken, and costs nothing that can be measured."""

    def prepare(problem, reg):
        def solve(threshold, steps):
            plan, log = ot.sinkhorn(
                problem.a,
                problem.b,
                problem.cost,
                reg,
                method=method,
                numItermax=steps,
                stopThr=threshold,
                log=True,
                warn=False,
            )
            return plan, 1 + log.get("niter", log.get("n_iter"))

        return solve

    return prepare


def exact(problem, reg):
    """The network simplex, which solves another problem, the one without entropy: a yardstick."""
    return lambda threshold, steps: (ot.emd(problem.a, problem.b, problem.cost, numItermax=10**7), 0)


def newton(name):
    """A solver of RegOT, with the cost in the order that it wants."""

    def prepare(problem, reg):
        cost = np.asfortranarray(problem.cost)

        def solve(threshold, steps):
            result = getattr(regot, name)(cost, problem.a, problem.b, reg, tol=threshold, max_iter=steps)
            return np.asarray(result.plan), result.niter

        return solve

    return prepare


PEERS: dict[str, Callable] = {}
if ot is not None:
    PEERS |= {
        "ot.sinkhorn": pot("sinkhorn"),
        "ot sinkhorn_log": pot("sinkhorn_log"),
        "ot sinkhorn_stabilized": pot("sinkhorn_stabilized"),
        "ot.emd (exact)": exact,
    }
if regot is not None:
    PEERS |= {"regot ssns": newton("sinkhorn_ssns"), "regot splr": newton("sinkhorn_splr")}


def ours(problem: TransportProblem, reg, **options):
    return entropic_transport(problem.a, problem.b, problem.cost, reg, tol=TOLERANCE, **options)


def dense(problem, reg):
    return ours(problem, reg).solution.dense_plan()


def error_of(plan, problem) -> float:
    return marginal_error(plan, problem.a, problem.b)


def ready(solve, problem, seconds) -> Entry:
    """Find the loosest threshold with which a peer gets there, by bisection, in so many seconds at most a run."""
    solve(0.0, 3)
    start = time.perf_counter()
    solve(0.0, 20)
    steps = max(50, int(20 * seconds / (time.perf_counter() - start)))

    def attempt(index):
        plan, done = solve(THRESHOLDS[index], steps)
        return error_of(plan, problem), done

    tightest = len(THRESHOLDS) - 1
    error, done = attempt(tightest)
    if not error <= TOLERANCE:
        return Entry(lambda: solve(THRESHOLDS[tightest], steps), error, False, done < steps)
    bad, good = -1, tightest
    while good - bad > 1:
        middle = (bad + good) // 2
        there = attempt(middle)[0]
        if there <= TOLERANCE:
            good, error = middle, there
        else:
            bad = middle
    return Entry(lambda: solve(THRESHOLDS[good], steps), error, True, False)


def patient_race(candidates, laps) -> dict[str, Timing]:
    """Time candidates in turns; all of them are warm, and a slow one runs fewer laps, at least one."""
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(laps):
        for name, run in candidates.items():
            if sum(seconds[name]) < PATIENCE:
                start = time.perf_counter()
                run()
                seconds[name].append(time.perf_counter() - start)
    return {name: Timing(float(np.median(one)), min(one), max(one)) for name, one in seconds.items()}


def contest(problem, reg, seconds: dict[str, float], laps) -> Contest:
    """Race the peers named in `seconds`, each of which may take so long, against ours."""
    ours(problem, reg)
    solution = ours(problem, reg).solution
    entries = {
        name: ready(PEERS[name](problem, reg), problem, limit)
        for name, limit in seconds.items()
        if name in PEERS
    }
    candidates = {"": lambda: dense(problem, reg)} | {name: entry.run for name, entry in entries.items()}
    error = error_of(solution.dense_plan(), problem)
    return Contest(patient_race(candidates, laps), entries, error, solution.counts)


def contests(report: Report, options, title, reg, sets) -> None:
    """Write a table of ratios, each the median over the problems of a set.

    `sets` lists a label, the problems, and the bars of the peers that run on all of them. The others run on the first
    problem only, and for at most a few seconds.
    """
    report.table(
        f"{title} (ratio: their time over ours)",
        *("problems", "against", "ratio: median", "range", "bar", "", "here", "there", "error here, there"),
    )
    limits = dict.fromkeys(PEERS, 1.0 if options.quick else 6.0)
    for label, problems, bars in sets:
        limits_of_bars = dict.fromkeys(bars, 2.0 if options.quick else 30.0)
        held = [
            contest(problem, reg, (limits if k == 0 else {}) | limits_of_bars, options.laps)
            for k, problem in enumerate(problems)
        ]
        worst = max(one.error for one in held)
        report.row(
            label,
            "",
            "",
            "",
            f"error {TOLERANCE:.0e}",
            report.verdict(worst <= TOLERANCE),
            "",
            "",
            f"{worst:.0e}",
        )
        for name in PEERS:
            _contest_row(report, label, name, bars.get(name), [one for one in held if name in one.entries])


def _contest_row(report, label, name, bar, held):
    there = [one.entries[name] for one in held]
    ratios = [one.ratio(name) for one, entry in zip(held, there, strict=True) if not entry.gave_up]
    late = sum(not entry.reached and not entry.gave_up for entry in there)
    broken = sum(entry.gave_up for entry in there)
    remarks = [f"{late} did not converge"] * (late > 0) + [f"{broken} broke down"] * (broken > 0)
    ratio = float(np.median(ratios)) if ratios else np.nan
    medians = [np.median([one.times[who].median for one in held]) for who in ("", name)]
    report.row(
        label if len(held) == 1 else f"{label}, {len(held)} problems",
        name,
        f"**{'>= ' * (late > 0)}{ratio:.1f}**",
        f"{min(ratios):.1f} to {max(ratios):.1f}" if len(ratios) > 1 else "",
        bar or "",
        report.verdict(ratio >= bar, of_size=True) if bar else "",
        *(f"{1e3 * median:.1f} ms" for median in medians),
        ", ".join(
            [f"{max(one.error for one in held):.0e}, {max(entry.error for entry in there):.0e}", *remarks]
        ),
    )


def assignment(report: Report, options) -> None:
    """Random assignments: the number of Sinkhorn's sweeps varies fivefold between seeds."""
    n, count = (200, 2) if options.quick else (500, 10)
    problems = [make_assignment_problem(n, random_state=SEED + k) for k in range(count)]
    bars = {"ot.sinkhorn": 100, "regot ssns": 20}
    contests(report, options, "Random assignment, eta = 1200", 1 / ETA, [(f"n = {n}", problems, bars)])


def digits(report: Report, options) -> None:
    """Handwritten digits, with squared and absolute distances."""
    side, count = (14, 2) if options.quick else (28, 10)
    sets = [
        (
            f"{side * side} pixels, {label}",
            [
                load_digit_transport(SEED + 7 * k, 500 + 13 * k, side=side, metric=metric)
                for k in range(count)
            ],
            bars,
        )
        for label, metric, bars in (
            ("squared L2", "sqeuclidean", {"ot.sinkhorn": 20, "regot ssns": 20}),
            ("L1", "cityblock", {"regot ssns": 30}),
        )
    ]
    contests(report, options, "Digits, eta = 1200", 1 / ETA, sets)


def line(report: Report, options) -> None:
    """Densities on a line, squared distance."""
    _by_size(
        report,
        options,
        "Densities on a line, squared distance, eta = 1200",
        lambda n, seed: make_line_transport(n, random_state=seed),
        {500: {"ot.sinkhorn": 30, "regot ssns": 60}, 1000: {"ot.sinkhorn": 15, "regot ssns": 60}},
    )


def cloud(report: Report, options) -> None:
    """Clouds of points in the plane, squared distance."""
    _by_size(
        report,
        options,
        "Point clouds, eta = 1200",
        lambda n, seed: make_point_clouds(n, random_state=seed).problem(),
        {n: {"ot.sinkhorn": 30, "regot ssns": 35} for n in (500, 1000)},
    )


def _by_size(report, options, title, make, bars):
    sizes = {200: bars[500]} if options.quick else bars
    count = 1 if options.quick else 3
    sets = [(f"n = {n}", [make(n, SEED + k) for k in range(count)], of_size) for n, of_size in sizes.items()]
    contests(report, options, title, 1 / ETA, sets)


def _digits_of_size(metric):
    def make(n):
        return load_digit_transport(SEED, 500, side=round(np.sqrt(n)), metric=metric)

    return make


GRID = {
    "assignment": lambda n: make_assignment_problem(n, random_state=SEED),
    "cloud": lambda n: make_point_clouds(n, random_state=SEED).problem(),
    "line, squared": lambda n: make_line_transport(n, random_state=SEED),
    "line, absolute": lambda n: make_line_transport(n, power=1, random_state=SEED),
    "digits, squared L2": _digits_of_size("sqeuclidean"),
    "digits, L1": _digits_of_size("cityblock"),
}


def never_slower(report: Report, options) -> None:
    """Time of ot.sinkhorn over ours, over all regularisations; for digits n is rounded to a square."""
    if ot is None:
        report.write("\nNot measured: this needs POT.")
        return
    sizes = (100, 500) if options.quick else (100, 500, 1000, 2000)
    etas = (1, 30, 1200) if options.quick else (1, 3, 10, 30, 100, 300, 1200, 1e4)
    report.table(
        "ot.sinkhorn over ours (>=: it had at least four times our time, and did not converge; 'fails': it broke down)",
        *("problem", "n", *(f"eta {eta:g}" for eta in etas), "least", "bar", ""),
    )
    for name, make in GRID.items():
        for n in sizes:
            problem = make(n)
            cells, ratios = [], []
            for eta in etas:
                cell, ratio = _grid_cell(problem, 1 / eta, options.laps)
                cells.append(cell)
                ratios += [] if ratio is None else [ratio]
            least = min(ratios, default=np.nan)
            verdict = report.verdict(not least < 1.8, of_size=True)
            report.row(name, len(problem.a), *cells, f"**{least:.1f}**", 1.8, verdict)


def _grid_cell(problem, reg, laps):
    """What to write for a regularisation, and the ratio or None where there is none."""
    ours(problem, reg)
    start = time.perf_counter()
    dense(problem, reg)
    own = time.perf_counter() - start
    held = contest(problem, reg, {"ot.sinkhorn": max(0.5, 4 * own)}, laps if own > 0.02 else 5 * laps)
    entry = held.entries["ot.sinkhorn"]
    ratio = held.ratio("ot.sinkhorn")
    if not held.error <= TOLERANCE:
        return f"**error here {held.error:.0e}**", 0.0
    if entry.gave_up:
        return "fails", None
    return f"{'' if entry.reached else '>= '}{ratio:.1f}", ratio


def passes(report: Report, options) -> None:
    """Dense passes where parts of the plan are nearly independent."""
    report.table(
        "Nearly independent parts",
        *("problem", "eta", "dense passes", "bar", "", "time", "Newton, CG steps", "engine", "error"),
    )
    size = 25 if options.quick else 125
    cases = [
        (
            f"4 blocks of {size}, imbalance {imbalance:.0e}",
            make_block_transport(4, size, imbalance=imbalance, random_state=SEED),
            eta,
        )
        for imbalance in (1e-2, 1e-4, 1e-6)
        for eta in (300, 1200, 1e4)
    ]
    side = 14 if options.quick else 28
    for metric, label in (("sqeuclidean", "squared L2"), ("cityblock", "L1")):
        for pair in (0,) if options.quick else (0, 1, 2):
            problem = load_digit_transport(SEED + 7 * pair, 500 + 13 * pair, side=side, metric=metric)
            cases += [(f"digits {label}, pair {pair + 1}", problem, eta) for eta in (1e4, 1e5)]
    for label, problem, eta in cases:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            solution = ours(problem, 1 / eta).solution
            seconds = patient_race({"": lambda: ours(problem, 1 / eta)}, options.laps)[""]  # noqa: B023
        error = error_of(plan_of(*solution.potentials, problem.cost, 1 / eta), problem)
        count = solution.counts["dense_passes"]
        good = count <= 12 and error <= TOLERANCE
        report.row(
            label,
            f"{eta:g}",
            f"**{count}**",
            12,
            report.verdict(good),
            seconds,
            f"{solution.counts['newton_steps']}, {solution.counts['cg_steps']}",
            solution.solver,
            f"{error:.0e}",
        )


def robustness(report: Report, options) -> None:
    """Generated problems with what makes solvers fail; the claims are checked by naive code."""
    count = 60 if options.quick else 200
    kinds = ("NaN", "a warning of NumPy", "raised", "a false claim", "a needless refusal")
    faults: dict[str, list[str]] = {kind: [] for kind in kinds}
    outcomes: dict[str, int] = {}
    late = []
    slowest = (0.0, "")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for problem in hard_transport_problems(40, random_state=SEED + 1):  # warm
            entropic_transport(problem.a, problem.b, problem.cost, problem.reg, tol=TOLERANCE)
    for problem in hard_transport_problems(count, random_state=SEED):
        start = time.perf_counter()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                result = entropic_transport(problem.a, problem.b, problem.cost, problem.reg, tol=TOLERANCE)
                plan = result.solution.dense_plan()
            except (ArithmeticError, ValueError, IndexError, NotImplementedError, RuntimeError) as error:
                faults["raised"].append(f"{problem.name}: {error!r}")
                continue
        seconds = time.perf_counter() - start
        slowest = max(slowest, (seconds, problem.name))
        outcomes[result.status.name] = outcomes.get(result.status.name, 0) + 1
        if any(not issubclass(one.category, ConvergenceWarning) for one in caught):
            faults["a warning of NumPy"].append(f"{problem.name}: {caught[0].message}")
        f, g = result.solution.potentials
        if np.isnan(f).any() or np.isnan(g).any() or np.isnan(plan).any():
            faults["NaN"].append(problem.name)
            continue
        claimed = result.certificate["marginal_error"]
        true = exact_marginal_error(f, g, problem.a, problem.b, problem.cost, problem.reg)
        # What evaluating the exponents in float64 can add, whoever does it.
        largest = max(np.abs(values[np.isfinite(values)]).max() for values in (f, g, problem.cost))
        rounding = 4 * np.finfo(float).eps * (largest / problem.reg + problem.cost.size)
        # The certificate may be larger than the error, by what rounding might add, but never smaller.
        if true > 1.01 * claimed + rounding:
            faults["a false claim"].append(f"{problem.name}: says {claimed:.1e}, has {true:.1e}")
        if result.status is not Status.CONVERGED and max(true, rounding) <= TOLERANCE:
            faults["a needless refusal"].append(f"{problem.name}: says {claimed:.1e}, has {true:.1e}")
        if result.status is not Status.CONVERGED:
            warned = any(issubclass(one.category, ConvergenceWarning) for one in caught)
            late.append(
                f"{problem.name}: {result.status.name}, error {claimed:.1e}, float64 allows about {rounding:.1e}"
                + ("" if warned else ", WITHOUT a warning")
            )
    report.table(f"{count} hard problems, eta up to 1e5", "what", "number", "bar", "")
    for status, number in outcomes.items():
        report.row(status, number, "", "")
    for fault, names in faults.items():
        report.row(fault, f"**{len(names)}**", 0, report.verdict(not names))
    silent = sum("WITHOUT" in name for name in late)
    report.row("not converged, and silent", f"**{silent}**", 0, report.verdict(silent == 0))
    report.write(f"\nThe slowest took {1e3 * slowest[0]:.0f} ms: {slowest[1]}.\n")
    for fault, names in (*faults.items(), ("not converged", late)):
        for name in names[:20]:
            report.write(f"- {fault}: {name}")


def accuracy(report: Report, options) -> None:
    """Three more digits, for little more time."""
    report.table(
        "Time to 1e-12 over that to 1e-9",
        *("problem", "eta", "ratio", "bar", "", "to 1e-12", "to 1e-9", "error at 1e-12"),
    )
    n = 200 if options.quick else 500
    for name, make in GRID.items():
        problem = make(n)
        for eta in (100, 1200, 1e4):

            def solve(tol, problem=problem, reg=1 / eta):
                return entropic_transport(problem.a, problem.b, problem.cost, reg, tol=tol)

            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                solve(1e-9)
                result = solve(1e-12)
                times = patient_race(
                    {"tight": lambda: solve(1e-12), "loose": lambda: solve(1e-9)}, 3 * options.laps
                )
            ratio = times["tight"].median / times["loose"].median
            error = error_of(plan_of(*result.solution.potentials, problem.cost, 1 / eta), problem)
            good = ratio <= 1.3 and result.status is Status.CONVERGED
            report.row(
                f"{name}, {len(problem.a)}",
                f"{eta:g}",
                f"**{ratio:.2f}**",
                1.3,
                report.verdict(good, of_size=True),
                times["tight"],
                times["loose"],
                f"{error:.0e}, {result.status.name}",
            )


def paper(report: Report, options) -> None:
    """The method as published: its counts."""
    report.table(
        "Sinkhorn-Newton-Sparse as published, eta = 1200",
        *("problem", "sweeps", "Newton steps", "bar", "", "error", "time"),
    )
    n, side = (200, 14) if options.quick else (500, 28)
    # Sweeps, density (2 / n where none is given), and the Newton steps that are allowed, if there is a bar.
    cases = [
        (f"assignment {n}, {k}", make_assignment_problem(n, random_state=SEED + k), 20, None, 12)
        for k in range(2 if options.quick else 5)
    ]
    squared = load_digit_transport(SEED, 500, side=side)
    absolute = load_digit_transport(SEED, 500, side=side, metric="cityblock")
    cases += [
        (f"digits squared L2, {side * side}", squared, 20, None, None),
        (f"digits L1, {side * side}", absolute, 700, 15 / side**2, 77),
    ]
    for label, problem, sweeps, density, bar in cases:
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            result = ours(problem, 1 / ETA, solver="paper", sinkhorn_sweeps=sweeps, density=density)
        seconds = time.perf_counter() - start
        solution = result.solution
        error = error_of(solution.dense_plan(), problem)
        count = solution.counts["newton_steps"]
        report.row(
            label,
            solution.counts["sweeps"],
            f"**{count}**",
            bar or "(paper: 33)",
            report.verdict(count <= bar and error <= TOLERANCE, of_size=True) if bar else "",
            f"{error:.0e}, {result.status.name}",
            f"{1e3 * seconds:.0f} ms",
        )


def points(report: Report, options) -> None:
    """A point cloud whose costs would not fit into the memory allowed."""
    n = 4000 if options.quick else 20_000
    clouds = make_point_clouds(n, random_state=SEED)
    # eta is for costs whose largest is 1.
    reg = 1e-3 * max(_costs(clouds, part).max() for part in _slices(n))
    report.table(f"Point cloud, n = m = {n}, eta = 1000, no n x n array", "what", "figure", "bar", "")
    start = time.perf_counter()
    result = entropic_transport(clouds.a, clouds.b, PointCloudCost(clouds.X, clouds.Y), reg)
    seconds = time.perf_counter() - start
    error = _error_by_rows(clouds, *result.solution.potentials, reg)
    report.row("marginal error", f"**{error:.1e}**", TOLERANCE, report.verdict(error <= TOLERANCE))
    report.row("time, one thread", f"{seconds:.1f} s", "", "")
    report.row("dense passes", result.solution.counts["dense_passes"], "", "")
    setup = (
        "from sparsesolve.datasets import make_point_clouds\n"
        "from sparsesolve.transport import PointCloudCost, entropic_transport\n"
        "from threadpoolctl import threadpool_limits\n"
        "threadpool_limits(1)\n"
        "def solve(n):\n"
        f"    clouds = make_point_clouds(n, random_state={SEED})\n"
        "    cost = PointCloudCost(clouds.X, clouds.Y)\n"
        f"    return entropic_transport(clouds.a, clouds.b, cost, {reg!r})\n"
        "solve(1000)  # warm\n"
    )
    gibibytes = extra_memory(setup, f"solve({n})", "2**30")
    if gibibytes is None:
        report.write("\nMemory was not measured: this needs Linux.")
        return
    report.row("memory beyond the start", f"**{gibibytes:.2f} GiB**", "1 GiB", report.verdict(gibibytes <= 1))


def _slices(n):
    return [slice(start, start + 500) for start in range(0, n, 500)]


def _costs(clouds, part):
    return ((clouds.X[part, None, :] - clouds.Y) ** 2).sum(axis=2)


def _error_by_rows(clouds, f, g, reg):
    """The marginal error of potentials, in float64, with a few rows of costs at a time."""
    rows, columns = np.empty(len(f)), np.zeros(len(g))
    for part in _slices(len(f)):
        plan = plan_of(f[part], g, _costs(clouds, part), reg)
        rows[part] = plan.sum(axis=1)
        columns += plan.sum(axis=0)
    return float(np.abs(rows - clouds.a).sum() + np.abs(columns - clouds.b).sum())


def batch(report: Report, options) -> None:
    """Many small problems."""
    count, n, reg = (32 if options.quick else 256), 64, 0.01
    problems = [make_point_clouds(n, random_state=SEED + k).problem() for k in range(count)]
    costs, a, b = (np.stack([problem[part] for problem in problems]) for part in range(3))
    runs = {"ours, a loop": lambda: [dense(problem, reg) for problem in problems]}
    if entropic_transport_batch is not None:
        runs = {
            "ours, batch": lambda: entropic_transport_batch(
                a, b, costs, reg, tol=TOLERANCE
            ).solution.dense_plans()
        } | runs
    if ot is not None:
        runs["ot.sinkhorn, a loop"] = _tuned_batch(
            problems,
            lambda threshold: [
                ot.sinkhorn(*problem[1:], problem.cost, reg, numItermax=100_000, stopThr=threshold)
                for problem in problems
            ],
        )
        runs["ot.solve_batch"] = _tuned_batch(
            problems,
            lambda threshold: (
                ot.solve_batch(costs, reg, a, b, max_iter=5000, tol=threshold, method="sinkhorn").plan
            ),
        )
    errors = {name: _worst_error(problems, run()) for name, run in runs.items()}
    times = patient_race(runs, options.laps)
    report.table(
        f"{count} problems {n} x {n}, eta = 100 (ratio: their time over ours)",
        *("against", "ratio", "bar", "", "there", "error"),
    )
    first = next(iter(runs))
    for name in runs:
        ratio = times[name].median / times[first].median
        bar = 10 if name == "ot.sinkhorn, a loop" else None
        verdict = report.verdict(ratio >= bar, of_size=True) if bar else ""
        report.row(name, f"**{ratio:.1f}**", bar or "", verdict, times[name], f"{errors[name]:.0e}")


def _worst_error(problems, plans):
    return max(error_of(plan, problem) for problem, plan in zip(problems, plans, strict=True))


def _tuned_batch(problems, solve):
    """A run with the loosest threshold for which no problem's error is above the tolerance."""
    for threshold in THRESHOLDS:
        if _worst_error(problems, solve(threshold)) <= TOLERANCE:
            break
    return lambda: solve(threshold)


def unbalanced(report: Report, options) -> None:
    """Penalised marginals, against the Sinkhorn variants of POT."""
    if ot is None:
        report.write("\nNot measured: this needs POT.")
        return
    n, reg = (150 if options.quick else 500), 1e-3
    report.table(
        "Unbalanced, reg = 1e-3, optimality conditions within 1e-9 in L1 (ratio: their time over ours)",
        *("problem", "penalty", "against", "ratio", "bar", "", "here", "there", "error here, there"),
        "distance of tight plans, bar 1e-10",
    )
    for name in ("cloud", "line, squared"):
        problem = GRID[name](n)
        problem = problem._replace(b=1.2 * problem.b)
        for penalty in (0.1, 1.0):
            _unbalanced_rows(report, options, f"{name}, {n}", problem, reg, penalty)


def _unbalanced_rows(report, options, label, problem, reg, penalty):
    cost, a, b = problem

    def here(tol=TOLERANCE):
        return entropic_transport(a, b, cost, reg, marginal_penalty=penalty, tol=tol).solution

    def violation(plan, f, g):
        rows, columns = optimal_marginals(f, g, a, b, penalty)
        return (
            float(np.abs(plan.sum(axis=1) - rows).sum() + np.abs(plan.sum(axis=0) - columns).sum()) / a.sum()
        )

    def there(method, threshold):
        return ot.unbalanced.sinkhorn_unbalanced(
            a,
            b,
            cost,
            reg,
            penalty,
            method=method,
            reg_type="entropy",
            numItermax=20_000 if options.quick else 100_000,
            stopThr=threshold,
            log=True,
        )

    def violation_there(method, threshold):
        plan, log = there(method, threshold)
        return violation(plan, reg * log["logu"], reg * log["logv"])

    solution = here()
    own_error = violation(solution.dense_plan(), *solution.potentials)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        tight = here(1e-13).dense_plan()
    methods = ("sinkhorn", "sinkhorn_stabilized", "sinkhorn_translation_invariant")
    runs, errors, distances = {"": lambda: here().dense_plan()}, {}, {}
    for method in methods:
        for threshold in THRESHOLDS:
            errors[method] = violation_there(method, threshold)
            if errors[method] <= TOLERANCE:
                break
        runs[method] = lambda method=method, threshold=threshold: there(method, threshold)
        distances[method] = float(np.abs(there(method, 1e-15)[0] - tight).sum() / tight.sum())
    times = patient_race(runs, options.laps)
    for method in methods:
        ratio = times[method].median / times[""].median
        reached = errors[method] <= TOLERANCE
        # The bar is for the methods that solve the problem.
        verdict = report.verdict(ratio >= 10, of_size=True) if reached else "did not converge"
        equal = report.verdict(distances[method] <= 1e-10) if reached else ""
        report.row(
            label,
            penalty,
            f"ot {method}",
            f"**{ratio:.1f}**" if reached else "none",
            10,
            verdict,
            times[""],
            times[method],
            f"{own_error:.0e}, {errors[method]:.0e}",
            f"{distances[method]:.0e} {equal}",
        )


SECTIONS = {
    section.__name__: section
    for section in (
        assignment,
        digits,
        line,
        cloud,
        never_slower,
        passes,
        robustness,
        accuracy,
        paper,
        points,
        batch,
        unbalanced,
    )
}


if __name__ == "__main__":
    sys.exit(
        run_sections(
            "Transport",
            __doc__,
            SECTIONS,
            PACKAGES,
            note=f"One thread each. Medians of {{laps}} laps in turns; after {PATIENCE:.0f} s a peer sits out.",
            one_thread=True,
        )
    )
