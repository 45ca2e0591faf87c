import importlib
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression as Peer
from sklearn.utils.estimator_checks import parametrize_with_checks

import chainrule
from chainrule import InputError, LogisticRegression
from chainrule.errors import NotConvergedWarning


@pytest.fixture
def table(rng):
    X = rng.normal(size=(600, 5))
    y = np.where(X[:, 0] - 0.5 * X[:, 1] + rng.logistic(size=600) > 0.8, "yes", "no")
    return X, y


@pytest.mark.parametrize("C", [0.01, 1.0, 50.0])
@pytest.mark.parametrize("class_weight", [None, "balanced", {"yes": 3.0, "no": 0.5}])
@pytest.mark.parametrize("weighted", [False, True])
def test_C_and_weights_mean_what_they_mean_in_scikit_learn(C, class_weight, weighted, table, rng):
    X, y = table
    s = rng.exponential(size=len(y)) if weighted else None
    ours = LogisticRegression(C=C, class_weight=class_weight, tol=1e-18).fit(X, y, sample_weight=s)
    peer = Peer(C=C, class_weight=class_weight, tol=1e-12, solver="newton-cholesky").fit(X, y, sample_weight=s)
    np.testing.assert_allclose(ours.coef_, peer.coef_, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(ours.intercept_, peer.intercept_, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(ours.predict_proba(X), peer.predict_proba(X), atol=1e-6)
    assert np.mean(ours.predict(X) == peer.predict(X)) > 0.998


def test_shapes_and_attributes(table):
    X, y = table
    frame = pd.DataFrame(X, columns=list("abcde"))
    model = LogisticRegression(alpha=0.1).fit(frame, y)
    assert model.coef_.shape == (1, 5)
    assert model.intercept_.shape == (1,)
    assert model.classes_.tolist() == ["no", "yes"]
    assert model.n_iter_.tolist() == [model.result_.n_epochs]
    assert model.feature_names_in_.tolist() == list("abcde")
    assert model.result_.feature_names == tuple("abcde")
    assert model.result_.alpha == 0.1
    assert set(model.predict(frame)) <= {"no", "yes"}
    probabilities = model.predict_proba(frame)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-15)
    np.testing.assert_allclose(
        np.log(probabilities[:, 1] / probabilities[:, 0]), model.decision_function(frame), rtol=1e-9
    )


def test_probabilities_keep_their_digits_far_from_zero():
    model = LogisticRegression(alpha=1.0).fit([[-1.0], [1.0]], [0, 1])
    model.coef_ = np.array([[1.0]])
    model.intercept_ = np.array([0.0])
    probabilities = model.predict_proba([[-700.0], [700.0]])
    np.testing.assert_allclose(probabilities[[0, 1], [1, 0]], np.exp(-700.0), rtol=1e-13)


def test_parameters_are_stored_untouched_and_cloned():
    parameters = dict(
        alpha=0.3, tol=1e-5, method="gradient-descent", max_reads=7, learning_rate=0.2, standardize=True, n_threads=2
    )
    model = LogisticRegression(**parameters)
    assert {name: clone(model).get_params()[name] for name in parameters} == parameters


def test_default_has_no_penalty(table):
    X, y = table
    model = LogisticRegression(tol=1e-18).fit(X, y)
    peer = Peer(C=np.inf, tol=1e-12, solver="newton-cholesky").fit(X, y)
    np.testing.assert_allclose(model.coef_, peer.coef_, rtol=1e-5, atol=1e-7)
    assert LogisticRegression(C=np.inf).fit(X, y).result_.alpha == 0.0


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        (dict(alpha=0.1, C=1.0), "alpha or C, not both"),
        (dict(C=0.0), "C must be .*, not 0.0"),
        (dict(C="big"), "C must be .*, not .big."),
        (dict(alpha=-1.0), "alpha must be"),
        (dict(class_weight="even"), "class_weight must be"),
        (dict(class_weight={"maybe": 2.0}), "class_weight names 'maybe'"),
        (dict(learning_rate=-1.0), "learning_rate"),
    ],
)
def test_bad_parameters(parameters, sentence, table):
    with pytest.raises(InputError, match=sentence):
        LogisticRegression(**parameters).fit(*table)


