"""Explains one row: every value and derivative of the article's graph, the chain rule with its numbers, shares.

    share of the row in dL/dw_j = (s/S) dL/dz x_j;   over all rows the shares add up to the gradient of L
    contribution of feature j to z = x_j w_j;   exp of it multiplies the odds g/(1 - g)

The path of the probability starts at sigmoid(b) and adds the contributions from the largest to the smallest in absolute
value; a step is the change of g there, and the last step ends at g. Another order gives other steps and the same end.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.data.schema import Column
from chainrule.errors import InputError
from chainrule.graph.check import COMPLEX_STEP, gradient_check
from chainrule.graph.logistic import LogisticGraph, logistic_graph
from chainrule.graph.pullbacks import Array
from chainrule.graph.stable import sigmoid
from chainrule.words import Shown, plain

_CHECKED_ENTRIES = 16  # the weights with the largest derivatives


@dataclass(frozen=True)
class FeatureExplanation:
    """The part of one feature in the row.

    Attributes
    ----------
    name : str
    x, x_user : float
        Its value in the fit's units (dz_dw is the same number) and in the user's.
    w : float
        Its weight, in the fit's units.
    contribution, odds_factor, probability_step : float
        x w in log-odds; exp(x w); the step of g on the path.
    dz_dw, dL_dw : float
        Derivatives of the row's own loss; dL_dw is None when the class is unknown.
    share, share_of_gradient : float or None
        (s/S) dL_dw, and that divided by the whole gradient's entry (None if the entry is unknown or 0).
    penalty_gradient : float
        alpha w, the penalty's own part of the gradient.
    """

    name: str
    x: float
    x_user: float
    w: float
    contribution: float
    odds_factor: float
    probability_step: float
    dz_dw: float
    dL_dw: float | None
    share: float | None
    share_of_gradient: float | None
    penalty_gradient: float


@dataclass(frozen=True)
class RowExplanation(Shown):
    """A row's values forward through the graph, and its derivatives backward.

    Attributes
    ----------
    row, epoch : int or None
        The row's number in its table, from 1, and the epoch that the weights are from.
    y : float or None
        The row's class, 0 or 1; None if unknown: then loss and derivatives of L are None too.
    label : str or None
        The name of the class.
    saturated : bool
        g has rounded to 0 or 1 (or 1/g overflows): the article's product has no finite value.
    weight, sum_weights, alpha : float
        s, S and the L2 penalty.
    features : tuple of FeatureExplanation
    b, z, g, loss : float
        Bias, log-odds, probability, log-loss in nats.
    dL_dg, dg_dz, dz_db, dL_dz, dL_db : float
        Derivatives of the row's own loss.
    share_b, share_b_of_gradient : float or None
        As `share` and `share_of_gradient` of a feature, for b.
    article_product : float or None
        dL/dg dg/dz multiplied as the article does, from the rounded g; NaN when saturated.
    stable : float or None
        dL/dz by the form that keeps every digit; the same as dL_dz.
    path : tuple of (str, float)
        The probability at sigmoid(b), then after each feature.
    chain : dict
        The formulas with their numbers: z, g, L, dL_dg, dg_dz, dL_dz (the article's product), stable (the form of dL_dz
        that keeps every digit), dL_db, and for each feature dL_dw and share.
    check : dict
        Of the gradient check: max_error, method, what was checked ("L", or "g" if the class is unknown), and how many of how
        many derivatives were checked: the largest ones.
    note : str or None
        Why the article's product fails, if it does: g has rounded, or 1 - g has lost digits.
    context : dict
        What else is shown of the row: its part of the data, the target, the method, the whole gradient.
    """

    row: int | None
    epoch: int | None
    y: float | None
    label: str | None
    saturated: bool
    weight: float
    sum_weights: float
    alpha: float
    features: tuple[FeatureExplanation, ...]
    b: float
    z: float
    g: float
    loss: float | None
    dL_dg: float | None
    dg_dz: float
    dz_db: float
    dL_dz: float | None
    dL_db: float | None
    share_b: float | None
    share_b_of_gradient: float | None
    article_product: float | None
    stable: float | None
    path: tuple[tuple[str, float], ...]
    chain: dict[str, Any]
    check: dict[str, Any]
    note: str | None
    context: dict[str, Any] = field(default_factory=dict, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return all fields but the context as JSON values.

        Returns
        -------
        dict
            NaN and infinities are None, such as an odds factor above 1e308 or the share of a gradient that is 0.
        """
        return dict(plain(self))


