"""A table in, a trained model out: the workflow of `chainrule fit` and `chainrule demo`.

prepare   labels, rows set aside, hold-out split, schema from the training rows alone, design
train     Newton or gradient descent on the training rows, watched on the held-out ones; figures of both parts
explain   one row of a table, forward and backward, and its share of the whole gradient
"""

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.data.designs import Design, part_of
from chainrule.data.files import read_table
from chainrule.data.rows import Rows, power_of_two
from chainrule.data.schema import Schema
from chainrule.data.tables import Encoded, learn_table
from chainrule.data.words import shown
from chainrule.errors import InputError
from chainrule.explain import RowExplanation, explain_row
from chainrule.findings import SHELL, Said, say
from chainrule.fitting.fit import run
from chainrule.fitting.held_out import HeldOut
from chainrule.fitting.metrics import accuracy, auc, base_rate_log_loss, log_loss
from chainrule.fitting.result import Result
from chainrule.fitting.spec import NEWTON, FitSpec
from chainrule.kernels.reader import read
from chainrule.kernels.reading import View, What, thread_count
from chainrule.losses import sigmoid
from chainrule.model.model import Model
from chainrule.solvers.trace import Trace

if TYPE_CHECKING:
    import pyarrow as pa

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class Prepared:
    """A table ready to train on; `train`, `test` and `unknown` are row indices from 0 into the design."""

    schema: Schema
    design: Encoded
    train: Places
    test: Places
    unknown: Places
    test_size: float
    seed: int
    na: tuple[str, ...]
    notes: tuple[str, ...]

    def part(self, places: Places) -> tuple[Design, NDArray[np.uint8], Floats | None]:
        """See some rows of known label where they lie: their columns, classes (k,) and weights."""
        s = self.design.weights
        index = None if len(places) == self.design.design.m else places
        columns = part_of(self.design.design, self.schema.columns, index)
        return columns, (self.design.labels[places] == 1.0).astype(np.uint8), None if s is None else s[places]

    def training_rows(self, threads: int | None = None) -> Rows:
        """See the training rows in the table's units."""
        columns, y, s = self.part(self.train)
        return columns.rows(y, s, threads).rows


@dataclass(frozen=True)
class Training:
    """What training gave: the model, what was recorded, the figures of both parts, the rows of unknown target.

    z: (m,) log-odds of all rows. deviations: (n,) standard deviation of each number among the training rows; NaN for levels
    and marks.
    """

    prepared: Prepared
    result: Result
    model: Model
    z: Floats
    deviations: Floats
    train_figures: dict[str, Any]
    test_figures: dict[str, Any] | None
    predictions: list[dict[str, Any]]


def stratified_split(y: Floats, test_size: float, seed: int) -> tuple[Places, Places]:
    """Split the rows of known class into a training and a held-out part with equal shares of both classes.

    ceil(test_size m) rows are held out; each class gives its share, the odd row comes from the class with the largest
    remainder. Inside a class the rows with the smallest random keys are taken (PCG64 of `seed`, one key a row).

    y: (m,) float64 of 0, 1 or NaN (unknown; in neither part). Returns the two parts' indices, ascending.
    Raises InputError where a class would be missing from the training part.
    """
    known = np.flatnonzero(np.isfinite(y))
    keys = np.random.Generator(np.random.PCG64(seed)).random(len(y))
    # 0.1 * 30 is 3.0000000000000004: a rounding error must not hold out a fourth row
    wanted = math.ceil(test_size * len(known) * (1 - 1e-12)) if test_size else 0
    members = [known[y[known] == label] for label in (0.0, 1.0)]
    shares = [wanted * len(rows) / max(len(known), 1) for rows in members]
    counts = [math.floor(share) for share in shares]
    if sum(counts) < wanted:
        counts[int(shares[1] - counts[1] > shares[0] - counts[0])] += 1
    if any(count >= len(rows) for count, rows in zip(counts, members, strict=True)):
        raise InputError(
            f"--test-size {test_size:g} leaves no training row of one label "
            f"({len(members[0])} and {len(members[1])} rows in all); hold out less"
        )
    held_out = [
        rows[np.argsort(keys[rows], kind="stable")[:count]] for rows, count in zip(members, counts, strict=True)
    ]
    test = np.sort(np.concatenate(held_out))
    return np.setdiff1d(known, test, assume_unique=True), test


