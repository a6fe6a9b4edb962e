"""Kronecker designs, tensor sketches and sparse projections: `python benchmarks/tensor.py --quick`.

Against the product formed and solved by LAPACK, against scikit-learn's projection, and against the published recipe
of FastRP in numpy and scipy.
"""

from __future__ import annotations

import time
from functools import partial

import numpy as np
import scipy.sparse
from common import Report, race, run_sections
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import normalize
from sklearn.random_projection import SparseRandomProjection

from sparsesolve import lstsq
from sparsesolve.projection import FastRP, SparseProjection
from sparsesolve.sketch import KroneckerSRHT, TensorSketch

PACKAGES = ("numpy", "scipy", "numba", "scikit-learn")
PAPER_WEIGHTS, PAPER_EXPONENT = (1.0, 1.0, 7.81, 45.28), -0.628


def kronecker(report: Report, options) -> None:
    """Exact, weighted and masked fits of a Kronecker design, against its product formed once and LAPACK."""
    n, d = (128, 8) if options.quick else (1024, 16)
    rng = np.random.default_rng(0)
    A = [rng.standard_normal((n, d)) for _ in range(2)]
    y = rng.standard_normal(n * n)
    weights, mask = rng.uniform(0.5, 2.0, n * n), (rng.random(n * n) < 0.5).astype(float)
    start = time.perf_counter()
    product = np.kron(*A)
    coef = np.linalg.lstsq(product, y, rcond=None)[0]
    formed = time.perf_counter() - start
    start = time.perf_counter()
    result = lstsq(product, y, random_state=0)
    ours = time.perf_counter() - start
    differs = np.abs(result.solution.coef - coef).max() / np.abs(coef).max()
    del product
    runs = {
        "factors": lambda: lstsq(A, y),
        "with an intercept": lambda: lstsq(A, y, fit_intercept=True),
        "ridge": lambda: lstsq(A, y, alpha=1.0),
        "weights": lambda: lstsq(A, y, sample_weight=weights),
        "half of the rows masked": lambda: lstsq(A, y, sample_weight=mask),
        "sketch-and-solve": lambda: lstsq(A, y, solver="sketch-and-solve", random_state=0),
    }
    times = race(runs, options.laps)
    report.table(
        f"Two factors, {n} x {d} each: {n * n} rows", "who", "time", "ratio", "bar", "", "difference"
    )
    report.row("numpy, product formed and `lstsq` (once)", f"{formed:.1f} s", "1", "", "", "")
    report.row(
        "here, product formed (its solution alone, once)",
        f"{ours:.2f} s",
        f"{formed / ours:.0f}",
        "",
        "",
        f"{differs:.0e}",
    )
    for name, timing in times.items():
        ratio = formed / timing.median
        exact = name == "factors"
        off = np.abs(lstsq(A, y).solution.coef - coef).max() / np.abs(coef).max() if exact else None
        report.row(
            name, timing, f"{ratio:.0f}", "20", report.verdict(ratio >= 20, of_size=True),
            f"{off:.0e}" if exact else "",
        )  # fmt: skip


def law(report: Report, options) -> None:
    """The l_inf error of sketch and solve on a coherent product: sqrt(m) times it must be flat."""
    n, d, draws = (128, 16, 40) if options.quick else (256, 36, 400)
    side = int(np.sqrt(d))
    rng = np.random.default_rng(1)
    A = [rng.standard_normal((n, side)) for _ in range(2)]
    A[0][:side] += 50 * np.eye(side)
    A = [np.linalg.qr(factor)[0] for factor in A]
    Y = rng.standard_normal((n, n))
    e = (Y - A[0] @ (A[0].T @ Y @ A[1]) @ A[1].T).reshape(-1)
    e /= np.linalg.norm(e)
    title = f"sqrt(m) max |x' - x*| / |e|, {n}^2 rows, d = {d}, {draws} draws"
    report.table(title, "sketch", *(f"m = {k} d" for k in (8, 16, 32, 64)), "spread", "bar", "")
    for kind in (KroneckerSRHT, TensorSketch):
        medians, tops = [], []
        for multiple in (8, 16, 32, 64):
            errors = []
            for seed in range(draws):
                sample = kind(multiple * d, seed).sample((n, n))
                errors.append(
                    np.abs(np.linalg.lstsq(sample.apply_factors(A), sample.apply(e), rcond=None)[0]).max()
                )
            medians.append(np.sqrt(multiple * d) * np.median(errors))
            tops.append(np.sqrt(multiple * d) * np.quantile(errors, 0.99))
        spread = np.abs(np.array(medians) / np.mean(medians) - 1).max()
        cells = [f"{middle:.2f} (99 %: {top:.2f})" for middle, top in zip(medians, tops, strict=True)]
        judged = kind is KroneckerSRHT
        report.row(
            kind.__name__, *cells, f"{spread:.0%}", "15%" if judged else "",
            report.verdict(spread <= 0.15, of_size=True) if judged else "",
        )  # fmt: skip


