"""One row explained: every value and derivative of the article's graph, the chain rule with its numbers, shares.

    share of the row in dL/dw_j = (s/S) dL/dz x_j;   over all rows the shares add up to the gradient of L
    contribution of feature j to z = x_j w_j;   exp of it multiplies the odds g/(1 - g)

The path of the probability starts at sigmoid(b) and adds the contributions from the largest to the smallest in absolute
value; a step is what g gains there, and all steps lead to g. Another order gives other steps and the same end.
"""

from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.errors import InputError
from chainrule.graph.check import gradient_check
from chainrule.graph.logistic import LogisticGraph, logistic_graph
from chainrule.graph.pullbacks import Array
from chainrule.graph.stable import sigmoid
from chainrule.words import Shown

_CHECKED_ENTRIES = 64


@dataclass(frozen=True)
class FeatureExplanation:
    """What one feature does in the row.

    Attributes
    ----------
    name : str
    x, x_user : float
        Its value in the fit's units (dz_dw is the same number) and in the user's.
    w : float
        Its weight, in the fit's units.
    contribution, odds_factor, probability_step : float
        x w in log-odds; exp of it; the step of g on the path.
    dz_dw, dL_dw : float
        Derivatives of the row's own loss; dL_dw is None when the class is unknown.
    share, share_of_gradient : float or None
        (s/S) dL_dw, and that divided by the whole gradient's entry (None when it is not known or 0).
    penalty_gradient : float
        alpha w, which no row has a share in.
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
    """A row on its way through the graph and back.

    Attributes
    ----------
    row, epoch : int or None
        The row's number in its table from 1, the epoch whose weights these are.
    y : float or None
        Its class, 0 or 1; None when unknown: then loss and derivatives of L are None too.
    label : str or None
        The class by its name.
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
        As `share` of a feature, for b.
    article_product : float or None
        dL/dg dg/dz multiplied as the article does, from the rounded g; NaN when saturated.
    stable : float or None
        dL/dz by the form that keeps every digit; the same as dL_dz.
    path : tuple of (str, float)
        The probability at sigmoid(b), then after each feature.
    chain : dict
        The formulas with the numbers put in: z, g, L, dL_dg, dg_dz, dL_dz, dL_db, and for each feature dL_dw and share.
    check : dict
        max_error and method of the gradient check, and of what: "L", or "g" when the class is unknown.
    note : str or None
        What is special: saturation, numbers that are infinite or not numbers.
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

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as JSON values.

        Returns
        -------
        dict
            Without NaN and infinities: they are None, and `note` says so.
        """
        return {field.name: _jsonable(getattr(self, field.name)) for field in fields(self)}


def explain_row(
    x: npt.ArrayLike,
    y: float | None,
    w: npt.ArrayLike,
    b: float,
    *,
    feature_names: Any,
    row: int | None = None,
    epoch: int | None = None,
    weight: float = 1.0,
    sum_weights: float = 1.0,
    alpha: float = 0.0,
    gradient: tuple[npt.ArrayLike, float] | None = None,
    label: str | None = None,
    center: npt.ArrayLike | None = None,
    scale: npt.ArrayLike | None = None,
) -> RowExplanation:
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
        Only passed on.
    weight, sum_weights : float
        s of the row and S of all rows.
    alpha : float
        The L2 penalty of the fit.
    gradient : (array_like (n,), float), optional
        dL_dw and dL_db over all rows, without the penalty, to relate the shares to.
    label : str, optional
        The name of the row's class.
    center, scale : array_like (n,), optional
        From the fit's units to the user's: x scale + center.

    Returns
    -------
    RowExplanation

    Raises
    ------
    InputError
        Shapes that don't fit, NaN or infinite numbers, a class other than 0, 1 and None.
    """
    graph, names = _row_graph(x, y, w, b), tuple(str(name) for name in feature_names)
    n = graph.w.value.size
    if len(names) != n:
        raise InputError(f"there are {len(names)} feature names for {n} features")
    whole = None if gradient is None else (_vector(gradient[0], n, "gradient"), float(gradient[1]))
    fit = _Fit(float(weight), float(sum_weights), float(alpha), whole)
    about: dict[str, Any] = {"row": row, "epoch": epoch, "label": label}
    about |= {"weight": fit.weight, "sum_weights": fit.sum_weights, "alpha": fit.alpha}
    return RowExplanation(**about, **_explained(graph, y, names, fit, _in_user_units(graph.X.value, center, scale)))


