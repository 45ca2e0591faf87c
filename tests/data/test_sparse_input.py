"""Sparse matrices as users have them: every form of SciPy's, and what is refused."""

import copy
import warnings

import numpy as np
import pytest
import scipy.sparse as sp

from chainrule import InputError, LogisticRegression, certify, fit

M, N = 150, 6
FORMS = "csr csc coo lil dia bsr dok".split()


def dense():
    rng = np.random.default_rng(5)
    X = np.where(rng.random((M, N)) < 0.3, rng.normal(size=(M, N)), 0.0)
    X[[0, 7, M - 1]] = 0.0
    X[:, 4] = 0.0
    return X


def labels():
    return np.random.default_rng(6).integers(0, 2, M)


def fitted(X, **options):
    return fit(X, options.pop("y", labels()), **{"method": "newton", "alpha": 0.01, "tol": 1e-20, **options})


def arrays_of(X):
    return {name: value for name, value in vars(X).items() if isinstance(value, np.ndarray)}


@pytest.fixture(scope="module")
def expected():
    return fitted(dense()).w


@pytest.mark.parametrize("kind", ["array", "matrix"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read_and_left_as_it_was(form, kind, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sp.SparseEfficiencyWarning)
        X = getattr(sp, f"{form}_{kind}")(dense())
    before = copy.deepcopy(X)
    for result in (fitted(X), LogisticRegression(alpha=0.01, tol=1e-20, method="newton").fit(X, labels()).result_):
        np.testing.assert_allclose(result.w, expected, atol=1e-9)
        assert result.copies == (form != "csr")
        assert result.storage == "CSR float64, int32 indices" + (
            "" if form == "csr" else f", converted from {form.upper()}"
        )
    assert type(X) is type(before)
    for name, value in arrays_of(before).items():
        np.testing.assert_array_equal(vars(X)[name], value)
        assert vars(X)[name].dtype == value.dtype
    np.testing.assert_array_equal(X.toarray(), before.toarray())


@pytest.mark.parametrize("kind", "float64 float32 int8 int64 uint16 bool longdouble".split())
def test_every_kind_of_number(kind):
    X = sp.csr_array((3 * dense()).astype(kind))
    expected = fitted(X.toarray().astype(float))
    for of in (X, X.tocsc()):
        result = fitted(of)
        np.testing.assert_allclose(result.w, expected.w, atol=1e-8)
        assert result.copies == (of is not X or kind not in ("float64", "float32"))
        model = LogisticRegression(alpha=0.01, tol=1e-20, method="newton").fit(of, labels())
        np.testing.assert_array_equal(model.coef_[0], result.w)
        assert model.result_.copies == result.copies
        z = model.decision_function(of)
        np.testing.assert_allclose(z, model.decision_function(of.toarray()), rtol=1e-6, atol=1e-12)


def test_complex_numbers_are_refused():
    with pytest.raises(InputError, match="X must hold real numbers, not complex128"):
        fitted(sp.csr_array(dense() * 1j))
    with pytest.raises(ValueError, match="Complex data not supported"):
        LogisticRegression().fit(sp.csr_array(dense() * 1j), labels())


def remade(X, data=None, indices=None, indptr=None):
    """The same matrix with other arrays, as they are."""
    out = sp.csr_array(X.shape)
    out.data = X.data if data is None else data
    out.indices = X.indices if indices is None else indices
    out.indptr = X.indptr if indptr is None else indptr
    return out


def doubled(X):
    """Each element in two halves, in another order within each row."""
    rows = np.tile(np.repeat(np.arange(M), np.diff(X.indptr)), 2)
    order = np.lexsort((np.random.default_rng(1).random(len(rows)), rows))
    parts = np.tile(X.data / 2, 2)[order], np.tile(X.indices, 2)[order], 2 * X.indptr
    return remade(X, *parts)


def test_arrays_of_any_kind(expected):
    X = sp.csr_array(dense())
    wide = remade(X, indices=X.indices.astype(np.int64), indptr=X.indptr.astype(np.int64))
    back = np.concatenate([np.arange(a, b)[::-1] for a, b in zip(X.indptr[:-1], X.indptr[1:], strict=True)])
    unsorted = remade(X, data=X.data[back], indices=X.indices[back])
    frozen = remade(X, *(part.copy() for part in (X.data, X.indices, X.indptr)))
    for part in (frozen.data, frozen.indices, frozen.indptr):
        part.flags.writeable = False
    room = remade(X, data=np.append(X.data, [np.nan, 1.0]), indices=np.append(X.indices, [77, -1]).astype(np.int32))
    zeros = sp.csr_array((np.ones(M * N), np.tile(np.arange(N), M), np.arange(M + 1) * N), shape=(M, N))
    zeros.data[:] = dense().ravel()
    mixed = remade(X, indptr=X.indptr.astype(np.int64))
    for of in (wide, unsorted, frozen, room, zeros, mixed):
        before = {name: value.copy() for name, value in arrays_of(of).items()}
        result = fitted(of)
        np.testing.assert_allclose(result.w, expected, atol=1e-9)
        assert result.copies == 0
        for name, value in before.items():
            np.testing.assert_array_equal(vars(of)[name], value)
    assert fitted(wide).storage == "CSR float64, int64 indices"
    strided = remade(X, data=np.repeat(X.data, 2)[::2], indices=np.repeat(X.indices, 2)[::2])
    result = fitted(strided)
    np.testing.assert_array_equal(result.w, fitted(X).w)
    assert result.copies == 1


@pytest.mark.parametrize("canonical", [None, True])
def test_rows_that_name_a_column_twice_are_summed_in_a_copy(canonical, expected):
    X = doubled(sp.csr_array(dense()))
    if canonical is not None:
        X.has_canonical_format = X.has_sorted_indices = canonical  # says so, and isn't
    before = {name: value.copy() for name, value in arrays_of(X).items()}
    result = fitted(X)
    np.testing.assert_allclose(result.w, expected, atol=1e-9)
    assert result.copies == 1
    for name, value in before.items():
        np.testing.assert_array_equal(vars(X)[name], value)
    for of in (X.tocsc(), X.tocoo()):
        np.testing.assert_allclose(fitted(of).w, expected, atol=1e-9)
        assert fitted(of).copies == 1
    for method in ("gradient-descent", "newton-cg"):
        found = fitted(X, method=method, tol=1e-12, max_reads=5000, alpha=0.1)
        np.testing.assert_allclose(found.w, fitted(dense(), alpha=0.1).w, atol=1e-4)


@pytest.mark.parametrize("method", ["newton", "gradient-descent"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_element_that_is_no_number_is_named(bad, method):
    X = sp.csr_array(dense())
    rows = np.repeat(np.arange(M), np.diff(X.indptr))
    X.data[3], X.data[40] = bad, bad
    s = np.ones(M)
    s[rows[3]] = 0.0
    name = f"column 'x{X.indices[40] + 1}'"
    value = "NaN" if np.isnan(bad) else str(bad)
    sentence = f"X has {value} in row {rows[40] + 1}, {name}: fill it in, drop the row, or give the row weight 0"
    for of in (X, X.tocsc()):
        with pytest.raises(InputError, match=sentence):
            fitted(of, sample_weight=s, method=method)
    with pytest.raises(InputError, match=f"row {rows[40] + 1}, column '{'abcdef'[X.indices[40]]}'"):
        fitted(X, sample_weight=s, feature_names=list("abcdef"), method=method)
    with pytest.raises(InputError, match=sentence):
        LogisticRegression(alpha=0.1, method=method).fit(X, labels(), sample_weight=s)
    with pytest.raises(InputError, match=sentence):
        certify(X, labels(), np.zeros(N), 0.0, alpha=0.01, sample_weight=s)
    s[rows[40]] = 0.0
    kept = s > 0
    result = fitted(X, sample_weight=s, tol=1e-12, method=method, alpha=0.1)
    np.testing.assert_allclose(result.w, fitted(dense()[kept], y=labels()[kept], alpha=0.1).w, atol=1e-4)


def test_element_of_a_large_matrix_is_named_though_a_sample_finds_it():
    rng = np.random.default_rng(0)
    m = 40_000
    X = sp.random_array((m, 10), density=0.3, rng=rng, format="csr")
    rows = np.repeat(np.arange(m), np.diff(X.indptr))
    s = np.where(np.arange(m) < 5000, 0.0, 1.0)
    X.data[(rows < 5000) | (rows >= 20_000)] = np.inf
    first = int(rows[rows >= 20_000][0])
    with pytest.raises(InputError, match=f"X has inf in row {first + 1},"):
        fitted(X, y=rng.integers(0, 2, m), sample_weight=s)


def test_matrices_that_are_none():
    X = sp.csr_array(dense())
    for of, sentence in (
        (X[:0], "X has 0 rows and 6 columns"),
        (X[:1], "X has 1 row and 6 columns"),
        (X[:, :0], "X has 150 rows and 0 columns"),
        (sp.coo_array(dense()[0]), "X must have two dimensions, rows and columns, not 1"),
        (
            remade(X, indices=np.where(np.arange(X.nnz) == 3, 99, X.indices)),
            "X is no valid CSR matrix: row . names a col",
        ),
        (remade(X, indptr=np.where(np.arange(M + 1) == 3, -1, X.indptr)), "X is no valid CSR matrix: indptr of row"),
        (remade(X, indptr=np.where(np.arange(M + 1) == M, 10**6, X.indptr)), "X is no valid CSR matrix: "),
        (remade(X, indptr=np.where(np.arange(M + 1) == M, -5, X.indptr)), "X is no valid CSR matrix: "),
        (remade(X, data=X.data[:-3]), "X is no valid CSR matrix: data has"),
    ):
        with pytest.raises(InputError, match=sentence):
            fitted(of, y=labels()[: of.shape[0]])
    with pytest.raises(InputError, match="standardize would fill a sparse matrix"):
        fitted(X, standardize=True)
    with pytest.raises(InputError, match="feature_names has 2 names, X has 6 columns"):
        fitted(X, feature_names=["a", "b"])
    with pytest.raises(InputError, match="method='sgd' reads dense numbers alone"):
        fitted(X, method="sgd")


def test_nothing_but_zeros_is_fitted():
    result = fitted(sp.csr_array((M, 3)))
    assert not result.w.any()
    assert result.b == pytest.approx(np.log(labels().mean() / (1 - labels().mean())))


def test_certify_reads_every_form(expected):
    X = sp.csr_array(dense())
    result = fitted(X)
    for of in (X, X.tocsc(), doubled(X)):
        assert certify(of, labels(), result.w, result.b, alpha=0.01).gap <= 1e-15
        far = certify(of, labels(), 3 * result.w, result.b, alpha=0.01)
        assert 0.0 < far.lower <= far.gap
    with pytest.raises(InputError, match=r"coef must have .*, 6 of them, .*\(5,\)"):
        certify(X, labels(), result.w[1:], result.b, alpha=0.01)


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_columns_far_from_0_are_certified_in_about_the_reads_of_dense_ones(kind, rng):
    # Unit spread about 3e5: what is centred by a view keeps its digits, in sparse rows as in dense ones.
    X = rng.normal(size=(12_000, 3))
    y = (rng.random(12_000) < 1 / (1 + np.exp(-X @ [1.0, -0.5, 0.2]))).astype(int)
    X = (X + 3e5).astype(kind)
    of_rows, of_csr = fit(X, y), fit(sp.csr_matrix(X), y)
    for result in (of_rows, of_csr):
        assert result.certificate.kind == "bound"
        assert result.reason == "converged"
    assert of_csr.reads <= of_rows.reads + 2
    both = of_rows.certificate.coef + of_csr.certificate.coef
    assert np.all(np.abs(of_rows.w - of_csr.w) <= both[: len(of_rows.w)] + 1e-12 * np.abs(of_rows.w))
