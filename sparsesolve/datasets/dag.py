"""Linear structural equation models on random graphs, and a real one: signalling in immune cells."""

from __future__ import annotations

import gzip
import os
import tempfile
import urllib.request
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..graphs.order import check_acyclic, topological_order
from ..random import as_key
from ..validation import check_choice, check_count, check_matrix, check_real

_GRAPHS = ("erdos-renyi", "scale-free")
# Of mean 0 and variance 1 each.
_NOISES = {
    "gaussian": lambda rng, shape: rng.standard_normal(shape),
    "exponential": lambda rng, shape: rng.standard_exponential(shape) - 1.0,
    "laplace": lambda rng, shape: rng.laplace(0.0, np.sqrt(0.5), shape),
    "gumbel": lambda rng, shape: (rng.gumbel(0.0, 1.0, shape) - np.euler_gamma) * (np.sqrt(6.0) / np.pi),
}

_SACHS_URL = "https://www.bnlearn.com/book-crc/code/sachs.data.txt.gz"
#: What was measured in each cell, in the order of the file.
SACHS_NAMES = ("Raf", "Mek", "Plcg", "PIP2", "PIP3", "Erk", "Akt", "PKA", "PKC", "P38", "Jnk")
#: The 17 edges that biologists agreed on: cause and effect.
SACHS_EDGES = (
    ("PKC", "Raf"),
    ("PKC", "Mek"),
    ("PKC", "PKA"),
    ("PKC", "P38"),
    ("PKC", "Jnk"),
    ("PKA", "Raf"),
    ("PKA", "Mek"),
    ("PKA", "Erk"),
    ("PKA", "Akt"),
    ("PKA", "P38"),
    ("PKA", "Jnk"),
    ("Raf", "Mek"),
    ("Mek", "Erk"),
    ("Erk", "Akt"),
    ("Plcg", "PIP2"),
    ("Plcg", "PIP3"),
    ("PIP3", "PIP2"),
)


class RandomDAG(NamedTuple):
    """A weighted directed acyclic graph.

    Attributes
    ----------
    adjacency : ndarray of shape (d, d)
        Entry [i, j] is the weight of the edge i -> j, and 0 where there is none.
    order : ndarray of int64, shape (d,)
        The nodes, parents before children: the order that the graph was made in.
    """

    adjacency: np.ndarray
    order: np.ndarray


class LinearSEMData(NamedTuple):
    """A sample of a linear structural equation model: X = X W + Z, up to the mean.

    Attributes
    ----------
    X : ndarray of shape (n, d)
    adjacency : ndarray of shape (d, d)
        The W of X in X's own units: entry [i, j] is the weight of i -> j.
    noise_scale : ndarray of shape (d,)
        Standard deviations of the columns of Z, in X's own units.
    order : ndarray of int64, shape (d,)
        The nodes, parents before children.
    """

    X: np.ndarray
    adjacency: np.ndarray
    noise_scale: np.ndarray
    order: np.ndarray


class SachsData(NamedTuple):
    """Proteins and phospholipids in single cells, and the network that biologists agreed on.

    Attributes
    ----------
    X : ndarray of shape (853, 11)
        Amounts, as measured: not centred, and far from normal.
    adjacency : ndarray of bool, shape (11, 11)
        The consensus network: entry [i, j] is True for the edge i -> j.
    names : tuple of str
        Of the columns.
    """

    X: np.ndarray
    adjacency: np.ndarray
    names: tuple[str, ...]


