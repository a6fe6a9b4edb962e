"""Sparse linear models to try: dense, degenerate, text-like and grouped designs, many classes, and the paper's data."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import scipy.sparse

from ..validation import check_choice, check_count, check_real

# Text: how flat the head of Zipf's law is, how many topics there are, how large their vocabularies are, and what share
# of a text comes from its topic.
_ZIPF_OFFSET = 10.0
_TOPICS, _TOPIC_WORDS, _TOPIC_SHARE = 50, 400, 0.3
# Standard deviation of the logarithm of a text's length, and the least length.
_LENGTH_SPREAD, _SHORTEST = 0.8, 5


class RegressionData(NamedTuple):
    """A design, targets, and the coefficients that they were made with.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features), Fortran order
    y : ndarray of shape (n_samples,)
    coef : ndarray of shape (n_features,)
    """

    X: np.ndarray
    y: np.ndarray
    coef: np.ndarray


class TextData(NamedTuple):
    """Texts as weighted word counts, with numbers and with labels to predict.

    Attributes
    ----------
    X : csc_array of shape (n_samples, n_features)
        Rows of norm 1, sorted indices.
    y : ndarray of shape (n_samples,)
        Numbers.
    labels : ndarray of shape (n_samples,)
        -1.0 and 1.0.
    coef : ndarray of shape (n_features,)
        Of the words that matter.
    """

    X: scipy.sparse.csc_array
    y: np.ndarray
    labels: np.ndarray
    coef: np.ndarray


class GroupData(NamedTuple):
    """A design whose columns come in groups.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features), Fortran order
    y : ndarray of shape (n_samples,)
    groups : ndarray of int64, shape (n_features,)
        Group of each column, 0 to n_groups - 1; groups lie side by side.
    group_weights : ndarray of shape (n_groups,)
        Ones for equal groups, else the square roots of the groups' sizes.
    coef : ndarray of shape (n_features,)
    """

    X: np.ndarray
    y: np.ndarray
    groups: np.ndarray
    group_weights: np.ndarray
    coef: np.ndarray


class MultinomialData(NamedTuple):
    """Samples of several classes.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features), Fortran order
    y : ndarray of int64, shape (n_samples,)
        Classes, 0 to n_classes - 1; each of them occurs.
    coef : ndarray of shape (n_classes, n_features)
    """

    X: np.ndarray
    y: np.ndarray
    coef: np.ndarray


class PaperData(NamedTuple):
    """A data set of the paper's experiments.

    Attributes
    ----------
    X : csc_array of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
        Numbers for data A, -1.0 and 1.0 for B, classes 0 to 49 (int64) for C.
    """

    X: scipy.sparse.csc_array
    y: np.ndarray


def make_dense_lasso(
    n_samples: int,
    n_features: int,
    *,
    correlation: float = 0.5,
    n_nonzero: int = 100,
    snr: float = 3.0,
    random_state=None,
) -> RegressionData:
    """Make a dense design with correlated columns, and targets of a few of them.

    Rows are independent; along a row the entries are a stationary autoregression, so columns i and j have the
    correlation ``correlation ** |i - j|``.

    Parameters
    ----------
    n_samples, n_features : int
    correlation : float, default=0.5
        Of neighbouring columns, above -1 and below 1.
    n_nonzero : int, default=100
        Number of nonzero coefficients, of random place and sign and of sizes between 1 and 2; at most n_features.
    snr : float, default=3.0
        Norm of X coef over that of the noise.
    random_state : None, int or numpy.random.Generator

    Returns
    -------
    RegressionData

    Raises
    ------
    ValueError
        If a size is below 1, correlation is not in (-1, 1), or snr is not above 0.

    Notes
    -----
    Complexity: n_samples n_features normal numbers, and as many multiplications.

    Examples
    --------
    >>> from sparsesolve.datasets.coordinate import make_dense_lasso
    >>> X, y, coef = make_dense_lasso(50, 200, n_nonzero=5, random_state=0)
    >>> X.shape, y.shape, int((coef != 0).sum())
    ((50, 200), (50,), 5)
    """
    rng = np.random.default_rng(random_state)
    X = _correlated(rng, n_samples, n_features, correlation)
    coef = _few(rng, n_features, n_nonzero)
    return RegressionData(X, _noisy(rng, X @ coef, snr), coef)


def make_degenerate_lasso(
    n_samples: int,
    n_features: int,
    *,
    correlation: float = 0.5,
    n_nonzero: int = 100,
    snr: float = 3.0,
    decades: float = 4.0,
    random_state=None,
) -> RegressionData:
    """Make a dense design some of whose columns are duplicated, negated or zero, at wildly different scales.

    The columns of `make_dense_lasso` make up half of the design. A fifth each are copies of some of them, and copies
    times -1; the last tenth is zero. All columns are shuffled. Then each column is multiplied by ten to the power of a
    number uniform on [-decades / 2, decades / 2]; half of the copies are left exact, of the same scale as what they
    are copies of.

    Parameters
    ----------
    n_samples, n_features : int
        At least 10 features.
    correlation, n_nonzero, snr
        As in `make_dense_lasso`; coefficients are for columns before their scaling.
    decades : float, default=4.0
        Spread of the scales, at least 0.
    random_state : None, int or numpy.random.Generator

    Returns
    -------
    RegressionData
        `coef` gives X coef without noise; other coefficients do so too.

    Raises
    ------
    ValueError
        For arguments that `make_dense_lasso` refuses, fewer than 10 features, or decades below 0.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.datasets.coordinate import make_degenerate_lasso
    >>> X, y, coef = make_degenerate_lasso(50, 200, n_nonzero=5, random_state=0)
    >>> int((~X.any(axis=0)).sum()), np.unique(X, axis=1).shape[1] < 181
    (20, True)
    """
    n_features = check_count("n_features", n_features, minimum=10)
    decades = check_real("decades", decades, minimum=0)
    rng = np.random.default_rng(random_state)
    n_copies, n_zero = n_features // 5, n_features // 10
    n_base = n_features - 2 * n_copies - n_zero
    base = _correlated(rng, n_samples, n_base, correlation)
    coef = np.zeros(n_features)
    coef[:n_base] = _few(rng, n_base, min(n_nonzero, n_base))
    y = _noisy(rng, base @ coef[:n_base], snr)

    source = np.concatenate([np.arange(n_base), rng.integers(0, n_base, 2 * n_copies), np.zeros(n_zero, int)])
    sign = np.repeat([1.0, 1.0, -1.0, 0.0], [n_base, n_copies, n_copies, n_zero])
    scale = 10.0 ** rng.uniform(-0.5 * decades, 0.5 * decades, n_features)
    copies = np.arange(n_base, n_base + 2 * n_copies)
    exact = copies[rng.random(copies.size) < 0.5]
    scale[exact] = scale[source[exact]]
    order = rng.permutation(n_features)
    X = np.empty((n_samples, n_features), order="F")
    for place, column in enumerate(order):
        np.multiply(base[:, source[column]], sign[column] * scale[column], out=X[:, place])
    return RegressionData(X, y, coef[order] / scale[order])


def make_text_regression(
    n_samples: int,
    n_words: int,
    *,
    mean_length: float = 100.0,
    n_nonzero: int = 500,
    min_samples: int = 3,
    noise: float = 0.5,
    flipped: float = 0.05,
    random_state=None,
) -> TextData:
    """Make texts: word counts with the frequencies, lengths and topics of real ones, weighted and scaled as usual.

    Words follow Zipf's law and the lengths of texts a log-normal distribution; three words in ten come from the
    vocabulary of the text's topic. Counts c become (1 + log c) (1 + log(n_samples / number of texts with the word)),
    and rows are divided by their norms. Numbers to predict are a sum over a few words, and noise; labels say whether
    the sum is above its median, some of them flipped.

    Parameters
    ----------
    n_samples : int
        Number of texts.
    n_words : int
        Size of the language. Words that occur in few texts are left out, so there are fewer columns.
    mean_length : float, default=100.0
        Mean number of words of a text, repeated ones included.
    n_nonzero : int, default=500
        Number of words that matter, at most; frequent words are more likely among them.
    min_samples : int, default=3
        Number of texts a word must occur in to have a column.
    noise : float, default=0.5
        Standard deviation of the noise of the numbers, relative to that of the sum.
    flipped : float, default=0.05
        Share of wrong labels, at least 0 and at most 1.
    random_state : None, int or numpy.random.Generator

    Returns
    -------
    TextData

    Raises
    ------
    ValueError
        If a count is below 1, a real number is out of its range, or no word is left.

    Notes
    -----
    Complexity: n_samples mean_length log(n_words).

    Examples
    --------
    >>> from sparsesolve.datasets.coordinate import make_text_regression
    >>> X, y, labels, coef = make_text_regression(200, 1000, random_state=0)
    >>> X.format, X.shape[0], y.shape, sorted(set(labels.tolist()))
    ('csc', 200, (200,), [-1.0, 1.0])
    """
    n_samples, n_words = check_count("n_samples", n_samples), check_count("n_words", n_words)
    mean_length = check_real("mean_length", mean_length, minimum=1)
    noise, flipped = check_real("noise", noise, minimum=0), check_real("flipped", flipped, minimum=0)
    if flipped > 1.0:
        raise ValueError(f"flipped={flipped} must be at most 1.")
    rng = np.random.default_rng(random_state)
    counts = _word_counts(rng, n_samples, n_words, mean_length)
    counts.data = 1.0 + np.log(counts.data)
    texts = np.bincount(counts.indices, minlength=n_words)
    kept = np.flatnonzero(texts >= check_count("min_samples", min_samples))
    if kept.size == 0:
        raise ValueError(f"min_samples={min_samples} leaves none of the {n_words} words: lower it.")
    texts = texts[kept]
    X = counts[:, kept] @ scipy.sparse.diags_array(1.0 + np.log(n_samples / texts))
    norms = np.sqrt((X * X).sum(axis=1))
    X = _compressed(scipy.sparse.diags_array(1.0 / np.where(norms > 0.0, norms, 1.0)) @ X)

    coef = np.zeros(kept.size)
    chosen = rng.choice(kept.size, min(n_nonzero, kept.size), replace=False, p=texts / texts.sum())
    coef[chosen] = rng.standard_normal(chosen.size)
    signal = X @ coef
    y = signal + noise * signal.std() * rng.standard_normal(n_samples)
    labels = np.where(signal > np.median(signal), 1.0, -1.0)
    labels[rng.random(n_samples) < flipped] *= -1.0
    return TextData(X, y, labels, coef)


def make_group_lasso(
    n_samples: int,
    n_groups: int,
    *,
    group_size: int = 10,
    equal: bool = True,
    n_nonzero: int = 20,
    correlation: float = 0.5,
    snr: float = 3.0,
    random_state=None,
) -> GroupData:
    """Make a dense design with groups of columns, a few of which matter.

    Parameters
    ----------
    n_samples, n_groups : int
    group_size : int, default=10
        Columns of each group, or their mean number.
    equal : bool, default=True
        Else the sizes are uniform on 1 to 2 group_size - 1, and the groups' weights are the roots of the sizes.
    n_nonzero : int, default=20
        Number of groups with normal coefficients; at most n_groups.
    correlation, snr
        As in `make_dense_lasso`.
    random_state : None, int or numpy.random.Generator

    Returns
    -------
    GroupData

    Raises
    ------
    ValueError
        If a count is below 1, correlation is not in (-1, 1), or snr is not above 0.

    Examples
    --------
    >>> from sparsesolve.datasets.coordinate import make_group_lasso
    >>> data = make_group_lasso(30, 8, group_size=3, n_nonzero=2, random_state=0)
    >>> data.X.shape, data.groups[:7], data.group_weights.size
    ((30, 24), array([0, 0, 0, 1, 1, 1, 2]), 8)
    """
    n_groups, group_size = check_count("n_groups", n_groups), check_count("group_size", group_size)
    rng = np.random.default_rng(random_state)
    sizes = np.full(n_groups, group_size) if equal else rng.integers(1, 2 * group_size, n_groups)
    groups = np.repeat(np.arange(n_groups, dtype=np.int64), sizes)
    X = _correlated(rng, n_samples, groups.size, correlation)
    chosen = rng.choice(n_groups, min(check_count("n_nonzero", n_nonzero), n_groups), replace=False)
    coef = np.where(np.isin(groups, chosen), rng.standard_normal(groups.size), 0.0)
    weights = np.ones(n_groups) if equal else np.sqrt(sizes.astype(np.float64))
    return GroupData(X, _noisy(rng, X @ coef, snr), groups, weights, coef)


def make_multinomial(
    n_samples: int,
    n_features: int,
    n_classes: int,
    *,
    correlation: float = 0.5,
    n_nonzero: int = 20,
    margin: float = 3.0,
    random_state=None,
) -> MultinomialData:
    """Make samples whose class is drawn with probabilities that are the softmax of linear scores.

    Parameters
    ----------
    n_samples, n_features : int
    n_classes : int
        From 2 to n_samples.
    correlation : float, default=0.5
        As in `make_dense_lasso`.
    n_nonzero : int, default=20
        Number of features that matter to a class; at most n_features.
    margin : float, default=3.0
        Standard deviation of the scores, above 0: the larger, the easier the classes are to tell.
    random_state : None, int or numpy.random.Generator

    Returns
    -------
    MultinomialData

    Raises
    ------
    ValueError
        If a count is out of its range, correlation is not in (-1, 1), or margin is not above 0.

    Examples
    --------
    >>> from sparsesolve.datasets.coordinate import make_multinomial
    >>> X, y, coef = make_multinomial(60, 8, 3, random_state=0)
    >>> X.shape, sorted(set(y.tolist())), coef.shape
    ((60, 8), [0, 1, 2], (3, 8))
    """
    n_classes = check_count("n_classes", n_classes, minimum=2)
    if n_classes > n_samples:
        raise ValueError(f"n_classes={n_classes} must be at most n_samples={n_samples}.")
    margin = check_real("margin", margin, above=0)
    rng = np.random.default_rng(random_state)
    X = _correlated(rng, n_samples, n_features, correlation)
    coef = np.stack([_few(rng, n_features, n_nonzero) for _ in range(n_classes)])
    scores = X @ coef.T
    coef *= margin / scores.std()
    scores *= margin / scores.std()
    # The largest of the scores plus Gumbel noise is a draw from their softmax.
    y = np.argmax(scores + rng.gumbel(size=scores.shape), axis=1).astype(np.int64)
    # One sample for each class, so that all of them occur.
    y[rng.choice(n_samples, n_classes, replace=False)] = np.arange(n_classes)
    return MultinomialData(X, y, coef)


def make_paper_data(name: str, *, n_samples: int = 1000, n_features=None, random_state=1) -> PaperData:
    """Make the data A, B or C of the paper on block coordinate descent: sparse designs of very unequal columns.

    Entries are normal with mean 1, columns are multiplied by normal numbers of standard deviation 10, and each entry
    is kept with probability 10 log(n_samples) / n_samples. A has targets of normal coefficients, a tenth of them not
    0, with normal noise; B the signs of such targets without noise, a tenth of them flipped; C the largest of 50 sums.

    Parameters
    ----------
    name : {"A", "B", "C"}
        Least squares, logistic regression, multinomial regression.
    n_samples : int, default=1000
        At least 36, for a probability below 1.
    n_features : int, optional
        10 n_samples for A and B, n_samples for C unless given, as in the paper.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState, default=1
        An int seeds numpy's legacy generator. With the defaults B and C are the paper's own data; of A the paper's
        authors give no seed.

    Returns
    -------
    PaperData

    Raises
    ------
    ValueError
        For an unknown name, or a count out of its range.

    Notes
    -----
    The numbers are drawn for a dense design, three times n_samples n_features of them in memory.

    References
    ----------
    Nutini, Laradji and Schmidt, "Let's make block coordinate descent converge faster", JMLR 23(131), 2022, section 7.

    Examples
    --------
    >>> from sparsesolve.datasets.coordinate import make_paper_data
    >>> X, y = make_paper_data("B", n_samples=100)
    >>> X.shape, sorted(set(y.tolist()))
    ((100, 1000), [-1.0, 1.0])
    """
    check_choice("name", name, tuple(_PAPER))
    n_samples = check_count("n_samples", n_samples, minimum=36)
    many, targets = _PAPER[name]
    n_features = many * n_samples if n_features is None else check_count("n_features", n_features)
    draw = _Draw(random_state)
    X = draw.normal(n_samples, n_features)
    X += 1.0
    X *= 10.0 * draw.normal(n_features)
    X *= draw.uniform(n_samples, n_features) < 10.0 * np.log(n_samples) / n_samples
    return PaperData(_compressed(X), targets(draw, X))


class _Draw:
    """Normal and uniform numbers, from a legacy generator for an int and from whatever is given otherwise."""

    def __init__(self, random_state):
        if isinstance(random_state, (int, np.integer)):
            random_state = np.random.RandomState(random_state)
        elif not isinstance(random_state, np.random.RandomState):
            random_state = np.random.default_rng(random_state)
        self._source = random_state

    def normal(self, *shape):
        return self._source.normal(size=shape) if shape else self._source.normal()

    def uniform(self, *shape):
        return self._source.uniform(size=shape)


def _sparse_targets(draw, X):
    coef = draw.normal(X.shape[1])
    return X @ (coef * (draw.uniform(X.shape[1]) < 0.1))


def _paper_numbers(draw, X):
    return _sparse_targets(draw, X) + draw.normal(X.shape[0])


def _paper_labels(draw, X):
    labels = np.where(_sparse_targets(draw, X) >= 0.0, 1.0, -1.0)
    return labels * np.where(draw.uniform(X.shape[0]) < 0.1, -1.0, 1.0)


def _paper_classes(draw, X):
    scores = X @ draw.normal(X.shape[1], 50)
    scores += draw.normal(*scores.shape)
    return np.argmax(scores, axis=1).astype(np.int64)


# Features for each sample, and targets.
_PAPER = {"A": (10, _paper_numbers), "B": (10, _paper_labels), "C": (1, _paper_classes)}


def _correlated(rng, n_samples, n_features, correlation):
    """Autoregressive rows of variance 1, in Fortran order."""
    n_samples, n_features = check_count("n_samples", n_samples), check_count("n_features", n_features)
    correlation = check_real("correlation", correlation, above=-1, below=1)
    columns = rng.standard_normal((n_features, n_samples))
    columns[1:] *= np.sqrt(1.0 - correlation * correlation)
    for before, column in itertools.pairwise(columns):
        column += correlation * before
    return columns.T


def _few(rng, n_features, n_nonzero):
    """Coefficients, a few of them not 0."""
    n_nonzero = check_count("n_nonzero", n_nonzero)
    coef = np.zeros(n_features)
    chosen = rng.choice(n_features, min(n_nonzero, n_features), replace=False)
    coef[chosen] = rng.choice([-1.0, 1.0], chosen.size) * rng.uniform(1.0, 2.0, chosen.size)
    return coef


def _noisy(rng, signal, snr):
    """The signal, and normal noise whose norm is that of the signal over `snr`."""
    snr = check_real("snr", snr, above=0)
    noise = rng.standard_normal(signal.size)
    return signal + np.linalg.norm(signal) / (snr * np.linalg.norm(noise)) * noise


def _compressed(X):
    """Compressed columns with sorted indices, of 32 bits where these suffice."""
    X = scipy.sparse.csc_array(X)
    X.sort_indices()
    kind = np.int32 if X.nnz <= np.iinfo(np.int32).max else np.int64
    return scipy.sparse.csc_array((X.data, X.indices.astype(kind), X.indptr.astype(kind)), shape=X.shape)


def _word_counts(rng, n_samples, n_words, mean_length):
    """How often each text has each word, as compressed rows of floats."""
    # The mean of a log-normal number is exp(mu + sigma^2 / 2).
    middle = np.log(mean_length) - 0.5 * _LENGTH_SPREAD**2
    lengths = np.maximum(rng.lognormal(middle, _LENGTH_SPREAD, n_samples).astype(np.int64), _SHORTEST)
    text = np.repeat(np.arange(n_samples), lengths)
    frequency = 1.0 / (np.arange(n_words) + _ZIPF_OFFSET)
    ends = np.cumsum(frequency / frequency.sum())

    def draw(*shape):
        return np.minimum(np.searchsorted(ends, rng.random(shape)), n_words - 1)

    word = draw(text.size)
    vocabularies = draw(_TOPICS, _TOPIC_WORDS)
    topic = rng.integers(0, _TOPICS, n_samples)
    of_topic = np.flatnonzero(rng.random(text.size) < _TOPIC_SHARE)
    word[of_topic] = vocabularies[topic[text[of_topic]], rng.integers(0, _TOPIC_WORDS, of_topic.size)]
    return scipy.sparse.coo_array((np.ones(text.size), (text, word)), shape=(n_samples, n_words)).tocsr()
