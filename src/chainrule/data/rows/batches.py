"""Mini-batches of dense rows: their updates, and what the learning rate and resuming need to know of the rows."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from chainrule.data.rows.decode import AT_ONCE
from chainrule.data.rows.rare import row_counts
from chainrule.data.rows.rows import Rows, Tally
from chainrule.data.rows.units import Vector
from chainrule.kernels.blocks import Blocks, DenseRows
from chainrule.kernels.reader import GivenLoss
from chainrule.kernels.reading import What, useful_threads
from chainrule.kernels.runs import Batches, descend, visiting_order


def as_batches(rows: Rows) -> Rows:
    """Return the rows in a form for mini-batches: tables and chosen rows become a dense copy, made once for all runs."""
    if not rows.design.columns and rows.index is None:
        return rows
    return replace(rows.once("batches", lambda: _dense(rows)), tally=Tally(rows.n_rows))


def _dense(rows: Rows) -> Rows:
    design = Blocks.dense(rows.numbers())
    threads = useful_threads((rows.n_rows, design.row_numbers), rows.threads)
    # of levels, which the copy doesn't have
    learned = {"row counts": rows.once("row counts", lambda: row_counts(rows))}
    return replace(rows, design=design, index=None, threads=threads, copies=1, learned=learned)


def digest(rows: Rows) -> str:
    """SHA-256 of the rows of positive weight in their order: X, y and, unless all are 1, the weights; one read.

    The same for any memory order of X, and for float32 as for the same numbers in float64.
    """
    return rows.once("digest", lambda: _hash(rows))


def _hash(rows: Rows) -> str:
    rows.count_read()
    s, hashed = rows.s, hashlib.sha256()
    weighted = s is not None and bool((s[s > 0] * rows.weight_unit != 1.0).any())
    visited, step = np.flatnonzero(rows.is_kept), max(1, AT_ONCE // rows.n_features)
    for first in range(0, len(visited), step):
        part = visited[first : first + step]
        hashed.update(np.ascontiguousarray(rows.numbers(part)).data)
        hashed.update(rows.y[part].data)
        if s is not None and weighted:
            hashed.update(s[part].data)
    return hashed.hexdigest()


def descend_rows(
    rows: Rows,
    w: Vector,
    b: float,
    *,
    ridge: Vector,
    fit_intercept: bool,
    rate: float,
    batches: Batches,
    epoch: int,
    first: int = 0,
    end: int | None = None,
    loss: GivenLoss | None = None,
) -> tuple[Vector, float]:
    """Make the updates `first` to `end` of an epoch, all by default, from (w, b) in the fit's units; one read.

    The gradient of a batch of B_k rows is (M/(B_k S)) sum s dL_dz x + ridge w, and its step size is eta_t B_k/B. In a random
    order each gradient is an unbiased estimate of F's. At one point, the batches' gradients times B_k/B add up to M/B times
    F's gradient, even if the last batch is shorter. loss : a loss that the core lacks; the updates are then made in NumPy.
    """
    X, updates, ratio = rows.design.X, batches.updates(rows.n_visited), rows.outer[:-1]
    assert X is not None
    assert rows.index is None
    last, visited = updates if end is None else end, None if rows.is_kept.all() else np.flatnonzero(rows.is_kept)
    rows.count_read((last - first) / updates)
    weight = rows.moments(correlations=False).weight / rows.weight_unit
    per_weight = rows.n_visited / (batches.size * weight)
    if loss is None:
        run = {"ridge": ridge, "fit_intercept": fit_intercept, "rate": rate, "per_weight": per_weight, "epoch": epoch}
        run |= {"step": 1.0 / ratio**2, "w": w / ratio, "b": b, "first": first, "end": last}
        by_rows = Blocks([DenseRows(X)], *X.shape)  # in any memory order
        w, b = descend(by_rows, rows.y, rows.s, rows.view, visited, batches=batches, **run)
        return w * ratio, b
    order = visiting_order(rows.n_visited, batches.seed, epoch)
    order = order if visited is None else visited[order]
    for k in range(first, last):
        places = order[k * batches.size : (k + 1) * batches.size]
        x = rows.viewed(places)[:, :-1]
        r = loss(x @ w + b, rows.y[places].astype(np.float64))[1] * (1.0 if rows.s is None else rows.s[places])
        eta = batches.rate(rate, epoch * updates + k, updates)
        w = w - eta * per_weight * (r @ x) - eta * len(places) / batches.size * ridge * w
        b -= eta * per_weight * float(r.sum()) if fit_intercept else 0.0
    return w, b


def largest_pull(rows: Rows, fit_intercept: bool) -> float:
    """Compute the largest (M/S) s_i |x~_i|^2 over the rows in the fit's units, x~ = (x, 1) or x: one read."""
    if rows.s is None:
        q = np.append(1.0 / rows.outer[:-1] ** 2, float(fit_intercept))
        return rows.read(What.LOSS | What.NORMS, np.zeros(rows.n_features), 0.0, q=q).norm
    rows.count_read()
    step, largest = max(1024, AT_ONCE // rows.n_features), 0.0
    for first in range(0, rows.n_rows, step):
        places = np.flatnonzero(rows.s[first : first + step]) + first
        x = rows.viewed(places)[:, : rows.n_features + fit_intercept]
        with np.errstate(over="ignore"):
            pulls = rows.s[places] * np.einsum("ij,ij->i", x, x)
        largest = max(largest, float(pulls.max(initial=0.0)))
    return largest * rows.n_visited * rows.weight_unit / rows.moments(correlations=False).weight
