import json
import pickle
import re
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest

import chainrule
from chainrule import InputError
from chainrule.errors import (
    CollinearityWarning,
    CrawlingWarning,
    DivergenceWarning,
    LearningRateWarning,
    NotConvergedWarning,
    OscillationWarning,
    SeparationWarning,
)
from chainrule.fitting.choice import Shape, choose_method
from chainrule.fitting.spec import FitSpec
from chainrule.graph import logistic_graph
from finding_tools import values_of
from tests_data import challenger, low_birth_weight, spector


def fit(X, y, **options):
    """Gradient descent, unless a test asks for another method."""
    return chainrule.fit(X, y, **{"method": "gradient-descent", **options})


@pytest.fixture
def table(rng):
    X = rng.normal(size=(400, 4)) * [1.0, 0.5, 2.0, 1.0] + [0.5, 0.0, -0.2, 0.1]
    y = (X @ [1.0, -0.5, 0.2, 0.0] - 0.4 + rng.logistic(size=400) > 0).astype(int)
    return X, y


@pytest.mark.parametrize("data", [challenger, spector, low_birth_weight])
def test_known_answers_by_gradient_descent_on_standardized_columns(data):
    X, y, answer = data()
    result = fit(X, y, standardize=True, max_reads=100_000, tol=1e-24)
    assert result.reason == "converged"
    np.testing.assert_allclose(np.append(result.b, result.w), answer, rtol=1e-6)


def test_an_epoch_is_the_articles_update(table):
    X, y = table
    with pytest.warns(NotConvergedWarning):
        result = fit(X, y, learning_rate=0.01, max_reads=3)
    w, b = np.zeros(4), 0.0
    for epoch in range(4):
        graph = logistic_graph(X, y.astype(float), w, b)
        graph.backward()
        kept_w, kept_b = result.trace.at(epoch)
        np.testing.assert_allclose(kept_w, w, rtol=1e-13, atol=1e-16)
        assert kept_b == pytest.approx(b, rel=1e-13)
        assert result.trace.columns["loss"][epoch] == pytest.approx(float(graph.L.value), rel=1e-13)
        w, b = w - 0.01 * graph.dL_dw, b - 0.01 * float(graph.dL_db)


def test_auto_rate_is_half_the_limit_and_never_raises_the_objective(table):
    X, y = table
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        result = fit(X, y, alpha=0.1)
    assert result.learning_rate == result.learning_rate_limit / 2
    assert np.all(np.diff(result.trace.columns["objective"]) <= 1e-14)
    assert result.trace.columns["epoch"].tolist() == list(range(result.n_epochs + 1))


