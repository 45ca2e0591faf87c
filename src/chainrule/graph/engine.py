"""Nodes, forward and backward: the chain rule on a graph that keeps everything to be inspected.

    dL/dx = sum over the results u that x enters of  dL/du du/dx

A node keeps its operation, its arguments in order, its value, its local derivatives and its gradient. Nothing here
knows an operation by name: values, derivatives and how they multiply come from the rows of `operations.OPERATIONS`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from chainrule.errors import InputError
from chainrule.graph.operations import OPERATIONS, Operation
from chainrule.graph.pullbacks import Array

Operand: TypeAlias = "Node | npt.ArrayLike"


def _binary(name: str) -> Callable[["Node", Operand], "Node"]:
    return lambda node, other: apply(name, node, other)


def _reflected(name: str) -> Callable[["Node", Operand], "Node"]:
    return lambda node, other: apply(name, other, node)


@dataclass(eq=False, repr=False, slots=True, weakref_slot=True)
class Node:
    """A value in the graph; made by `variable`, `constant`, `apply` and the operators + - * / @.

    Attributes
    ----------
    value : ndarray of float64
        Read-only.
    operation : Operation or None
        The row of the table that made it; None for a variable or a constant.
    arguments : tuple of Node
        In order; x * x has two.
    name : str
        Free text, "" for none.
    is_constant : bool
        True for constants and for results of constants alone: they get no gradient.
    gradient : ndarray of float64 or None
        The derivative of the output of the last `backward` with respect to this value, in this value's shape;
        None means not yet computed.
    """

    value: Array
    operation: Operation | None = None
    arguments: tuple["Node", ...] = ()
    is_constant: bool = field(default=False, kw_only=True)
    name: str = field(default="", kw_only=True)
    gradient: Array | None = field(default=None, init=False)
    _local: dict[int, Array] = field(default_factory=dict, init=False)

    __array_ufunc__ = None  # so that ndarray * node calls node.__rmul__
    __add__, __radd__ = _binary("add"), _reflected("add")
    __sub__, __rsub__ = _binary("sub"), _reflected("sub")
    __mul__, __rmul__ = _binary("mul"), _reflected("mul")
    __truediv__, __rtruediv__ = _binary("div"), _reflected("div")
    __matmul__, __rmatmul__ = _binary("matmul"), _reflected("matmul")

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value."""
        return self.value.shape

    def local_derivative(self, index: int) -> Array:
        """Return the local derivative with respect to the argument at this place, computed once.

        Parameters
        ----------
        index : int
            The argument's place, from 0.

        Returns
        -------
        ndarray of float64
            By the table's formula: inf or NaN if it divides by zero.
        """
        if index not in self._local:
            if self.operation is None:
                raise InputError("a variable or constant has no arguments and so no local derivatives")
            derivative = self.operation.derivatives[index].value
            with np.errstate(all="ignore"):
                self._local[index] = _frozen(derivative(self.value, *(node.value for node in self.arguments)))
        return self._local[index]

    @property
    def local_derivatives(self) -> tuple[Array, ...]:
        """The local derivatives, one for each argument in order."""
        return tuple(self.local_derivative(index) for index in range(len(self.arguments)))

    def backward(self, seed: npt.ArrayLike | None = None) -> None:
        """Set `gradient` of this node and of everything it was computed from, except constants.

        Earlier gradients are replaced, not added to.

        Parameters
        ----------
        seed : array_like of float64, optional
            The gradient of this node itself, in its shape; 1 for a single number.

        Raises
        ------
        InputError
            The node is not a single number and there is no seed; or the seed has the wrong shape or is not finite.
        """
        for node, gradient in gradients(self, seed).items():
            node.gradient = gradient

    def __neg__(self) -> "Node":
        return apply("neg", self)

    def __repr__(self) -> str:
        made_by = self.operation.name if self.operation else "constant" if self.is_constant else "variable"
        if self.is_constant:
            gradient = "none, it is constant"
        else:
            gradient = "not yet computed" if self.gradient is None else _short(self.gradient)
        return f"Node({self.name or '-'}: {made_by}, value {_short(self.value)}, gradient {gradient})"


def _short(values: Array) -> str:
    return np.array2string(values, precision=6, threshold=6, edgeitems=2)


def _frozen(values: Any) -> Array:
    array = np.asarray(values, dtype=np.float64).view()
    array.flags.writeable = False
    return array


def variable(value: npt.ArrayLike, name: str = "") -> Node:
    """Return a node with a gradient of its own: a parameter.

    Parameters
    ----------
    value : array_like
        Finite real numbers; copied, float64 from then on.
    name : str
        What to call it.

    Returns
    -------
    Node

    Raises
    ------
    InputError
        The value is not numbers, or has a NaN or an infinite one.
    """
    return Node(constant(value, name).value, name=name)


