"""Sparse problems with a Kronecker dictionary: random ones, a channel behind a reflecting surface, and a picture.

All are y = (A_1 (x) ... (x) A_I) x + noise. Arrays are in C order: with X = ``x.reshape(N_1, ..., N_I)`` and
Y = ``y.reshape(M_1, ..., M_I)``, Y is X times A_i along each axis i.
"""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..validation import check_choice, check_count, check_real

_PICTURES = ("china", "flower", "digit")
# Colours to brightness, as ITU-R BT.601 weighs them.
_BRIGHTNESS = (0.299, 0.587, 0.114)
# A pattern of the surface is drawn anew where the channel's Frobenius norm is below this; it is about
# sqrt(n_base_antennas * n_mobile_antennas) otherwise.
_FAINT = 1e-5


class KroneckerData(NamedTuple):
    """A sparse vector seen through a Kronecker dictionary.

    Attributes
    ----------
    factors : list of ndarray of shape (M_i, N_i)
    y : ndarray of shape (M,) or (M, n_snapshots)
        M is the product of the M_i.
    coef : ndarray of shape (N,) or (N, n_snapshots)
        N is the product of the N_i.
    support : ndarray of bool, shape (N,)
        Where coefficients are not zero: the Kronecker product of the modes' supports.
    supports : list of ndarray of int64, shape (K_i,)
        The support in each mode, ascending.
    noise_variance : float
        Expected squared modulus of the noise on an entry of y.
    """

    factors: list[np.ndarray]
    y: np.ndarray
    coef: np.ndarray
    support: np.ndarray
    supports: list[np.ndarray]
    noise_variance: float

    def oracle(self) -> np.ndarray:
        """Least squares on the true support, of the shape of `coef`: what nobody can know, to compare with."""
        parts = [factor[:, chosen] for factor, chosen in zip(self.factors, self.supports, strict=True)]
        estimate = np.zeros_like(self.coef)
        estimate[self.support] = _apply([np.linalg.pinv(part) for part in parts], self.y)
        return estimate


class UplinkData(NamedTuple):
    """Pilots that a base station receives from a mobile station by way of a reflecting surface.

    Attributes
    ----------
    factors : list of three ndarray
        For the surface, (n_patterns, grid); for the mobile station, (n_pilots, grid); for the base station,
        (n_base_antennas, grid).
    y : ndarray of shape (n_patterns * n_pilots * n_base_antennas,)
        What is received, with noise; the pattern is the slowest index, the antenna the fastest.
    coef : ndarray of complex128, shape (grid**3,)
    support : ndarray of bool, shape (grid**3,)
    supports : list of three ndarray of int64
        The support in each mode, ascending.
    noise_variance : float
        Expected squared modulus of the noise on an entry of y.
    channels : ndarray of shape (n_patterns, n_base_antennas, n_mobile_antennas)
        From mobile to base station, for each pattern.
    channel_factors : list of three ndarray
        Dictionaries of the channels themselves, that is, with all antennas in the place of the pilots.
    mobile_to_surface : ndarray of shape (n_elements, n_mobile_antennas)
    surface_to_base : ndarray of shape (n_base_antennas, n_elements)
    patterns : ndarray of shape (n_elements, n_patterns)
        Reflection coefficients of the surface; channel k is ``surface_to_base @ diag(patterns[:, k]) @
        mobile_to_surface``.
    pilots : ndarray of shape (n_mobile_antennas, n_pilots)
        What is sent.
    """

    factors: list[np.ndarray]
    y: np.ndarray
    coef: np.ndarray
    support: np.ndarray
    supports: list[np.ndarray]
    noise_variance: float
    channels: np.ndarray
    channel_factors: list[np.ndarray]
    mobile_to_surface: np.ndarray
    surface_to_base: np.ndarray
    patterns: np.ndarray
    pilots: np.ndarray

    def channels_of(self, coef) -> np.ndarray:
        """The channels that coefficients of shape (grid**3,) stand for, of the shape of `channels`."""
        n_patterns, n_base_antennas, n_mobile_antennas = self.channels.shape
        # The columns of a channel lie one after the other.
        columns = _apply(self.channel_factors, coef).reshape(n_patterns, n_mobile_antennas, n_base_antennas)
        return columns.transpose(0, 2, 1)