@pytest.mark.parametrize("method", ["newton", "gradient-descent"])
def test_centred_fit_is_the_fit_of_centred_columns(method, table):
    X, y = table
    X = X + np.array([3.0, 0.0, -2.0, 100.0])
    Z, quiet = X - X.mean(axis=0), dict(alpha=0.03, tol=1e-20, method=method, max_reads=20_000)
    ours, theirs, plain = (
        fit(X, y, standardize="center", **quiet),
        fit(Z, y, **quiet),
        fit(X, y, alpha=0.03, method="newton"),
    )
    np.testing.assert_array_equal(ours.scale, 1.0)
    np.testing.assert_allclose(ours.center, X.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(np.append(ours.w_fit, ours.b_fit), np.append(theirs.w, theirs.b), rtol=1e-9)
    assert ours.learning_rate_limit == pytest.approx(theirs.learning_rate_limit) if method != "newton" else True
    # b is not penalised, so the centre moves nothing but b.
    assert ours.objective == pytest.approx(plain.objective, abs=1e-8)
    assert (np.abs(ours.w - plain.w) <= ours.certificate.coef + plain.certificate.coef).all()
    assert "x - mean for all columns" in ours.objective_line
    assert chainrule.certify(X, y, ours.w, ours.b, alpha=0.03, standardize="center").gap <= 1e-13


def test_a_centred_constant_column_keeps_its_scale(table):
    X, y = table
    result = fit(np.column_stack([X, np.full(len(y), 7.0)]), y, standardize="center", alpha=0.1, method="newton")
    assert (result.center[-1], result.scale[-1], result.w_fit[-1]) == (7.0, 1.0, 0.0)


def test_standardized_fit_is_the_fit_of_standardized_columns(table):
    X, y = table
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    ours, theirs = fit(X, y, standardize=True, alpha=0.03, tol=1e-24), fit(Z, y, alpha=0.03, tol=1e-24)
    np.testing.assert_allclose(ours.w_fit, theirs.w, rtol=1e-9)
    np.testing.assert_allclose(X @ ours.w + ours.b, Z @ theirs.w + theirs.b, atol=1e-9)
    np.testing.assert_allclose(ours.w, ours.w_fit / X.std(axis=0), rtol=1e-13)
    mask = np.array([True, False, True, False])
    some = fit(X, y, standardize=mask, alpha=0.03, tol=1e-20, max_reads=20_000)
    assert np.array_equal(some.scale != 1.0, mask)
    assert "2 of 4 columns" in some.objective_line


def test_threads_strides_and_weights_times_a_power_of_two_change_no_bit(rng):
    X = rng.normal(size=(30_000, 7))
    y = (X[:, 0] + rng.logistic(size=len(X)) > 0).astype(int)
    s = rng.integers(1, 5, len(X)).astype(float)

    F = np.asfortranarray(X)

    def bits(X=X, s=s, threads=1):
        result = fit(X, y, sample_weight=s, tol=1e-12, n_threads=threads, standardize=True)
        return result.w.tobytes(), result.b, result.objective, result.trace.w.tobytes()

    expected = bits()
    assert bits(threads=2) == expected
    assert bits(threads=5) == expected
    assert bits(X=np.repeat(X, 2, axis=1)[:, ::2]) == expected
    assert bits(s=s * 8) == expected
    by_columns = bits(X=F)
    assert bits(X=F, threads=3) == by_columns
    assert bits(X=np.repeat(X, 2, axis=0).copy("F")[::2]) == by_columns
    np.testing.assert_allclose(np.frombuffer(by_columns[0]), np.frombuffer(expected[0]), rtol=1e-9)


def test_weight_is_repetition_and_permutation_does_not_matter(table, rng):
    X, y = table
    s = rng.integers(0, 4, len(y))
    order = rng.permutation(np.repeat(np.arange(len(y)), s))
    weighted = fit(X, y, sample_weight=s, alpha=0.05, tol=1e-22, max_reads=100_000)
    repeated = fit(X[order], y[order], alpha=0.05, tol=1e-22, max_reads=100_000)
    np.testing.assert_allclose(weighted.w, repeated.w, rtol=1e-8)
    columns = rng.permutation(4)
    permuted = fit(X[:, columns], y, sample_weight=s, alpha=0.05, tol=1e-22, max_reads=100_000)
    np.testing.assert_allclose(permuted.w, weighted.w[columns], rtol=1e-8)


def fit_for(X, y, epochs, **options):
    with pytest.warns(NotConvergedWarning):
        return fit(X, y, max_reads=epochs, tol=0.0, **options)


def test_resumed_run_equals_an_unbroken_one(table):
    X, y = table
    whole, first = (fit_for(X, y, epochs) for epochs in (50, 30))
    second = fit_for(X, y, 20, w0=first.w, b0=first.b)
    assert whole.w.tobytes() == second.w.tobytes()
    assert whole.b == second.b


def test_intercept_alone_gives_the_base_rate(rng):
    y = (rng.random(500) < 0.3).astype(int)
    with pytest.warns(CollinearityWarning, match="x1 is constant"):
        result = fit(np.zeros((500, 1)), y, tol=1e-20)
    assert result.certificate.kind == "reduced"
    assert result.b == pytest.approx(np.log(y.mean() / (1 - y.mean())), rel=1e-9)
    assert result.w[0] == 0.0


def test_without_intercept_the_bias_stays_zero(table):
    X, y = table
    result = fit(X, y, fit_intercept=False, alpha=0.1, tol=1e-20, max_reads=100_000)
    assert result.b == 0.0
    gradient = X.T @ (1 / (1 + np.exp(-X @ result.w)) - y) / len(y) + 0.1 * result.w
    assert np.abs(gradient).max() < 1e-9


@pytest.mark.parametrize("labels", [(1, 2), (-1, 1), ("no", "yes"), (False, True), (0.5, 7.5), ("b", "a")])
def test_any_two_labels_and_the_second_in_sorted_order_is_positive(labels, table):
    X, y = table
    expected = fit(X, y, alpha=0.1)
    first, second = sorted(labels)
    result = fit(X, np.array([first, second])[y], alpha=0.1)
    assert result.classes == (first, second)
    assert result.w.tobytes() == expected.w.tobytes()


def test_rate_above_the_limit_is_allowed_and_said(table):
    X, y = table
    with (
        pytest.warns(LearningRateWarning),
        pytest.warns(OscillationWarning, match="the loss oscillates; use a learning_rate below"),
        pytest.warns(NotConvergedWarning, match="the loss oscillated"),
    ):
        result = fit(X, y, learning_rate=5.0)
    (above,) = values_of(result, "above limit")
    assert (above["rate"], above["limit"], above["is_largest"]) == (5.0, result.learning_rate_limit, True)
    assert 1.0 < above["limit"] < 2.0
    assert result.reason == "max_reads"
    assert len(result.warnings) == 3


def test_diverging_run_is_stopped_and_returns_its_best_point(table):
    X, y = table
    with pytest.warns(DivergenceWarning, match="use a learning_rate below"), pytest.warns(LearningRateWarning):
        result = fit(X, y, learning_rate=5.0, alpha=1.0)
    assert result.reason == "diverged"
    assert result.n_epochs < 1000
    assert result.objective == result.trace.columns["objective"].min()
    assert np.isfinite(result.w).all()


def test_crawling_run_says_how_many_epochs_it_needs(table):
    X, y = table
    with pytest.warns(NotConvergedWarning, match=r"about [\d,]+ more epochs are needed") as caught:
        result = fit(X, y, tol=1e-18, max_reads=60)
    said = int(str(caught[0].message).split("about ")[1].split(" ")[0].replace(",", ""))
    more = fit(X, y, tol=1e-18, max_reads=1_000_000)
    assert 0.5 < said / (more.n_epochs - result.n_epochs) < 2.0


def test_C_is_scikit_learns_and_counts_the_weights(table):
    X, y = table
    s = np.arange(len(y)) % 4.0
    plain, weighted = fit(X, y, method="newton", C=2.0), fit(X, y, method="newton", C=2.0, sample_weight=s)
    assert plain.alpha == 1.0 / (2.0 * len(y))
    assert weighted.alpha == pytest.approx(1.0 / (2.0 * s.sum()), rel=1e-15)
    np.testing.assert_array_equal(plain.w, fit(X, y, method="newton", alpha=plain.alpha).w)
    assert chainrule.certify(X, y, plain, C=2.0).gap <= 1e-8
    study = chainrule.studies.scaling(X, y, C=2.0, epochs=3)
    assert study.alpha == plain.alpha


def test_epochs_are_the_reads_of_gradient_descent_and_select_it(table):
    X, y = table
    with pytest.warns(NotConvergedWarning, match="raise epochs to"):
        ours = chainrule.fit(X, y, epochs=12)
    with pytest.warns(NotConvergedWarning, match="raise max_reads to"):
        other = fit(X, y, max_reads=12)
    assert (ours.method, ours.n_epochs) == ("gradient-descent", 12)
    np.testing.assert_array_equal(ours.w, other.w)
    with pytest.raises(InputError, match="epochs and max_reads limit the same run"):
        fit(X, y, epochs=3, max_reads=3)
    with pytest.raises(InputError, match="epochs is an option of gradient descent, and method is newton"):
        fit(X, y, method="newton", epochs=3)


def test_a_note_during_the_run_foretells_the_epochs_that_are_needed(rng):
    x = rng.normal(size=(300, 1))
    X = np.hstack([x, x + 0.1 * rng.normal(size=(300, 1))])
    y = (rng.random(300) < 1.0 / (1.0 + np.exp(-x[:, 0] - 3.0 * (X[:, 1] - x[:, 0])))).astype(int)
    with pytest.warns(CrawlingWarning) as caught, pytest.warns(NotConvergedWarning):
        fit(X, y, method="gradient-descent", max_reads=110)
    said = re.search(r"epoch 100: crawling: about ([\d,]+) more epochs .*: raise max_reads to", str(caught[0].message))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        true = fit(X, y, method="gradient-descent", max_reads=100_000).n_epochs - 100
    assert true > 1000
    assert 0.8 < int(said[1].replace(",", "")) / true < 1.25
    separated = (x[:, 0] > 0).astype(int)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        fit(X, separated, method="gradient-descent", max_reads=110)
    (said,) = (str(warning.message) for warning in told if warning.category is CrawlingWarning)
    assert re.search(r"crawling: at least [\d,]+ more epochs are needed: use method", said)


def test_held_out_rows_join_the_trace(table):
    X, y = table
    held_out = chainrule.HeldOut(X[300:], y[300:])
    result = fit(X[:300], y[:300], standardize=True, tol=1e-12, callbacks=[held_out])
    z = X[300:] @ result.w + result.b
    loss = np.mean(np.logaddexp(0, z) - y[300:] * z)
    assert result.trace.columns["held_out_loss"][-1] == pytest.approx(loss, rel=1e-12)
    assert result.trace.columns["held_out_accuracy"][-1] == pytest.approx(np.mean((z > 0) == y[300:]))
    assert len(result.trace.columns["held_out_loss"]) == len(result.trace)


def test_trace_is_thinned_when_it_would_outgrow_its_memory():
    from chainrule.solvers.trace import TraceRecorder

    recorder = TraceRecorder(max_bytes=20_000)
    for epoch in range(1003):
        recorder.record({"epoch": epoch, "loss": 1.0 / (epoch + 1)}, np.full(5, float(epoch)))
    trace = recorder.trace()
    assert trace.stride > 1
    assert "one epoch in" in trace.note
    epochs = trace.columns["epoch"]
    assert epochs[0] == 0
    assert epochs[-1] == 1002
    assert np.all(np.diff(epochs[:-1]) == trace.stride)
    np.testing.assert_array_equal(trace.b, epochs)
    assert trace.at(trace.stride)[1] == trace.stride
    with pytest.raises(InputError, match=r"epoch 1 was not kept .* nearest is 0"):
        trace.at(1)
    with pytest.raises(InputError, match="was not run"):
        trace.at(2000)


def test_result_is_picklable_and_json(table):
    X, y = table
    result = fit(X, y, alpha=0.1)
    again = pickle.loads(pickle.dumps(result))
    assert again.w.tobytes() == result.w.tobytes()
    document = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert document["schema_version"] == 1
    assert document["w"] == result.w.tolist()
    assert document["trace"]["epochs_kept"] == len(result.trace)
    assert "seconds" not in result.to_dict(timings=False)
    with pytest.raises(AttributeError):
        result.b = 1.0


def test_result_says_what_ran(table):
    X, y = table
    result = fit(X, y, alpha=0.1, n_threads=1)
    assert (result.storage, result.copies, result.threads) == ("dense float64, C order", 0, 1)
    assert (
        result.n_epochs + 2 < result.reads < result.n_epochs + 15
    )  # moments, the start; the optimum, and what proves it
    assert fit(X.astype(np.float32), y, alpha=0.1).copies == 0
    assert fit(np.asfortranarray(X), y, alpha=0.1).storage == "dense float64, Fortran order"
    assert fit(X.tolist(), y, alpha=0.1).copies == 1
    assert fit(np.round(X).astype(int), y, alpha=0.1).copies == 1
    frame = pd.DataFrame(X, columns=list("abcd"))
    assert fit(frame, y, alpha=0.1).feature_names == ("a", "b", "c", "d")


def test_interrupt_carries_the_best_result_so_far(table):
    X, y = table

    def stop(step):
        if step.epoch == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        fit(X, y, callbacks=[stop])
    result = caught.value.result
    assert result.reason == "interrupted"
    assert "interrupted after 6 epochs" in result.message
    assert result.n_epochs == 6  # epoch 7 was not recorded yet


SIGNALLED = """
import os, signal, threading
import numpy as np, chainrule
rng = np.random.default_rng(0)
X = rng.normal(size=(2_000_000, 8)); y = X[:, 0] + rng.logistic(size=len(X)) > 0
def interrupt(step):
    if step.epoch == 0:
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    chainrule.fit(X, y, method='gradient-descent', tol=0.0, max_reads=1_000_000, callbacks=[interrupt])
except KeyboardInterrupt as stop:
    print(stop.result.reason, 0 <= stop.result.n_epochs < 100_000)
"""


def test_ctrl_c_ends_a_native_read_and_a_forked_child_and_two_threads_may_fit():
    done = subprocess.run([sys.executable, "-c", SIGNALLED], capture_output=True, text=True, timeout=900)
    assert done.stdout.split() == ["interrupted", "True"], done.stderr
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=900)
    assert done.stdout.split() == ["child", "True", "parent", "True"], done.stderr


