"""Matrices with missing entries to try: of low rank near the limit of recovery, ratings, and pictures with holes."""

from __future__ import annotations

import io
import os
import tempfile
import urllib.request
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse

from ..validation import check_choice, check_count, check_real

_SPECTRA = ("log-spaced", "clustered")
# Rounds of drawing places before a mask is given up, and the share drawn beyond what is missing.
_ROUNDS, _SPARE = 200, 1.1
# Ratings: their mean, spreads of users, items and interests, and how the interests' sizes fall.
_MEAN, _USER_SPREAD, _ITEM_SPREAD, _INTEREST, _FALL = 3.5, 0.4, 0.5, 0.45, 0.6
# How unequal users and items are: spread of the logarithm of a user's activity, power of an item's rank.
_ACTIVITY, _POPULARITY = 1.0, 0.9

_MOVIELENS_URL = "https://files.grouplens.org/datasets/movielens"
_MOVIELENS = {
    "100k": ("ml-100k.zip", "ml-100k/u.data"),
    "1m": ("ml-1m.zip", "ml-1m/ratings.dat"),
    "10m": ("ml-10m.zip", "ml-10M100K/ratings.dat"),
    "20m": ("ml-20m.zip", "ml-20m/ratings.csv"),
    "latest-small": ("ml-latest-small.zip", "ml-latest-small/ratings.csv"),
}


class _LowRankFields(NamedTuple):
    X: scipy.sparse.csr_array
    row_factors: np.ndarray
    column_factors: np.ndarray
    outliers: np.ndarray
    n_resampled: int


class LowRankData(_LowRankFields):
    """Some entries of a matrix of low rank, and its factors.

    Attributes
    ----------
    X : csr_array of shape (n_rows, n_columns)
        The observed entries; sorted indices.
    row_factors : ndarray of shape (n_rows, rank)
    column_factors : ndarray of shape (n_columns, rank)
        The whole matrix is ``row_factors @ column_factors.T``; the root mean square of its entries is 1.
    outliers : ndarray of bool, shape (n_entries,)
        Which of ``X.data`` have a gross error.
    n_resampled : int
        Entries that were moved to rows and columns with too few.
    """

    def relative_error(self, row_factors, column_factors) -> float:
        """Frobenius distance of the product of two factors to the matrix, over its norm; O((m + n) rank^2)."""
        left = np.linalg.qr(np.hstack([row_factors, -self.row_factors]))[1]
        right = np.linalg.qr(np.hstack([column_factors, self.column_factors]))[1]
        size = np.sqrt(len(self.row_factors) * len(self.column_factors))
        return float(np.linalg.norm(left @ right.T) / size)


class RatingsData(NamedTuple):
    """Ratings by users of items.

    Attributes
    ----------
    X : csr_array of shape (n_users, n_items)
        Ratings to learn from: 1.0 to 5.0.
    test : csr_array of shape (n_users, n_items)
        Ratings held out.
    """

    X: scipy.sparse.csr_array
    test: scipy.sparse.csr_array


class MaskedImage(NamedTuple):
    """A picture with missing pixels.

    Attributes
    ----------
    X : ndarray of shape (height, width * n_channels)
        NaN where missing; the channels of a pixel lie side by side.
    image : ndarray of shape (height, width * n_channels)
        The whole picture.
    missing : ndarray of bool, shape (height, width * n_channels)
    shape : tuple of int
        Of the picture that was given: ``image.reshape(shape)`` restores it.
    """

    X: np.ndarray
    image: np.ndarray
    missing: np.ndarray
    shape: tuple[int, ...]


class MovieLensData(NamedTuple):
    """Ratings of films by users, as MovieLens publishes them.

    Attributes
    ----------
    X : csr_array of shape (n_users, n_items)
        Ratings; users and items without any have no row or column.
    users, items : ndarray of int64, shape (n_users,) and (n_items,)
        Their numbers in the file, ascending.
    times : ndarray of int64, shape (n_ratings,)
        Seconds since 1970 of each of ``X.data``.
    """

    X: scipy.sparse.csr_array
    users: np.ndarray
    items: np.ndarray
    times: np.ndarray


