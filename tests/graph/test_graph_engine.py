"""Nodes, forward, backward: what is kept, what is refused, how deep it goes."""

import numpy as np
import pytest

import chainrule
from chainrule import InputError, graph


def test_x_times_x_has_two_arguments_and_gradient_2x():
    x = graph.variable(3.0, "x")
    y = x * x
    y.backward()
    assert y.arguments == (x, x)
    assert [float(each) for each in y.local_derivatives] == [3.0, 3.0]
    assert float(x.gradient) == 6.0


def test_gradient_is_not_yet_computed_until_backward_ran():
    x = graph.variable([1.0, 2.0], "x")
    y = graph.apply("sum", x)
    assert x.gradient is None
    assert y.gradient is None
    assert "not yet computed" in repr(x)
    y.backward()
    assert "not yet computed" not in repr(x)
    assert float(y.gradient) == 1.0


def test_backward_twice_does_not_double():
    x = graph.variable([1.0, -2.0], "x")
    y = graph.apply("sum", x * x + x)
    y.backward()
    first = x.gradient.copy()
    y.backward()
    np.testing.assert_array_equal(x.gradient, first)
    np.testing.assert_array_equal(first, [3.0, -3.0])


def test_backward_from_another_output_replaces():
    x = graph.variable(2.0)
    square, line = x * x, 5.0 * x
    square.backward()
    line.backward()
    assert float(x.gradient) == 5.0


def test_paths_are_added_up():
    """f = (x + y) x y + exp(x) / y has the partial derivatives of the calculus book."""
    x, y = graph.variable(1.3, "x"), graph.variable(-0.7, "y")
    f = (x + y) * x * y + graph.apply("exp", x) / y - (-x)
    f.backward()
    a, c = 1.3, -0.7
    assert float(x.gradient) == pytest.approx(2 * a * c + c**2 + np.exp(a) / c + 1, rel=1e-14)
    assert float(y.gradient) == pytest.approx(a**2 + 2 * a * c - np.exp(a) / c**2, rel=1e-14)


@pytest.mark.parametrize("shared", [False, True])
def test_a_chain_of_20_000_nodes(shared):
    x = graph.variable(1.0, "x")
    node = x
    for _ in range(20_000):
        node = node + (x if shared else 1.0)
    node.backward()
    assert float(node.value) == 20_001.0
    assert float(x.gradient) == (20_001.0 if shared else 1.0)


def test_a_diamond_of_many_paths_is_walked_once():
    """2^200 paths, 200 nodes."""
    x = graph.variable(1.0)
    node = x
    for _ in range(200):
        node = node + node
    node.backward()
    assert float(x.gradient) == 2.0**200
    assert len(graph.topological_order(node)) == 201


def test_topological_order_has_arguments_first():
    x, y = graph.variable(1.0), graph.variable(2.0)
    z = (x * y + x) / (y - x)
    order = graph.topological_order(z)
    position = {node: place for place, node in enumerate(order)}
    assert len(position) == len(order)
    assert order[-1] is z
    for node in order:
        assert all(position[argument] < position[node] for argument in node.arguments)


def test_operators_make_nodes_on_either_side():
    x = graph.variable([2.0, 4.0])
    array = np.array([1.0, 3.0])
    cases = {
        "add": [x + 1.0, 1.0 + x, array + x],
        "sub": [x - 1.0, 1.0 - x, array - x],
        "mul": [x * 3.0, 3.0 * x, array * x],
        "div": [x / 2.0, 2.0 / x, array / x],
        "matmul": [x @ array, array @ x, np.eye(2) @ x],
        "neg": [-x],
    }
    for name, nodes in cases.items():
        assert {node.operation.name for node in nodes} == {name}
    np.testing.assert_array_equal((1.0 - x).value, [-1.0, -3.0])
    np.testing.assert_array_equal((array / x).value, [0.5, 0.75])
    np.testing.assert_array_equal((np.array([[1.0, 2.0], [3.0, 4.0]]) @ x).value, [10.0, 22.0])