FORKED = """
import os, threading
import numpy as np, chainrule
rng = np.random.default_rng(0)
X = rng.normal(size=(40_000, 8)); y = X[:, 0] + rng.logistic(size=len(X)) > 0
bits = lambda: chainrule.fit(X, y, method='gradient-descent', tol=1e-8, n_threads=2).w.tobytes()
expected = bits()
child = os.fork()
if child == 0:
    print("child", bits() == expected, flush=True)
    os._exit(0)
os.waitpid(child, 0)
found = []
threads = [threading.Thread(target=lambda: found.append(bits())) for _ in range(2)]
[t.start() for t in threads]; [t.join() for t in threads]
print("parent", found == [expected] * 2)
"""

BAD = [
    (dict(X=[[1.0], [np.nan], [2.0]]), r"X has NaN in row 2, column 'x1'"),
    (dict(X=[[1.0], [np.inf], [2.0]]), r"X has inf in row 2, column 'x1'"),
    (dict(X=[1.0, 2.0, 3.0]), "two dimensions"),
    (dict(X=[["a"], ["b"], ["c"]]), "X must be numbers"),
    (dict(X=[[1.0]], y=[1]), "two rows"),
    (dict(y=[0, 0, 0]), r"y has 1 label \(0\)"),
    (dict(y=[0, 1, 2]), r"3 labels \(0, 1, 2\)"),
    (dict(y=[0.0, 1.0, np.nan]), "y has nan in row 3"),
    (dict(y=[0, 1]), "one label a row"),
    (dict(sample_weight=[1, -1, 1]), "row 2"),
    (dict(sample_weight=[0, 0, 0]), "all sample weights are zero"),
    (dict(sample_weight=[1, 0, 1]), "one class"),
    (dict(sample_weight=[1e300, 1e300, 1e-300]), "sample_weight has 1e-300 in row 3 and adds up to 2e"),
    (dict(sample_weight=[1, 1]), "one number a row"),
    (dict(alpha=-1.0), "alpha must be a finite number from 0"),
    (dict(alpha=np.nan), "alpha"),
    (dict(learning_rate=0), "learning_rate must be a positive number or 'auto', not 0"),
    (dict(learning_rate=-0.1), "learning_rate"),
    (dict(learning_rate="fast"), "'fast'"),
    (dict(learning_rate=np.nan), "learning_rate"),
    (dict(tol=-1), "tol"),
    (dict(max_reads=-1), "max_reads"),
    (dict(max_reads=1.5), "max_reads"),
    (
        dict(method="newton", learning_rate=0.1),
        "learning_rate is an option of gradient descent, and method is newton",
    ),
    (dict(method="magic"), "method must be one of 'auto', 'gradient-descent'"),
    (dict(w0=[1.0, 2.0]), "w0"),
    (dict(n_threads=0), "n_threads must be a whole number from 1"),
    (dict(standardize=[True, False]), "standardize"),
    (dict(standardize="centre"), "True, False, 'center' or a mask"),
    (dict(standardize="center", fit_intercept=False), "standardize needs an intercept"),
    (dict(standardize=True, fit_intercept=False), "standardize needs an intercept"),
    (dict(feature_names=["a", "b"]), "feature_names has 2 names"),
    (dict(X=[[1e200], [2e200], [-3e200]]), "too large for any learning rate"),
    (dict(X=[[1e-310], [2e-310], [3e-310]], standardize=True), "column 'x1' is too small"),
    (dict(X=np.array([["1"], ["2"], ["3"]], dtype=object)), "X must be numbers"),
    (dict(X=np.array([[1.0], [None], [3.0]], dtype=object)), "X (must be numbers|has NaN in row 2)"),
    (dict(X=np.ma.masked_invalid([[1.0], [np.nan], [3.0]])), "masked"),
    (dict(X=[[10**400], [1], [2]]), "X must be numbers"),
    (dict(y=np.array([0, 1, np.nan], dtype=object)), "y has nan in row 3"),
    (dict(y=np.array(["a", None, "b"], dtype=object)), "y has None in row 2"),
    (dict(y=np.array(["2020-01-01", "2020-01-02", "NaT"], dtype="datetime64[D]")), "y has NaT in row 3"),
    (dict(y=[0j, 1j, 0j]), "y must be numbers, text or booleans"),
    (dict(y=[[0], [1, 2], [1]]), "one label a row"),
    (dict(y=pd.array([True, None, False], dtype="boolean")), "y has <NA> in row 2"),
    (dict(alpha=10**400), "alpha must be a number that a float64 holds"),
    (dict(method=["auto"]), "method must be"),
    (dict(feature_names=5), "feature_names must be a list"),
    (dict(callbacks=[5]), "callbacks must be functions"),
    (dict(callbacks=5), "callbacks must be functions"),
    (dict(max_reads=10**30), "max_reads must be a whole number from 0 to 9223372036854775807"),
    (dict(sample_weight=np.array([1, 1, 1j])), "sample_weight must be numbers"),
    (dict(sample_weight=np.ma.masked_less([1.0, 2.0, 3.0], 2.0)), "sample_weight has masked elements"),
    (dict(w0=np.array([1j])), "w0 must be numbers"),
    (dict(fit_intercept="False"), "fit_intercept must be True or False"),
    (dict(n_threads=10**12), "n_threads must be a whole number from 1 to 1024"),
    (dict(sample_weight=[1e308, 1e308, 1e308]), "divide the weights"),
    (dict(callbacks=lambda step: {"loss": 0.0}), "called 'loss': the trace needs another name"),
    (dict(callbacks=lambda step: {"a": "b"}), "returned 'b' as 'a'"),
    (dict(callbacks=lambda step: 5), "a callback returned 5"),
]


