"""From a row to the step: its part of the gradient, the part of the others, and the update that training then made."""

import numpy as np
import pytest

import chainrule
from chainrule.words import number


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
    assert "F rises by" in str(result.explain(X, y, 0, epoch=rose))


@pytest.mark.parametrize("alpha", [0.0, 0.05])
@pytest.mark.parametrize("schedule", ["constant", "inverse"])
@pytest.mark.parametrize("kind", ["array", "frame"])
def test_the_updates_of_an_epoch_s_batches_lead_to_the_next_epoch(rng, alpha, schedule, kind):
    X = rng.normal(size=(50, 3)) * [1.0, 4.0, 0.2] + 1.0
    y, s = X[:, 0] + rng.logistic(size=50) > 1, rng.uniform(0.5, 2.0, size=50)
    s[3] = 0.0
    rows = X if kind == "array" else {f"x{j}": X[:, j] for j in range(3)}
    how = {"standardize": True, "max_reads": 4, "seed": 5, "schedule": schedule}
    with pytest.warns(chainrule.NotConvergedWarning):
        result = chainrule.fit(rows, y, sample_weight=s, batch_size=16, alpha=alpha, **how)
    assert "from the rows to the step" not in str(result.explain(rows, y, 3, sample_weight=s, epoch=1))  # of weight 0
    told = [result.explain(rows, y, i, sample_weight=s, epoch=1) for i in range(50) if i != 3]
    steps = sorted((each.context["whole_gradient"]["step"] for each in told), key=lambda step: step["batch"]["number"])
    assert [step["batch"]["number"] for step in steps] == [1] * 16 + [2] * 16 + [3] * 16 + [4]
    trace, x = result.trace, (X - result.center) / result.scale
    points = [(np.append(step["w"], step["b"]), np.append(step["w_new"], step["b_new"])) for step in steps[::16]]
    np.testing.assert_allclose(points[0][0], [*trace.w[1], trace.b[1]], rtol=1e-12)
    np.testing.assert_allclose([old for old, _ in points[1:]], [new for _, new in points[:-1]], rtol=1e-11)
    np.testing.assert_allclose(points[-1][1], [*trace.w[2], trace.b[2]], rtol=1e-11)
    for k in range(0, 49, 16):  # the rows' parts of a batch add up to its mean
        batch = steps[k : k + 16]
        np.testing.assert_allclose(sum(np.array(step["share"]) for step in batch), batch[0]["dL_dw"], rtol=1e-10)
    step = told[0].context["whole_gradient"]["step"]
    z = x[0] @ step["w"] + step["b"]
    part = step["weight"] / step["sum_weights"]
    assert step["batch"]["z"] == pytest.approx(z, rel=1e-10)
    assert step["share_b"] == pytest.approx(part * (1 / (1 + np.exp(-z)) - y[0]), rel=1e-10)
    said = " ".join(str(told[0]).split())
    assert f"In epoch 2 the row is in mini-batch {step['batch']['number']} of 4" in said
    assert f"F of the batch falls by {step['objective'] - step['objective_new']:.3g}" in said


def test_before_and_after_an_epoch_differ_in_what_is_shown_even_at_the_end_of_a_run(rng):
    X = rng.normal(size=(60, 2))
    y = X[:, 0] + rng.logistic(size=60) > 0
    result = chainrule.fit(X, y, method="gradient-descent")
    assert result.reason == "converged"
    row = result.explain(X, y, 0)
    step, after = row.context["whole_gradient"]["step"], row.context["next"]
    said = str(row)
    assert f"{step['objective']:.6g}" == f"{step['objective_new']:.6g}"
    assert f"F falls by {step['objective'] - step['objective_new']:.3g}" in " ".join(said.split())
    assert f"{after['z'] - row.z:.2e}" in said
    for old, new in zip(step["w"], step["w_new"], strict=True):
        assert number(new - old) in said


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