class CompressiveImageData(NamedTuple):
    """Random measurements of a picture, and dictionaries in which it is nearly sparse.

    Attributes
    ----------
    factors : list of two ndarray of shape (M_i, N_i)
        Measurements times cosines: ``measurements[i] @ bases[i]``.
    y : ndarray of shape (M_1 * M_2,)
    coef : ndarray of shape (N_1 * N_2,)
        The cosine transform of the picture.
    image : ndarray of shape (N_1, N_2)
        The picture, 0.0 (black) to 1.0 (white).
    bases : list of two ndarray of shape (N_i, N_i)
        Orthonormal cosines, a column each.
    measurements : list of two ndarray of shape (M_i, N_i)
        ``y`` is ``measurements[0] @ image @ measurements[1].T``, row by row, plus noise.
    noise_variance : float
        Variance of the noise on an entry of y.
    """

    factors: list[np.ndarray]
    y: np.ndarray
    coef: np.ndarray
    image: np.ndarray
    bases: list[np.ndarray]
    measurements: list[np.ndarray]
    noise_variance: float

    def image_of(self, coef) -> np.ndarray:
        """The picture that coefficients of shape (N_1 * N_2,) stand for."""
        return _apply(self.bases, coef).reshape(self.image.shape)


def make_kronecker_recovery(
    sizes: Sequence[int] = (15, 15, 15),
    measurements: Sequence[int] = (8, 12, 15),
    sparsity: int | Sequence[int] = 3,
    *,
    snr_db: float = 25.0,
    kronecker_values: bool = True,
    n_snapshots: int = 1,
    complex: bool = False,
    random_state=None,
) -> KroneckerData:
    """Make a sparse vector on a Kronecker support, measured through random factors.

    The factors' entries are standard normal, and so are the values on the support. This is the synthetic test of He
    and Joseph; the defaults are its base point.

    Parameters
    ----------
    sizes : sequence of int, default=(15, 15, 15)
        Columns N_i of the factors.
    measurements : sequence of int, default=(8, 12, 15)
        Rows M_i of the factors.
    sparsity : int or sequence of int, default=3
        Size of the support in each mode, at most N_i.
    snr_db : float, default=25.0
        Mean power of the entries of y without noise, over the noise variance, in decibels.
    kronecker_values : bool, default=True
        Whether the vector is itself a Kronecker product, as in the paper, each of whose parts is normal; otherwise
        its values are independent.
    n_snapshots : int, default=1
        Vectors with one support and their own values; for 1, y and coef have one dimension.
    complex : bool, default=False
        Whether factors, values and noise are circular complex normal, with the same expected squared moduli.
    random_state : None, int or numpy.random.Generator
        The noise is drawn last, so that seeds give the same problem for each `snr_db`.

    Returns
    -------
    KroneckerData

    Raises
    ------
    ValueError
        For arguments out of range, and sequences of other lengths than `sizes`.

    Notes
    -----
    Complexity: a product with the dictionary, O(max_i(M_i) N n_snapshots) or so; it is never made.

    References
    ----------
    He and Joseph, "Bayesian algorithms for Kronecker-structured sparse vector recovery with application to IRS-MIMO
    channel estimation", IEEE Transactions on Signal Processing, 2024.

    Examples
    --------
    >>> from sparsesolve.datasets import make_kronecker_recovery
    >>> data = make_kronecker_recovery((10, 12), (6, 9), 2, random_state=0)
    >>> [factor.shape for factor in data.factors], data.y.shape, int(data.support.sum())
    ([(6, 10), (9, 12)], (54,), 4)
    """
    sizes = _check_counts("sizes", sizes, None)
    measurements = _check_counts("measurements", measurements, len(sizes))
    if isinstance(sparsity, numbers.Integral):
        sparsity = (int(sparsity),) * len(sizes)
    sparsity = _check_counts("sparsity", sparsity, len(sizes))
    for mode, (size, count) in enumerate(zip(sizes, sparsity, strict=True)):
        if count > size:
            raise ValueError(
                f"sparsity={list(sparsity)} asks for {count} entries of mode {mode}, but sizes[{mode}] is {size}."
            )
    snr_db, n_snapshots = check_real("snr_db", snr_db), check_count("n_snapshots", n_snapshots)
    rng = np.random.default_rng(random_state)
    factors = [_normal(rng, shape, complex) for shape in zip(measurements, sizes, strict=True)]
    supports = [np.sort(rng.choice(n, k, replace=False)) for n, k in zip(sizes, sparsity, strict=True)]
    if kronecker_values:
        parts = [_normal(rng, (k, n_snapshots), complex) for k in sparsity]
        values = np.ones((1, n_snapshots))
        for part in parts:
            values = (values[:, None, :] * part[None, :, :]).reshape(-1, n_snapshots)
    else:
        values = _normal(rng, (int(np.prod(sparsity)), n_snapshots), complex)
    inside = np.zeros(sizes, dtype=bool)
    inside[np.ix_(*supports)] = True
    support = inside.ravel()
    coef = np.zeros((support.size, n_snapshots), dtype=values.dtype)
    coef[support] = values
    y, noise_variance = _with_noise(rng, _apply(factors, coef), snr_db)
    if n_snapshots == 1:
        y, coef = y[:, 0], coef[:, 0]
    return KroneckerData(factors, y, coef, support, supports, noise_variance)