@pytest.mark.parametrize(("change", "sentence"), BAD, ids=[match for _, match in BAD])
def test_bad_input_is_one_sentence_that_names_it(change, sentence):
    arguments = {"X": [[0.0], [1.0], [2.0]], "y": [0, 1, 0], **change}
    with pytest.raises(InputError, match=sentence) as caught:
        fit(arguments.pop("X"), arguments.pop("y"), **arguments)
    assert "\n" not in str(caught.value)


def test_dates_may_be_labels(table):
    X, y = table
    labels = np.array(["2020-01-01", "2021-06-30"], dtype="datetime64[ns]")[y]
    result = fit(X, labels, alpha=0.1)
    assert result.classes == (labels.min(), labels.max())
    json.dumps(result.to_dict(), allow_nan=False)


def test_units_of_the_columns_do_not_decide_whether_a_fit_has_converged(table):
    X, y = table
    plain = fit(X, y, alpha=0.0, tol=1e-16, max_reads=5000)
    for unit in (1e-9, 1e-100):
        with (
            pytest.warns(NotConvergedWarning),
            pytest.warns(
                CrawlingWarning, match="crawling: no finite number of epochs would be enough .*: use method='newton'"
            ),
        ):
            fit(X * unit, y, tol=1e-16)
    ours = fit(X * 1e-9, y, tol=1e-16, standardize=True, max_reads=5000)
    np.testing.assert_allclose(ours.w * 1e-9, plain.w, rtol=1e-5)


