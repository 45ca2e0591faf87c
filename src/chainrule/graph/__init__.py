"""The glass box: a computation graph in which every value and every derivative can be seen. NumPy only, float64.

    from chainrule import graph

    x = graph.variable(3.0, "x")
    L = graph.exp(x * x)        # or graph.apply("exp", ...)
    L.backward()
    x.gradient, L.local_derivatives, graph.gradient_check(L).max_error

`graph.NAME(...)` is `graph.apply("NAME", ...)` for every row of the table `graph.OPERATIONS`.
"""

from collections.abc import Callable
from functools import partial

from chainrule.graph.check import COMPLEX_STEP, GradientCheck, absolute_terms, gradient_check
from chainrule.graph.engine import Node, apply, constant, gradients, topological_order, variable
from chainrule.graph.logistic import LogisticGraph, logistic_graph
from chainrule.graph.operations import OPERATIONS, Derivative, Operation
from chainrule.graph.pullbacks import Pullback, entries, left_factor, right_factor

__all__ = [
    "COMPLEX_STEP", "OPERATIONS", "Derivative", "GradientCheck", "LogisticGraph", "Node", "Operation", "Pullback",
    "absolute_terms", "apply", "constant", "entries", "gradient_check", "gradients", "left_factor", "logistic_graph",
    "right_factor", "topological_order", "variable",
]  # fmt: skip


def __getattr__(name: str) -> Callable[..., Node]:
    if name in OPERATIONS:
        return partial(apply, name)
    raise AttributeError(f"module 'chainrule.graph' has no attribute or operation {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *OPERATIONS])