def prepare(
    table: "pa.Table",
    target: str,
    *,
    positive: str | None = None,
    features: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    weights: str | None = None,
    test_size: float = 0.0,
    seed: int = 0,
    na: Sequence[str] = (),
) -> Prepared:
    """Read labels and columns off a table; means and levels are learned from the training rows alone.

    table: pyarrow.Table. target, features, drop, weights: column names. na: the cells that were read as missing beside
    the usual ones; the model remembers them. Raises InputError for what can't be used.
    """
    test = np.zeros(0, dtype=np.int64)

    def split(y: Floats, s: Floats | None, labels: tuple[str, str]) -> Places:
        nonlocal test
        train, test = stratified_split(y, test_size, seed)
        if s is not None and weights is not None:
            _check_weights(s, weights, y, labels, (train, test))
        return train

    schema, design, train = learn_table(
        table, target, positive=positive, features=features, drop=drop, weights=weights, split=split
    )  # fmt: skip
    unknown = np.flatnonzero(np.isnan(design.labels))
    return Prepared(schema, design, train, test, unknown, test_size, seed, tuple(na), (*schema.notes, *design.notes))


def _check_weights(s: Floats, name: str, y: Floats, labels: tuple[str, str], parts: tuple[Places, Places]) -> None:
    """Refuse parts of the rows, training and held out, in which nothing has weight, before anything is computed."""
    train, test = parts
    empty = [
        ("held-out row", test),
        ("training row", train),
        *((f"training row with the label {shown(labels[k])}", train[y[train] == k]) for k in (0, 1)),
    ]
    for rows, places in empty:
        if len(places) and not np.any(s[places] > 0):
            elsewhere = len(test) and np.any(s[np.isfinite(y)] > 0)
            way = "choose another --test-size or another --seed" if elsewhere else "name another with --weights"
            raise InputError(f"every {rows} has weight 0 in column {shown(name)}: {way}")


def read_for(model: Model, path: str | Path, na: Sequence[str] = ()) -> "pa.Table":
    """Read a table as the model's training table was read: the same cells are missing, its categories are text."""
    return read_table(path, na=(*model.info.get("na", ()), *na), text=model.schema.text_columns)


def train(
    prepared: Prepared,
    spec: FitSpec,
    *,
    progress: Callable[[Any, Mapping[str, float]], None] | None = None,
) -> Training:
    """Train on the training rows. Without a word on it, numbers are standardised for gradient descent, not for Newton's.

    progress(step, held_out): called once an epoch, or step of Newton's, with the fit's step and the held-out figures then.
    Raises KeyboardInterrupt with attribute `.training`, the state so far, when Ctrl-C stopped the fit after its first epoch.
    """
    started = time.perf_counter()
    X, y, s = prepared.part(prepared.train)
    standardize = spec.chosen not in NEWTON if spec.standardize is None else spec.standardize
    held_out = HeldOut(*prepared.part(prepared.test), spec.n_threads) if len(prepared.test) else None

    def watch(step: Any) -> Mapping[str, float] | None:
        figures = held_out(step) if held_out is not None else None
        if progress is not None:
            progress(step, figures or {})
        return figures

    numeric = np.asarray(prepared.schema.numeric) if standardize else False
    spec = replace(spec, standardize=numeric, callbacks=(watch,))
    classes = prepared.schema.negative, prepared.schema.positive
    try:
        return finish(prepared, run(spec, X, y, s, classes, started), spec)
    except KeyboardInterrupt as stop:
        so_far = getattr(stop, "result", None)  # None: before the first epoch was recorded
        if isinstance(so_far, Result):
            stop.training = finish(prepared, so_far, spec)  # type: ignore[attr-defined]
        raise


