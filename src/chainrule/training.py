"""From a table to a trained model: the workflow of `chainrule fit` and `chainrule demo`.

train     Newton or gradient descent on the training rows, watched on the held-out ones; figures of both parts
explain   one row of a table, forward and backward, and its share of the whole gradient
"""

import math
import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from chainrule.data.files import Source, read_table
from chainrule.data.missing import Treatment
from chainrule.data.rows import Rows, Units
from chainrule.data.rows.batches import as_batches, descend_rows
from chainrule.data.rows.decode import expanded
from chainrule.data.tables import Encoded, Prepared, prepare, stratified_split
from chainrule.data.variables import Facts
from chainrule.data.words import column_names, shown
from chainrule.errors import ChainruleWarning, InputError
from chainrule.explain import RowExplanation, by_variable, explain_row
from chainrule.findings import of_columns
from chainrule.fitting.fit import fit_rows
from chainrule.fitting.held_out import HeldOut
from chainrule.fitting.metrics import Rule, figures, log_loss, quality
from chainrule.fitting.result import Result
from chainrule.fitting.spec import FitSpec
from chainrule.kernels.reading import What
from chainrule.kernels.runs import Batches, visiting_order
from chainrule.losses import LOGISTIC, sigmoid
from chainrule.model.model import UNDETERMINED, Model
from chainrule.solvers.trace import Trace
from chainrule.words import plain

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class Training:
    """The outcome of training: the model, the fit's result, figures of both parts, predictions for rows of unknown target.

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


def read_for(model: Model, table: Source | str | Path, na: Sequence[str] = ()) -> pa.Table:
    """Read a table like the model's training table: the same cells mean missing, and its categories are read as text."""
    missing = (*model.info.get("na", ()), *na)
    return read_table(table, na=missing, text=model.schema.text_columns, usual=model.info.get("written"))


def prepare_as_asked(
    table: pa.Table, target: str, *, features: Sequence[str] | None = None, drop: Sequence[str] | None = None,
    categorical: Sequence[str] | None = None, numeric: Sequence[str] | None = None, dates: Sequence[str] | None = None,
    reference: Sequence[str] | None = None, missing: Sequence[str] | None = None, **how: Any,
) -> Prepared:  # fmt: skip
    """Prepare a table by a command's options, the others as in `prepare`.

    features, drop, categorical, numeric : as in `column_names`. dates, reference : COLUMN=PARTS and COLUMN=LEVEL.
    """
    known = table.column_names
    features = column_names(features, known) if features else None
    given = {"categorical": column_names(categorical or (), known), "numeric": column_names(numeric or (), known)}
    kinds: dict[str, str | list[str]] = {name: kind for kind, names in given.items() for name in names}
    parts = dict(split_option("--dates", text, known) for text in dates or ())
    named = Counter(name for names in (*given.values(), parts) for name in set(names))
    twice = next((name for name, times in named.items() if times > 1), None)
    if twice is not None:
        raise InputError(f"column {shown(twice)} has two kinds: name it once, in --categorical, --numeric or --dates")
    kinds |= {name: [part.strip() for part in text.split(",")] for name, text in parts.items()}
    first = dict(split_option("--reference", text, known) for text in reference or ())
    how |= {"drop": column_names(drop or (), known), "missing": Treatment.read_options(missing or ())}
    return prepare(table, target, features=features, columns=kinds, reference=first, **how)


def split_option(option: str, text: str, known: Sequence[str]) -> tuple[str, str]:
    """Split COLUMN=VALUE at the '=' after a known column, or after the first word."""
    places = [k for k, letter in enumerate(text) if letter == "="]
    if not places:
        raise InputError(f"{option} {shown(text)} has no '=': write COLUMN=VALUE")
    at = next((k for k in places if text[:k] in known), places[0])
    return text[:at], text[at + 1 :]


