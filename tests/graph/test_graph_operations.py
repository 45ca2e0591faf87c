"""Every row of the table of operations: values and derivatives against mpmath, differences and the adjoint identity."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule import graph
from chainrule.graph import OPERATIONS, entries
from drawn_tools import drawn

EDGES = (0.0, 18.0, -18.0, 37.0, -37.0, 710.0, -710.0, 1e4, -1e4)
mpmath.mp.dps = 60
# exp(-1e4) and 1 - exp(-1e4) must be told apart
DEEP = 10_000

# What an argument may be; an operation not named here takes any real number.
DOMAINS = {
    "log": (1e-8, 50.0),
    ("div", 1): (0.3, 5.0),
    ("bce", 0): (1e-6, 1.0 - 1e-6),
    ("bce", 1): (0.0, 1.0),
    ("bce_logits", 1): (0.0, 1.0),
}
SHAPES = {"matmul": ((3, 4), (4, 2)), "affine": ((3, 4), (4,), ()), "sum": ((3, 4),), "mean": ((3, 4),)}


def sample(name, generator):
    """Random arguments of an operation, in shapes that fit."""
    operation = OPERATIONS[name]
    shapes = SHAPES.get(name, ((3, 4),) * len(operation.arguments))
    values = []
    for index, shape in enumerate(shapes):
        low, high = DOMAINS.get((name, index), DOMAINS.get(name, (-3.0, 3.0)))
        values.append(np.asarray(generator.uniform(low, high, shape)))
    return values


def points(name):
    """An operation of single numbers, by its name, with numbers that it takes."""
    domains = (DOMAINS.get((name, k), DOMAINS.get(name, (-3.0, 3.0))) for k in range(len(OPERATIONS[name].arguments)))
    return st.tuples(st.just(name), st.tuples(*(st.floats(*domain) for domain in domains)))


def mp_sigmoid(z):
    return 1 / (1 + mpmath.exp(-z))


def mp_softplus(z):
    return mpmath.log1p(mpmath.exp(z))


# The elementwise operations and their derivatives as a book has them, in arithmetic of many digits.
REFERENCE = {
    "add": (lambda a, b: a + b, (lambda a, b: 1, lambda a, b: 1)),
    "sub": (lambda a, b: a - b, (lambda a, b: 1, lambda a, b: -1)),
    "mul": (lambda a, b: a * b, (lambda a, b: b, lambda a, b: a)),
    "weigh": (lambda s, x: s * x, (lambda s, x: x, lambda s, x: s)),
    "div": (lambda a, b: a / b, (lambda a, b: 1 / b, lambda a, b: -a / b**2)),
    "neg": (lambda x: -x, (lambda x: -1,)),
    "exp": (mpmath.exp, (mpmath.exp,)),
    "log": (mpmath.log, (lambda x: 1 / x,)),
    "sigmoid": (mp_sigmoid, (lambda z: mp_sigmoid(z) * mp_sigmoid(-z),)),
    "tanh": (mpmath.tanh, (lambda x: mpmath.sech(x) ** 2,)),
    "relu": (lambda x: max(x, 0), (lambda x: 1 if x > 0 else 0,)),
    "softplus": (mp_softplus, (mp_sigmoid,)),
    "bce": (
        lambda g, y: -(y * mpmath.log(g) + (1 - y) * mpmath.log(1 - g)),
        (lambda g, y: (1 - y) / (1 - g) - y / g, lambda g, y: mpmath.log(1 - g) - mpmath.log(g)),
    ),
    "bce_logits": (
        lambda z, y: y * mp_softplus(-z) + (1 - y) * mp_softplus(z),
        (lambda z, y: mp_sigmoid(z) - y if y != 1 else -mp_sigmoid(-z), lambda z, y: -z),
    ),
}
# Differences of nearly equal terms: where the local derivative itself changes sign it is exact to this absolutely.
CANCELS = {("bce", 0): 1e-14, ("bce", 1): 1e-14, ("bce_logits", 0): 1e-15}


def assert_same(actual, expected, absolute=0.0):
    """Full relative accuracy, down to the smallest number that float64 can hold."""
    actual = float(actual)
    expected = float(expected)  # mpmath rounds correctly; beyond the range it gives inf
    if np.isinf(expected):
        assert actual == expected
    else:
        assert abs(actual - expected) <= 1e-15 * abs(expected) + absolute + 1.5e-323, (actual, expected)


def check_point(name, values):
    operation = OPERATIONS[name]
    arguments = [graph.constant(value) for value in values]
    node = graph.apply(name, *arguments)
    exact = [mpmath.mpf(value) for value in values]
    forward, derivatives = REFERENCE[name]
    assert_same(node.value, forward(*exact))
    for index in range(len(operation.arguments)):
        absolute = CANCELS.get((name, index), 0.0)
        largest = max(1.0, *(abs(value) for value in values))
        assert_same(node.local_derivative(index), derivatives[index](*exact), absolute * largest)


def elementwise():
    return [name for name, row in OPERATIONS.items() if name not in SHAPES and row.derivatives[0].pullback is entries]


@settings(drawn, max_examples=200)
@given(st.sampled_from(elementwise()).flatmap(points))
def test_values_and_derivatives_at_drawn_points(point):
    check_point(*point)


@pytest.mark.parametrize("name", ["neg", "exp", "sigmoid", "tanh", "relu", "softplus"])
@pytest.mark.parametrize("z", EDGES)
def test_edges_of_one_argument(name, z):
    with mpmath.workdps(DEEP):
        check_point(name, [z])


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div"])
@pytest.mark.parametrize("a", EDGES)
@pytest.mark.parametrize("b", EDGES[1:])
def test_edges_of_two_arguments(name, a, b):
    check_point(name, [a, b])


@pytest.mark.parametrize("z", EDGES)
@pytest.mark.parametrize("y", [0.0, 1.0])
def test_log_loss_from_the_log_odds_at_edges(z, y):
    with mpmath.workdps(DEEP):
        node = graph.apply("bce_logits", z, y)
        t = (1 - 2 * y) * mpmath.mpf(z)
        assert_same(node.value, mp_softplus(t))
        assert_same(node.local_derivative(0), (1 - 2 * y) * mp_sigmoid(t))
        assert_same(node.local_derivative(1), -z)


@pytest.mark.parametrize("x", [5e-324, 1e-308, 1e-8, 1.0, 1e300])
def test_log_at_edges(x):
    check_point("log", [x])


@pytest.mark.parametrize("g", [1e-300, 1e-17, 0.5, 1.0 - 2.0**-53])
@pytest.mark.parametrize("y", [0.0, 1.0])
def test_log_loss_of_a_probability_at_edges(g, y):
    with mpmath.workdps(400):
        check_point("bce", [g, y])


@pytest.mark.parametrize(
    ("g", "y", "loss", "dL_dg"),
    [(1.0, 1.0, 0.0, -1.0), (0.0, 0.0, 0.0, 1.0), (1.0, 0.0, np.inf, np.inf), (0.0, 1.0, np.inf, -np.inf)],
)
def test_log_loss_where_g_has_rounded(g, y, loss, dL_dg):
    node = graph.apply("bce", g, y)
    assert float(node.value) == loss
    assert float(node.local_derivative(0)) == dL_dg


def test_relu_has_derivative_0_at_its_kink():
    assert float(graph.apply("relu", graph.variable(0.0)).local_derivative(0)) == 0.0


@pytest.mark.parametrize("name", OPERATIONS)
def test_backward_against_fourth_order_differences(name):
    """Every operation, every argument: the gradient of a random mix of the results."""
    generator = np.random.default_rng(2)
    for _ in range(5):
        values = sample(name, generator)
        if name == "relu":
            values = [np.where(np.abs(value) < 0.1, 0.5, value) for value in values]
        nodes = [graph.variable(value) for value in values]
        output = graph.apply(name, *nodes)
        seed = generator.normal(size=output.shape)
        output.backward(seed)
        for index, node in enumerate(nodes):
            direction = generator.normal(size=node.shape) * np.minimum(1.0, np.abs(values[index]))
            if (name, index) in (("bce", 0), ("bce", 1), ("bce_logits", 1)):
                direction *= 1.0 - values[index]

            def along(step, index=index, direction=direction):
                moved = [value + step * direction if k == index else value for k, value in enumerate(values)]  # noqa: B023
                return float(np.sum(seed * graph.apply(name, *moved).value))  # noqa: B023

            h = 2.0**-9
            measured = (8 * (along(h) - along(-h)) - (along(2 * h) - along(-2 * h))) / (12 * h)
            terms = node.gradient * direction
            assert abs(measured - terms.sum()) <= 1e-8 * np.abs(terms).sum() + 1e-9


@pytest.mark.parametrize("name", OPERATIONS)
def test_backward_against_the_complex_step(name):
    generator = np.random.default_rng(3)
    for _ in range(5):
        nodes = [graph.variable(value) for value in sample(name, generator)]
        output = graph.apply(name, *nodes)
        check = graph.gradient_check(graph.apply("sum", output * generator.normal(size=output.shape)))
        # the two terms of the log-losses may cancel inside one local derivative
        assert check.max_error <= (1e-12 if name.startswith("bce") else 2e-15)


MATRIX_SHAPES = [
    ((4,), (4,)),
    ((3, 4), (4,)),
    ((4,), (4, 2)),
    ((3, 4), (4, 2)),
    ((5, 3, 4), (4,)),
    ((4,), (5, 4, 2)),
    ((5, 3, 4), (4, 2)),
    ((3, 4), (5, 4, 2)),
    ((1, 3, 4), (5, 4, 2)),
    ((6, 1, 3, 4), (5, 4, 2)),
    ((3, 0), (0, 2)),
]


@pytest.mark.parametrize(("shape_a", "shape_b"), MATRIX_SHAPES)
def test_adjoint_identity_of_the_matrix_product(shape_a, shape_b):
    """<G, dA B> = <gradient of A, dA>, and the same for B."""
    generator = np.random.default_rng(4)
    a, b = (graph.variable(generator.normal(size=shape)) for shape in (shape_a, shape_b))
    output = a @ b
    seed = generator.normal(size=output.shape)
    output.backward(seed)
    da, db = generator.normal(size=shape_a), generator.normal(size=shape_b)
    assert a.gradient.shape == shape_a
    assert b.gradient.shape == shape_b
    assert np.sum(seed * (da @ b.value)) == pytest.approx(np.sum(a.gradient * da), abs=1e-13)
    assert np.sum(seed * (a.value @ db)) == pytest.approx(np.sum(b.gradient * db), abs=1e-13)


@pytest.mark.parametrize(
    ("x", "w", "b"),
    [((4,), (4,), ()), ((3, 4), (4,), ()), ((3, 4), (4,), (3,)), ((3, 4), (4, 2), (2,)), ((3, 4), (4, 2), (3, 1))],
)
def test_adjoint_identity_of_the_affine_map(x, w, b):
    generator = np.random.default_rng(5)
    nodes = [graph.variable(generator.normal(size=shape)) for shape in (x, w, b)]
    output = graph.apply("affine", *nodes)
    seed = generator.normal(size=output.shape)
    output.backward(seed)
    moves = [generator.normal(size=shape) for shape in (x, w, b)]
    X, W, _ = (node.value for node in nodes)
    changes = (moves[0] @ W, X @ moves[1], np.broadcast_to(moves[2], output.shape))
    for node, move, change in zip(nodes, moves, changes, strict=True):
        assert node.gradient.shape == node.shape
        assert np.sum(seed * change) == pytest.approx(np.sum(node.gradient * move), abs=1e-13)


@pytest.mark.parametrize("name", ["sum", "mean"])
@pytest.mark.parametrize("shape", [(), (1,), (5,), (3, 4), (2, 3, 4)])
def test_adjoint_identity_of_sum_and_mean(name, shape):
    generator = np.random.default_rng(6)
    x = graph.variable(generator.normal(size=shape))
    output = graph.apply(name, x)
    output.backward(2.5)
    move = generator.normal(size=shape)
    change = move.sum() if name == "sum" else move.mean()
    assert output.shape == ()
    assert 2.5 * change == pytest.approx(np.sum(x.gradient * move), abs=1e-14)


BROADCAST_SHAPES = [((), (3,)), ((1,), (3,)), ((3, 1), (1, 4)), ((3, 4), (4,)), ((2, 1, 4), (3, 1)), ((1, 1), ())]


@pytest.mark.parametrize(("first", "second"), BROADCAST_SHAPES + [(b, a) for a, b in BROADCAST_SHAPES])
@pytest.mark.parametrize("name", [name for name in elementwise() if len(OPERATIONS[name].arguments) == 2])
def test_broadcasting_is_summed_back(name, first, second):
    """The gradient of a stretched argument is what the unstretched copy's gradients add up to."""
    generator = np.random.default_rng(7)
    values = []
    for index, shape in enumerate((first, second)):
        low, high = DOMAINS.get((name, index), (-2.0, 2.0))
        values.append(np.asarray(generator.uniform(max(low, -2.0), high, shape)))
    full = np.broadcast_shapes(first, second)
    seed = generator.normal(size=full)
    nodes = [graph.variable(value) for value in values]
    graph.apply(name, *nodes).backward(seed)
    copies = [graph.variable(np.broadcast_to(value, full)) for value in values]
    graph.apply(name, *copies).backward(seed)
    for node, copy in zip(nodes, copies, strict=True):
        expected = np.zeros(node.shape)
        for index in np.ndindex(*full):
            tail = index[len(full) - len(node.shape) :]
            expected[tuple(0 if size == 1 else k for k, size in zip(tail, node.shape, strict=True))] += copy.gradient[
                index
            ]
        assert node.gradient.shape == node.shape
        np.testing.assert_allclose(node.gradient, expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_row_is_complete(name):
    row = OPERATIONS[name]
    assert row.name == name
    assert len(row.derivatives) == len(row.arguments)
    assert all(formula.formula for formula in (row, *row.derivatives))


@pytest.mark.parametrize("name", elementwise())
def test_every_elementwise_row_has_a_reference(name):
    """A new row of the table needs its line in REFERENCE above."""
    assert name in REFERENCE


def test_a_derivative_for_each_argument_is_asked():
    with pytest.raises(ValueError, match="one derivative for each"):
        graph.Operation("twice", ("x",), "2 x", lambda x: 2 * x, ())