def finish(prepared: Prepared, result: Result, spec: FitSpec) -> Training:
    """Make the model of a fit, and measure it on both parts."""
    schema = prepared.schema
    info = result.to_dict(timings=False)
    # with these a later look at the same table finds the training rows again
    info["split"] = {"test_size": prepared.test_size, "seed": prepared.seed}
    info["na"] = list(prepared.na)
    model = Model(
        schema=schema,
        w=result.w,
        b=result.b,
        w_fit=result.w_fit,
        b_fit=result.b_fit,
        center=result.center,
        scale=result.scale,
        info=info,
    )
    z, y, s = model.decision(prepared.design.design), prepared.design.labels, prepared.design.weights

    def measured(places: Places) -> dict[str, Any]:
        return figures(z[places], y[places], None if s is None else s[places])

    rows, numeric = prepared.training_rows(spec.n_threads), schema.numeric
    on_training = measured(prepared.train)
    info["split"]["loss"] = on_training["loss"]
    return Training(
        prepared=prepared,
        result=result,
        model=model,
        z=z,
        train_figures=on_training,
        test_figures=measured(prepared.test) if len(prepared.test) else None,
        predictions=predictions(model, z[prepared.unknown], prepared.unknown + 1),
        deviations=np.where(numeric, rows.moments(correlations=False).sd, np.nan),
    )


def worded(text: Said, schema: Schema) -> str:
    """Put what the fit says into the words of the table and of the options given: labels, ways out."""
    return with_labels(say(text, SHELL), schema)


def with_labels(text: str, schema: Schema) -> str:
    """Call the classes by their labels in what the fit says, unless a column is called like a class."""
    if any(re.search(r"\bclass [01]\b", name) for name in schema.feature_names):
        return text
    return re.sub(r"\bclass ([01])\b", lambda found: shown((schema.negative, schema.positive)[int(found[1])]), text)


def predictions(model: Model, z: Floats, rows: Places) -> list[dict[str, Any]]:
    """Give number, probability of the positive label and class of rows with these log-odds; at z = 0 the negative label."""
    labels = (model.schema.negative, model.schema.positive)
    return [
        {"row": int(row), "probability": float(g), "class": labels[int(log_odds > 0)]}
        for row, log_odds, g in zip(rows, z, sigmoid(z), strict=True)
    ]


def figures(z: Floats, y: Floats, weights: Floats | None = None) -> dict[str, Any]:
    """How well log-odds z predict y: loss, accuracy, AUC, and the same for always predicting the base rate.

    z, y: (m,), y of 0 and 1. base_rate: the share of positives among these rows (weighted), base_loss and
    base_accuracy: of predicting that share for every row. confusion counts rows, not weights.
    """
    loss = log_loss(z, y, weights)
    s = np.ones_like(y) if weights is None else weights
    rate = float(s @ y / s.sum())
    told, true = z > 0, y > 0
    return {
        "rows": len(y),
        "loss": loss,
        "accuracy": accuracy(z, y, weights),
        "auc": auc(z, y, weights),
        "base_rate": rate,
        "base_loss": base_rate_log_loss(y, weights),
        "base_accuracy": max(rate, 1 - rate),
        "confusion": {
            "true_positive": int(np.sum(told & true)),
            "false_positive": int(np.sum(told & ~true)),
            "true_negative": int(np.sum(~told & ~true)),
            "false_negative": int(np.sum(~told & true)),
        },
    }


class Explained(NamedTuple):
    """One row of a table: its explanation, the gradient that its shares relate to, the part that the row is in.

    part: "training", "held out", "unknown" (no label) or "other": a row of a table that was not trained on.
    """

    explanation: RowExplanation
    whole: "WholeGradient | None"
    part: str


@dataclass(frozen=True)
class WholeGradient:
    """The gradient of the mean log-loss over some rows (the penalty is not in it), in the units of the fit."""

    dL_dw: Floats
    dL_db: float
    sum_weights: float
    rows: int
    of_training: bool


def whole_gradient(model: Model, design: Encoded, w: Floats, b: float) -> WholeGradient | None:
    """dL_dw = (1/S) sum s dL_dz x and dL_db at (w, b), over the training rows where the table has them.

    The split is made again; that these are the training rows is known from their loss, which must be the model's.
    Else every row of known label is taken. None without any.
    """
    return _gradient_over(_split_again(model, design), model, design, w, b)