def train(
    prepared: Prepared,
    spec: FitSpec,
    *,
    progress: Callable[[Any, Mapping[str, float]], None] | None = None,
    written: Mapping[str, str] | None = None,
) -> Training:
    """Train on the training rows. By default, numbers are standardised for gradient descent but not for Newton's method.

    progress(step, held_out): called after each epoch or Newton step, with the fit's step and the held-out figures.
    written: `Source.dialect` of the table, for the model.
    After Ctrl-C, returns the state so far (see `result.reason`); raises KeyboardInterrupt before the first epoch.
    """
    started = time.perf_counter()
    pa.default_memory_pool().release_unused()  # the table may be gone but for its numbers
    schema, rows = prepared.schema, prepared.training_rows(spec.n_threads)
    standardize = not spec.asked.is_scale_free if spec.standardize is None else spec.standardize
    held_out = HeldOut.of(prepared.encoded.rows(prepared.test, spec.n_threads)) if len(prepared.test) else None

    def watch(step: Any) -> Mapping[str, float] | None:
        figures = held_out(step) if held_out is not None else None
        if progress is not None:
            progress(step, figures or {})
        return figures

    spec = replace(spec, standardize=schema.numeric if standardize else False, callbacks=(watch,))
    try:
        result = fit_rows(spec, rows, (schema.negative, schema.positive), started)
    except KeyboardInterrupt as stop:
        if not hasattr(stop, "result"):
            raise
        result = stop.result
    assert result.encodings is not None
    again = prepared.encoded_by(result.encodings)
    if again is not prepared:  # a reference level was replaced
        prepared, rows = again, again.encoded.rows(again.train, spec.n_threads)
    return _measured(prepared, result, rows, written)


def _measured(prepared: Prepared, result: Result, rows: Rows, written: Mapping[str, str] | None) -> Training:
    """Make a model from a fit, and measure it on both parts."""
    schema = prepared.schema
    rows.moments(correlations=False)  # of all training rows, where the fit took a sample
    facts = Facts.of(rows)
    result = replace(result, facts=facts)
    model = Model.of(result, schema, na=list(prepared.na), **({"written": dict(written)} if written else {}))
    z, y, s = model.decision(prepared.encoded.blocks), prepared.encoded.y, prepared.encoded.weights

    def measured_on(places: Places) -> dict[str, Any]:
        rows = slice(None) if len(places) == len(z) else places
        return figures(z[rows], y[rows], None if s is None else s[rows])

    on_training = measured_on(prepared.train)
    # with these, the training rows can be found in the same table later
    model.info["split"] = {"test_size": prepared.test_size, "seed": prepared.seed, "loss": on_training["loss"]}
    return Training(
        prepared=prepared,
        result=result,
        model=model,
        z=z,
        train_figures=on_training,
        test_figures=measured_on(prepared.test) if len(prepared.test) else None,
        predictions=predictions(
            model, model.predicted(prepared.encoded.blocks, z)[prepared.unknown], prepared.unknown + 1
        ),
        deviations=np.where(schema.numeric, facts.sd, np.nan),
    )


def training_on(result: Result, design: Encoded) -> Training:
    """Measure a fit in Python on its rows, encoded for its model."""
    known, nothing = design.labelled, np.empty(0, dtype=np.int64)
    if not len(known):
        raise InputError("y has no known label: there is nothing to measure the fit with")
    unknown = np.flatnonzero(np.isnan(design.y))
    prepared = Prepared(design, None, known, nothing, unknown, 0.0, 0, (), of_columns(result.findings))
    return _measured(prepared, result, prepared.training_rows(result.threads), None)


def measured(training: Training, rule: Rule) -> dict[str, Any]:
    """Choose a threshold on the training rows, and measure the decisions and the curves of both parts with it.

    Returns "threshold" and "quality" for a document.
    """
    design, z = training.prepared.encoded, training.z
    both = {"training": training.prepared.train, "held_out": training.prepared.test}
    parts = {name: rows[~np.isnan(z[rows])] for name, rows in both.items()}  # undetermined rows have no class
    given = {name: (z[rows], design.y[rows], None if design.weights is None else design.weights[rows])
             for name, rows in parts.items()}  # fmt: skip
    at = rule.on(*given["training"])
    found = {name: quality(*of, at, rule.costs) if len(of[0]) else None for name, of in given.items()}
    return {"threshold": {"by": rule.by, "threshold": at, "costs": rule.costs}, "quality": plain(found)}


