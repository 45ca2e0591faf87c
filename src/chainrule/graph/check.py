"""The gradient check: compare backpropagation with derivatives measured without the table's derivatives.

    complex step   Im f(p + ih) / h,  no subtraction, so exact to rounding; at a kink it stays on the side of p

An error is relative to the sum of absolute terms. The gradient is a sum, over all paths through the graph, of products of
local derivatives; the sum of absolute terms is the same sum with absolute values, which cancellation can't shrink.

Source: Squire and Trapp, "Using Complex Variables to Estimate Derivatives of Real Functions" (SIAM Review 40, 1998).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from chainrule.errors import InputError
from chainrule.graph.engine import Node, accumulate, evaluate, gradients, topological_order
from chainrule.graph.pullbacks import Array

COMPLEX_STEP = "complex step"

_SMALLEST = 1e-280  # errors of smaller gradients are relative to this, since below it a complex step underflows
_IMAGINARY = 2.0**-300  # step over a parameter's size: far below any value in the graph, far above underflow


@dataclass(frozen=True)
class GradientCheck:
    """How far backpropagation is from the derivatives measured at the same point, by the complex step.

    Attributes
    ----------
    errors : dict of str to float
        The largest error of each parameter, relative to the sum of absolute terms.
    max_error : float
        The largest of them.
    n_checked, n_entries : int
        Number of entries checked, and of all entries.
    """

    errors: dict[str, float]
    max_error: float
    n_checked: int
    n_entries: int


def gradient_check(
    output: Node, parameters: Iterable[Node] | None = None, *, max_entries: int | None = None
) -> GradientCheck:
    """Compare the gradients of an output with derivatives measured by the complex step.

    Gradients kept in the nodes are neither used nor changed: backpropagation runs anew.

    Parameters
    ----------
    output : Node
        A single number.
    parameters : iterable of Node, optional
        Which nodes to vary; by default all variables that the output was computed from.
    max_entries : int, optional
        Check at most this many entries of each parameter, those with the largest gradients; all by default.

    Returns
    -------
    GradientCheck

    Raises
    ------
    InputError
        The output is not a single number, or does not depend on a parameter.
    """
    backpropagated, scales, order = gradients(output), absolute_terms(output), topological_order(output)
    if parameters is None:
        parameters = [node for node in order if node.operation is None and not node.is_constant]
    errors: dict[str, float] = {}
    n_checked = n_entries = 0
    for number, parameter in enumerate(parameters, start=1):
        if parameter not in backpropagated:
            raise InputError(f"the output does not depend on {parameter.name or 'a parameter'!r}: nothing to check")
        name = parameter.name or f"parameter {number}"
        expected, scale = backpropagated[parameter].reshape(-1), scales[parameter].reshape(-1)
        entries = np.argsort(-np.nan_to_num(scale, nan=np.inf), kind="stable")[:max_entries]
        measured = np.array([_measured(order, parameter, entry) for entry in entries.tolist()])
        with np.errstate(all="ignore"):
            error = np.abs(measured - expected[entries]) / np.maximum(scale[entries], _SMALLEST)
        largest = float(np.max(np.where(np.isnan(error), np.inf, error), initial=0.0))
        errors[f"{name} ({number})" if name in errors else name] = largest
        n_checked, n_entries = n_checked + len(entries), n_entries + parameter.value.size
    return GradientCheck(errors, max(errors.values(), default=0.0), n_checked, n_entries)


def absolute_terms(output: Node) -> dict[Node, Array]:
    """Return the sum over all paths of the absolute product of local derivatives, for each node.

    Parameters
    ----------
    output : Node
        Where the paths end; its own sum is 1.

    Returns
    -------
    dict of Node to ndarray
        At least the absolute gradient, entry by entry; equal to it if nothing cancels.
    """
    return accumulate(output, np.ones(output.shape), np.abs)


def _measured(order: list[Node], parameter: Node, entry: int) -> float:
    """Measure the derivative of the last node of an order with respect to one entry of a parameter."""
    moved = parameter.value.astype(np.complex128)
    step = max((abs(float(moved.real.flat[entry])) or 1.0) * _IMAGINARY, _SMALLEST)
    moved.flat[entry] += complex(0.0, step)
    return complex(evaluate(order, {parameter: moved})[order[-1]].item()).imag / step