def make_irs_uplink(
    *,
    n_mobile_antennas: int = 6,
    n_base_antennas: int = 16,
    n_elements: int = 256,
    grid: int = 18,
    n_pilots: int = 3,
    n_patterns: int = 6,
    spread: int = 3,
    snr_db: float = 20.0,
    pilots=None,
    patterns=None,
    random_state=None,
) -> UplinkData:
    r"""Make the uplink of a MIMO system with an intelligent reflecting surface, whose channels are to be estimated.

    The mobile station sends pilots by way of the surface, which changes its reflection pattern; the base station
    receives ``Y_k = H_BS @ diag(theta_k) @ H_MS @ pilots + noise``. Antennas and elements stand in lines half a
    wavelength apart. All angles lie on a grid. The waves leave the mobile station, and the surface, at one angle each;
    they arrive at the surface, and at the base station, at `spread` neighbouring angles.

    Parameters
    ----------
    n_mobile_antennas, n_base_antennas, n_elements : int, default=6, 16, 256
    grid : int, default=18
        Number of angles psi_l = 2 l / grid - 1, the cosines of directions.
    n_pilots, n_patterns : int, default=3, 6
    spread : int, default=3
        Angles of arrival, at most `grid`.
    snr_db : float, default=20.0
        Mean power of the received entries over the noise variance, in decibels.
    pilots : array of shape (n_mobile_antennas, n_pilots), optional
        QPSK symbols over sqrt(n_mobile_antennas), at random, unless given.
    patterns : array of shape (n_elements, n_patterns), optional
        Signs over sqrt(n_elements), at random, unless given. Those that hide the mobile station are drawn again.
    random_state : None, int or numpy.random.Generator
        The noise is drawn last, so that seeds give the same channels for each `snr_db`.

    Returns
    -------
    UplinkData

    Raises
    ------
    ValueError
        For arguments out of range, or pilots and patterns of another shape.

    Notes
    -----
    A steering vector is a_m(psi)_k = exp(i pi psi k) / sqrt(m). The path gains are circular normal with variance 1,
    times sqrt(m n_elements / spread) for the station with m antennas. The surface sees the difference of an angle of
    arrival and one of departure alone: grid^2 pairs make `grid` columns, of which l stands for (departure - arrival)
    mod grid. The authors draw pilots and patterns once for all of their trials: pass those of a first problem to the
    others to do the same.

    Complexity: O(grid n_patterns (n_elements + n_pilots n_base_antennas grid)) or so.

    References
    ----------
    He and Joseph, "Bayesian algorithms for Kronecker-structured sparse vector recovery with application to IRS-MIMO
    channel estimation", IEEE Transactions on Signal Processing, 2024.

    Examples
    --------
    >>> from sparsesolve.datasets import make_irs_uplink
    >>> data = make_irs_uplink(snr_db=12.0, random_state=0)
    >>> [factor.shape for factor in data.factors], data.y.size, data.coef.size, int(data.support.sum())
    ([(6, 18), (3, 18), (16, 18)], 288, 5832, 9)
    >>> bool(abs(data.channels_of(data.coef) - data.channels).max() < 1e-12)
    True
    """
    n_mobile_antennas = check_count("n_mobile_antennas", n_mobile_antennas)
    n_base_antennas = check_count("n_base_antennas", n_base_antennas)
    n_elements, grid = check_count("n_elements", n_elements), check_count("grid", grid)
    n_pilots, n_patterns = check_count("n_pilots", n_pilots), check_count("n_patterns", n_patterns)
    spread, snr_db = check_count("spread", spread), check_real("snr_db", snr_db)
    if spread > grid:
        raise ValueError(f"spread={spread} must be at most grid={grid}.")
    rng = np.random.default_rng(random_state)
    if pilots is None:
        quadrants = rng.choice([-1.0, 1.0], (2, n_mobile_antennas, n_pilots)) / np.sqrt(
            2.0 * n_mobile_antennas
        )
        pilots = quadrants[0] + 1j * quadrants[1]
    pilots = _check_shape("pilots", pilots, (n_mobile_antennas, n_pilots))
    fixed = patterns is not None
    if not fixed:
        patterns = rng.choice([-1.0, 1.0], (n_elements, n_patterns)) / np.sqrt(n_elements)
    patterns = _check_shape("patterns", patterns, (n_elements, n_patterns))

    of_mobile = _steering(n_mobile_antennas, grid)
    of_base = _steering(n_base_antennas, grid)
    of_surface = _steering(n_elements, grid)
    from_mobile, from_surface = int(rng.integers(grid)), int(rng.integers(grid))
    to_surface, to_base = (int(rng.integers(grid - spread + 1)) + np.arange(spread) for _ in range(2))
    surface_gains, base_gains = (
        np.sqrt(antennas * n_elements / spread) * _normal(rng, (spread,), True)
        for antennas in (n_mobile_antennas, n_base_antennas)
    )
    mobile_to_surface = np.outer(of_surface[:, to_surface] @ surface_gains, of_mobile[:, from_mobile].conj())
    surface_to_base = np.outer(of_base[:, to_base] @ base_gains, of_surface[:, from_surface].conj())
    channels = np.einsum("bn,nk,nm->kbm", surface_to_base, patterns, mobile_to_surface, optimize=True)
    while not fixed and np.any(hidden := np.linalg.norm(channels, axis=(1, 2)) < _FAINT):
        patterns[:, hidden] = rng.choice([-1.0, 1.0], (n_elements, np.count_nonzero(hidden))) / np.sqrt(
            n_elements
        )
        channels = np.einsum("bn,nk,nm->kbm", surface_to_base, patterns, mobile_to_surface, optimize=True)

    differences = (from_surface - to_surface) % grid
    of_modes = np.zeros((3, grid), dtype=np.complex128)
    of_modes[0, differences] = surface_gains
    of_modes[1, from_mobile] = 1.0
    of_modes[2, to_base] = base_gains
    coef = np.kron(np.kron(of_modes[0], of_modes[1]), of_modes[2])
    supports = [np.sort(differences), np.array([from_mobile]), to_base]
    support = np.zeros((grid, grid, grid), dtype=bool)
    support[np.ix_(*supports)] = True

    of_pairs = patterns.T @ (of_surface[:, :1] * of_surface.conj())
    factors = [of_pairs, pilots.T @ of_mobile.conj(), of_base]
    y, noise_variance = _with_noise(rng, _apply(factors, coef), snr_db)
    return UplinkData(
        factors, y, coef, support.ravel(), supports, noise_variance, channels,
        [of_pairs, of_mobile.conj(), of_base], mobile_to_surface, surface_to_base, patterns, pilots,
    )  # fmt: skip