def predictions(model: Model, z: Floats, rows: Places) -> list[dict[str, Any]]:
    """Return row number, probability of the positive label and class for log-odds z; at z = 0 the negative label."""
    labels = (model.schema.negative, model.schema.positive)
    return [
        {"row": int(row), "probability": None, "class": UNDETERMINED}
        if np.isnan(log_odds)
        else {"row": int(row), "probability": float(g), "class": labels[int(log_odds > 0)]}
        for row, log_odds, g in zip(rows, z, sigmoid(z), strict=True)
    ]


def whole_gradient(model: Model, design: Encoded, places: Places, w: Floats, b: float) -> tuple[Floats, float, float]:
    """Average dL_dz x and dL_dz over some rows at (w, b), in the fit's units: dL_dw and dL_db without the penalty; also S."""
    rows = design.rows(places).see(Units(model.center, model.scale))
    sums = rows.read(What.GRADIENT, w, b)
    return sums.gradient / sums.weight, float(sums.bias / sums.weight), sums.weight * rows.weight_unit


def rows_of_training(model: Model, design: Encoded) -> tuple[Places, bool]:
    """Find the training rows if the table is the one trained on (True), else those of known label to train on (False).

    The split is made again; its rows are the training rows if they have the model's loss.
    """
    return training_rows(model, model.decision(design.blocks), design.y, design.weights, design.labelled)


def training_rows(model: Model, z: Floats, y: Floats, weights: Floats | None, labelled: Places) -> tuple[Places, bool]:
    """Do as `rows_of_training` with the rows' log-odds z, as `Model.decision` gives them."""
    split = model.info.get("split")
    if split:
        with suppress(InputError):  # labels that can't be split like this aren't the training labels
            rows, _ = stratified_split(y, split["test_size"], split["seed"])
            is_labelled = np.zeros(len(y), dtype=bool)
            is_labelled[labelled] = True
            rows = rows[is_labelled[rows]]
            loss = log_loss(z[rows], y[rows], None if weights is None else weights[rows])
            was = split.get("loss", model.info["loss"])  # files of 0.1.0 have only the latter
            near = 1e-8 if model.infinite.any() else 1e-12  # finite numbers that stand for infinity cost 1e-8 a row
            if len(rows) == model.info["n_rows"] and math.isclose(loss, was, rel_tol=1e-9, abs_tol=near):
                return rows, True
    return labelled, False


def check_row(design: Encoded, row: int) -> None:
    """Refuse a row number, from 1, that the table doesn't have."""
    count = design.blocks.m
    if not 1 <= row <= count:
        raise InputError(f"row {row} is not in the table: its rows are 1 to {count}, counted without the header")


def closest_call(training: Training) -> int:
    """Find the training row, from 1, that the model gets right by the smallest margin: both classes nearly balance."""
    design, rows = training.prepared.encoded, training.prepared.train
    margin = (2 * design.y[rows] - 1) * training.z[rows]
    counts = margin > 0 if design.weights is None else (margin > 0) & (design.weights[rows] > 0)
    return int(rows[np.argmin(np.where(counts, margin, np.inf))]) + 1