def make_dag(
    n_nodes: int = 20,
    *,
    graph: str = "erdos-renyi",
    degree: float = 4,
    weights=(0.5, 2.0),
    random_state=None,
) -> RandomDAG:
    """Draw a random directed acyclic graph with weights; the labels say nothing about the order.

    Parameters
    ----------
    n_nodes : int, default=20
        d.
    graph : {"erdos-renyi", "scale-free"}, default="erdos-renyi"
        Each pair of nodes is joined with the same probability, and an edge points forward in a random order. Or nodes
        come one by one, and each points to `degree` earlier ones, more likely to those with many edges (Barabasi and
        Albert): hubs are effects of many causes.
    degree : float, default=4
        Edges for each node: ER4 of the literature on learning graphs has 4 d edges on average, half of the 8 that
        touch a node on average. No more than there is room for are drawn. Whole for "scale-free", where
        degree (d - degree) edges arise.
    weights : pair of float, default=(0.5, 2.0)
        Smallest and largest absolute value of a weight: uniform in between, with either sign.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState

    Returns
    -------
    RandomDAG

    Raises
    ------
    ValueError
        For arguments out of range.

    See Also
    --------
    make_linear_sem : With data.

    Notes
    -----
    These are the graphs of Saboksayr, Mateos and Tepper, "CoLiDE: concomitant linear DAG estimation", ICLR 2024, and
    of most of the work that it is compared with. There the labels of scale-free graphs are in reverse order; here they
    are shuffled.

    Examples
    --------
    >>> from sparsesolve.datasets.dag import make_dag
    >>> adjacency, order = make_dag(100, random_state=0)
    >>> adjacency.shape, int((adjacency != 0).sum())
    ((100, 100), 406)
    """
    return _draw_dag(
        np.random.Generator(np.random.Philox(key=as_key(random_state))), n_nodes, graph, degree, weights
    )


def make_linear_sem(
    n_samples: int = 1000,
    n_nodes: int = 20,
    *,
    graph: str = "erdos-renyi",
    degree: float = 4,
    weights=(0.5, 2.0),
    noise: str = "gaussian",
    variances=1.0,
    standardize=False,
    random_state=None,
) -> LinearSEMData:
    """Draw a random graph and a sample of a linear structural equation model on it.

    Parameters
    ----------
    n_samples, n_nodes : int
        n and d.
    graph, degree, weights
        Of the graph: see `make_dag`.
    noise : {"gaussian", "exponential", "laplace", "gumbel"}, default="gaussian"
        Of mean 0.
    variances : float, pair of float or "unequal", default=1.0
        Of the noise: of all columns; or each column's is uniform between two numbers; "unequal" is (0.5, 10), the
        experiment of the paper.
    standardize : bool or "internal", default=False
        Whether columns get the mean 0 and the variance 1. In raw data variances grow along the edges and give the order
        away; True scales the columns of the finished sample; "internal" scales each variable before its children are
        made from it, so that neither variances nor, mostly, the share explained by the others tell the order [1]_.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState

    Returns
    -------
    LinearSEMData
        Weights and noise are those of the scaled columns.

    Raises
    ------
    ValueError
        For arguments out of range.

    See Also
    --------
    sample_linear_sem : From a given graph.

    References
    ----------
    .. [1] Ormaniec, Sussex, Lorch, Schoelkopf and Krause, "Standardizing structural causal models", ICLR 2025.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.datasets.dag import make_linear_sem
    >>> data = make_linear_sem(500, 10, variances="unequal", random_state=0)
    >>> Z = data.X - data.X @ data.adjacency
    >>> bool(np.allclose(Z.std(axis=0), data.noise_scale, rtol=0.15))
    True
    """
    rng = np.random.Generator(np.random.Philox(key=as_key(random_state)))
    adjacency, order = _draw_dag(rng, n_nodes, graph, degree, weights)
    scale = _draw_scales(rng, len(order), variances)
    return _sample(rng, n_samples, adjacency, order, noise, scale, standardize)


def sample_linear_sem(
    adjacency,
    n_samples: int = 1000,
    *,
    noise: str = "gaussian",
    noise_scale=1.0,
    standardize=False,
    random_state=None,
) -> LinearSEMData:
    """Draw a sample of a linear structural equation model on a given graph.

    Parameters
    ----------
    adjacency : array-like of shape (d, d)
        Acyclic: entry [i, j] is the weight of the edge i -> j.
    n_samples : int, default=1000
    noise : {"gaussian", "exponential", "laplace", "gumbel"}, default="gaussian"
    noise_scale : float or array-like of shape (d,), default=1.0
        Standard deviation of each column's noise, at least 0.
    standardize : bool or "internal", default=False
        See `make_linear_sem`.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState

    Returns
    -------
    LinearSEMData

    Raises
    ------
    ValueError
        For a cycle, or arguments out of range.

    Examples
    --------
    >>> from sparsesolve.datasets.dag import sample_linear_sem
    >>> data = sample_linear_sem([[0, 2], [0, 0]], 10_000, random_state=0)
    >>> [round(float(variance)) for variance in data.X.var(axis=0)]
    [1, 5]
    """
    edges = check_acyclic("adjacency", adjacency)
    weights = np.array(check_matrix("adjacency", adjacency), dtype=np.float64)
    scale = np.asarray(noise_scale, dtype=np.float64)
    if scale.shape not in ((), (len(edges),)):
        raise ValueError(
            f"noise_scale has shape {scale.shape}: give a number, or one for each of {len(edges)} nodes."
        )
    if not (np.isfinite(scale).all() and (scale >= 0).all()):
        raise ValueError(f"noise_scale={noise_scale!r} must be finite and at least 0.")
    rng = np.random.Generator(np.random.Philox(key=as_key(random_state)))
    scale = np.array(np.broadcast_to(scale, len(edges)))
    return _sample(rng, n_samples, weights, topological_order(edges), noise, scale, standardize)