def test_rows_of_the_table_are_functions_of_the_module():
    assert float(graph.exp(0.0).value) == 1.0
    assert "softplus" in dir(graph)
    with pytest.raises(AttributeError, match="no attribute or operation 'cosine'"):
        _ = graph.cosine


def test_a_new_operation_is_one_row(monkeypatch):
    row = graph.Operation("square", ("x",), "x^2", lambda x: x * x, (graph.Derivative("2 x", lambda out, x: 2 * x),))
    monkeypatch.setitem(graph.OPERATIONS, "square", row)
    x = graph.variable([1.0, -3.0], "x")
    output = graph.apply("sum", graph.square(x))
    output.backward()
    np.testing.assert_array_equal(x.gradient, [2.0, -6.0])
    assert graph.gradient_check(output).max_error < 1e-15


def test_constants_get_no_gradient():
    x, data = graph.variable(2.0), graph.constant(3.0, "data")
    product = data * data
    (x * product).backward()
    assert product.is_constant
    assert data.gradient is None
    assert float(x.gradient) == 9.0
    assert "constant" in repr(data)


def test_seed():
    x = graph.variable([1.0, 2.0])
    y = x * x
    with pytest.raises(InputError, match=r"shape \(2,\): give a seed"):
        y.backward()
    with pytest.raises(InputError, match=r"the seed has shape \(3,\), the output \(2,\)"):
        y.backward([1.0, 1.0, 1.0])
    with pytest.raises(InputError, match="'seed' has a NaN"):
        y.backward([1.0, np.nan])
    assert x.gradient is None
    y.backward([1.0, 10.0])
    np.testing.assert_array_equal(x.gradient, [2.0, 40.0])


def test_an_output_of_one_entry_needs_no_seed():
    x = graph.variable([[2.0]])
    (x * x).backward()
    np.testing.assert_array_equal(x.gradient, [[4.0]])


def test_values_are_copied_and_read_only():
    data = np.array([1.0, 2.0])
    x = graph.variable(data)
    data[0] = 100.0
    assert x.value[0] == 1.0
    y = graph.apply("sum", x * x)
    y.backward()
    for array in (x.value, y.value, x.gradient, y.arguments[0].local_derivative(0)):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0.0


def test_integers_and_booleans_become_float64():
    assert graph.variable([1, 2]).value.dtype == np.float64
    assert graph.variable([True, False]).value.dtype == np.float64
    assert graph.variable(np.float32([1.5])).value.dtype == np.float64


@pytest.mark.parametrize("value", ["a", [1.0, None], [1j], [[1.0], [1.0, 2.0]]])
def test_values_that_are_no_numbers_are_refused(value):
    with pytest.raises(InputError, match="'x' is not an array of"):
        graph.variable(value, "x")


@pytest.mark.parametrize("value", [np.nan, np.inf, [1.0, -np.inf]])
def test_values_that_are_not_finite_are_refused(value):
    with pytest.raises(InputError, match="'x' has a NaN or an infinite number"):
        graph.variable(value, "x")


def test_mistakes_are_named():
    x = graph.variable([1.0, 2.0])
    with pytest.raises(InputError, match="no operation 'cosine'; the table has matmul, "):
        graph.apply("cosine", x)
    with pytest.raises(InputError, match=r"mul takes 2 arguments \(a, b\)"):
        graph.apply("mul", x)
    with pytest.raises(InputError, match=r"the shapes of the arguments of add don't fit: a \(2,\), b \(3,\)"):
        _ = x + np.ones(3)
    with pytest.raises(InputError, match="shapes of the arguments of affine don't fit"):
        graph.apply("affine", x, x, [1.0, 2.0])
    with pytest.raises(InputError, match="log of these arguments is not a number"):
        graph.apply("log", -1.0)
    with pytest.raises(InputError, match="div of these arguments is not a number"):
        _ = graph.variable(0.0) / 0.0
    with pytest.raises(InputError, match="no arguments and so no local derivatives"):
        x.local_derivative(0)


def test_infinities_are_values():
    x = graph.variable(0.0)
    y = graph.apply("log", x)
    y.backward()
    assert float(y.value) == -np.inf
    assert float(x.gradient) == np.inf


def test_graph_is_reached_from_the_package():
    assert chainrule.graph is graph