def explain_row(
    x: npt.ArrayLike, y: float | None, w: npt.ArrayLike, b: float, *, feature_names: Any, row: int | None = None,
    epoch: int | None = None, weight: float = 1.0, sum_weights: float = 1.0, alpha: float = 0.0,
    gradient: tuple[npt.ArrayLike, float] | None = None, label: str | None = None,
    x_user: npt.ArrayLike | None = None,
) -> RowExplanation:  # fmt: skip
    """Explain one row.

    Parameters
    ----------
    x : array_like (n,)
        The row, in the fit's units.
    y : float or None
        0, 1 or None for unknown.
    w, b : array_like (n,), float
        The weights, in the fit's units.
    feature_names : sequence of str (n,)
    row, epoch : int, optional
        Copied to the result.
    weight, sum_weights : float
        s of the row and S of all rows.
    alpha : float
        The L2 penalty of the fit.
    gradient : (array_like (n,), float), optional
        dL_dw and dL_db over all rows, without the penalty; shares are divided by them.
    label : str, optional
        The name of the row's class.
    x_user : array_like (n,), optional
        The row in the user's units, if these are not the fit's.

    Returns
    -------
    RowExplanation

    Raises
    ------
    InputError
        Shapes that don't fit, NaN or infinite numbers, a class other than 0, 1 and None.
    """
    graph, names = logistic_graph(x, 0.0 if y is None else y, w, b), tuple(map(str, feature_names))
    n, known = len(graph.w.value), y is not None
    if len(names) != n:
        raise InputError(f"there are {len(names)} feature names for {n} features")
    weight, sum_weights, alpha = float(weight), float(sum_weights), float(alpha)
    if not (np.isfinite(weight) and weight >= 0):
        raise InputError(f"the row's weight {weight:g} must be 0 or more")
    if not (np.isfinite(sum_weights) and sum_weights > 0):
        raise InputError(f"the sum of weights {sum_weights:g} must be above 0")
    whole: list[Any] = [None] * (n + 1)
    if gradient is not None:
        whole = [*_vector(gradient[0], n, "gradient").tolist(), float(gradient[1])]
    given = graph.X.value if x_user is None else _vector(x_user, n, "x_user")
    x, w, terms = graph.X.value, graph.w.value, graph.X.value * graph.w.value
    path, steps = _path(graph, names)
    with np.errstate(all="ignore"):  # an odds factor or a share of a tiny gradient may overflow
        shares, odds = weight * np.append(graph.dL_dw, graph.dL_db) / sum_weights, np.exp(terms)
        ratios = [float(share / each) if known and each else None for share, each in zip(shares, whole, strict=True)]
    derivatives = (graph.dL_dw, shares[:n], ratios[:n]) if known else ([None] * n,) * 3
    # in the order of the fields
    columns = (x, given, w, terms, odds, steps, graph.dz_dw, *derivatives, alpha * w)
    lines = zip(names, *(np.asarray(column).tolist() for column in columns), strict=True)
    of_loss = {"loss": graph.loss.value, "dL_dg": _dL_dg(graph), "dL_dz": graph.dL_dz, "dL_db": graph.dL_db,
               "share_b": shares[n], "article_product": graph.article_product, "stable": graph.dL_dz}  # fmt: skip
    backward: dict[str, Any] = {name: float(value) if known else None for name, value in of_loss.items()}
    check = gradient_check(graph.L if known else graph.g, max_entries=_CHECKED_ENTRIES)
    return RowExplanation(
        row=row, epoch=epoch, y=None if y is None else float(y), label=label, saturated=bool(graph.is_saturated),
        weight=weight, sum_weights=sum_weights, alpha=alpha,
        features=tuple(FeatureExplanation(*line) for line in lines),
        b=float(graph.b.value), z=float(graph.z.value), g=float(graph.g.value), dg_dz=float(graph.dg_dz),
        dz_db=float(graph.dz_db), share_b_of_gradient=ratios[n],
        **backward, path=path,
        chain=_chain(graph, weight, sum_weights, known=known),
        check={"max_error": check.max_error, "method": COMPLEX_STEP, "of": "L" if known else "g",
               "n_checked": check.n_checked, "n_entries": check.n_entries},
        note=_note(graph) if known else None,
    )  # fmt: skip


