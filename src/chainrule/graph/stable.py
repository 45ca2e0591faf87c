"""The functions behind the table of operations, each with full relative accuracy wherever float64 can hold the value.

All take real or complex arrays (the gradient check's complex step needs complex ones); "z >= 0" is a test of the
real part. exp is only ever taken of numbers <= 0, so that nothing overflows: with e = exp(-|z|),

    sigmoid(z)  = 1/(1 + e) or e/(1 + e)        softplus(z) = max(z, 0) + log1p(e)
    sigmoid'(z) = e/(1 + e)^2                   tanh'(z)    = 4 e^2/(1 + e^2)^2
"""

from typing import Any

import numpy as np

from chainrule.graph.pullbacks import Array


def _decay(z: Any) -> Any:
    """Return exp(-|z|), analytic on either side of 0."""
    return np.exp(np.where(np.real(z) >= 0, -z, z))


def sigmoid(z: Any) -> Any:
    """Return 1/(1 + exp(-z)), the probability g."""
    e = _decay(z)
    return np.where(np.real(z) >= 0, 1.0, e) / (1.0 + e)


def sigmoid_slope(z: Any) -> Any:
    """Return g (1 - g) without the difference 1 - g, which loses all digits when g is near 1."""
    e = _decay(z)
    return e / (1.0 + e) ** 2


def softplus(z: Any) -> Any:
    """Return log(1 + exp(z))."""
    return np.where(np.real(z) >= 0, z, 0.0) + np.log1p(_decay(z))


def tanh_slope(x: Any) -> Any:
    """Return 1 - tanh(x)^2 without the difference."""
    return 4.0 * sigmoid_slope(2.0 * x)


def _times(factor: Any, value: Any) -> Any:
    """Return factor times value, and 0 if the factor is 0, even if the value is infinite."""
    return np.where(factor == 0, 0.0, factor * np.where(factor == 0, 1.0, value))


def bce(g: Any, y: Any) -> Any:
    """Return -(y log g + (1 - y) log(1 - g)); a term with factor 0 is 0, so bce(1, 1) = bce(0, 0) = 0."""
    return 0.0 - _times(y, np.log(g)) - _times(1.0 - y, np.log1p(-g))


def bce_slope(g: Array, y: Array) -> Array:
    """Return (1 - y)/(1 - g) - y/g; a term with factor 0 is 0, so at g = y = 1 it is -1, and at g = 1, y = 0 inf."""
    return np.asarray(_times(1.0 - y, 1.0 / (1.0 - g)) - _times(y, 1.0 / g))


def bce_slope_y(g: Array) -> Array:
    """Return log(1 - g) - log g."""
    return np.asarray(np.log1p(-g) - np.log(g))


def bce_logits(z: Any, y: Any) -> Any:
    """Return the log-loss from the log-odds, y softplus(-z) + (1 - y) softplus(z).

    For y = 0 or 1 this is softplus(t) with t = (1 - 2y) z, to the bit. No term is negative, so nothing cancels.
    """
    return y * softplus(-z) + (1.0 - y) * softplus(z)


def bce_logits_slope(z: Array, y: Array) -> Array:
    """Return (1 - y) sigmoid(z) - y sigmoid(-z), which is g - y.

    For y = 0 or 1 this is (1 - 2y) sigmoid((1 - 2y) z), to the bit; g - y loses every digit when the model is
    sure and right.
    """
    return np.asarray((1.0 - y) * sigmoid(z) - y * sigmoid(-z))
