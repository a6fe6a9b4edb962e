"""Problems with missing entries are what they say."""

import io
import zipfile

import numpy as np
import pytest

from sparsesolve.datasets.completion import (
    fetch_movielens,
    make_low_rank,
    make_ratings,
    mask_image,
    parse_movielens,
)


@pytest.mark.parametrize(
    ("n_rows", "n_columns", "rank", "oversampling"), [(80, 80, 2, 1.2), (90, 60, 5, 1.5)]
)
def test_low_rank_matrix_is_as_asked_for(n_rows, n_columns, rank, oversampling):
    options = {"oversampling": oversampling, "condition": 1e3}
    data = make_low_rank(n_rows, n_columns, rank, random_state=3, **options)
    assert data.X.nnz == round(oversampling * rank * (n_rows + n_columns - rank))
    assert np.diff(data.X.indptr).min() >= rank + 1
    assert np.bincount(data.X.indices, minlength=n_columns).min() >= rank + 1
    assert data.n_resampled > 0
    whole = data.row_factors @ data.column_factors.T
    rows, columns = data.X.tocoo().coords
    np.testing.assert_allclose(data.X.data, whole[rows, columns], rtol=1e-12, atol=1e-14)
    values = np.linalg.svd(whole, compute_uv=False)
    np.testing.assert_allclose(values[:rank] / values[0], np.geomspace(1.0, 1e-3, rank), rtol=1e-9)
    assert values[rank] < 1e-12 * values[0]
    assert np.sqrt(np.mean(whole**2)) == pytest.approx(1.0, rel=1e-12)
    again = make_low_rank(n_rows, n_columns, rank, random_state=3, **options)
    np.testing.assert_array_equal(again.X.toarray(), data.X.toarray())
    other = make_low_rank(n_rows, n_columns, rank, random_state=4, **options)
    assert not np.array_equal(other.X.indices, data.X.indices)


def test_relative_error_is_that_of_the_whole_matrix():
    data = make_low_rank(40, 30, 3, random_state=0)
    rng = np.random.default_rng(1)
    A = data.row_factors + 1e-3 * rng.standard_normal((40, 3))
    whole = data.row_factors @ data.column_factors.T
    expected = np.linalg.norm(A @ data.column_factors.T - whole) / np.linalg.norm(whole)
    assert data.relative_error(A, data.column_factors) == pytest.approx(expected, rel=1e-9)
    assert data.relative_error(data.row_factors, data.column_factors) < 1e-14


def test_clustered_spectrum_noise_and_outliers():
    data = make_low_rank(
        300,
        200,
        4,
        oversampling=5,
        condition=10,
        spectrum="clustered",
        noise=0.1,
        outliers=0.05,
        random_state=0,
    )
    values = np.linalg.svd(data.row_factors @ data.column_factors.T, compute_uv=False)[:4]
    np.testing.assert_allclose(values / values[0], [1.0, 1.0, 0.1, 0.1], rtol=1e-9)
    rows, columns = data.X.tocoo().coords
    errors = data.X.data - np.einsum("ij,ij->i", data.row_factors[rows], data.column_factors[columns])
    assert data.outliers.mean() == pytest.approx(0.05, abs=0.012)
    assert errors[~data.outliers].std() == pytest.approx(0.1, rel=0.04)
    # Uniform between -10 and 10.
    assert errors[data.outliers].std() == pytest.approx(10 / np.sqrt(3), rel=0.12)
    assert np.abs(errors[data.outliers]).max() > 8.0


def test_skew_makes_a_few_rows_hold_most_entries():
    shares = []
    for skew in (0.0, 1.0):
        counts = np.sort(np.diff(make_low_rank(400, 400, 3, skew=skew, random_state=0).X.indptr))
        assert counts[0] >= 4
        shares.append(counts[-40:].sum() / counts.sum())
    assert shares[0] < 0.16
    assert shares[1] > 0.3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"oversampling": 50.0}, "oversampling=50"),
        ({"oversampling": 0.5}, "min_entries=4"),
        ({"rank": 31}, "rank=31"),
        ({"spectrum": "flat"}, "spectrum='flat'"),
        ({"condition": 0.5}, "condition=0.5"),
        ({"outliers": 1.5}, "outliers=1.5"),
    ],
)
def test_bad_arguments_are_named(options, message):
    options = {"rank": 3, **options}
    with pytest.raises(ValueError, match=message):
        make_low_rank(40, 30, options.pop("rank"), **options)