def test_fit_that_stops_early_warns(table):
    with pytest.warns(NotConvergedWarning):
        LogisticRegression(max_reads=2).fit(*table)


def test_a_fit_that_stops_early_is_known_to_scikit_learns_filters(table):
    from sklearn.exceptions import ConvergenceWarning

    with pytest.warns(ConvergenceWarning, match="max_reads"):
        LogisticRegression(max_reads=2).fit(*table)


@pytest.mark.parametrize("method", ["newton", "newton-cg", "gradient-descent"])
def test_a_warm_start_begins_where_the_fit_before_ended(method, table):
    X, y = table
    model = LogisticRegression(alpha=0.1, method=method, warm_start=True).fit(X, y)
    before = model.result_
    model.fit(X, y)
    assert model.result_.trace.columns["objective"][0] <= before.objective + 1e-12
    assert model.result_.n_epochs <= before.n_epochs
    assert abs(model.result_.objective - before.objective) <= 2e-8
    with pytest.raises(InputError, match="the previous fit had"):
        model.fit(X[:, :1], y)


def test_verbose_prints_a_line_a_step(table, capsys):
    model = LogisticRegression(method="gradient-descent", alpha=0.1, max_reads=20_000, verbose=True).fit(*table)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == model.result_.n_epochs + 1
    assert lines[0].startswith("step 0: ")
    assert "F - F* <= " in lines[-1]


@pytest.mark.filterwarnings("ignore::chainrule.errors.ChainruleWarning")
@parametrize_with_checks([LogisticRegression(alpha=0.01)])
def test_every_check_of_scikit_learn(estimator, check):
    check(estimator)


class Watching:
    """A callback that keeps what it sees and ends the fit after some steps."""

    def __init__(self, last):
        self.last, self.seen, self.tasks = last, [], []

    def setup(self, estimator, context):
        self.tasks.append("setup")

    def teardown(self, estimator, context):
        self.tasks.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.tasks.append(f"{context.task_name} begins")

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        self.tasks.append(f"{context.task_name} ends")
        if context.task_name == "step" and fitted_estimator is not None:
            self.seen.append((fitted_estimator.coef_, fitted_estimator.predict_proba(X)))
        return len(self.seen) == self.last


@pytest.mark.parametrize("method", ["newton", "newton-cg", "gradient-descent", "sgd"])
def test_callbacks_see_each_step_and_may_end_the_fit(method, table):
    pytest.importorskip("sklearn.callback", reason="scikit-learn 1.9")
    X, y = table
    how = dict(alpha=0.1, method=method, standardize=True)
    for last in (2, 10**6):
        watching = Watching(last)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotConvergedWarning)
            model = LogisticRegression(**how).set_callbacks(watching).fit(X, y)
        assert len(watching.seen) == model.n_iter_[0] == min(last, model.n_iter_[0])
        assert (model.result_.reason == "interrupted") == (last == 2)
        coef, probability = watching.seen[model.result_.epoch - 1]  # of sgd the best epoch, not the last
        np.testing.assert_allclose(coef, model.coef_, rtol=1e-12)
        np.testing.assert_allclose(probability, model.predict_proba(X), rtol=1e-12)
        assert watching.tasks[:3] == ["setup", "fit begins", "step begins"]
        assert watching.tasks[-3:] == ["step ends", "fit ends", "teardown"]
        assert watching.tasks.count("step begins") == watching.tasks.count("step ends")


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_the_result_has_the_name_of_y_and_gives_frames_of_the_library_of_X(library, rng):
    frame = importlib.import_module(library).DataFrame({"a": rng.normal(size=60), "b": rng.normal(size=60)})
    y = pd.Series(rng.random(60) < 0.5, name="bought")
    for model in (
        LogisticRegression(alpha=0.1).fit(frame, y),
        LogisticRegression(alpha=0.1, missing="mean").fit(frame, y),
    ):
        assert model.result_.target == "bought"
        assert type(model.result_.coefficients()).__module__.startswith(library)
    assert chainrule.fit(frame, y.to_frame(), alpha=0.1).target == "bought"