def projection(report: Report, options) -> None:
    """Very sparse random projections, against scikit-learn's."""
    sizes = [(200, 2000, 100)] if options.quick else [(2000, 10_000, 500), (500, 50_000, 1000)]
    rng = np.random.default_rng(2)
    report.table(
        "Sparse random projections",
        "rows x features -> components",
        "dtype",
        "step",
        "here",
        "scikit-learn",
        "ratio",
    )
    for n_rows, n_features, n_components in sizes:
        for dtype in (np.float64, np.float32):
            X = rng.standard_normal((n_rows, n_features)).astype(dtype)
            mine, theirs = (
                SparseProjection(n_components, random_state=0),
                SparseRandomProjection(n_components, random_state=0),
            )
            for step in ("fit", "transform"):
                runs = {"here": partial(getattr(mine, step), X), "sklearn": partial(getattr(theirs, step), X)}
                times = race(runs, options.laps)
                ratio = times["sklearn"].median / times["here"].median
                report.row(
                    f"{n_rows} x {n_features} -> {n_components}",
                    X.dtype,
                    step,
                    *times.values(),
                    f"{ratio:.1f}",
                )


def naive_fastrp(A, n_components, seed):
    """The authors' recipe: sparse projection, powers of the transition matrix, rows normalised, weighted sum."""
    degrees = np.asarray(A.sum(axis=1)).ravel()
    inverse = np.divide(1.0, degrees, where=degrees > 0, out=np.zeros_like(degrees))
    transition = scipy.sparse.diags_array(inverse) @ A
    signs = SparseRandomProjection(n_components, random_state=seed).fit(A).components_
    scale = np.power(degrees, PAPER_EXPONENT, where=degrees > 0, out=np.zeros_like(degrees))
    now = np.asarray((transition @ (signs @ scipy.sparse.diags_array(scale)).T).todense())
    total = PAPER_WEIGHTS[0] * normalize(now)
    for weight in PAPER_WEIGHTS[1:]:
        now = transition @ now
        total += weight * normalize(now)
    return normalize(total)


def communities(n_nodes, n_links, rng, group=200, inside=0.8):
    """Links drawn at random, most of them within groups of nodes."""
    one = rng.integers(n_nodes, size=n_links)
    near = one // group * group + rng.integers(group, size=n_links)
    other = np.where(
        rng.random(n_links) < inside, np.minimum(near, n_nodes - 1), rng.integers(n_nodes, size=n_links)
    )
    return np.column_stack([one, other])[one != other]


def adjacency(links, n_nodes):
    """The symmetric adjacency of links."""
    both = np.vstack([links, links[:, ::-1]])
    A = scipy.sparse.coo_array((np.ones(len(both)), both.T), shape=(n_nodes, n_nodes)).tocsr()
    A.data[:] = 1.0
    return A


def nodes(report: Report, options) -> None:
    """Node embeddings: time, and area under the curve of link prediction, against the recipe in numpy."""
    n_nodes, n_links = (5000, 50_000) if options.quick else (100_000, 1_160_000)
    rng = np.random.default_rng(3)
    links = communities(n_nodes, n_links, rng)
    hidden, seen = links[: len(links) // 10], adjacency(links[len(links) // 10 :], n_nodes)
    absent = rng.integers(n_nodes, size=hidden.shape)
    labels = np.repeat([1, 0], len(hidden))

    def score(Z):
        pairs = np.vstack([hidden, absent])
        return roc_auc_score(labels, np.einsum("ij,ij->i", Z[pairs[:, 0]], Z[pairs[:, 1]]))

    runs = {
        "here": lambda: FastRP(128, random_state=0).fit(seen),
        "recipe": lambda: naive_fastrp(seen, 128, 0),
    }
    times = race(runs, min(options.laps, 3))
    mine = [score(FastRP(128, random_state=seed).fit_transform(seen)) for seed in range(3)]
    theirs = [score(naive_fastrp(seen, 128, seed)) for seed in range(3)]
    report.table(
        f"FastRP, {n_nodes} nodes, {seen.nnz // 2} links, dimension 128",
        "who",
        "time",
        "bar",
        "",
        "AUC",
        "bar",
        "",
    )
    gap = abs(np.mean(mine) - np.mean(theirs))
    fast = report.verdict(times["here"].median <= 3.0, of_size=True)
    close = report.verdict(gap <= 0.01)
    report.row("here", times["here"], "3 s", fast, f"{np.mean(mine):.4f}", f"within 0.01: {gap:.4f}", close)
    report.row("recipe, numpy and scipy", times["recipe"], "", "", f"{np.mean(theirs):.4f}", "", "")


SECTIONS = {"kronecker": kronecker, "law": law, "projection": projection, "nodes": nodes}

if __name__ == "__main__":
    raise SystemExit(
        run_sections(
            "Kronecker designs, tensor sketches, sparse projections",
            __doc__,
            SECTIONS,
            PACKAGES,
            note="Times are medians of {laps} laps, one thread, fastest and slowest in brackets.",
            one_thread=True,
        )
    )