def make_low_rank(
    n_rows: int,
    n_columns: int,
    rank: int,
    *,
    oversampling: float = 3.0,
    condition: float = 1.0,
    spectrum: str = "log-spaced",
    noise: float = 0.0,
    outliers: float = 0.0,
    outlier_size: float = 10.0,
    skew: float = 0.0,
    min_entries: int | None = None,
    random_state=None,
) -> LowRankData:
    """Make a matrix of low rank with random singular vectors, of which some entries are observed.

    Parameters
    ----------
    n_rows, n_columns : int
    rank : int
        At most the smaller of the two.
    oversampling : float, default=3.0
        Number of entries over the degrees of freedom, rank (n_rows + n_columns - rank).
    condition : float, default=1.0
        Largest singular value over the smallest, at least 1.
    spectrum : {"log-spaced", "clustered"}, default="log-spaced"
        "clustered": the first half of the singular values are equal, and so are the others.
    noise : float, default=0.0
        Standard deviation of normal noise on the observed entries, whose root mean square is 1.
    outliers : float, default=0.0
        Share of the observed entries with a gross error, at least 0 and at most 1.
    outlier_size : float, default=10.0
        Largest gross error; they are uniform between minus this and this.
    skew : float, default=0.0
        Rows and columns are drawn with probabilities proportional to 1, 2^-skew, 3^-skew ..., in random order.
    min_entries : int, optional
        Entries that each row and column has at least: rank + 1 unless given. A row with fewer than rank is not
        determined; one with just rank entries is fitted by all column factors, and so says nothing about them, and
        leaves its columns with one equation less.
    random_state : None, int or numpy.random.Generator

    Returns
    -------
    LowRankData

    Raises
    ------
    ValueError
        For arguments out of range; more entries than the matrix has; fewer than `min_entries` needs.

    Notes
    -----
    Entries for rows and columns with too few are taken from those with more than enough: the number of entries is as
    asked for, to rounding. Complexity: O(n_entries (rank + log(n_entries))).

    Examples
    --------
    >>> from sparsesolve.datasets.completion import make_low_rank
    >>> data = make_low_rank(60, 40, 3, oversampling=2.0, random_state=0)
    >>> data.X.shape, data.X.nnz, int(data.X.count_nonzero(axis=1).min())
    ((60, 40), 582, 4)
    """
    n_rows, n_columns = check_count("n_rows", n_rows), check_count("n_columns", n_columns)
    rank = check_count("rank", rank)
    if rank > min(n_rows, n_columns):
        raise ValueError(f"rank={rank} must be at most {min(n_rows, n_columns)}, the smaller side.")
    check_choice("spectrum", spectrum, _SPECTRA)
    oversampling = check_real("oversampling", oversampling, above=0)
    condition, noise = check_real("condition", condition, minimum=1), check_real("noise", noise, minimum=0)
    outliers, skew = check_real("outliers", outliers, minimum=0), check_real("skew", skew, minimum=0)
    outlier_size = check_real("outlier_size", outlier_size, minimum=0)
    if outliers > 1.0:
        raise ValueError(f"outliers={outliers} must be at most 1: it is a share.")
    least = rank + 1 if min_entries is None else check_count("min_entries", min_entries, minimum=0)
    least = min(least, n_rows, n_columns) if min_entries is None else least
    count = round(oversampling * rank * (n_rows + n_columns - rank))
    if count > n_rows * n_columns:
        raise ValueError(
            f"oversampling={oversampling} asks for {count} of {n_rows * n_columns} entries: lower it, or the rank."
        )
    rng = np.random.default_rng(random_state)
    row_factors, column_factors = _factors(rng, n_rows, n_columns, rank, condition, spectrum)
    places = _places(rng, (n_rows, n_columns), count, skew)
    places, n_resampled = _filled(rng, places, (n_rows, n_columns), least)
    rows, columns = np.divmod(places, n_columns)
    values = np.empty(count)
    for first in range(0, count, 1 << 20):
        cut = slice(first, first + (1 << 20))
        values[cut] = np.einsum("ij,ij->i", row_factors[rows[cut]], column_factors[columns[cut]])
    values += noise * rng.standard_normal(count)
    gross = rng.random(count) < outliers
    values[gross] += rng.uniform(-outlier_size, outlier_size, np.count_nonzero(gross))
    X = _compressed(rows, columns, values, (n_rows, n_columns))
    return LowRankData(X, row_factors, column_factors, gross, n_resampled)