def _gradient_over(
    parts: tuple[Places, Places] | None, model: Model, design: Encoded, w: Floats, b: float
) -> WholeGradient | None:
    if design.y is None or not np.isfinite(design.y).any():
        return None
    rows = np.flatnonzero(np.isfinite(design.y)) if parts is None else parts[0]
    p = np.where(model.scale == 1.0, 1.0, power_of_two(model.scale))  # a level's is 1
    ratio = model.scale * p  # of the fit's units to those of the read, whose scales are powers of two
    s = None if design.weights is None else design.weights[rows]
    sums = read(
        design.design, What.LOSS | What.GRADIENT, w=w / ratio, b=b, y=(design.y[rows] == 1.0).astype(np.uint8), s=s,
        view=View(model.center, p), index=rows, threads=thread_count(None),
    )  # fmt: skip
    S = sums.weight
    return WholeGradient(sums.gradient / ratio / S, float(sums.bias / S), S, len(rows), parts is not None)


def rows_of_training(model: Model, design: Encoded) -> tuple[Places, bool]:
    """Find the training rows where the table is the one trained on (True), else all rows of known label (False)."""
    parts = _split_again(model, design)
    if parts is not None:
        return parts[0], True
    known = np.flatnonzero(np.isfinite(design.labels))
    if not len(known):
        raise InputError(
            f"the table has no row with a known {shown(model.schema.target)}, so there is nothing to compare"
        )
    return known, False


def _split_again(model: Model, design: Encoded) -> tuple[Places, Places] | None:
    """Find the training and the held-out rows of the table that the model was trained on; None for another table."""
    split = model.info.get("split")
    if not split or design.y is None:
        return None
    try:
        rows, held_out = stratified_split(design.y, split["test_size"], split["seed"])
    except InputError:
        return None
    if len(rows) != model.info["n_rows"]:
        return None
    s = None if design.weights is None else design.weights[rows]
    loss = log_loss(model.decision(design.design)[rows], design.y[rows], s)
    was = split.get("loss", model.info["loss"])  # files of 0.1.0 have the latter alone
    return (rows, held_out) if math.isclose(loss, was, rel_tol=1e-9, abs_tol=1e-12) else None


def check_row(design: Encoded, row: int) -> None:
    """Refuse a row number, from 1, that the table doesn't have."""
    count = design.design.m
    if not 1 <= row <= count:
        raise InputError(f"row {row} is not in the table: its rows are 1 to {count}, counted without the header")


def closest_call(training: "Training") -> int:
    """Find the training row, from 1, that the model gets right by the smallest margin: there both sides weigh."""
    design, rows = training.prepared.design, training.prepared.train
    margin = (2 * design.labels[rows] - 1) * training.z[rows]
    counts = margin > 0 if design.weights is None else (margin > 0) & (design.weights[rows] > 0)
    return int(rows[np.argmin(np.where(counts, margin, np.inf))]) + 1


def explain(
    model: Model, design: Encoded, row: int, *, trace: Trace | None = None, epoch: int | None = None
) -> Explained:
    """Explain one row of a table, at the end of training or as it was after `epoch` (from the trace).

    row: counts from 1 without the header.
    Raises InputError for a row that is not there or an epoch that was not kept.
    """
    check_row(design, row)
    i = row - 1
    w, b = model.w_fit, model.b_fit
    if epoch is not None:
        if trace is None:
            raise InputError(f"epoch {epoch} needs the trace of the training, and there is none")
        w, b = trace.at(epoch)
    parts = _split_again(model, design)
    whole = _gradient_over(parts, model, design, w, b)
    y = None if design.y is None or not math.isfinite(design.y[i]) else float(design.y[i])
    given = design.given(np.array([i]))[0]
    explanation = explain_row(
        (given - model.center) / model.scale,
        y,
        w,
        b,
        feature_names=model.schema.feature_names,
        row=row,
        epoch=epoch,
        weight=1.0 if design.weights is None or y is None else float(design.weights[i]),
        sum_weights=whole.sum_weights if whole else float(model.info["sum_weights"]),
        alpha=float(model.info["alpha"]),
        gradient=(whole.dL_dw, whole.dL_db) if whole else None,
        label=None if y is None else (model.schema.negative, model.schema.positive)[int(y)],
        x_user=given,
    )
    if y is None:
        part = "unknown"
    elif parts is None:
        part = "other"
    else:
        part = "training" if i in parts[0] else "held out"
    return Explained(explanation, whole, part)