@dataclass(frozen=True)
class _Fit:
    """What the row is a part of."""

    weight: float
    sum_weights: float
    alpha: float
    gradient: tuple[Array, float] | None

    def __post_init__(self) -> None:
        if not (np.isfinite(self.weight) and self.weight >= 0):
            raise InputError(f"the row's weight {self.weight:g} must be 0 or more")
        if not (np.isfinite(self.sum_weights) and self.sum_weights > 0):
            raise InputError(f"the sum of weights {self.sum_weights:g} must be above 0")

    def share(self, derivative: float | None) -> float | None:
        """Return (s/S) times a derivative of the row's own loss."""
        return None if derivative is None else self.weight * derivative / self.sum_weights


def _explained(
    graph: LogisticGraph, y: float | None, names: tuple[str, ...], fit: _Fit, x_user: Array
) -> dict[str, Any]:
    """Return the fields of `RowExplanation` that are computed."""
    path, steps = _path(graph, names)
    checked = gradient_check(graph.g if y is None else graph.L, max_entries=_CHECKED_ENTRIES)
    dL_db = _known(y, graph.dL_db)
    with np.errstate(all="ignore"):  # an odds factor or a share of a tiny gradient may overflow: the note says so
        features = _features(graph, y, names, fit, x_user, steps)
        share_b = fit.share(dL_db)
        share_b_of_gradient = _ratio(share_b, fit.gradient and fit.gradient[1])
    return {
        "y": None if y is None else float(y),
        "saturated": bool(graph.is_saturated),
        "features": features,
        "b": float(graph.b.value),
        "z": float(graph.z.value),
        "g": float(graph.g.value),
        "loss": _known(y, graph.loss.value),
        "dL_dg": _known(y, graph.dL_dg),
        "dg_dz": float(graph.dg_dz),
        "dz_db": float(graph.dz_db),
        "dL_dz": _known(y, graph.dL_dz),
        "dL_db": dL_db,
        "share_b": share_b,
        "share_b_of_gradient": share_b_of_gradient,
        "article_product": _known(y, graph.article_product),
        "stable": _known(y, graph.dL_dz),
        "path": path,
        "chain": _chain(graph, y, names, fit),
        "check": {"max_error": checked.max_error, "method": checked.method, "of": "g" if y is None else "L"},
        "note": _note(graph, y, features, share_b_of_gradient, fit),
    }


def _row_graph(x: npt.ArrayLike, y: float | None, w: npt.ArrayLike, b: float) -> LogisticGraph:
    if np.ndim(x) != 1:
        raise InputError(f"a row to explain is a vector; 'x' has shape {np.shape(x)}")
    return logistic_graph(x, 0.0 if y is None else y, w, b)


def _known(y: float | None, value: Array) -> float | None:
    return None if y is None else float(value)


def _vector(values: npt.ArrayLike, n: int, name: str) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (n,):
        raise InputError(f"'{name}' has shape {array.shape}; the row has {n} features")
    return array


def _ratio(share: float | None, whole: float | None) -> float | None:
    return None if share is None or whole is None or whole == 0 else share / whole


def _features(
    graph: LogisticGraph, y: float | None, names: tuple[str, ...], fit: _Fit, x_user: Array, steps: Array
) -> tuple[FeatureExplanation, ...]:
    x, w = graph.X.value, graph.w.value
    features = []
    for j, name in enumerate(names):
        dL_dw = None if y is None else float(graph.dL_dw[j])
        share = fit.share(dL_dw)
        features.append(
            FeatureExplanation(
                name=name,
                x=float(x[j]),
                x_user=float(x_user[j]),
                w=float(w[j]),
                contribution=float(x[j] * w[j]),
                odds_factor=float(np.exp(x[j] * w[j])),
                probability_step=float(steps[j]),
                dz_dw=float(graph.dz_dw[j]),
                dL_dw=dL_dw,
                share=share,
                share_of_gradient=_ratio(share, fit.gradient and float(fit.gradient[0][j])),
                penalty_gradient=float(fit.alpha * w[j]),
            )
        )
    return tuple(features)