def fetch_sachs(*, data_home=None, file=None, download: bool = True) -> SachsData:
    r"""Load the measurements of Sachs et al. without interventions, downloading them the first time.

    Parameters
    ----------
    data_home : path, optional
        Where the file is kept: ``~/sparsesolve_data`` unless given.
    file : path or text file, optional
        Read this file, and download nothing: a line of names, then eleven numbers a line, with blanks or tabs between
        them; it may be compressed, with a name that ends in ``.gz``.
    download : bool, default=True
        Whether to download the file where it is not there yet.

    Returns
    -------
    SachsData
        853 cells, 11 columns, and the consensus network of 17 edges.

    Raises
    ------
    FileNotFoundError
        Where the file is not there, and `download` is False.
    OSError
        Where it cannot be downloaded.
    ValueError
        Where a file is not in the format.

    Notes
    -----
    Several networks of 17 to 20 edges are in use as the truth of these data. This is the one of 17 edges with
    Plcg -> PIP3 and without PIP3 -> Akt, PIP2 -> PKC and Plcg -> PKC. One sample and so few edges tell methods apart
    only where they differ by many edges; the empty graph has a Hamming distance of 17.

    References
    ----------
    Sachs, Perez, Pe'er, Lauffenburger and Nolan, "Causal protein-signaling networks derived from multiparameter
    single-cell data", Science 308, 2005. The file is that of Scutari and Denis, "Bayesian networks with examples in
    R", 2014.

    Examples
    --------
    >>> import io
    >>> from sparsesolve.datasets.dag import SACHS_NAMES, fetch_sachs
    >>> text = " ".join(SACHS_NAMES) + "\n" + " ".join(map(str, range(11)))
    >>> data = fetch_sachs(file=io.StringIO(text))
    >>> data.X.shape, int(data.adjacency.sum()), data.names[:2]
    ((1, 11), 17, ('Raf', 'Mek'))
    """
    if file is None:
        home = Path("~/sparsesolve_data").expanduser() if data_home is None else Path(data_home)
        file = home / _SACHS_URL.rsplit("/", 1)[1]
        if not file.exists():
            if not download:
                raise FileNotFoundError(f"{file} does not exist: use download=True, or put it there.")
            home.mkdir(parents=True, exist_ok=True)
            _download(_SACHS_URL, file)
    return SachsData(_read_sachs(file), _sachs_network(), SACHS_NAMES)


def _draw_dag(rng, n_nodes, graph, degree, weights):
    d = check_count("n_nodes", n_nodes)
    check_choice("graph", graph, _GRAPHS)
    degree = check_real("degree", degree, minimum=0)
    low, high = _check_pair("weights", weights)
    if graph == "erdos-renyi":
        edges = np.triu(rng.random((d, d)) < min(1.0, 2.0 * degree / max(d - 1, 1)), 1)
    else:
        if degree != int(degree) or not 1 <= degree < d:
            raise ValueError(
                f"degree={degree:g} must be whole, at least 1 and below n_nodes={d} for graph='scale-free'."
            )
        # Nodes that come later are causes of earlier ones, so the order is that of coming, reversed.
        edges = np.ascontiguousarray(_preferential(rng, d, int(degree))[::-1, ::-1])
    sizes = rng.uniform(low, high, (d, d)) * np.where(rng.random((d, d)) < 0.5, -1.0, 1.0)
    order = rng.permutation(d)
    adjacency = np.zeros((d, d))
    adjacency[np.ix_(order, order)] = np.where(edges, sizes, 0.0)
    return RandomDAG(adjacency, order)