def constant(value: npt.ArrayLike, name: str = "") -> Node:
    """Return a node that gets no gradient: data. Parameters, returns and raises as for `variable`."""
    called = f"{name!r}" if name else "a value of the graph"
    try:
        array = np.array(value)
    except ValueError:
        raise InputError(f"{called} is not an array of numbers: its rows have different lengths") from None
    if array.dtype.kind not in "biuf":
        raise InputError(f"{called} is not an array of real numbers: its type is {array.dtype}")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise InputError(f"{called} has a NaN or an infinite number; fill in or leave out missing values first")
    return Node(_frozen(array), is_constant=True, name=name)


def apply(operation: str | Operation, *arguments: Operand, name: str = "") -> Node:
    """Apply an operation: look up its row, compute its value, keep its arguments.

    Parameters
    ----------
    operation : str or Operation
        A name in `OPERATIONS`, or your own row.
    *arguments : Node or array_like
        In order; anything that is not a node becomes a constant.
    name : str
        What to call the result.

    Returns
    -------
    Node
        Its value may be infinite, as log(0) is, but is never NaN.

    Raises
    ------
    InputError
        Unknown operation, wrong number of arguments, shapes that don't fit, or a result that is NaN.
    """
    row = OPERATIONS.get(operation) if isinstance(operation, str) else operation
    if row is None:
        raise InputError(f"there is no operation {operation!r}; the table has {', '.join(OPERATIONS)}")
    if len(arguments) != len(row.arguments):
        raise InputError(f"{row.name} takes {len(row.arguments)} arguments ({', '.join(row.arguments)})")
    nodes = tuple(each if isinstance(each, Node) else constant(each) for each in arguments)
    try:
        value = _frozen(_forward(row, [node.value for node in nodes]))
    except ValueError:
        shapes = ", ".join(f"{called} {node.shape}" for called, node in zip(row.arguments, nodes, strict=True))
        raise InputError(f"the shapes of the arguments of {row.name} don't fit: {shapes}") from None
    if np.isnan(value).any():
        raise InputError(f"{row.name} of these arguments is not a number ({row.formula})")
    return Node(value, row, nodes, is_constant=all(node.is_constant for node in nodes), name=name)


def _forward(row: Operation, values: Iterable[Any]) -> Any:
    with np.errstate(all="ignore"):  # an infinite value is allowed: the article's loss is infinite when g rounds to 0
        return row.forward(*values)


def topological_order(output: Node) -> list[Node]:
    """Return a node and everything it was computed from, each once and after its arguments.

    Parameters
    ----------
    output : Node
        The last node of the order.

    Returns
    -------
    list of Node
        Found without recursion, so the graph may have any depth.
    """
    made_of: dict[Node, tuple[Node, ...]] = {}
    stack = [output]
    while stack:
        node = stack.pop()
        if node not in made_of:
            made_of[node] = node.arguments
            stack.extend(node.arguments)
    return list(TopologicalSorter(made_of).static_order())


def evaluate(order: Iterable[Node], replaced: Mapping[Node, Any]) -> dict[Node, Any]:
    """Compute values again, with some replaced; nothing is stored in the nodes.

    Parameters
    ----------
    order : iterable of Node
        Nodes after their arguments, as `topological_order` gives them.
    replaced : mapping of Node to ndarray
        New values, complex ones too.

    Returns
    -------
    dict of Node to ndarray
        The value of every node of the order.
    """
    values: dict[Node, Any] = dict(replaced)
    for node in order:
        if node not in values:
            known = (values[argument] for argument in node.arguments)
            values[node] = node.value if node.operation is None else _forward(node.operation, known)
    return values


def gradients(output: Node, seed: npt.ArrayLike | None = None) -> dict[Node, Array]:
    """Return the gradient of every node that the output was computed from, except constants; nothing is stored.

    Parameters and raises as for `Node.backward`.

    Returns
    -------
    dict of Node to ndarray
        Each in the shape of its node's value, read-only.
    """
    return accumulate(output, _seed(output, seed), lambda local: local)


def accumulate(output: Node, seed: Array, of: Callable[[Array], Array]) -> dict[Node, Array]:
    """Walk back from the output and add up, for each node, what its uses contribute.

    Parameters
    ----------
    output : Node
        Where to start.
    seed : ndarray
        Value for the output itself.
    of : callable
        Applied to each local derivative before it is multiplied.

    Returns
    -------
    dict of Node to ndarray
    """
    sums: dict[Node, Array] = {output: seed}
    for node in reversed(topological_order(output)):
        if node.operation is None or node not in sums:
            continue
        for index, (argument, row) in enumerate(zip(node.arguments, node.operation.derivatives, strict=True)):
            if argument.is_constant:
                continue
            with np.errstate(all="ignore"):  # the article's product of inf and 0 is shown, not hidden
                part = row.pullback(sums[node], of(node.local_derivative(index)), argument.shape)
                sums[argument] = _frozen(sums[argument] + part if argument in sums else part)
    return sums


def _seed(output: Node, seed: npt.ArrayLike | None) -> Array:
    if seed is None and output.value.size != 1:
        raise InputError(f"the output has shape {output.shape}: give a seed of that shape, or take its sum or mean")
    array = constant(np.ones(output.shape) if seed is None else seed, "seed").value
    if array.shape != output.shape:
        raise InputError(f"the seed has shape {array.shape}, the output {output.shape}: they must be the same")
    return array
