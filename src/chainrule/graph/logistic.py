"""The article's graph, x, w, b -> z -> g -> L, with every value and derivative.

    z = x.w + b      g = sigmoid(z)      l = -(y log g + (1 - y) log(1 - g))      L = (1/S) sum of s l

The graph computes the loss twice, from the same z. The article's path goes through g and divides by zero when g
rounds to 0 or 1. The stable path goes directly from z to l; L and all gradients come from it.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from chainrule.errors import InputError
from chainrule.graph.engine import Node, apply, constant, gradients, variable
from chainrule.graph.pullbacks import Array


@runtime_checkable
class Encodes(Protocol):
    """A fitted model, which has coefficients and encodes rows for them."""

    @property
    def w(self) -> Array:
        """Weights (n,)."""

    @property
    def b(self) -> float:
        """Bias."""

    def as_arrays(self, X: Any, y: Any) -> tuple[Array, Array]:
        """Return rows (m, n) of numbers, and classes (m,) as 0 and 1."""


@dataclass(frozen=True, eq=False)
class LogisticGraph:
    """The nodes of the graph, and its derivatives by the article's names.

    Shapes (m,) are () for one row given as a vector. Derivatives of a row are those of its own loss l, without its
    weight and without 1/S; dL_dw and dL_db are the averages over the rows: the gradient of L.

    Attributes
    ----------
    X, y, w, b : Node
        Rows (m, n), classes (m,), weights (n,), bias ().
    sample_weight : Node or None
        s (m,); None counts every row once.
    z, g : Node
        Log-odds and probabilities (m,).
    loss, article_loss : Node
        The log-loss of each row (m,), from z, and from g as in the article.
    L, article_L : Node
        Their weighted means: single numbers. Nothing is penalised; with a penalty the objective is one more node,
        ``F = graph.L + alpha / 2 * (graph.w @ graph.w)``.
    """

    X: Node
    y: Node
    w: Node
    b: Node
    sample_weight: Node | None
    z: Node
    g: Node
    loss: Node
    article_loss: Node
    L: Node
    article_L: Node

    def backward(self) -> "LogisticGraph":
        """Set `gradient` in every node.

        z, w and b get theirs from the stable path, g and `article_loss` from the article's.

        Returns
        -------
        LogisticGraph
            Itself.
        """
        self.article_L.backward()
        self.L.backward()
        return self

    @property
    def dL_dg(self) -> Array:
        """(1 - y)/(1 - g) - y/g of each row; infinite if g has rounded to the wrong class."""
        return self.article_loss.local_derivative(0)

    @property
    def dg_dz(self) -> Array:
        """The slope g (1 - g) of each row, with full relative accuracy."""
        return self.g.local_derivative(0)

    @property
    def dz_dw(self) -> Array:
        """The rows X themselves."""
        return self.z.local_derivative(1)

    @property
    def dz_db(self) -> Array:
        """Ones."""
        return self.z.local_derivative(2)

    @property
    def dL_dz(self) -> Array:
        """(1 - 2y) sigmoid((1 - 2y) z) of each row, which is g - y, with full relative accuracy."""
        return self.loss.local_derivative(0)

    @property
    def article_product(self) -> Array:
        """dL/dg dg/dz of each row as the article multiplies it, from the rounded g: NaN if g is 0 or 1."""
        g, y = self.g.value, self.y.value
        with np.errstate(all="ignore"):
            return np.asarray(((1.0 - y) / (1.0 - g) - y / g) * (g * (1.0 - g)))

    @property
    def is_saturated(self) -> npt.NDArray[np.bool_]:
        """True for each row where the article's product fails: g has rounded to 0 or 1, or 1/g overflows."""
        return np.asarray(~np.isfinite(self.article_product))

    @property
    def dL_dw(self) -> Array:
        """(1/S) sum of s dL_dz dz_dw over the rows, (n,)."""
        return self._gradients[self.w]

    @property
    def dL_db(self) -> Array:
        """(1/S) sum of s dL_dz dz_db over the rows, ()."""
        return self._gradients[self.b]

    @cached_property
    def _gradients(self) -> dict[Node, Array]:
        return gradients(self.L)


