"""`SparseProjection` and `FastRP`: very sparse random projections under a scikit-learn API."""

from __future__ import annotations

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.random_projection import johnson_lindenstrauss_min_dim
from sklearn.utils.validation import check_is_fitted, validate_data

from ..random import Stream, as_key
from ..validation import check_choice, check_count, check_matrix, check_real
from .embedding import EmbeddingOptions, embed_nodes
from .products import pack, project_rows
from .signs import random_signs


class SparseProjection(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Fewer features by a very sparse random matrix, which keeps distances between rows.

    The entries of the matrix are independent: 0 with probability 1 - density, else +-sqrt(1 / (density n_components)).
    That is the law of `sklearn.random_projection.SparseRandomProjection`.

    Parameters
    ----------
    n_components : int or "auto", default="auto"
        Features to make. "auto" takes as many as the lemma of Johnson and Lindenstrauss asks for at `eps`.
    density : float in (0, 1] or "auto", default="auto"
        "auto" takes 1 / sqrt(n_features), as Ping Li et al. recommend.
    eps : float in (0, 1), default=0.1
        Relative error of squared distances, for ``n_components="auto"``.
    dense_output : bool, default=False
        Make the output dense where the input is sparse.
    compute_inverse_components : bool, default=False
        Find the pseudo-inverse of the matrix when fitted.
    random_state : None, int, numpy.random.Generator or RandomState

    Attributes
    ----------
    components_ : scipy.sparse.csr_array of shape (n_components, n_features)
        Entry (i, j) depends on the seed, i, j and the density alone, but for the common scale.
    inverse_components_ : ndarray of shape (n_features, n_components)
        Only with ``compute_inverse_components=True``.
    n_components_ : int
    density_ : float
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where X has string column names.

    See Also
    --------
    sparsesolve.projection.FastRP : The same for the nodes of a graph.

    References
    ----------
    Li, Hastie and Church, "Very sparse random projections", KDD 2006.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.projection import SparseProjection
    >>> X = np.random.default_rng(0).standard_normal((20, 10_000))
    >>> small = SparseProjection(500, random_state=0).fit_transform(X)
    >>> small.shape, bool(abs((small[0] ** 2).sum() / (X[0] ** 2).sum() - 1.0) < 0.2)
    ((20, 500), True)
    """

    def __init__(
        self,
        n_components="auto",
        *,
        density="auto",
        eps=0.1,
        dense_output=False,
        compute_inverse_components=False,
        random_state=None,
    ):
        self.n_components = n_components
        self.density = density
        self.eps = eps
        self.dense_output = dense_output
        self.compute_inverse_components = compute_inverse_components
        self.random_state = random_state

    def fit(self, X, y=None):
        """Draw the matrix; of X only the shape is used.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For bad data or parameters; the message names the argument, its value and the mend.
        """
        X = _checked(self, X, ("csr", "csc"), reset=True)
        n_samples, n_features = X.shape
        self.n_components_ = self._count_components(n_samples, n_features)
        self.density_ = _density(self.density, n_features)
        shape = (self.n_components_, n_features)
        signs = random_signs(as_key(self.random_state), Stream.SPARSE_PROJECTION, shape, self.density_)
        self._signs = pack(signs)
        self._scale = 1.0 / np.sqrt(self.density_ * self.n_components_)
        self.components_ = signs.astype(X.dtype) * X.dtype.type(self._scale)
        if self.compute_inverse_components:
            self.inverse_components_ = np.linalg.pinv(self.components_.toarray())
        return self

    def transform(self, X):
        """Project rows.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray or scipy.sparse.csr_array of shape (n_samples, n_components)
            Sparse where X is, unless `dense_output` is true. Float32 where X is, else float64.
        """
        check_is_fitted(self)
        X = _checked(self, X, ("csr", "csc"), reset=False)
        if not scipy.sparse.issparse(X):
            return project_rows(X, self._signs, self._scale)
        projected = X @ self.components_.T.astype(X.dtype, copy=False)
        return projected.toarray() if self.dense_output else projected.tocsr()

    def inverse_transform(self, X):
        """Return the shortest rows that are projected to X.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_components)

        Returns
        -------
        ndarray of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        X = check_matrix("X", X)
        if X.shape[1] != self.n_components_:
            raise ValueError(f"X has {X.shape[1]} columns, but there are {self.n_components_} components.")
        inverse = getattr(self, "inverse_components_", None)
        inverse = np.linalg.pinv(self.components_.toarray()) if inverse is None else inverse
        return X @ inverse.T

    def _count_components(self, n_samples, n_features):
        if self.n_components != "auto":
            return check_count("n_components", self.n_components)
        eps = check_real("eps", self.eps, above=0, below=1)
        wanted = int(johnson_lindenstrauss_min_dim(n_samples=n_samples, eps=eps))
        if wanted > n_features:
            raise ValueError(
                f"eps={eps} and n_samples={n_samples} lead to {wanted} components, which is larger than the original "
                f"space with n_features={n_features}: set n_components, or a larger eps."
            )
        return max(wanted, 1)

    @property
    def _n_features_out(self):
        return self.n_components_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class FastRP(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    r"""Node embeddings of a graph: random projections of the powers of its transition matrix, summed with weights.

    With the adjacency A, the degrees D and a very sparse random R, the embedding is
    :math:`\sum_q w_q N((D^{-1} A)^q D^\beta R)`, where N brings rows to unit length; the rows of the sum have unit
    length, too. Nodes with similar neighbourhoods lie close to each other.

    Parameters
    ----------
    n_components : int, default=128
        Dimension of the embedding.
    weights : sequence of float, default=(1.0, 1.0, 7.81, 45.28)
        Of the powers 1, 2, ...; the default is what the authors' code comes with. More weight on high powers shows
        larger structures.
    degree_exponent : float, default=-0.628
        The exponent beta. Negative values weaken nodes with many links.
    density : float in (0, 1] or "auto", default="auto"
        Part of R that is not zero; "auto" takes 1 / sqrt(n_nodes).
    normalize : bool, default=True
        Bring rows to unit length, those of each power and those of the sum.
    dtype : {"float32", "float64"}, default="float32"
    random_state : None, int, numpy.random.Generator or RandomState

    Attributes
    ----------
    embedding_ : ndarray of shape (n_nodes, n_components)
        Zeros for nodes without links.
    density_ : float
    n_features_in_ : int
        Nodes.

    See Also
    --------
    sparsesolve.projection.SparseProjection : Of the features of a table.

    References
    ----------
    Chen, Sultan, Tian, Chen and Skiena, "Fast and accurate network embeddings via very sparse random projection",
    CIKM 2019.

    Examples
    --------
    >>> import numpy as np, scipy.sparse
    >>> from sparsesolve.projection import FastRP
    >>> ring = scipy.sparse.diags_array([1.0, 1.0, 1.0, 1.0], offsets=[1, -1, 99, -99], shape=(100, 100))
    >>> nodes = FastRP(32, random_state=0).fit_transform(ring)
    >>> nodes.shape, bool(nodes[0] @ nodes[2] > nodes[0] @ nodes[50])
    ((100, 32), True)
    """

    def __init__(
        self,
        n_components=128,
        *,
        weights=(1.0, 1.0, 7.81, 45.28),
        degree_exponent=-0.628,
        density="auto",
        normalize=True,
        dtype="float32",
        random_state=None,
    ):
        self.n_components = n_components
        self.weights = weights
        self.degree_exponent = degree_exponent
        self.density = density
        self.normalize = normalize
        self.dtype = dtype
        self.random_state = random_state

    def fit(self, X, y=None):
        """Embed the nodes of a graph.

        Parameters
        ----------
        X : sparse matrix or array of shape (n_nodes, n_nodes)
            Adjacency: entries at least 0, the weights of the links. With directed links, row i has those from node i.
            For a graph of networkx, `networkx.to_scipy_sparse_array(graph)`.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For bad data or parameters; the message names the argument, its value and the mend.
        """
        self.fit_transform(X)
        return self

    def fit_transform(self, X, y=None):
        """Embed the nodes of a graph, and return `embedding_`.

        Parameters
        ----------
        X : sparse matrix or array of shape (n_nodes, n_nodes)
            As in `fit`.
        y : ignored

        Returns
        -------
        ndarray of shape (n_nodes, n_components)
        """
        if hasattr(X, "adjacency") and hasattr(X, "nodes"):
            raise ValueError("X is a graph, not its adjacency: give networkx.to_scipy_sparse_array(graph).")
        adjacency = scipy.sparse.csr_array(_checked(self, X, ("csr",), reset=True))
        if adjacency.shape[0] != adjacency.shape[1]:
            raise ValueError(
                f"X has shape {adjacency.shape}, but an adjacency is square: give a row and a column for each node."
            )
        if adjacency.nnz and adjacency.data.min() < 0:
            raise ValueError(
                f"X has a negative entry, {adjacency.data.min()}: links have weights of at least 0."
            )
        check_choice("dtype", self.dtype, ("float32", "float64"))
        if np.ndim(self.weights) != 1 or len(self.weights) == 0:
            raise ValueError(f"weights={self.weights!r} must be a sequence of numbers: one for each power.")
        weights = [check_real(f"weights[{q}]", weight) for q, weight in enumerate(self.weights)]
        self.density_ = _density(self.density, adjacency.shape[0])
        options = EmbeddingOptions(
            check_count("n_components", self.n_components),
            tuple(weights),
            check_real("degree_exponent", self.degree_exponent),
            self.density_,
            bool(self.normalize),
            np.dtype(self.dtype),
        )
        self.embedding_ = embed_nodes(adjacency, options, as_key(self.random_state))
        return self.embedding_

    @property
    def _n_features_out(self):
        return self.embedding_.shape[1]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.pairwise = True
        return tags


def _checked(estimator, X, formats, reset):
    """X in float64 or float32, with what is known of its features checked or kept."""
    X = validate_data(
        estimator,
        X,
        reset=reset,
        accept_sparse=formats,
        dtype=(np.float64, np.float32),
        ensure_all_finite=False,
    )
    return check_matrix("X", X)


def _density(density, n_features: int) -> float:
    if isinstance(density, str) and density == "auto":
        return float(1.0 / np.sqrt(n_features))
    density = check_real("density", density, above=0)
    if density > 1:
        raise ValueError(
            f"density={density} must be at most 1: it is the part of the entries that are not zero."
        )
    return density
