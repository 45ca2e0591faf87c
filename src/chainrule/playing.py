"""The run behind the player: a table's rows, gradient descent on them, and the certified optimum that it falls towards."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from chainrule.data.rows import spread_rows
from chainrule.data.rows.decode import expanded
from chainrule.data.tables import Encoded, Prepared
from chainrule.data.words import shown
from chainrule.documents.player import Played, embedded
from chainrule.errors import InputError
from chainrule.fitting.fit import fit_rows
from chainrule.fitting.result import Result
from chainrule.fitting.spec import FitSpec
from chainrule.losses import LOGISTIC
from chainrule.studies.learned import comparable

MOST_ROWS, MOST_COLUMNS = 2_000, 200  # a page of 6 MB
EPOCHS = 1_000  # of a run that is made for the page


def _sample(labels: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Choose at most that many rows, ascending: each label's share of them, spread over the table."""
    chosen = []
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        size = max(1, len(places) * most // len(labels))
        spread = places[spread_rows(len(places), size)]  # about that many
        chosen.append(spread[np.linspace(0, len(spread) - 1, min(size, len(spread))).astype(np.int64)])
    return np.sort(np.concatenate(chosen))


def sampled(table: pa.Table, target: str, most: int = MOST_ROWS) -> tuple[pa.Table, NDArray[np.int64]]:
    """Return a table of at most that many rows, and the places of its rows: all rows, or a sample stratified by label."""
    m = table.num_rows
    if m <= most or target not in table.column_names:
        return table, np.arange(m)
    codes = (
        table.column(target).combine_chunks().dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
    )
    places = _sample(codes.astype(np.int64), most)
    return table.take(places), places


def play(prepared: Prepared, spec: FitSpec, places: NDArray[np.int64], of: int) -> Played:
    """Run Newton and gradient descent on a table's training rows; return what the page shows.

    places : the rows' places in the whole table, which has `of` rows. Raises InputError for more than `MOST_COLUMNS`
    coefficients.
    """
    _check(prepared.schema.feature_names)
    spec = replace(spec, standardize=False if spec.standardize is False else prepared.schema.numeric)
    optimum = _optimum(prepared, spec)
    classes = (prepared.schema.negative, prepared.schema.positive)
    run = fit_rows(spec, prepared.training_rows(spec.n_threads), classes, time.perf_counter(), optimum.reference)
    return _played(prepared, run, optimum, places, of)


def play_result(result: Result, design: Encoded) -> Played:
    """Return what the page shows of a fit in Python, on its rows as encoded for its model."""
    known = design.labelled
    if len(np.unique(design.y[known])) < 2:
        raise InputError("y has rows of one class only: the player needs both")
    nothing = np.empty(0, dtype=np.int64)
    return play_again(result, Prepared(design, None, known, nothing, nothing, 0.0, 0, (), ()))


def play_again(result: Result, prepared: Prepared) -> Played:
    """Return what the page shows of a fit on the training rows, with the held-out rows beside them.

    Gradient descent on at most `MOST_ROWS` rows plays its own run. Else a run is made for the page, on standardised numbers
    and, of more rows, on a sample.
    """
    objective = result.loss + 0.5 * result.alpha * float(result.w_fit @ result.w_fit)
    if result.loss_name != LOGISTIC.name or not np.isclose(result.objective, objective, rtol=1e-6):
        raise InputError("the player knows the logistic loss with the penalty alpha/2 w.w: fit with these")
    y, known = prepared.encoded.y, np.sort(np.concatenate([prepared.train, prepared.test]))
    places, of = np.arange(len(y)), len(known)
    if of > MOST_ROWS:
        chosen = known[
            _sample((2.0 * y + np.isin(np.arange(len(y)), prepared.test))[known].astype(np.int64), MOST_ROWS)
        ]
        prepared = replace(
            prepared,
            learnt=None,
            train=np.intersect1d(chosen, prepared.train),
            test=np.intersect1d(chosen, prepared.test),
        )
    how: dict[str, Any] = {"alpha": result.alpha, "fit_intercept": result.fit_intercept, "n_threads": result.threads}
    has_own = result.method == "gradient-descent" and result.feature_names == prepared.schema.feature_names
    if not has_own or of > MOST_ROWS:
        made = play(prepared, FitSpec.of(method="gradient-descent", epochs=EPOCHS, standardize=True, **how), places, of)
        return replace(made, sampled_from=of if of > MOST_ROWS else None)
    _check(prepared.schema.feature_names)
    moved = (result.scale != 1.0) | (result.center != 0.0)
    standardize: Any = "center" if moved.any() and (result.scale == 1.0).all() else moved
    return _played(prepared, result, _optimum(prepared, FitSpec.of(standardize=standardize, **how)), places, of)


def _check(names: Sequence[str]) -> None:
    if len(names) > MOST_COLUMNS:
        most = f"the page holds {MOST_COLUMNS} at most"
        raise InputError(f"the columns make {len(names)} coefficients, and {most}: choose some columns, or drop some")


def _optimum(prepared: Prepared, spec: FitSpec) -> Result:
    """Fit the same objective by Newton's method."""
    newton = FitSpec.of(spec.front, alpha=spec.alpha, fit_intercept=spec.fit_intercept, n_threads=spec.n_threads)
    rows, classes = prepared.training_rows(spec.n_threads), (prepared.schema.negative, prepared.schema.positive)
    return fit_rows(replace(newton, standardize=spec.standardize), rows, classes, time.perf_counter())


def _played(prepared: Prepared, run: Result, optimum: Result, places: NDArray[np.int64], of: int) -> Played:
    schema, encoded = prepared.schema, prepared.encoded
    known = np.sort(np.concatenate([prepared.train, prepared.test]))
    x = schema.in_units(expanded(encoded.blocks, known), run.center, run.scale)
    assert run.learning_rate is not None
    assert run.learning_rate_limit is not None
    # the two runs may have found the means in another order
    same = np.allclose((optimum.center / run.scale, optimum.scale), (run.center / run.scale, run.scale), atol=1e-9)
    proven = optimum.reason == "converged" and same
    objective, points = comparable(prepared.training_rows(run.threads), run)
    return Played(
        title=f"{shown(schema.target)}: {schema.positive} or {schema.negative}?",
        target=schema.target, classes=(schema.negative, schema.positive),
        names=schema.feature_names, x=x, y=encoded.y[known].astype(np.uint8),
        s=None if encoded.weights is None else encoded.weights[known], held_out=np.isin(known, prepared.test),
        row_numbers=places[known] + 1, center=run.center, scale=run.scale, alpha=run.alpha, fit_intercept=run.fit_intercept,
        rate=run.learning_rate, rate_limit=run.learning_rate_limit, trace=run.trace,
        gradients=np.array([objective.evaluate(point).gradient for point in points[embedded(len(points))]]),
        optimum=(optimum.w_fit, optimum.b_fit, optimum.objective, optimum.certificate.gap) if proven else None,
        sampled_from=of if len(places) < of else None,
    )  # fmt: skip