def by_variable(row: RowExplanation, columns: Sequence[Column]) -> list[dict[str, Any]]:
    """Return the parts of a table's columns in the row, as JSON values; the largest contribution first.

    Each has its name, its value in the user's units (a number, a level, or "(missing)"), x and w of its coefficient in the
    fit's units (None for a reference level and a missing number), its contribution to z, odds_factor, and g, the probability
    after it and all before it.

    columns: of the table, in the order of the row's features.
    """
    found, at = [], 0
    for column in columns:
        own = row.features[at : at + len(column.design_names())]
        at += len(own)
        value, used = _value_in(own, column)
        x, w = (None, None) if used is None else (used.x, used.w)
        term = sum(feature.contribution for feature in own)
        found.append({"name": column.name, "value": value, "x": x, "w": w, "contribution": term})
    found.sort(key=lambda part: -abs(part["contribution"]))
    terms = np.array([part["contribution"] for part in found])
    with np.errstate(over="ignore"):
        ends = zip(found, np.exp(terms), sigmoid(row.b + np.cumsum(terms)), strict=True)
    return [dict(plain({**part, "odds_factor": float(factor), "g": float(g)})) for part, factor, g in ends]


def _value_in(own: Sequence[FeatureExplanation], column: Column) -> tuple[Any, FeatureExplanation | None]:
    """Return a column's value in a row, and the feature that is multiplied by it, if there is one."""
    is_number = column.kind == "number"
    for level, feature in zip(column.coefficients, own, strict=True):
        if level is not None and feature.x != 0.0:
            return level, None if is_number else feature
    if is_number:
        return (column.mean, None) if column.constant else (own[0].x_user, own[0])
    return column.levels[0], None


def _vector(values: npt.ArrayLike, n: int, name: str) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (n,):
        raise InputError(f"'{name}' has shape {array.shape}; the row has {n} features")
    return array


def _path(graph: LogisticGraph, names: tuple[str, ...]) -> tuple[tuple[tuple[str, float], ...], Array]:
    """Return the probabilities from sigmoid(b) to g, and each feature's step, in the order of the features."""
    contributions = graph.X.value * graph.w.value
    order = np.argsort(-np.abs(contributions), kind="stable")
    points = graph.b.value + np.concatenate(([0.0], np.cumsum(contributions[order])))
    points[np.count_nonzero(contributions) :] = graph.z.value  # the same sum, in another order; zeros are at the end
    low, high = np.minimum(points[:-1], points[1:]), np.maximum(points[:-1], points[1:])
    # sigmoid(high) - sigmoid(low) without cancellation
    rise, steps = sigmoid(high) * sigmoid(-low) * -np.expm1(low - high), np.empty_like(contributions)
    steps[order] = np.copysign(rise, np.diff(points))
    return tuple(zip(("b", *(names[j] for j in order)), sigmoid(points).tolist(), strict=True)), steps


# --- in words -------------------------------------------------------------------------------------------------------


def number(value: float) -> str:
    """Write a number as in the chain: at most six digits, without trailing zeros."""
    return f"{value + 0.0:.6g}"


def factor(value: float) -> str:
    """Write a number that follows an operator: negative ones in brackets."""
    return f"({number(value)})" if value < 0 else number(value)