def _in_user_units(x: Array, center: npt.ArrayLike | None, scale: npt.ArrayLike | None) -> Array:
    """Return x scale + center without the digits that the way to the fit's units and back made up."""
    shift = np.zeros_like(x) if center is None else _vector(center, x.size, "center")
    stretch = np.ones_like(x) if scale is None else _vector(scale, x.size, "scale")
    values = []
    for here, moved, by, factor in zip(*(v.tolist() for v in (x, x * stretch, shift, stretch)), strict=True):
        if (by, factor) == (0.0, 1.0):  # the fit's units are the user's
            values.append(here)
            continue
        largest = max(abs(moved), abs(by))
        if not np.isfinite(largest):
            raise InputError("'center' and 'scale' must be finite numbers")
        digits = 14 - int(np.floor(np.log10(largest))) if largest > 0 else 0
        values.append(round(moved + by, digits))
    return np.array(values)


def _path(graph: LogisticGraph, names: tuple[str, ...]) -> tuple[tuple[tuple[str, float], ...], Array]:
    """Return the probabilities from sigmoid(b) to g, and the step of each feature in the features' order."""
    contributions = graph.X.value * graph.w.value
    order = np.argsort(-np.abs(contributions), kind="stable")
    points = graph.b.value + np.concatenate(([0.0], np.cumsum(contributions[order])))
    points[np.count_nonzero(contributions) :] = graph.z.value  # the same sum, in another order; zeros are at the end
    before, after = points[:-1], points[1:]
    low, high = np.minimum(before, after), np.maximum(before, after)
    # sigmoid(high) - sigmoid(low) without cancellation
    rise = sigmoid(high) * sigmoid(-low) * -np.expm1(low - high)
    steps = np.empty_like(contributions)
    steps[order] = np.where(after >= before, rise, -rise)
    stops = ("b", *(names[j] for j in order))
    return tuple(zip(stops, sigmoid(points).tolist(), strict=True)), steps


# --- in words -------------------------------------------------------------------------------------------------------


def number(value: float) -> str:
    """Return a number as the chain shows it: six digits, no more than needed.

    Parameters
    ----------
    value : float

    Returns
    -------
    str
        For example "-0.2"; "not a number" and "infinite" are words.
    """
    if np.isnan(value):
        return "not a number"
    if np.isinf(value):
        return "infinite" if value > 0 else "-infinite"
    return f"{value + 0.0:.6g}"


def _factor(value: float) -> str:
    """Return a number that stands behind a sign: negative ones in brackets."""
    return f"({number(value)})" if value < 0 else number(value)


def _product(left: float, right: float) -> str:
    return f"{number(left)} · {_factor(right)}"


def _chain(graph: LogisticGraph, y: float | None, names: tuple[str, ...], fit: _Fit) -> dict[str, Any]:
    z, g, b = (float(node.value) for node in (graph.z, graph.g, graph.b))
    x, w, dg_dz = graph.X.value, graph.w.value, float(graph.dg_dz)
    terms = [f"{_factor(float(x[j]))} · {_factor(float(w[j]))}" for j in range(len(names))]
    shown = terms if len(terms) <= 12 else [*terms[:10], f"... ({len(terms) - 10} more)"]
    chain: dict[str, Any] = {
        "z": f"z = x · w + b = {' + '.join([*shown, _factor(b)])} = {number(z)}",
        "g": f"g = 1/(1 + exp(-z)) = 1/(1 + exp({number(-z)})) = {number(g)}",
        "dg_dz": f"dg/dz = g (1 - g) = {number(g)} · {number(float(sigmoid(-z)))} = {number(dg_dz)}",
    }
    if y is None:
        return chain
    loss, dL_dg, dL_dz, dL_db = (float(each) for each in (graph.loss.value, graph.dL_dg, graph.dL_dz, graph.dL_db))
    chosen, probability = ("g", g) if y == 1 else ("1 - g", float(sigmoid(-z)))
    fractions = f"{1 - y:g}/{number(float(sigmoid(-z)))} - {y:g}/{number(g)}"
    fraction = f"{number(fit.weight)}/{number(fit.sum_weights)}"
    chain |= {
        "L": f"L = -log({chosen}) = -log({number(probability)}) = {number(loss)}",
        "dL_dg": f"dL/dg = (1 - y)/(1 - g) - y/g = {fractions} = {number(dL_dg)}",
        "dL_dz": f"dL/dz = dL/dg · dg/dz = {_product(dL_dg, dg_dz)} = {number(dL_dz)}",
        "dL_dw": [
            f"dL/dw[{name}] = dL/dz · dz/dw = {_product(dL_dz, float(x[j]))} = {number(float(graph.dL_dw[j]))}"
            for j, name in enumerate(names)
        ],
        "dL_db": f"dL/db = dL/dz · dz/db = {_product(dL_dz, 1.0)} = {number(dL_db)}",
        "share": [
            f"s/S · dL/dw[{name}] = {fraction} · {_factor(float(graph.dL_dw[j]))}"
            f" = {number(fit.weight * float(graph.dL_dw[j]) / fit.sum_weights)}"
            for j, name in enumerate(names)
        ],
    }
    if graph.is_saturated:
        chain |= _saturated_chain(graph)
    return chain