def test_ratings_are_like_ratings():
    X, test = make_ratings(600, 400, n_ratings=30_000, random_state=0)
    assert (X.nnz, test.nnz) == (27_000, 3_000)
    assert set(X.data) == {1.0, 2.0, 3.0, 4.0, 5.0}
    assert 3.2 < X.data.mean() < 4.2
    assert X.multiply(test).nnz == 0
    # Popular items are rated more often by an order, and better.
    counts = np.bincount(X.indices, minlength=400)
    assert np.quantile(counts, 0.95) > 5 * np.quantile(counts, 0.2)
    means = np.bincount(X.indices, weights=X.data, minlength=400) / np.maximum(counts, 1)
    assert np.corrcoef(np.log(counts[counts > 5]), means[counts > 5])[0, 1] > 0.3
    np.testing.assert_array_equal(make_ratings(600, 400, n_ratings=30_000, random_state=0).X.data, X.data)
    with pytest.raises(ValueError, match="n_ratings=30000"):
        make_ratings(100, 100, n_ratings=30_000)


def test_masked_image():
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    before = image.copy()
    holes = mask_image(image, missing=0.4, random_state=1)
    assert holes.missing.sum() == 3 * round(0.4 * 600)
    by_pixel = holes.missing.reshape(20, 30, 3)
    assert np.array_equal(by_pixel.any(axis=2), by_pixel.all(axis=2))
    np.testing.assert_array_equal(np.isnan(holes.X), holes.missing)
    np.testing.assert_allclose(holes.image.reshape(holes.shape) * 255, image, atol=1e-12)
    np.testing.assert_array_equal(image, before)
    grey = mask_image(image[..., 0] / 255.0, random_state=1)
    assert grey.X.shape == (20, 30)
    assert grey.image.max() <= 1.0
    with pytest.raises(ValueError, match="image has shape"):
        mask_image(image[0, :, 0])
    with pytest.raises(ValueError, match="missing=1"):
        mask_image(image, missing=1.0)


FORMATS = {
    "u.data": "3\t10\t4\t100\n1\t20\t5\t200\n3\t20\t1\t300\n",
    "ratings.csv": "userId,movieId,rating,timestamp\n3,10,4.0,100\n1,20,5.0,200\n3,20,1.0,300\n",
    "ratings.dat": "3::10::4::100\n1::20::5::200\n3::20::1::300\n",
}


@pytest.mark.parametrize("name", FORMATS)
def test_formats_of_movielens(name, tmp_path):
    path = tmp_path / name
    path.write_text(FORMATS[name])
    for source in (path, io.StringIO(FORMATS[name])):
        data = parse_movielens(source)
        assert data.users.tolist() == [1, 3]
        assert data.items.tolist() == [10, 20]
        np.testing.assert_array_equal(data.X.toarray(), [[0.0, 5.0], [4.0, 1.0]])
        assert data.times.tolist() == [200, 100, 300]


def test_the_latest_of_two_ratings_counts():
    data = parse_movielens(io.StringIO("1\t1\t2\t50\n1\t1\t5\t90\n1\t1\t3\t10\n"))
    assert data.X.toarray().tolist() == [[5.0]]
    assert data.times.tolist() == [90]


@pytest.mark.parametrize("text", ["", "userId,movieId,rating,timestamp\n", "1\t2\t3\n"])
def test_files_that_hold_no_ratings(text):
    with pytest.raises(ValueError, match="it needs a user"):
        parse_movielens(io.StringIO(text))


def test_fetching_reads_the_archive_that_is_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="download=True"):
        fetch_movielens("100k", data_home=tmp_path, download=False)
    with zipfile.ZipFile(tmp_path / "ml-100k.zip", "w") as archive:
        archive.writestr("ml-100k/u.data", FORMATS["u.data"])
    data = fetch_movielens("100k", data_home=tmp_path, download=False)
    assert data.X.nnz == 3
    with pytest.raises(ValueError, match="name='2k'"):
        fetch_movielens("2k", data_home=tmp_path)


def test_fetching_downloads_once_and_leaves_nothing_half_done(tmp_path, monkeypatch):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("ml-latest-small/ratings.csv", FORMATS["ratings.csv"])
    asked = []

    def answer(url):
        asked.append(url)
        if len(asked) == 1:
            raise OSError("no network")
        return io.BytesIO(archive.getvalue())

    monkeypatch.setattr("urllib.request.urlopen", answer)
    with pytest.raises(OSError, match="no network"):
        fetch_movielens("latest-small", data_home=tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []
    for _ in range(2):
        assert fetch_movielens("latest-small", data_home=tmp_path / "new").X.nnz == 3
    assert len(asked) == 2
    assert asked[1].endswith("/ml-latest-small.zip")