def test_column_that_is_zero_in_the_rows_looked_at_first_still_learns(rng):
    X = rng.normal(size=(5000, 2))
    X[:, 1] = 0.0
    looked_at = np.unique(np.linspace(0, 4999, 256).astype(int))
    others = np.setdiff1d(np.arange(5000), looked_at)[:2000]
    X[others, 1] = rng.normal(size=2000) * 1e-170
    y = (X[:, 0] + X[:, 1] * 1e170 + rng.logistic(size=5000) > 0).astype(int)
    result = fit(X, y, standardize=True, tol=1e-16)
    assert result.w_fit[1] > 0.3


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (dict(y=[1, 2, 1]), "each 0 or 1"),
        (dict(y=[0, 1]), "3 classes"),
        (dict(X=[[1.0], [np.nan], [1.0]]), "missing or infinite"),
        (dict(sample_weight=[0, 0, 0]), "weights are zero"),
        (dict(sample_weight=[1, -1, 0]), "row 2"),
        (dict(X=np.zeros((3, 2))), "2 columns, the fit 1"),
    ],
)
def test_held_out_rows_that_cannot_be_used(changed, sentence):
    arguments = {"X": [[0.0], [1.0], [2.0]], "y": [0, 1, 0], **changed}
    with pytest.raises(InputError, match=sentence):
        fit([[0.0], [1.0], [2.0]], [0, 1, 0], callbacks=[chainrule.HeldOut(**arguments)])