def next_update(
    model: Model, design: Encoded, places: Places, i: int, x: Floats, w: Floats, b: float, epoch: int
) -> dict[str, Any] | None:
    """Make the update of gradient descent that row i takes part in, after `epoch`, which ended at (w, b) in the fit's units.

    places : of the training rows. x : of row i. Returns "w", "b", where the update starts; "dL_dw", "dL_db", the mean without
    the penalty; "weight"/"sum_weights", the row's part of it; "share", "share_b", this part of its dL_dw and dL_db;
    "learning_rate", "w_new", "b_new"; F on the same rows before and after; and "batch", None if these are all rows, else what
    `_batch_of` tells of it, and the row's numbers at w and b. None if no mini-batch has the row.
    """
    alpha, rows = float(model.info["alpha"]), design.rows(places).see(Units(model.center, model.scale))
    place, rate, total, batch = int(np.searchsorted(places, i)), float(model.info["learning_rate"]), rows.weight, None
    counts = place < len(places) and places[place] == i and bool(rows.is_kept[place])
    weight = 0.0 if not counts else 1.0 if design.weights is None else float(design.weights[i])
    if model.info.get("batch_size"):
        if not counts:
            return None
        rows, total, rate, w, b, batch = _batch_of(model, as_batches(rows), place, w, b, epoch)
    here = rows.read(What.LOSS | What.GRADIENT, w, b)
    dL_dw, dL_db = here.gradient / total, float(here.bias / total)
    new_w, new_b = w - rate * (dL_dw + alpha * w), b - rate * dL_db if model.info["fit_intercept"] else b
    there = rows.read(What.LOSS, new_w, new_b)
    before, after = (
        float(sums.loss / total) + 0.5 * alpha * float(at @ at) for sums, at in ((here, w), (there, new_w))
    )
    of_row = _row_at(x, design.y[i], w, b) if counts else {"dL_dz": 0.0}
    share = weight / (total * rows.weight_unit) * of_row["dL_dz"]
    return {
        "learning_rate": rate, "w": w, "b": b, "dL_dw": dL_dw, "dL_db": dL_db, "weight": weight,
        "sum_weights": total * rows.weight_unit, "share": share * x, "share_b": share, "w_new": new_w, "b_new": new_b,
        "objective": before, "objective_new": after, "batch": batch and {**batch, **of_row},
    }  # fmt: skip


def _batch_of(
    model: Model, rows: Rows, place: int, w: Floats, b: float, epoch: int
) -> tuple[Rows, float, float, Floats, float, dict[str, int]]:
    """Find the mini-batch of the row at `place` in the epoch after `epoch`, which ended at (w, b).

    Returns its rows, what their sums are divided by, the learning rate of its update, (w, b) before it; and its epoch, its
    number of how many, and its rows.
    """
    info, visited = model.info, np.flatnonzero(rows.is_kept)
    batches, rate = Batches(info["batch_size"], info["seed"], info["schedule"]), float(info["learning_rate"])
    order = visited[visiting_order(len(visited), batches.seed, epoch)]
    k, of = int(np.argmax(order == place)) // batches.size, batches.updates(len(order))
    how = {"ridge": np.full(len(w), float(info["alpha"])), "fit_intercept": info["fit_intercept"], "rate": rate}
    w, b = descend_rows(rows, w, b, batches=batches, epoch=epoch, end=k, **how)
    chosen = order[k * batches.size : (k + 1) * batches.size]
    part = len(chosen) / batches.size  # the step of a shorter batch is shorter
    told = {"epoch": epoch + 1, "number": k + 1, "of": of, "rows": len(chosen)}
    total = rows.weight * len(chosen) / len(order)
    return rows.take(chosen), total, part * batches.rate(rate, epoch * of + k, of), w, b, told


def _row_at(x: Floats, y: float, w: Floats, b: float) -> dict[str, float]:
    """Compute a row's numbers at (w, b)."""
    z, label = np.array([x @ w + b]), np.array([y])
    numbers = {"z": z, "g": sigmoid(z), "loss": LOGISTIC.value(z, label), "dL_dz": LOGISTIC.derivative(z, label)}
    return {name: float(value[0]) for name, value in numbers.items()}