def _chain(graph: LogisticGraph, weight: float, sum_weights: float, *, known: bool) -> dict[str, Any]:
    """Write each step as name = formula = numbers = value; if g has rounded, the article's steps use the rounded g."""
    y, z, g, b, loss = (float(node.value) for node in (graph.y, graph.z, graph.g, graph.b, graph.loss))
    dL_dg, dg_dz, dL_dz, dL_db = (float(each) for each in (_dL_dg(graph), graph.dg_dz, graph.dL_dz, graph.dL_db))
    x, w, dL_dw = graph.X.value.tolist(), graph.w.value.tolist(), graph.dL_dw.tolist()
    terms = [f"{factor(x_j)} · {factor(w_j)}" for x_j, w_j in zip(x, w, strict=True)]
    terms = terms if len(terms) <= 12 else [*terms[:10], f"... ({len(terms) - 10} more)"]
    shown_g, rest = number(g), number(float(sigmoid(-z)))  # 1 - g with all its digits
    is_beyond = not np.isfinite(dL_dg) or "0" in (shown_g, rest)  # no float64 is as small, or as large
    chain: dict[str, Any] = {
        "z": f"z = x · w + b = {' + '.join([*terms, factor(b)])} = {number(z)}",
        "g": f"g = 1/(1 + exp(-z)) = 1/(1 + exp({number(-z)})) = {shown_g}",
        "dg_dz": f"dg/dz = g (1 - g) = {shown_g} · {rest} = {number(dg_dz)}",
    }
    if not known:
        return chain
    fractions, product = f"{1 - y:g}/{rest} - {y:g}/{shown_g}", f"{number(dL_dg)} · {number(dg_dz)} = {number(dL_dz)}"
    of_g, loss_by = f"{fractions} = {number(dL_dg)}", f"-log({'g' if y else '1 - g'}) = -log({shown_g if y else rest})"
    if is_beyond:
        of_g, loss_by = f"{fractions}: {_fault(graph)}", "log(1 + exp((1 - 2y) z))"
        product = f"({fractions}) · {shown_g} · {rest}: {_fault(graph)}"
    stable = f"{'-' * (y == 1)}sigmoid({number((1 - 2 * y) * z)})"
    by, part = f"{number(dL_dz)} ·", f"{number(weight)}/{number(sum_weights)}"
    return chain | {
        "L": f"L = {loss_by} = {number(loss)}",
        "dL_dg": f"dL/dg = (1 - y)/(1 - g) - y/g = {of_g}",
        "dL_dz": f"dL/dz = dL/dg · dg/dz = {product}",
        "stable": f"dL/dz = (1 - 2y) sigmoid((1 - 2y) z) = {stable} = {number(dL_dz)}",
        "dL_dw": [
            f"dL/dw_{j} = dL/dz · dz/dw_{j} = {by} {factor(x_j)} = {number(dL_j)}"
            for j, (x_j, dL_j) in enumerate(zip(x, dL_dw, strict=True), start=1)
        ],
        "dL_db": f"dL/db = dL/dz · dz/db = {by} 1 = {number(dL_db)}",
        "share": [
            f"s/S · dL/dw_{j} = {part} · {factor(dL_j)} = {number(weight * dL_j / sum_weights)}"
            for j, dL_j in enumerate(dL_dw, start=1)
        ],
    }


def _dL_dg(graph: LogisticGraph) -> float:
    """Compute (1 - y)/(1 - g) - y/g with 1 - g = sigmoid(-z), which keeps its digits where g rounds to 1."""
    with np.errstate(divide="ignore", over="ignore"):
        return float(-1.0 / sigmoid(graph.z.value) if graph.y.value else 1.0 / sigmoid(-graph.z.value))


def _fault(graph: LogisticGraph) -> str:
    return "divides by zero" if float(graph.g.value) in (0.0, 1.0) else "overflows"


def _note(graph: LogisticGraph) -> str | None:
    """Say what the article's product becomes when it is computed from g, if g has rounded, or 1 - g has lost digits."""
    y, g, dL_dz, article = (float(v) for v in (graph.y.value, graph.g.value, graph.dL_dz, graph.article_product))
    stable = f"the stable form gives dL/dz = {number(dL_dz)}"
    if graph.is_saturated:
        product = f"({1 - y:g}/{1 - g:g} - {y:g}/{g:g}) · {g:g} · {1 - g:g}"
        return f"On a computer g has rounded to {g:g}, and the article's product {product} {_fault(graph)}; {stable}."
    if abs(article - dL_dz) > 1e-6 * abs(dL_dz):
        return f"1 - g has lost digits: the article's product gives dL/dz = {number(article)}; {stable}."
    return None