def logistic_graph(
    X: Any, y: Any, w: npt.ArrayLike | Encodes, b: npt.ArrayLike | None = None,
    sample_weight: npt.ArrayLike | None = None,
) -> LogisticGraph:  # fmt: skip
    """Build the article's graph for one row or for m rows and run it forward.

    Parameters
    ----------
    X : array_like (m, n) or (n,)
        Rows, or one row; finite. With a fitted model for w: rows as the fit takes them, arrays or any frame.
    y : array_like (m,) or number
        Classes, 0 or 1. With a fitted model: its labels.
    w : array_like (n,), or a fitted model
        Weights. A `Result` or a loaded model encodes X and y as in its fit, and has its own b.
    b : number
        Bias; left out with a fitted model.
    sample_weight : array_like (m,) or number, optional
        s >= 0, not all zero. An integer weight is the same as repeating the row.

    Returns
    -------
    LogisticGraph

    Raises
    ------
    InputError
        Shapes that don't fit, NaN or infinite numbers, classes other than 0 and 1, weights negative or all zero.
    """
    if isinstance(w, Encodes):
        if b is not None:
            raise InputError("'b' is given beside a fitted model, which has its own: leave it out")
        (X, y), b = w.as_arrays(X, y), w.b
        w = w.w
    if b is None:
        raise InputError("'b' is missing: give the bias, or a fitted model in place of 'w'")
    rows, classes = constant(X, "X"), constant(y, "y")
    weights, bias = variable(w, "w"), variable(b, "b")
    fits = (classes.shape, weights.shape, bias.shape) == (rows.shape[:-1], rows.shape[-1:], ())
    if not (fits and len(rows.shape) in (1, 2) and 0 not in rows.shape[:-1]):
        shapes = ", ".join(f"{node.name!r} has shape {node.shape}" for node in (rows, classes, weights, bias))
        raise InputError(f"{shapes}: m rows need (m, n), (m,), (n,) and (), one row (n,), (), (n,) and ()")
    if len(wrong := classes.value[~np.isin(classes.value, (0.0, 1.0))]):
        raise InputError(f"'y' has the class {wrong[0]:g}; classes are 0 and 1 here")
    s = None if sample_weight is None else _weights(sample_weight, classes)
    z = apply("affine", rows, weights, bias, name="z")
    if not np.isfinite(z.value).all():
        raise InputError("z = x.w + b is too large for a float64; scale the columns of 'X'")
    g = apply("sigmoid", z, name="g")
    loss = apply("bce_logits", z, classes, name="loss")
    article_loss = apply("bce", g, classes, name="article_loss")
    averages = _average(loss, s, "L"), _average(article_loss, s, "article_L")
    return LogisticGraph(rows, classes, weights, bias, s, z, g, loss, article_loss, *averages)


def _average(losses: Node, s: Node | None, name: str) -> Node:
    # `weigh`, not `mul`: a row of weight 0 does not count, even if the article's loss is infinite there.
    if s is None:
        return apply("mean", losses, name=name)
    return apply("div", apply("sum", apply("weigh", s, losses)), constant(s.value.sum(), "S"), name=name)


def _weights(sample_weight: npt.ArrayLike, y: Node) -> Node:
    s = constant(sample_weight, "sample_weight")
    if s.shape != y.shape:
        raise InputError(f"'sample_weight' has shape {s.shape}; give one weight a row, {y.shape}")
    if (s.value < 0).any():
        raise InputError(f"'sample_weight' has the negative weight {s.value.min():g}; weights are 0 or more")
    with np.errstate(over="ignore"):
        total = s.value.sum()
    if not 1e-200 < total < 1e200:  # 1/S and sums of s l must be finite
        raise InputError(f"'sample_weight' adds up to {total:g}; the sum must be between 1e-200 and 1e200")
    return s
