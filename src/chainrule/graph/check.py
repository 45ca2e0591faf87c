"""The gradient check: backpropagation against numbers that know nothing of the table's derivatives.

    complex step   Im f(p + ih) / h,  no subtraction, so exact to rounding; needs analytic operations all the way
    differences    (f(p - 2h) - 8 f(p - h) + 8 f(p + h) - f(p + 2h)) / (12 h),  error of order h^4; where there is a kink

An error is relative to the sum of absolute terms: the gradient is a sum over all paths through the graph of products of
local derivatives, and this is the same sum with absolute values, the yardstick that cancellation can't shrink.

Sources: Squire and Trapp, "Using Complex Variables to Estimate Derivatives of Real Functions" (SIAM Review 40, 1998);
Fornberg, "Generation of Finite Difference Formulas" (Math. Comp. 51, 1988), table 1.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from chainrule.errors import InputError
from chainrule.graph.engine import Node, accumulate, evaluate, gradients, topological_order
from chainrule.graph.pullbacks import Array

COMPLEX_STEP = "complex step"
DIFFERENCES = "fourth-order differences"

_SMALLEST = 1e-280  # smaller gradients count relative to it: below, a complex step underflows
_IMAGINARY = 2.0**-300  # of a parameter's size: far below any value in the graph, far above underflow
_EIGHTHS = 8.0 ** -np.arange(14)  # of the step of differences, from an eighth of the parameter's size or of 1


@dataclass(frozen=True)
class GradientCheck:
    """How far backpropagation is from the derivatives measured at the same point.

    Attributes
    ----------
    method : str
        `COMPLEX_STEP`, or `DIFFERENCES` where an operation on the way has a kink.
    errors : dict of str to float
        The largest error of each parameter, relative to the sum of absolute terms.
    max_error : float
        The largest of them.
    n_checked, n_entries : int
        How many of how many entries were checked.
    """

    method: str
    errors: dict[str, float]
    max_error: float
    n_checked: int
    n_entries: int


def gradient_check(
    output: Node, parameters: Iterable[Node] | None = None, *, max_entries: int | None = None
) -> GradientCheck:
    """Compare the gradients of an output with derivatives measured by the complex step, or by differences.

    Gradients kept in the nodes are neither used nor changed: backpropagation runs anew.

    Parameters
    ----------
    output : Node
        A single number.
    parameters : iterable of Node, optional
        What to vary; all variables that the output was made of by default.
    max_entries : int, optional
        Check at most so many entries of a parameter, those with the largest gradients; all by default.

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
    is_analytic = all(node.operation is None or node.operation.analytic for node in order)
    errors: dict[str, float] = {}
    n_checked = n_entries = 0
    for number, parameter in enumerate(parameters, start=1):
        if parameter not in backpropagated:
            raise InputError(f"the output does not depend on {parameter.name or 'a parameter'!r}: nothing to check")
        name = parameter.name or f"parameter {number}"
        path = _dependents(order, parameter)
        expected, scale = backpropagated[parameter].reshape(-1), scales[parameter].reshape(-1)
        entries = np.argsort(-scale, kind="stable")[:max_entries]
        measure = _by_complex_step if is_analytic else _by_differences
        measured = np.array([measure(output, parameter, path, entry) for entry in entries.tolist()])
        with np.errstate(all="ignore"):
            error = np.abs(measured - expected[entries]) / np.maximum(scale[entries], _SMALLEST)
        largest = float(np.max(np.where(np.isnan(error), np.inf, error), initial=0.0))
        errors[f"{name} ({number})" if name in errors else name] = largest
        n_checked, n_entries = n_checked + len(entries), n_entries + parameter.value.size
    method = COMPLEX_STEP if is_analytic else DIFFERENCES
    return GradientCheck(method, errors, max(errors.values(), default=0.0), n_checked, n_entries)


def absolute_terms(output: Node) -> dict[Node, Array]:
    """Return the sum over all paths of the absolute product of local derivatives, for each node.

    Parameters
    ----------
    output : Node
        Where the paths end; it has 1 itself.

    Returns
    -------
    dict of Node to ndarray
        At least the absolute gradient, entry by entry; equal to it where nothing cancels.
    """
    return accumulate(output, np.ones(output.shape), np.abs)


def _dependents(order: list[Node], parameter: Node) -> list[Node]:
    """Pick from an order what changes with a parameter, itself included."""
    changed = {parameter: None}
    for node in order:
        if any(argument in changed for argument in node.arguments):
            changed[node] = None
    return list(changed)


def _moved(output: Node, parameter: Node, path: list[Node], entry: int, by: complex) -> complex:
    """Evaluate the path again with one entry of the parameter moved."""
    value = parameter.value.astype(np.complex128 if isinstance(by, complex) else np.float64)
    value.reshape(-1)[entry] += by
    return complex(evaluate(path, {parameter: value})[output].reshape(-1)[0])


def _by_complex_step(output: Node, parameter: Node, path: list[Node], entry: int) -> float:
    step = (abs(float(parameter.value.reshape(-1)[entry])) or 1.0) * _IMAGINARY
    step = max(step, _SMALLEST)
    return _moved(output, parameter, path, entry, complex(0.0, step)).imag / step


def _by_differences(output: Node, parameter: Node, path: list[Node], entry: int) -> float:
    """Try falling steps and take the one whose estimate is nearest to the one before, its rounding counted as well."""

    def f(by: float) -> float:
        return _moved(output, parameter, path, entry, by).real

    steps = 0.125 * max(1.0, abs(float(parameter.value.reshape(-1)[entry]))) * _EIGHTHS
    with np.errstate(all="ignore"):
        slopes = np.array([(8.0 * (f(h) - f(-h)) - (f(2.0 * h) - f(-2.0 * h))) / (12.0 * h) for h in steps.tolist()])
        doubts = np.abs(np.diff(slopes)) + 2.0**-52 * abs(f(0.0)) / steps[1:]
    return float(slopes[1 + int(np.argmin(np.nan_to_num(doubts, nan=np.inf)))])