def make_ratings(
    n_users: int = 2000,
    n_items: int = 1000,
    *,
    n_ratings: int = 100_000,
    rank: int = 8,
    noise: float = 0.85,
    test_share: float = 0.1,
    random_state=None,
) -> RatingsData:
    """Make ratings like those of films: whole numbers from 1 to 5, by busy and by rare users, of popular items mostly.

    A rating is a mean, a bias of the user, a bias of the item, a sum over a few interests of falling size, and noise,
    rounded. Popular items are rated better. Users' activities are log-normal; items' popularities follow a power law.

    Parameters
    ----------
    n_users, n_items : int
    n_ratings : int, default=100000
        To learn from and held out; at most half of all that there could be.
    rank : int, default=8
        Number of interests.
    noise : float, default=0.85
        Standard deviation before rounding.
    test_share : float, default=0.1
        Share of the ratings that is held out, at random; below 1.
    random_state : None, int or numpy.random.Generator

    Returns
    -------
    RatingsData

    Raises
    ------
    ValueError
        For arguments out of range.

    Examples
    --------
    >>> from sparsesolve.datasets.completion import make_ratings
    >>> X, test = make_ratings(200, 100, n_ratings=4000, random_state=0)
    >>> X.nnz, test.nnz, sorted(set(X.data.tolist()))
    (3600, 400, [1.0, 2.0, 3.0, 4.0, 5.0])
    """
    n_users, n_items = check_count("n_users", n_users), check_count("n_items", n_items)
    n_ratings, rank = check_count("n_ratings", n_ratings), check_count("rank", rank)
    noise = check_real("noise", noise, minimum=0)
    test_share = check_real("test_share", test_share, minimum=0, below=1)
    if 2 * n_ratings > n_users * n_items:
        raise ValueError(f"n_ratings={n_ratings} must be at most half of the {n_users * n_items} pairs.")
    rng = np.random.default_rng(random_state)
    activity = np.exp(_ACTIVITY * rng.standard_normal(n_users))
    popularity = rng.permutation(np.arange(1, n_items + 1) ** -_POPULARITY)
    places = _drawn(rng, n_ratings, activity / activity.sum(), popularity / popularity.sum())
    users, items = np.divmod(places, n_items)
    sizes = _INTEREST * np.arange(1, rank + 1) ** -_FALL
    interests = rng.standard_normal((n_users, rank)) * sizes
    traits = rng.standard_normal((n_items, rank))
    fame = np.log(popularity)
    fame = (fame - fame.mean()) / max(float(fame.std()), 1e-12)
    item_bias = _ITEM_SPREAD * (rng.standard_normal(n_items) + fame) / np.sqrt(2.0)
    values = _MEAN + (_USER_SPREAD * rng.standard_normal(n_users))[users] + item_bias[items]
    values += np.einsum("ij,ij->i", interests[users], traits[items]) + noise * rng.standard_normal(n_ratings)
    values = np.clip(np.rint(values), 1.0, 5.0)
    held = np.zeros(n_ratings, dtype=bool)
    held[rng.choice(n_ratings, int(test_share * n_ratings), replace=False)] = True
    parts = (_compressed(users[one], items[one], values[one], (n_users, n_items)) for one in (~held, held))
    return RatingsData(*parts)