# an intercept of 1e13 has two digits behind its point, which may be enough for tol or not
@pytest.mark.filterwarnings("ignore::chainrule.errors.NotConvergedWarning")
def test_held_out_rows_far_off_centre_are_seen_in_the_units_of_the_fit(table):
    X, y = table
    far = X + 1e13
    result = fit(far, y, standardize=True, alpha=0.1, callbacks=chainrule.HeldOut(far, y))
    np.testing.assert_allclose(result.trace.columns["held_out_loss"], result.trace.columns["loss"], rtol=1e-12)


@pytest.fixture(scope="module")
def mixed_rates():
    """A table whose columns settle at many rates, and gradient descent on it to the end."""
    from sklearn.datasets import load_breast_cancer

    X, y = load_breast_cancer(return_X_y=True)
    return X, y, fit(X, y, standardize=True, alpha=1e-2, max_reads=100_000, tol=1e-16)


@pytest.mark.parametrize("epochs", [50, 200, 1000])
def test_epochs_needed_are_right_even_where_many_rates_are_mixed(epochs, mixed_rates):
    X, y, whole = mixed_rates
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CrawlingWarning)
        with pytest.warns(NotConvergedWarning, match="raise max_reads"):
            part = fit(X, y, standardize=True, alpha=1e-2, max_reads=epochs, tol=1e-16)
    assert values_of(part, "epochs left")[0]["epochs"] == part.epochs_needed
    assert part.epochs_needed == pytest.approx(whole.n_epochs - epochs, rel=0.3)
    assert part.to_dict()["epochs_needed"] == part.epochs_needed
    assert whole.epochs_needed is None
    assert whole.to_dict()["epochs_needed"] is None


@pytest.mark.parametrize(("rate", "epochs"), [(2.02, 1000), (5.0, 38), (1e300, 10)])
def test_divergence_is_seen_when_slow_and_when_short(rate, epochs, table):
    X, y = table
    with pytest.warns(LearningRateWarning), pytest.warns(DivergenceWarning, match="use a learning_rate below"):
        result = fit(X * 0.01, y, alpha=1.0, learning_rate=rate, max_reads=epochs)
    assert result.reason == "diverged"
    assert result.objective < 1.0


def test_a_cycle_of_equal_loss_is_an_oscillation():
    X = np.array([[1.0], [1.0], [-1.0], [-1.0]])
    with (
        pytest.warns(LearningRateWarning),
        pytest.warns(OscillationWarning, match="the loss oscillates"),
        pytest.warns(NotConvergedWarning, match="the loss oscillated"),
    ):
        fit(X, [0, 1, 0, 1], fit_intercept=False, w0=[1.0], learning_rate=8.5)