def make_compressive_image(
    image="china",
    *,
    shape: tuple[int, int] = (64, 64),
    measurements: tuple[int, int] | None = None,
    snr_db: float = 30.0,
    random_state=None,
) -> CompressiveImageData:
    """Measure a small grey picture with random rows along each axis, fewer than it has pixels.

    Parameters
    ----------
    image : {"china", "flower", "digit"} or array of shape (height, width), default="china"
        Photographs of `sklearn.datasets.load_sample_images`, a handwritten digit of 8 x 8 pixels, or numbers of your
        own: brightness from 0 to 1.
    shape : (int, int), default=(64, 64)
        Height and width that a photograph is brought to: the largest window in the middle with that ratio of sides,
        averaged over equal blocks. Not used otherwise.
    measurements : (int, int), optional
        Rows along each axis: three quarters of the pixels, so 0.56 of them in all, unless given.
    snr_db : float, default=30.0
        Mean power of the measurements over the noise variance, in decibels.
    random_state : None, int or numpy.random.Generator
        The noise is drawn last, so that seeds give the same measurements for each `snr_db`.

    Returns
    -------
    CompressiveImageData

    Raises
    ------
    ValueError
        For an unknown name, an array of other than two dimensions, a shape larger than the photograph, or
        measurements out of range.
    ImportError
        Where Pillow, which reads photographs, is not installed: it comes with the extra ``plot``.

    Notes
    -----
    The rows are normal with variance 1 / M_i, so that lengths are kept on the average. The dictionary is the Kronecker
    product of random rows times cosines, one factor for each axis. Complexity: O(N (M_1 + M_2)) for N pixels.

    Examples
    --------
    >>> from sparsesolve.datasets import make_compressive_image
    >>> data = make_compressive_image("digit", measurements=(6, 7), random_state=0)
    >>> data.image.shape, data.y.shape, [factor.shape for factor in data.factors]
    ((8, 8), (42,), [(6, 8), (7, 8)])
    >>> bool(abs(data.image_of(data.coef) - data.image).max() < 1e-12)
    True
    """
    snr_db = check_real("snr_db", snr_db)
    picture = _named_picture(image, shape) if isinstance(image, str) else _own_picture(image)
    if measurements is None:
        measurements = (-(-3 * picture.shape[0] // 4), -(-3 * picture.shape[1] // 4))
    counts = _check_counts("measurements", measurements, 2)
    rng = np.random.default_rng(random_state)
    rows = [rng.standard_normal((m, n)) / np.sqrt(m) for m, n in zip(counts, picture.shape, strict=True)]
    bases = [_cosines(n) for n in picture.shape]
    factors = [row @ basis for row, basis in zip(rows, bases, strict=True)]
    coef = _apply([basis.T for basis in bases], picture.ravel())
    y, noise_variance = _with_noise(rng, _apply(rows, picture.ravel()), snr_db)
    return CompressiveImageData(factors, y, coef, picture, bases, rows, noise_variance)


def _apply(factors, x) -> np.ndarray:
    """The Kronecker product of the factors times x of shape (N,) or (N, T), an axis at a time."""
    x = np.asarray(x)
    tensor = x.reshape(*(factor.shape[1] for factor in factors), *x.shape[1:])
    for axis, factor in enumerate(factors):
        tensor = np.moveaxis(np.tensordot(factor, tensor, axes=(1, axis)), 0, axis)
    return tensor.reshape(-1, *x.shape[1:])


def _normal(rng, shape, complex_values) -> np.ndarray:
    if not complex_values:
        return rng.standard_normal(shape)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / np.sqrt(2.0)


def _with_noise(rng, clean, snr_db) -> tuple[np.ndarray, float]:
    variance = float(np.mean(np.abs(clean) ** 2)) / 10.0 ** (snr_db / 10.0)
    return clean + np.sqrt(variance) * _normal(rng, clean.shape, np.iscomplexobj(clean)), variance


def _steering(n_antennas, grid) -> np.ndarray:
    """Steering vectors of a line of antennas for all angles of the grid, shape (n_antennas, grid)."""
    angles = 2.0 * np.arange(grid) / grid - 1.0
    return np.exp(1j * np.pi * np.outer(np.arange(n_antennas), angles)) / np.sqrt(n_antennas)


def _cosines(n) -> np.ndarray:
    """The orthonormal basis of the discrete cosine transform (of type 2), a column for each frequency."""
    places, frequencies = np.arange(n) + 0.5, np.arange(n)
    basis = np.sqrt(2.0 / n) * np.cos(np.pi / n * np.outer(places, frequencies))
    basis[:, 0] = np.sqrt(1.0 / n)
    return basis


def _own_picture(image) -> np.ndarray:
    image = np.asarray(image)
    if image.ndim != 2 or image.size == 0 or image.dtype.kind not in "fiub":
        raise ValueError(
            f"image has shape {image.shape} and dtype {image.dtype}: give real brightness of shape (height, width)."
        )
    if not np.all(np.isfinite(image)):
        raise ValueError("image has NaN or infinite entries: fill them in first.")
    return image.astype(np.float64)


def _named_picture(name, shape) -> np.ndarray:
    check_choice("image", name, _PICTURES)
    if name == "digit":
        from sklearn.datasets import load_digits

        return load_digits().images[0] / 16.0
    try:
        from sklearn.datasets import load_sample_image

        colours = load_sample_image(f"{name}.jpg")
    except ImportError as error:
        raise ImportError("Pillow is needed to read the image: pip install 'sparsesolve[plot]'.") from error
    height, width = _check_counts("shape", shape, 2)
    block = min(colours.shape[0] // height, colours.shape[1] // width)
    if block == 0:
        raise ValueError(f"shape={(height, width)} is larger than the photograph, {colours.shape[:2]}.")
    top = (colours.shape[0] - block * height) // 2
    left = (colours.shape[1] - block * width) // 2
    window = colours[top : top + block * height, left : left + block * width] @ np.array(_BRIGHTNESS) / 255.0
    return window.reshape(height, block, width, block).mean(axis=(1, 3))


def _check_counts(name, values, length) -> tuple[int, ...]:
    if isinstance(values, (str, numbers.Number)) or not np.iterable(values):
        raise ValueError(f"{name}={values!r} must be a sequence of integers, one for each factor.")
    counts = tuple(check_count(f"{name}[{place}]", value) for place, value in enumerate(values))
    if not counts or (length is not None and len(counts) != length):
        wanted = "at least one" if length is None else str(length)
        raise ValueError(
            f"{name}={list(counts)} has {len(counts)} entries: {wanted} are needed, one for each factor."
        )
    return counts


def _check_shape(name, array, shape) -> np.ndarray:
    array = np.array(array)
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, but the counts ask for {shape}.")
    return array
