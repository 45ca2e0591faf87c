"""The run behind the player: a table's rows, gradient descent on them, and the certified optimum that it falls towards."""

import time
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from chainrule.data.rows import spread_rows
from chainrule.data.rows.decode import expanded
from chainrule.data.tables import Prepared
from chainrule.data.words import shown
from chainrule.documents.player import Played
from chainrule.errors import InputError
from chainrule.fitting.fit import fit_rows
from chainrule.fitting.spec import FitSpec

MOST_ROWS, MOST_COLUMNS = 2_000, 100


def sampled(table: pa.Table, target: str, most: int = MOST_ROWS) -> tuple[pa.Table, NDArray[np.int64]]:
    """Return a table of at most that many rows, each label with its share of them, and the places of its rows.

    Within a label the rows are spread over the table.
    """
    m = table.num_rows
    if m <= most or target not in table.column_names:
        return table, np.arange(m)
    codes = (
        table.column(target).combine_chunks().dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
    )
    chosen = []
    for code in np.unique(codes):
        places = np.flatnonzero(codes == code)
        chosen.append(places[spread_rows(len(places), max(1, len(places) * most // m))])
    places = np.sort(np.concatenate(chosen))
    return table.take(places), places


def play(prepared: Prepared, spec: FitSpec, places: NDArray[np.int64], of: int) -> Played:
    """Run Newton and gradient descent on a table's training rows; return what the page shows.

    places : the rows' places in the whole table, which has `of` rows. Raises InputError for more than `MOST_COLUMNS`
    coefficients.
    """
    started, schema, encoded = time.perf_counter(), prepared.schema, prepared.encoded
    n = len(schema.feature_names)
    if n > MOST_COLUMNS:
        most = f"the page shows {MOST_COLUMNS} at most"
        raise InputError(f"the columns make {n} coefficients, and {most}: choose some with --features, or --drop some")
    standardize = False if spec.standardize is False else schema.numeric
    spec, classes = replace(spec, standardize=standardize), (schema.negative, schema.positive)
    newton = FitSpec.of(spec.front, alpha=spec.alpha, n_threads=spec.n_threads)
    optimum = fit_rows(
        replace(newton, standardize=standardize), prepared.training_rows(spec.n_threads), classes, started
    )
    run = fit_rows(spec, prepared.training_rows(spec.n_threads), classes, started, optimum.reference)
    known = np.sort(np.concatenate([prepared.train, prepared.test]))
    x = (expanded(encoded.blocks, known) - run.center) / run.scale
    assert run.learning_rate is not None
    assert run.learning_rate_limit is not None
    proven = optimum.reason == "converged"
    return Played(
        title=f"{shown(schema.target)}: {schema.positive} or {schema.negative}?",
        target=schema.target, classes=classes, names=schema.feature_names, x=x, y=encoded.y[known].astype(np.uint8),
        s=None if encoded.weights is None else encoded.weights[known], held_out=np.isin(known, prepared.test),
        row_numbers=places[known] + 1, center=run.center, scale=run.scale, alpha=run.alpha, fit_intercept=run.fit_intercept,
        rate=run.learning_rate, rate_limit=run.learning_rate_limit, trace=run.trace,
        optimum=(optimum.w_fit, optimum.b_fit, optimum.objective, optimum.certificate.gap) if proven else None,
        sampled_from=of if len(places) < of else None,
    )  # fmt: skip