def test_epochs_needed_are_right_from_the_first_epoch_and_without_a_penalty(table, rng):
    X, y = table
    X = np.column_stack([X, X[:, 0] + 0.1 * rng.normal(size=len(y))])
    whole = fit(X, y, standardize=True, max_reads=200_000, tol=1e-18)
    assert whole.n_epochs > 1000
    for epochs in (0, 1, 2, 50, 500):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CrawlingWarning)
            with pytest.warns(NotConvergedWarning):
                part = fit(X, y, standardize=True, max_reads=epochs, tol=1e-18)
        assert values_of(part, "epochs left")[0]["epochs"] == pytest.approx(whole.n_epochs - epochs, rel=0.3), epochs


def test_separated_data_are_not_promised_an_end_by_curvature(rng):
    x = rng.normal(size=(50, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CrawlingWarning)
        with (
            pytest.warns(SeparationWarning, match="completely separated"),
            pytest.warns(NotConvergedWarning, match=r"about [\de+.,]+ more epochs"),
        ):
            part = fit(x, (x[:, 0] > 0.2).astype(int), max_reads=400, tol=1e-6)
    said = float(part.message.split("about ")[1].split(" ")[0].replace(",", ""))
    assert 1e4 < said < 1e15  # the loss falls like a power of the epochs
    assert part.certificate.kind == "infimum"
    assert part.certificate.lower < part.objective <= part.certificate.gap


def test_callbacks_can_not_change_the_fit(table):
    X, y = table

    def meddle(step):
        step.w[:] = 0.0

    with pytest.raises(ValueError, match="read-only"):
        fit(X, y, callbacks=meddle)


def test_copies_are_counted(table):
    X, y = table
    mixed = pd.DataFrame({"a": X[:, 0], "b": np.arange(len(y)), "c": X[:, 1].astype(np.float32)})
    assert fit(mixed, y, standardize=True, alpha=0.1).copies == 1
    assert fit(pd.DataFrame(X), y, alpha=0.1).copies == 0
    assert chainrule.LogisticRegression(alpha=0.1).fit(X, y).result_.copies == 0
    whole = pd.DataFrame(np.round(X).astype(int))
    assert chainrule.LogisticRegression(alpha=0.1).fit(whole, y).result_.copies == 1


def test_interrupt_before_the_first_epoch_has_no_result(table, monkeypatch):
    X, y = table

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("chainrule.data.rows.rows.Rows.moments", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        fit(X, y)
    assert caught.value.result is None


@pytest.mark.parametrize(("place", "has_result"), [("fit.rows_of", False), ("optimize.without_optimum", True)])
def test_interrupted_before_the_run_or_while_the_cause_is_sought(monkeypatch, place, has_result):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(f"chainrule.fitting.{place}", interrupt)
    with pytest.raises(KeyboardInterrupt) as caught:
        fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1], method="newton")
    result = caught.value.result
    assert (result is not None) == has_result
    if has_result:
        assert (result.reason, result.certificate.kind) == ("interrupted", "none")
        assert result.accuracy == 1.0


def test_threads_from_the_environment(monkeypatch, table):
    X, y = table
    monkeypatch.setenv("CHAINRULE_THREADS", "3")
    assert fit(X, y, alpha=0.1).threads == 1  # too small to be worth more
    assert fit(np.tile(X, (100, 1)), np.tile(y, 100), alpha=0.1).threads == 3
    monkeypatch.setenv("CHAINRULE_THREADS", "many")
    with pytest.raises(InputError, match="CHAINRULE_THREADS must be"):
        fit(X, y)
    monkeypatch.delenv("CHAINRULE_THREADS")
    monkeypatch.setenv("CHAINRULE_KERNEL", "none")
    with pytest.raises(InputError, match="CHAINRULE_KERNEL"):
        fit(X, y)


def test_import_loads_neither_numpy_nor_sklearn():
    code = "import sys, chainrule; print([m for m in ('numpy', 'sklearn') if m in sys.modules], dir(chainrule) != [])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=900)
    assert done.stdout.strip() == "[] True", done.stderr