def _saturated_chain(graph: LogisticGraph) -> dict[str, str]:
    """Write the article's product with the rounded g that it has, and the stable form beside it."""
    g, y, z = float(graph.g.value), float(graph.y.value), float(graph.z.value)
    fractions, fault = f"{1 - y:g}/{1 - g:g} - {y:g}/{g:g}", _fault(g)
    stable = f"{1 - 2 * y:g} · sigmoid({number((1 - 2 * y) * z)}) = {number(float(graph.dL_dz))}"
    return {
        "dL_dg": f"dL/dg = (1 - y)/(1 - g) - y/g = {fractions}: {fault}",
        "dL_dz": f"dL/dz = dL/dg · dg/dz = ({fractions}) · {g:g} · {1 - g:g}: {fault}; "
        f"stable: (1 - 2y) · sigmoid((1 - 2y) z) = {stable}",
        "L": f"L = log(1 + exp((1 - 2y) z)) = {number(float(graph.loss.value))}",
    }


def _fault(g: float) -> str:
    return "divides by zero" if g in (0.0, 1.0) else "overflows"


def _note(
    graph: LogisticGraph,
    y: float | None,
    features: tuple[FeatureExplanation, ...],
    share_b_of_gradient: float | None,
    fit: _Fit,
) -> str | None:
    notes = []
    g = float(graph.g.value)
    if graph.is_saturated:
        notes.append(f"g has rounded to {g:g}." if g in (0.0, 1.0) else f"g is {g:g}, and 1/g overflows.")
    if y is not None and graph.is_saturated:
        notes.append(
            f"The article's product dL/dg dg/dz {_fault(g)} here and is not finite;"
            f" the stable form gives dL/dz = {number(float(graph.dL_dz))}."
        )
        limit = float(graph.dL_dg)
        notes.append("dL/dg is infinite." if np.isinf(limit) else f"The limit of dL/dg is {number(limit)}.")
    elif y is not None and abs(graph.article_product - graph.dL_dz) > 1e-6 * abs(graph.dL_dz):
        notes.append(
            f"g is so near to {y:g} that 1 - g has lost digits: the article's product gives dL/dz ="
            f" {number(float(graph.article_product))}, the stable form {number(float(graph.dL_dz))}."
        )
    too_large = [each.name for each in features if np.isinf(each.odds_factor)]
    if too_large:
        notes.append(f"The factor on the odds is too large for a float64: {', '.join(too_large)}.")
    if y is not None and fit.gradient is not None:
        ratios = [(each.name, each.share_of_gradient) for each in features] + [("b (bias)", share_b_of_gradient)]
        without = [name for name, ratio in ratios if ratio is None or not np.isfinite(ratio)]
        if without:
            notes.append(
                f"The whole gradient is 0 or not finite here, so a share of it has no meaning: {', '.join(without)}."
            )
    return " ".join(notes) or None


def _jsonable(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _jsonable(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {key: _jsonable(each) for key, each in value.items()}
    if isinstance(value, (tuple, list)):
        return [_jsonable(each) for each in value]
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value
