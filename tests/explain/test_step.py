"""From a row to the step: its part of the gradient, the part of the others, and the update that training then made."""

import numpy as np
import pytest

import chainrule


@pytest.mark.parametrize("alpha", [0.0, 0.05])
@pytest.mark.parametrize("epoch", [0, 3])
def test_the_step_of_a_row_is_the_one_that_training_made(rng, alpha, epoch):
    X = rng.normal(size=(50, 3)) * [1.0, 4.0, 0.2] + 1.0
    y, s = X[:, 0] + rng.logistic(size=50) > 1, rng.uniform(0.5, 2.0, size=50)
    with pytest.warns(chainrule.NotConvergedWarning):
        result = chainrule.fit(X, y, sample_weight=s, method="gradient-descent", max_reads=6, alpha=alpha)
    row = result.explain(X, y, 7, sample_weight=s, epoch=epoch)
    step = row.context["whole_gradient"]["step"]
    trace = result.trace
    np.testing.assert_allclose(step["w_new"], trace.w[epoch + 1], rtol=1e-12)
    assert step["b_new"] == pytest.approx(trace.b[epoch + 1], rel=1e-12)
    objective = trace.columns["objective"]
    assert (step["objective"], step["objective_new"]) == pytest.approx(tuple(objective[epoch : epoch + 2]), rel=1e-12)
    # the same row at the next epoch
    there, after = (X[7] - result.center) / result.scale, row.context["next"]
    z = there @ trace.w[epoch + 1] + trace.b[epoch + 1]
    sign = 1.0 if y[7] else -1.0
    g = 1.0 / (1.0 + np.exp(-z))
    expected = {"z": z, "g": g, "loss": np.log1p(np.exp(-sign * z)), "dL_dz": g - y[7]}
    assert after == pytest.approx(expected, rel=1e-11)
    said = str(row)
    assert f"epoch {epoch + 1}" in said
    assert "from the rows to the step" in said
    assert "other rows" in said
    assert "rises" not in said


def test_a_step_that_is_too_long_is_said_to_rise(rng):
    X = rng.normal(size=(60, 2)) * 3.0
    y = X[:, 0] + rng.logistic(size=60) > 0
    with pytest.warns(chainrule.ChainruleWarning):
        result = chainrule.fit(X, y, learning_rate=20.0, max_reads=5)
    rose = int(np.argmax(np.diff(result.trace.columns["objective"]) > 0))
    assert "and so it rises" in " ".join(str(result.explain(X, y, 0, epoch=rose)).split())


def test_newton_and_other_rows_have_no_such_step(rng):
    X = rng.normal(size=(60, 2))
    y = X[:, 0] + rng.logistic(size=60) > 0
    newton = chainrule.fit(X, y)
    assert newton.explain(X, y, 0).context["next"] is None
    step = newton.explain(X, y, 0, epoch=1)  # but a step of its own
    np.testing.assert_allclose(step.context["next"]["z"], newton.explain(X, y, 0, epoch=2).z, rtol=1e-12)
    assert "at the next step" in str(step)
    assert newton.explain(X, y, 0, epoch=newton.n_epochs).context["next"] is None
    assert newton.explain(X, None, 0, epoch=1).context["next"] is None
    assert "from the rows to the step" not in str(newton.explain(X, y, 0))
    with pytest.warns(chainrule.NotConvergedWarning):
        descent = chainrule.fit(X, y, method="gradient-descent", max_reads=3)
    assert "from the rows to the step" not in str(descent.explain(X[:20], y[:20], 0))