def test_every_public_name_loads():
    for name in chainrule.__all__:
        assert getattr(chainrule, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        chainrule.nothing  # noqa: B018 - the access is the test


@pytest.mark.filterwarnings("ignore::chainrule.ChainruleWarning")
@pytest.mark.parametrize("epochs", [100, 400])
def test_epochs_needed_where_the_rows_are_less_sure_than_at_the_optimum(epochs, rng):
    y = np.repeat([0, 1], 500)
    X = rng.normal(size=(1000, 2)) + np.outer(y, [2.0, 8.0])

    def descent(most):
        return chainrule.fit(
            X,
            y,
            alpha=1e-6,
            method="gradient-descent",
            standardize="center",
            learning_rate=0.1,
            max_reads=most,
            tol=1e-3,
        )

    whole, part = descent(10_000), descent(epochs)
    # a trend is no more than an order of magnitude; the Hessian at the optimum alone says 1
    assert (whole.n_epochs - epochs) / 3 < part.epochs_needed < 3 * (whole.n_epochs - epochs)


@pytest.mark.parametrize(
    ("m", "n", "is_dense", "has_penalty", "hessian_reads", "method", "why"),
    [
        (1_000_000, 300, True, True, 10.5, "newton", "fewest reads"),
        (20_000, 2000, True, True, 53, "newton-cg", "a Hessian of 2,000 columns"),
        (20_000, 2000, True, False, 53, "newton", "fewest reads"),
        (50_000, 800, True, True, 23, "newton-cg", "a Hessian of 800 columns"),
        (50_000, 500, True, True, 15.5, "newton", "fewest reads"),
        (10_000, 500, True, True, 15.5, "newton-cg", "a Hessian of 500 columns"),
        (2_000, 100, True, True, 5.5, "newton", "fewest reads"),
        (83, 2308, True, True, 61, "newton", "in the space of the 83 rows"),
        (83, 2308, False, True, 200, "newton-cg", "a Hessian of 2,308 columns"),
        (100_000, 100_000, False, True, 2000000.0, "newton-cg", "a Hessian of 100,000 columns"),
        (300_000, 500, False, True, 15.5, "newton-cg", "a Hessian of 500 columns"),
        (300_000, 500, False, True, 4.9, "newton", "fewest reads"),
        (90_000, 500, False, True, 9.5, "newton-cg", "a Hessian of 500 columns"),
        (3_000_000, 500, False, True, 3.1, "newton", "fewest reads"),
        (100_000, 20_000, True, False, 503, "gradient-descent", "GB"),
    ],
)
def test_auto_chooses_by_shape_storage_penalty_and_cost(m, n, is_dense, has_penalty, hessian_reads, method, why):
    chosen, reason = choose_method(FitSpec(), Shape(m, n, is_dense, has_penalty, hessian_reads))
    assert chosen.name == method
    assert why in reason


def test_many_sparse_columns_without_a_penalty_are_refused():
    with pytest.raises(InputError, match="without a penalty nothing else proves an optimum: give alpha"):
        choose_method(FitSpec(), Shape(50_000, 20_000, False, False))


def test_newton_is_refused_where_its_hessian_is_too_large_whatever_memory_is_free():
    assert choose_method(FitSpec("newton"), Shape(1000, 20_000, True, False))[0].name == "newton"
    with pytest.raises(InputError, match=r"a Hessian of 30,000 columns would take 7.2 GB, and without a penalty"):
        choose_method(FitSpec("newton"), Shape(100_000, 30_000, False, False))
    with pytest.raises(InputError, match=r"use method='newton-cg', or fewer columns"):
        choose_method(FitSpec("newton"), Shape(100_000, 30_000, False, True))
    # Rows that are fewer than the columns: Newton runs in their space.
    assert choose_method(FitSpec("newton"), Shape(1000, 30_000, True, True))[0].name == "newton"


@pytest.mark.parametrize("case", ["rounding", "reads"])
def test_auto_goes_on_with_newton_where_newton_cg_proves_too_little(case, monkeypatch, rng):
    """A tiny penalty, on scales and factors, hides in rounding for the dual proof; or its steps are too slow."""
    monkeypatch.setattr("chainrule.fitting.choice.WEAK", 0.0)
    m, n = 3000, 160
    X = rng.standard_normal((m, 20)) @ rng.standard_normal((20, n)) + 0.05 * rng.standard_normal((m, n))
    y = (rng.random(m) < 1 / (1 + np.exp(-X[:, 0]))).astype(int)
    options = {"alpha": 1 / m}
    if case == "rounding":
        X *= 10.0 ** rng.uniform(-3, 3, n)
        options["alpha"] = 1e-12
    else:
        monkeypatch.setattr("chainrule.fitting.conjugate.DEFAULT_READS", 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = chainrule.fit(X, y, **options)
    assert found.method == "newton"
    assert "newton-cg had proven too little after" in found.method_reason
    assert found.reason == "converged"
    assert found.certificate.gap <= found.tol
    assert found.reads > 5
    # As asked for, newton-cg says that it did not arrive; and a limit of reads is kept.
    with pytest.warns(NotConvergedWarning):
        alone = chainrule.fit(X, y, method="newton-cg", **options)
    assert alone.method == "newton-cg"
    assert alone.certificate.gap > alone.tol
    with pytest.warns(NotConvergedWarning):
        limited = chainrule.fit(X, y, max_reads=6, **options)
    assert limited.method == "newton-cg"
    assert limited.reads <= 8


@pytest.mark.parametrize("method", ["newton", "newton-cg", "gradient-descent", "sgd"])
def test_overflow_in_a_callback_is_treated_as_the_user_says(method, rng):
    X, y = rng.normal(size=(40, 2)), np.arange(40) % 2

    def far(step):
        return {"far": float(np.exp(np.float64(1e4)))}

    with np.errstate(over="raise"), pytest.raises(FloatingPointError, match="overflow"):
        fit(X, y, alpha=0.1, method=method, callbacks=far)