def _preferential(rng, d, degree):
    """Edges from each node to `degree` earlier ones, drawn by the number of their edges so far."""
    edges = np.zeros((d, d), dtype=bool)
    # A node stands in this list once for each of its edges.
    ends: list[int] = []
    chosen = set(range(degree))
    for node in range(degree, d):
        while len(chosen) < degree:
            chosen.add(ends[int(rng.integers(len(ends)))])
        edges[node, sorted(chosen)] = True
        ends += [*sorted(chosen), *[node] * degree]
        chosen = set()
    return edges


def _draw_scales(rng, d, variances):
    if isinstance(variances, str):
        check_choice("variances", variances, ("unequal",))
        variances = (0.5, 10.0)
    if np.ndim(variances) == 0:
        return np.full(d, np.sqrt(check_real("variances", variances, above=0)))
    low, high = _check_pair("variances", variances)
    return np.sqrt(rng.uniform(low, high, d))


def _check_pair(name, pair):
    try:
        low, high = pair
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}={pair!r} must be two numbers, the lower and the upper limit.") from error
    low, high = check_real(f"{name}[0]", low, above=0), check_real(f"{name}[1]", high, above=0)
    if low > high:
        raise ValueError(f"{name}={pair!r} must be the lower and then the upper limit: swap them.")
    return low, high


def _sample(rng, n_samples, adjacency, order, noise, scale, standardize):
    n = check_count("n_samples", n_samples)
    check_choice("noise", noise, tuple(_NOISES))
    if standardize not in (False, True, "internal"):
        raise ValueError(f"standardize={standardize!r} is not known: use False, True or 'internal'.")
    adjacency = adjacency.copy()
    # Columns in a row of their own: each is made from whole vectors.
    X = np.ascontiguousarray((_NOISES[noise](rng, (n, len(order))) * scale).T)
    for node in order:
        parents = np.flatnonzero(adjacency[:, node])
        X[node] += adjacency[parents, node] @ X[parents]
        if standardize == "internal":
            size = _standardized(X[node])
            adjacency[:, node] /= size
            scale[node] /= size
    if standardize is True:
        sizes = np.array([_standardized(column) for column in X])
        adjacency *= sizes[:, None] / sizes
        scale = scale / sizes
    return LinearSEMData(np.ascontiguousarray(X.T), adjacency, scale, order)


def _standardized(column):
    """Take mean and scale off a column, in place; returns its standard deviation, 1 for a constant."""
    column -= column.mean()
    size = float(np.sqrt(np.mean(column**2)))
    size = size if size > 0.0 else 1.0
    column /= size
    return size


def _sachs_network():
    place = {name: index for index, name in enumerate(SACHS_NAMES)}
    adjacency = np.zeros((len(place), len(place)), dtype=bool)
    for cause, effect in SACHS_EDGES:
        adjacency[place[cause], place[effect]] = True
    return adjacency


def _read_sachs(file):
    if hasattr(file, "read"):
        text = file.read()
    else:
        opener = gzip.open if str(file).endswith(".gz") else open
        with opener(file, "rt", encoding="utf-8") as opened:
            text = opened.read()
    head, *lines = text.strip().splitlines() or [""]
    names = [name.strip('"') for name in head.split()]
    if sorted(names) != sorted(SACHS_NAMES) or not lines:
        raise ValueError(
            f"file begins with {head[:60]!r}: it needs a line of {', '.join(SACHS_NAMES)}, then numbers."
        )
    table = np.loadtxt(lines, ndmin=2)
    if table.shape[1] != len(names):
        raise ValueError(f"file has {table.shape[1]} numbers a line: it needs {len(names)}.")
    return check_matrix("file", np.ascontiguousarray(table[:, [names.index(name) for name in SACHS_NAMES]]))


def _download(url: str, path: Path) -> None:
    """Download to a file beside the path, and move it there when it is whole."""
    handle, part = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file, urllib.request.urlopen(url) as answer:
            while block := answer.read(1 << 20):
                file.write(block)
        os.replace(part, path)
    except BaseException:
        os.unlink(part)
        raise
