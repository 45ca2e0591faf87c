"""The gradient check: backpropagation against numbers that know nothing of the table's derivatives.

    differences    (f(p - 2h) - 8 f(p - h) + 8 f(p + h) - f(p + 2h)) / (12 h),  error of order h^4
    complex step   Im f(p + ih) / h,  no subtraction, so exact to rounding; needs analytic operations all the way

An error is relative to the sum of absolute terms: the gradient is a sum over all paths through the graph of products of
local derivatives, and this is the same sum with absolute values, the yardstick that cancellation can't shrink.

Sources: Squire and Trapp, "Using Complex Variables to Estimate Derivatives of Real Functions" (SIAM Review 40, 1998);
Fornberg, "Generation of Finite Difference Formulas" (Math. Comp. 51, 1988), table 1.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from chainrule.errors import InputError
from chainrule.graph.engine import Node, accumulate, evaluate, gradients, topological_order
from chainrule.graph.pullbacks import Array

COMPLEX_STEP = "complex step"
DIFFERENCES = "fourth-order differences"

# Below this a complex step underflows, so smaller gradients count relative to it.
_SMALLEST = 1e-280
_IMAGINARY = 2.0**-66


@dataclass(frozen=True)
class GradientCheck:
    """How far backpropagation is from the derivatives measured at the same point.

    Attributes
    ----------
    method : str
        The more exact method that applied: `COMPLEX_STEP` or `DIFFERENCES`.
    errors : dict of str to float
        The largest error of each parameter by that method, relative to the sum of absolute terms.
    max_error : float
        The largest of them.
    differences : dict of str to float
        The errors by fourth-order differences, for every parameter.
    complex_step : dict of str to float or None
        The errors by the complex step; None where an operation on the way has a kink.
    n_checked, n_entries : int
        How many of how many entries were checked.
    """

    method: str
    errors: dict[str, float]
    max_error: float
    differences: dict[str, float]
    complex_step: dict[str, float] | None
    n_checked: int
    n_entries: int


def gradient_check(
    output: Node, parameters: Iterable[Node] | None = None, *, max_entries: int | None = None
) -> GradientCheck:
    """Compare the gradients of an output with derivatives by differences and by the complex step.

    Gradients kept in the nodes are neither used nor changed: backpropagation runs anew.

    Parameters
    ----------
    output : Node
        A single number.
    parameters : iterable of Node, optional
        What to vary; all variables that the output was made of by default.
    max_entries : int, optional
        Check at most so many entries of a parameter, evenly spread; all by default.

    Returns
    -------
    GradientCheck

    Raises
    ------
    InputError
        The output is not a single number, or does not depend on a parameter.
    """
    backpropagated = gradients(output)
    scales = absolute_terms(output)
    order = topological_order(output)
    if parameters is None:
        parameters = [node for node in order if node.operation is None and not node.is_constant]
    by_differences: dict[str, float] = {}
    by_complex_step: dict[str, float] = {}
    n_checked = n_entries = 0
    for number, parameter in enumerate(parameters, start=1):
        if parameter not in backpropagated:
            raise InputError(f"the output does not depend on {parameter.name or 'a parameter'!r}: nothing to check")
        name = parameter.name or f"parameter {number}"
        name = name if name not in by_differences else f"{name} ({number})"
        path = _dependents(order, parameter)
        entries = _spread(parameter.value.size, max_entries)
        n_checked, n_entries = n_checked + len(entries), n_entries + parameter.value.size
        expected, scale = backpropagated[parameter].reshape(-1)[entries], scales[parameter].reshape(-1)[entries]
        steps = {entry: _first_step(output, parameter, path, entry) for entry in entries}
        measured = np.array([_by_differences(output, parameter, path, entry, steps[entry]) for entry in entries])
        by_differences[name] = _largest_error(measured, expected, scale)
        if all(node.operation is None or node.operation.analytic for node in path):
            measured = np.array([_by_complex_step(output, parameter, path, entry, steps[entry]) for entry in entries])
            by_complex_step[name] = _largest_error(measured, expected, scale)
    is_analytic = len(by_complex_step) == len(by_differences)
    errors = by_complex_step if is_analytic else by_differences
    return GradientCheck(
        method=COMPLEX_STEP if is_analytic else DIFFERENCES,
        errors=dict(errors),
        max_error=max(errors.values(), default=0.0),
        differences=by_differences,
        complex_step=by_complex_step if is_analytic else None,
        n_checked=n_checked,
        n_entries=n_entries,
    )


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
    return accumulate(
        output,
        np.ones(output.shape),
        lambda pullback, gradient, local, shape: pullback.apply(gradient, np.abs(local), shape),
    )


def _dependents(order: list[Node], parameter: Node) -> list[Node]:
    """Pick from an order what changes with a parameter, itself included."""
    changed = {parameter: None}
    for node in order:
        if any(argument in changed for argument in node.arguments):
            changed[node] = None
    return list(changed)


def _spread(size: int, limit: int | None) -> list[int]:
    if limit is None or size <= limit:
        return list(range(size))
    return [int(entry) for entry in np.unique(np.linspace(0, size - 1, limit).round())]


def _largest_error(measured: Array, expected: Array, scale: Array) -> float:
    with np.errstate(all="ignore"):
        errors = np.abs(measured - expected) / np.maximum(scale, _SMALLEST)
    return float(np.max(np.where(np.isnan(errors), np.inf, errors), initial=0.0))


def _moved(output: Node, parameter: Node, path: list[Node], entry: int, by: complex) -> dict[Node, np.ndarray]:
    """Evaluate the path again with one entry of the parameter moved."""
    value = parameter.value.astype(np.complex128 if isinstance(by, complex) else np.float64)
    value.reshape(-1)[entry] += by
    return evaluate(path, {parameter: value})


def _by_complex_step(output: Node, parameter: Node, path: list[Node], entry: int, step: float) -> float:
    imaginary = max(step * _IMAGINARY, _SMALLEST)
    moved = _moved(output, parameter, path, entry, complex(0.0, imaginary))[output]
    return float(np.imag(moved).reshape(-1)[0] / imaginary)


def _by_differences(output: Node, parameter: Node, path: list[Node], entry: int, step: float) -> float:
    """Try falling steps and take the estimate on which two steps in a row agree best."""

    def f(by: float) -> float:
        return float(_moved(output, parameter, path, entry, by)[output].reshape(-1)[0])

    steps = [step / 8.0**k for k in range(6)]
    with np.errstate(all="ignore"):
        estimates = np.array([(8.0 * (f(h) - f(-h)) - (f(2.0 * h) - f(-2.0 * h))) / (12.0 * h) for h in steps])
        gaps = [abs(b - a) for a, b in pairwise(estimates)]
    return float(estimates[1 + int(np.argmin(np.nan_to_num(gaps, nan=np.inf)))])


def _first_step(output: Node, parameter: Node, path: list[Node], entry: int) -> float:
    """Find a power of two that moves no value behind the parameter by more than about an eighth of its size, or of 1.

    A step that is too large for a value inside the graph can agree with its successor on a wrong slope. The search starts
    at the parameter's own size, which may be 1e-20 or 1e20.
    """
    size = abs(float(parameter.value.reshape(-1)[entry]))
    trial = 2.0 ** (np.floor(np.log2(size)) - 20) if size > _SMALLEST else 2.0**-20
    for _ in range(100):
        moved = _moved(output, parameter, path, entry, trial)
        with np.errstate(all="ignore"):
            shifts = [
                np.max(np.abs(moved[n] - n.value) / np.maximum(1.0, np.abs(n.value)), initial=0.0) for n in path[1:]
            ]
        # an infinite value has no shift; one that becomes infinite or NaN has moved too far
        known = [float(shift) for shift, n in zip(shifts, path[1:], strict=True) if np.isfinite(n.value).all()]
        largest = max(known, default=0.0)
        if not largest <= 0.125:
            trial *= 2.0**-12
        elif largest < 2.0**-30 and trial < 2.0**60 * min(max(size, 1.0), 2.0**900):
            trial *= 2.0**12
        else:
            break
    with np.errstate(over="ignore"):  # an infinite step has no estimate, and the next ones are smaller
        return float(trial * 2.0 ** np.floor(-3.0 - np.log2(largest))) if 0.0 < largest <= 0.125 else float(trial)
