"""The gradient check passes right derivatives and catches wrong ones."""

import dataclasses

import numpy as np
import pytest

from chainrule import InputError, graph
from chainrule.graph import Derivative, Operation


def network(generator, activation):
    """Two layers: the graph is not only for logistic regression."""
    X, y = generator.normal(size=(6, 3)), generator.integers(0, 2, 6).astype(float)
    W = graph.variable(generator.normal(size=(3, 4)), "W")
    c = graph.variable(generator.normal(size=4), "c")
    v = graph.variable(generator.normal(size=4), "v")
    b = graph.variable(0.3, "b")
    hidden = graph.apply(activation, graph.apply("affine", X, W, c))
    z = graph.apply("affine", hidden, v, b)
    return graph.apply("mean", graph.apply("bce_logits", z, y)), {"W", "c", "v", "b"}


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "softplus", "relu"])
def test_a_network_passes_by_the_complex_step(activation):
    output, names = network(np.random.default_rng(1), activation)
    check = graph.gradient_check(output)
    assert set(check.errors) == names
    assert check.max_error == max(check.errors.values()) < 5e-15
    assert check.n_checked == check.n_entries == 12 + 4 + 4 + 1


@pytest.mark.parametrize("x", [-1e-9, 0.0, 1e-9])
def test_a_kink_is_passed_on_the_side_where_the_point_is(x):
    assert graph.gradient_check(graph.relu(graph.variable(x))).max_error == 0.0


def wrong(name, factor):
    """A row of the table whose first derivative is off by a factor."""
    row = graph.OPERATIONS[name]
    first, *others = row.derivatives
    changed = Derivative(first.formula, lambda out, *args: factor * first.value(out, *args), first.pullback)
    return Operation(row.name, row.arguments, row.formula, row.forward, (changed, *others))


@pytest.mark.parametrize("name", graph.OPERATIONS)
@pytest.mark.parametrize("factor", [-1.0, 0.0, 1.0 + 1e-6])
def test_a_wrong_derivative_is_caught(name, factor):
    shapes = {"matmul": ((3, 2), (2,)), "affine": ((3, 2), (2,), ())}
    values = [np.full(shape, 0.4) for shape in shapes.get(name, ((3,), (3,)))][: len(graph.OPERATIONS[name].arguments)]
    values[-1] = values[-1] + 0.3  # keeps g apart from y
    for row, passes in ((graph.OPERATIONS[name], True), (wrong(name, factor), False)):
        nodes = [graph.variable(value, f"argument {index}") for index, value in enumerate(values)]
        output = graph.apply("sum", graph.apply(row, *nodes))
        check = graph.gradient_check(output)
        # relative to the wrong gradient's own terms; with a factor 0 there are none
        assert (check.errors["argument 0"] < 1e-14) == passes
        assert passes or check.errors["argument 0"] > 0.9e-6


def test_the_error_is_relative_to_the_sum_of_absolute_terms():
    """100 terms of size 1e8 that cancel to nearly nothing: a relative error would be all rounding."""
    x = graph.variable(1.0, "x")
    big = np.linspace(-1e8, 1e8, 100)
    output = graph.apply("sum", graph.apply("exp", x) * big) + x
    terms = graph.absolute_terms(output)[x]
    assert float(terms) == pytest.approx(np.e * np.abs(big).sum() + 1.0, rel=1e-14)
    assert graph.gradient_check(output).max_error < 1e-15


def test_absolute_terms_follow_all_paths():
    x = graph.variable([2.0, -3.0])
    output = graph.apply("sum", x * x - 5.0 * x)
    np.testing.assert_array_equal(graph.absolute_terms(output)[x], [4.0 + 5.0, 6.0 + 5.0])


def test_the_check_leaves_gradients_alone():
    x = graph.variable(2.0, "x")
    output = x * x
    graph.gradient_check(output)
    assert x.gradient is None


def test_a_gradient_that_is_not_a_number_is_an_infinite_error():
    graph_ = graph.logistic_graph([[1.0]], [0.0], [40.0], 0.0)
    assert graph.gradient_check(graph_.article_L).max_error == np.inf
    many = graph.logistic_graph([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0], [1.0, 40.0], 0.0)
    assert graph.gradient_check(many.article_L, max_entries=1).errors["w"] == np.inf
    assert graph.gradient_check(graph_.L).max_error < 1e-15


def test_some_entries_of_many():
    w = graph.variable(np.linspace(-1.0, 1.0, 1000), "w")
    check = graph.gradient_check(graph.apply("sum", w * w), max_entries=7)
    assert (check.n_checked, check.n_entries) == (7, 1000)
    assert check.max_error < 1e-14


def test_the_entries_checked_are_those_with_the_largest_gradients(monkeypatch):
    row = graph.OPERATIONS["mul"]
    first, _ = row.derivatives
    wrong_far_out = Derivative("a", lambda out, a, b: np.where(abs(a) > 3, -a, a))
    monkeypatch.setitem(graph.OPERATIONS, "mul", dataclasses.replace(row, derivatives=(first, wrong_far_out)))
    w, few = graph.variable(np.ones(1000), "w"), np.full(1000, 0.5)
    few[777] = 4.0
    assert graph.gradient_check(graph.sum(graph.mul(few, w)), max_entries=5).max_error == pytest.approx(2.0)


def test_inner_nodes_and_unnamed_ones_can_be_varied():
    graph_ = graph.logistic_graph([[1.0, 2.0], [0.5, -1.0]], [0.0, 1.0], [0.3, -0.2], 0.1)
    check = graph.gradient_check(graph_.article_L, [graph_.g, graph_.z])
    assert set(check.errors) == {"g", "z"}
    assert check.max_error < 1e-14
    x = graph.variable(0.5)
    twins = [graph.variable(1.0, "p"), graph.variable(2.0, "p")]
    assert list(graph.gradient_check(x * twins[0] * twins[1], [x, *twins]).errors) == ["parameter 1", "p", "p (3)"]


@pytest.mark.parametrize("size", [1e-9, 1e-3, 1.0, 1e3, 1e6, 1e9])
def test_units_of_a_column_do_not_matter(size):
    """One step suits a column of kilometres and one of nanometres."""
    w, b = graph.variable([0.5 / size, -0.2], "w"), graph.variable(0.1, "b")
    z = graph.affine([[size, 1.0], [-2.0 * size, 3.0]], w, b)
    check = graph.gradient_check(graph.mean(graph.bce_logits(z, [0.0, 1.0])))
    assert check.max_error < 1e-14


def test_an_output_that_is_itself_the_parameter():
    assert graph.gradient_check(graph.variable(3.0, "x")).errors == {"x": 0.0}


def test_mistakes_are_named():
    x, y = graph.variable([1.0, 2.0], "x"), graph.variable(1.0, "y")
    with pytest.raises(InputError, match="give a seed"):
        graph.gradient_check(x * x)
    with pytest.raises(InputError, match="does not depend on 'y'"):
        graph.gradient_check(graph.apply("sum", x), [y])