def mask_image(image, *, missing: float = 0.5, random_state=None) -> MaskedImage:
    """Take pixels away from a picture at random, all channels of a pixel together.

    Parameters
    ----------
    image : array of shape (height, width) or (height, width, n_channels)
        Whole numbers are taken as 0 to 255, and become 0.0 to 1.0.
    missing : float, default=0.5
        Share of the pixels that are taken away, at least 0 and below 1.
    random_state : None, int or numpy.random.Generator

    Returns
    -------
    MaskedImage

    Raises
    ------
    ValueError
        If `image` has another number of dimensions, or `missing` is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.datasets.completion import mask_image
    >>> holes = mask_image(np.full((4, 5, 3), 255, dtype=np.uint8), missing=0.25, random_state=0)
    >>> holes.X.shape, int(np.isnan(holes.X).sum()), float(holes.image.max())
    ((4, 15), 15, 1.0)
    """
    image = np.asarray(image)
    if image.ndim not in (2, 3) or image.size == 0:
        raise ValueError(
            f"image has shape {image.shape}: give (height, width) or (height, width, n_channels)."
        )
    missing = check_real("missing", missing, minimum=0, below=1)
    whole = image / 255.0 if image.dtype.kind in "iu" else image.astype(np.float64)
    height, width = image.shape[:2]
    holes = np.zeros(height * width, dtype=bool)
    rng = np.random.default_rng(random_state)
    holes[rng.choice(holes.size, round(missing * holes.size), replace=False)] = True
    whole = whole.reshape(height, -1)
    holes = np.repeat(holes.reshape(height, width), whole.shape[1] // width, axis=1)
    return MaskedImage(np.where(holes, np.nan, whole), whole, holes, image.shape)


def fetch_movielens(name: str = "100k", *, data_home=None, download: bool = True) -> MovieLensData:
    """Load MovieLens ratings, downloading them the first time.

    Parameters
    ----------
    name : {"100k", "1m", "10m", "20m", "latest-small"}, default="100k"
    data_home : path, optional
        Where the archive is kept: ``~/sparsesolve_data`` unless given.
    download : bool, default=True
        Whether to download the archive where it is not there yet.

    Returns
    -------
    MovieLensData

    Raises
    ------
    ValueError
        For an unknown name.
    FileNotFoundError
        Where the archive is not there, and `download` is False.
    OSError
        Where it cannot be downloaded.

    References
    ----------
    Harper and Konstan, "The MovieLens datasets: history and context", ACM Transactions on Interactive Intelligent
    Systems 5(4), 2015. https://grouplens.org/datasets/movielens tells the terms of use.
    """
    check_choice("name", name, tuple(_MOVIELENS))
    archive, member = _MOVIELENS[name]
    home = Path("~/sparsesolve_data").expanduser() if data_home is None else Path(data_home)
    path = home / archive
    if not path.exists():
        if not download:
            raise FileNotFoundError(f"{path} does not exist: use download=True, or put {archive} there.")
        home.mkdir(parents=True, exist_ok=True)
        _download(f"{_MOVIELENS_URL}/{archive}", path)
    with zipfile.ZipFile(path) as opened, opened.open(member) as file:
        return parse_movielens(io.TextIOWrapper(file, encoding="utf-8"))


def parse_movielens(source) -> MovieLensData:
    r"""Read ratings in a format of MovieLens.

    Parameters
    ----------
    source : path or text file
        A user, an item, a rating and a time a line, with tabs (``u.data``), commas (``ratings.csv``, below a line of
        names) or double colons (``ratings.dat``) between them.

    Returns
    -------
    MovieLensData
        Of several ratings of an item by one user, the latest.

    Raises
    ------
    ValueError
        Where the file is empty, or a line does not hold four numbers.

    Examples
    --------
    >>> import io
    >>> from sparsesolve.datasets.completion import parse_movielens
    >>> data = parse_movielens(io.StringIO("196\t242\t3\t881250949\n186\t302\t4\t891717742\n"))
    >>> data.users.tolist(), data.items.tolist(), data.X.toarray().tolist()
    ([186, 196], [242, 302], [[0.0, 4.0], [3.0, 0.0]])
    """
    text = source.read() if hasattr(source, "read") else Path(source).read_text(encoding="utf-8")
    lines = text.strip().splitlines()
    lines = lines[1:] if lines and not lines[0][:1].isdigit() else lines
    if not lines:
        raise ValueError("source holds no ratings: it needs a user, an item, a rating and a time a line.")
    table = np.loadtxt([line.replace("::", ",").replace("\t", ",") for line in lines], delimiter=",", ndmin=2)
    if table.shape[1] != 4:
        raise ValueError(
            f"source has {table.shape[1]} numbers a line: it needs a user, an item, a rating and a time."
        )
    users, rows = np.unique(table[:, 0].astype(np.int64), return_inverse=True)
    items, columns = np.unique(table[:, 1].astype(np.int64), return_inverse=True)
    times = table[:, 3].astype(np.int64)
    order = np.lexsort((times, columns, rows))
    place = (rows * items.size + columns)[order]
    latest = order[np.append(place[1:] != place[:-1], True)]
    X = _compressed(rows[latest], columns[latest], table[latest, 2], (users.size, items.size))
    return MovieLensData(X, users, items, times[latest])


def _factors(rng, n_rows, n_columns, rank, condition, spectrum):
    """Random orthonormal vectors times the roots of the singular values; entries have the root mean square 1."""
    if spectrum == "clustered":
        values = np.where(np.arange(rank) < max(1, rank // 2), 1.0, 1.0 / condition)
    else:
        values = np.geomspace(1.0, 1.0 / condition, rank)
    values *= np.sqrt(n_rows * n_columns / (values @ values))
    left = np.linalg.qr(rng.standard_normal((n_rows, rank)))[0]
    right = np.linalg.qr(rng.standard_normal((n_columns, rank)))[0]
    return left * np.sqrt(values), right * np.sqrt(values)


def _places(rng, shape, count, skew):
    """Distinct places, ascending, as row * n_columns + column."""
    if skew > 0.0:
        shares = [rng.permutation(np.arange(1, size + 1) ** -skew) for size in shape]
        return _drawn(rng, count, *(share / share.sum() for share in shares))
    size = shape[0] * shape[1]
    if 2 * count > size or size <= 1 << 20:
        return np.sort(rng.choice(size, count, replace=False))
    return _distinct(rng, count, lambda number: rng.integers(0, size, number))


def _drawn(rng, count, row_shares, column_shares):
    """Distinct places drawn by the product of two distributions."""

    def draw(number):
        rows = rng.choice(row_shares.size, number, p=row_shares)
        return rows * column_shares.size + rng.choice(column_shares.size, number, p=column_shares)

    return _distinct(rng, count, draw)


def _distinct(rng, count, draw):
    places = np.empty(0, dtype=np.int64)
    for _ in range(_ROUNDS):
        wanted = int(_SPARE * (count - places.size)) + 16
        places = np.unique(np.concatenate([places, draw(wanted)]))
        if places.size >= count:
            return np.sort(rng.permutation(places)[:count])
    raise ValueError(
        f"{count} distinct places are not found among so unequal rows and columns: ask for fewer."
    )


def _filled(rng, places, shape, least):
    """Move entries until each row and column has enough; returns the places and the number moved."""
    count, (n_rows, n_columns) = places.size, shape
    if least > min(shape) or least * max(shape) > count:
        raise ValueError(
            f"min_entries={least} a row and a column need at least {least * max(shape)} entries in a matrix with both "
            f"sides of at least {least}; there are {count}: raise oversampling."
        )
    row_counts = np.bincount(places // n_columns, minlength=n_rows)
    column_counts = np.bincount(places % n_columns, minlength=n_columns)
    added: list[np.ndarray] = []

    def add(new):
        added.append(new)
        row_counts[:] += np.bincount(new // n_columns, minlength=n_rows)
        column_counts[:] += np.bincount(new % n_columns, minlength=n_columns)

    for row in np.flatnonzero(row_counts < least):
        present = (
            places[slice(*np.searchsorted(places, [row * n_columns, (row + 1) * n_columns]))] % n_columns
        )
        free = np.setdiff1d(np.arange(n_columns), present)
        add(row * n_columns + rng.choice(free, least - row_counts[row], replace=False))
    for column in np.flatnonzero(column_counts < least):
        every = np.concatenate([places, *added])
        present = every[every % n_columns == column] // n_columns
        free = np.setdiff1d(np.arange(n_rows), present)
        add(rng.choice(free, least - column_counts[column], replace=False) * n_columns + column)
    places = np.concatenate([places, *added])
    surplus = places.size - count
    if surplus == 0:
        return places, 0
    removed: list[int] = []
    for index in rng.permutation(places.size):
        row, column = divmod(int(places[index]), n_columns)
        if row_counts[row] > least and column_counts[column] > least:
            row_counts[row] -= 1
            column_counts[column] -= 1
            removed.append(index)
            if len(removed) == surplus:
                return np.sort(np.delete(places, removed)), surplus
    raise ValueError(
        f"min_entries={least} leaves no room in {count} entries: raise oversampling, or lower skew."
    )


def _compressed(rows, columns, values, shape) -> scipy.sparse.csr_array:
    """Compressed rows with sorted indices; zeros stay stored."""
    order = np.lexsort((columns, rows))
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=shape[0]))])
    return scipy.sparse.csr_array((values[order], columns[order].astype(np.int32), starts), shape=shape)


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
