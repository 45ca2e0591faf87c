"""Published answers to nine digits, and the certificate beside them; the small ones against 50 digits."""

import numpy as np
import pytest

import tests_data
from certificate_tools import Exact, Problem
from chainrule import fit
from tests_data import LOG_LIKELIHOODS

SMALL = ["challenger", "spector", "low_birth_weight", "kyphosis"]


def half_unit(x, digits=12):
    """Half a unit of the last of the digits that an answer is written with; its zeros at the end are not written."""
    return 0.5 * 10.0 ** (np.floor(np.log10(np.abs(x))) + 1 - digits)


@pytest.mark.parametrize("name", LOG_LIKELIHOODS)
@pytest.mark.parametrize("standardize", [False, True])
def test_every_coefficient_to_nine_digits(name, standardize):
    X, y, answer = getattr(tests_data, name)()
    result = fit(X, y, method="newton", standardize=standardize, tol=0.0)
    found, answer = np.append(result.b, result.w), np.array(answer)
    np.testing.assert_allclose(found, answer, rtol=1e-9)
    assert -result.loss * len(y) == pytest.approx(LOG_LIKELIHOODS[name], abs=1e-10)
    # What is certified agrees with the answer, which has twelve digits.
    certificate = result.certificate
    assert result.reason == "converged"
    assert certificate.kind == "bound"
    distance = np.abs(found - answer)
    assert np.all(distance <= np.append(certificate.intercept, certificate.coef) + half_unit(answer))
    digits = certificate.digits
    assert digits.min() >= 8
    assert np.all(distance[1:] <= 0.5 * 10.0**-digits * np.abs(result.w) + half_unit(answer[1:]))


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("tol", [None, 1e-20])
def test_certificate_holds_in_50_digits(name, tol):
    X, y, _ = getattr(tests_data, name)()
    x = np.asarray(X, dtype=float)
    result = fit(X, y, method="newton", tol=tol)
    problem = Problem(x, y.astype(float), np.ones(len(y)), 0.0)
    start = np.append(result.w / problem.power, result.b + problem.center @ result.w)
    exact = Exact(problem, start)
    mp, of = exact.mp, exact.mp.mpf
    # The optimum in the user's units, and the point that is returned in those of the problem: both without a rounding.
    w = [v * of(p) for v, p in zip(exact.theta, problem.power.tolist(), strict=False)]
    b = exact.theta[-1] - mp.fdot(w, [of(c) for c in problem.center.tolist()])
    given = [of(float(v)) for v in result.w]
    point = [v / of(p) for v, p in zip(given, problem.power.tolist(), strict=True)]
    point.append(of(result.b) + mp.fdot(given, [of(c) for c in problem.center.tolist()]))
    certificate = result.certificate
    assert all(abs(a - c) <= e for a, c, e in zip(given, w, certificate.coef.tolist(), strict=True))
    assert abs(of(result.b) - b) <= certificate.intercept
    gap = exact.gap(point)
    assert certificate.lower <= gap <= certificate.gap
    assert certificate.gap <= (result.tol if tol is None else max(tol, 8 * certificate.noise))
    assert certificate.optimum_at_least <= exact.minimum
