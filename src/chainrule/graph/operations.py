"""The table of derivatives: every operation of the graph is one row.

A row is the name, the arguments, the formula, the forward function and, for each argument, the local derivative as a
formula and as a function of (result, *arguments). The engine only looks rows up: a new operation is a new row.

    OPERATIONS["square"] = Operation("square", ("x",), "x^2", lambda x: x * x, (
        Derivative("2 x", lambda out, x: 2 * x),))

Sources: any calculus book; Baydin et al., "Automatic Differentiation in Machine Learning: a Survey" (JMLR 18, 2018),
section 3.2; for the style of the table, M. Johnson's autodidact.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.graph import stable
from chainrule.graph.pullbacks import Pullback, entries, left_factor, right_factor


@dataclass(frozen=True)
class Derivative:
    """The local derivative of a result with respect to one argument.

    Parameters
    ----------
    formula : str
        In the arguments' names.
    value : callable
        ``value(result, *arguments) -> ndarray``, all float64.
    pullback : callable
        How the gradient of the result is multiplied by this value; entry by entry by default.
    """

    formula: str
    value: Callable[..., Any]
    pullback: Pullback = entries


@dataclass(frozen=True)
class Operation:
    """One row of the table.

    Parameters
    ----------
    name : str
        The key in `OPERATIONS`.
    arguments : tuple of str
        Their names, in order.
    formula : str
        The result in terms of the arguments.
    forward : callable
        ``forward(*arguments) -> ndarray``. It takes complex arrays too, for the gradient check; if the function has a
        kink, the real part of an entry decides its side.
    derivatives : tuple of Derivative
        One for each argument.
    """

    name: str
    arguments: tuple[str, ...]
    formula: str
    forward: Callable[..., Any]
    derivatives: tuple[Derivative, ...]

    def __post_init__(self) -> None:
        if len(self.derivatives) != len(self.arguments):
            raise ValueError(f"operation {self.name!r} needs one derivative for each of {self.arguments}")


def _affine(x: Any, w: Any, b: Any) -> Any:
    """Return x @ w + b; b may broadcast to the shape of x @ w, but not the other way round."""
    product = x @ w
    if np.broadcast_shapes(np.shape(product), np.shape(b)) != np.shape(product):
        raise ValueError("b has more entries than x @ w")
    return product + b


# fmt: off
_ROWS = (
    # --- sums and products of rows -----------------------------------------------------------------------------------
    Operation("matmul", ("a", "b"), "a b", lambda a, b: a @ b, (
        Derivative("b", lambda out, a, b: b, left_factor),
        Derivative("a", lambda out, a, b: a, right_factor))),
    Operation("affine", ("x", "w", "b"), "x · w + b", _affine, (
        Derivative("w", lambda out, x, w, b: w, left_factor),
        Derivative("x", lambda out, x, w, b: x, right_factor),
        Derivative("1", lambda out, x, w, b: np.ones_like(out)))),
    Operation("sum", ("x",), "sum(x)", lambda x: np.sum(x), (
        Derivative("1", lambda out, x: np.ones_like(x)),)),
    Operation("mean", ("x",), "1/N sum(x)", lambda x: np.sum(x) / np.size(x), (
        Derivative("1/N", lambda out, x: np.full_like(x, 1.0 / x.size)),)),
    # --- arithmetic --------------------------------------------------------------------------------------------------
    Operation("add", ("a", "b"), "a + b", lambda a, b: a + b, (
        Derivative("1", lambda out, a, b: np.ones_like(out)),
        Derivative("1", lambda out, a, b: np.ones_like(out)))),
    Operation("sub", ("a", "b"), "a - b", lambda a, b: a - b, (
        Derivative("1", lambda out, a, b: np.ones_like(out)),
        Derivative("-1", lambda out, a, b: -np.ones_like(out)))),
    Operation("mul", ("a", "b"), "a · b", lambda a, b: a * b, (
        Derivative("b", lambda out, a, b: b),
        Derivative("a", lambda out, a, b: a))),
    Operation("weigh", ("s", "x"), "s · x", lambda s, x: np.where(s == 0, 0.0, s * x), (
        Derivative("x", lambda out, s, x: x),
        Derivative("s", lambda out, s, x: s))),
    Operation("div", ("a", "b"), "a/b", lambda a, b: a / b, (
        Derivative("1/b", lambda out, a, b: 1.0 / b),
        Derivative("-a/b^2", lambda out, a, b: -out / b))),
    Operation("neg", ("x",), "-x", lambda x: -x, (
        Derivative("-1", lambda out, x: -np.ones_like(x)),)),
    # --- functions ---------------------------------------------------------------------------------------------------
    Operation("exp", ("x",), "exp(x)", lambda x: np.exp(x), (
        Derivative("exp(x)", lambda out, x: out),)),
    Operation("log", ("x",), "log(x)", lambda x: np.log(x), (
        Derivative("1/x", lambda out, x: 1.0 / x),)),
    Operation("sigmoid", ("z",), "1/(1 + exp(-z))", stable.sigmoid, (
        Derivative("sigmoid(z) (1 - sigmoid(z))", lambda out, z: stable.sigmoid_slope(z)),)),
    Operation("tanh", ("x",), "tanh(x)", lambda x: np.tanh(x), (
        Derivative("1 - tanh(x)^2", lambda out, x: stable.tanh_slope(x)),)),
    # The derivative of relu at 0, where it has a kink, is taken as 0.
    Operation("relu", ("x",), "max(0, x)", lambda x: np.where(np.real(x) > 0, x, 0.0), (
        Derivative("[x > 0]", lambda out, x: np.where(x > 0, 1.0, 0.0)),)),
    Operation("softplus", ("z",), "log(1 + exp(z))", stable.softplus, (
        Derivative("sigmoid(z)", lambda out, z: stable.sigmoid(z)),)),
    # --- the log-loss (binary cross-entropy) of a probability g and of log-odds z -------------------------------------
    Operation("bce", ("g", "y"), "-(y log(g) + (1 - y) log(1 - g))", stable.bce, (
        Derivative("(1 - y)/(1 - g) - y/g", lambda out, g, y: stable.bce_slope(g, y)),
        Derivative("log(1 - g) - log(g)", lambda out, g, y: stable.bce_slope_y(g)))),
    Operation("bce_logits", ("z", "y"), "y log(1 + exp(-z)) + (1 - y) log(1 + exp(z))", stable.bce_logits, (
        Derivative("(1 - y) sigmoid(z) - y sigmoid(-z)", lambda out, z, y: stable.bce_logits_slope(z, y)),
        Derivative("-z", lambda out, z, y: -z))),
)
# fmt: on

OPERATIONS: dict[str, Operation] = {row.name: row for row in _ROWS}