def explained(
    model: Model, design: Encoded, row: int, *, trace: Trace | None = None, epoch: int | None = None
) -> RowExplanation:
    """Explain one row of a table, at the end of training or as it was after `epoch` (from the trace).

    row: counts from 1 without the header. The context's part is "training", "held out", "left out" (a value is missing),
    "unknown" (no label) or "other" (a row of a table that was not trained on).
    Raises InputError for a row that the table lacks or an epoch that the trace lacks.
    """
    check_row(design, row)
    if model.loss_function is not LOGISTIC:
        raise InputError(
            f"a row is explained by the logistic loss, and this fit's loss is {model.loss_function.name!r}"
        )
    i = row - 1
    w, b = (model.w_fit, model.b_fit) if trace is None or epoch is None else trace.at(epoch)
    places, of_training = rows_of_training(model, design)
    whole: dict[str, Any] = {}
    if len(places):
        dL_dw, dL_db, S = whole_gradient(model, design, places, w, b)
        whole = {"rows": len(places), "training_rows": of_training, "sum_weights": S, "dL_dw": dL_dw, "dL_db": dL_db}
    y = None if math.isnan(design.y[i]) else float(design.y[i])
    given = expanded(design.blocks, np.array([i]))[0]
    x = model.schema.in_units(given, model.center, model.scale)
    step, after = None, None  # after: w and b of the next epoch
    if of_training and model.info.get("learning_rate") is not None:
        step = next_update(model, design, places, i, x, w, b, model.info["n_epochs"] if epoch is None else epoch)
        whole["step"] = step
    if step is not None and not step["batch"]:
        after = step["w_new"], step["b_new"]
    elif trace is not None and epoch is not None and (trace.columns["epoch"] == epoch + 1).any():
        after = trace.at(epoch + 1)
    explanation = explain_row(
        x,
        y,
        w,
        b,
        feature_names=model.schema.feature_names,
        row=row,
        epoch=epoch,
        weight=1.0 if design.weights is None or y is None else float(design.weights[i]),
        sum_weights=whole.get("sum_weights", float(model.info["sum_weights"])),
        alpha=float(model.info["alpha"]),
        gradient=(whole["dL_dw"], whole["dL_db"]) if whole else None,
        label=None if y is None else (model.schema.negative, model.schema.positive)[int(y)],
        x_user=given,
    )
    if y is None:
        part = "unknown"
    elif of_training:
        is_whole = design.is_whole is None or design.is_whole[i]
        part = "training" if i in places else "held out" if is_whole else "left out"
    else:
        part = "other"
    context = {
        **model.schema.labels, "part": part, "next": None if y is None or after is None else _row_at(x, y, *after),
        "method": model.info["method"], "epochs": model.info["n_epochs"],
        "whole_gradient": plain(whole) or None, "variables": by_variable(explanation, model.schema.columns),
    }  # fmt: skip
    return replace(explanation, context=context)


def explain(model: Model, design: Encoded, row: int, **of: Any) -> dict[str, Any]:
    """Explain one row as `explained`; return "explanation" and "whole_gradient" for a document."""
    found = explained(model, design, row, **of)
    told = found.to_dict() | {name: found.context[name] for name in ("part", "next", "variables")}
    return {"whole_gradient": found.context["whole_gradient"], "explanation": told}


def lesson(training: Training, row: int) -> dict[str, Any]:
    """Explain one row early in gradient descent, after the first epoch that its trace keeps, where updates still change much.

    After another method, gradient descent is run for it, on standardised numbers, or on a sparse matrix as it is. Returns what
    `explain` does, and in "lesson" the method of that run.
    """
    result, prepared = training.result, training.prepared
    if result.learning_rate is None:
        is_sparse = prepared.encoded.blocks.csr is not None
        spec = FitSpec.of(
            method="gradient-descent", epochs=2, standardize=not is_sparse, alpha=result.alpha, loss=result.loss_name,
            fit_intercept=result.fit_intercept, n_threads=result.threads,
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ChainruleWarning)  # nothing is expected of two epochs
            training = train(prepared, spec)
    trace = training.result.trace
    kept = trace.columns["epoch"][:2].tolist()  # the start, and the first one kept after it
    found = explain(training.model, training.prepared.encoded, row, trace=trace, epoch=int(kept[-1]))
    return {**found, "lesson": training.result.method}
