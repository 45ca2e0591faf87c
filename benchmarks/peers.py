"""Every solver of the fit benchmark behind one call, with its own ladder of tolerances.

What is timed is the call that a user makes, from the raw data to a fitted object. A frame's encoding (`coders.py`) is part
of it; reading w and b from that object is not. Every peer's parameters are set so that it minimises
(1/m) sum l(z, y) + (alpha/2) w.w with b free.
"""

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import numpy as np
from coders import Encoding, as_one_hot, as_tabmat
from designs import Vector, Workload

Fit = Callable[[Any, Any], Any]
LADDER = tuple(10.0**-k for k in range(-2, 14))  # loose to tight: 1e2 .. 1e-13
MANY = 100_000  # iterations: so that the tolerance or the time limit decides


@dataclass(frozen=True)
class Setting:
    """One rung: a name for the table, and the arguments of the fit."""

    name: str
    tol: float | None = None
    extra: Any = None


@dataclass(frozen=True)
class Solver:
    """A solver: `prepare(setting, data)` returns the call that fits, `read` takes (w, b) from what that returns.

    takes : kinds of X. encode : makes its X from a frame, if it doesn't take frames, and gives the design's place of each
    of its coefficients. dense_hessian : whether it makes a dense Hessian of all columns, which may not fit into memory.
    """

    name: str
    package: str
    prepare: Callable[[Setting, Workload], Fit]
    read: Callable[[Any], tuple[Vector, float]]
    settings: tuple[Setting, ...]
    takes: tuple[str, ...] = ("array", "csr", "frame")
    encode: Encoding | None = None
    dense_hessian: bool = False
    ours: bool = False
    in_c: bool = False  # the whole fit is one call into C, which no time limit in this process can end

    def installed(self) -> str | None:
        """Version of the package; None if it is not installed."""
        try:
            return version(self.package)
        except PackageNotFoundError:
            return "from the path" if find_spec(self.package) else None

    def refuses(self, data: Workload, memory: float) -> str | None:
        """Why it is not run on these data; None if it is run. memory : bytes that may be used."""
        if self.installed() is None:
            return f"{self.package} not installed"
        if data.kind not in self.takes:
            return f"not run: takes no {data.kind}"
        hessian = 8.0 * data.width**2
        if self.dense_hessian and 2 * hessian > memory:  # it and its factor, or a sum and a part
            return f"fails, not run: its dense Hessian takes {hessian / 2**30:.3g} GiB"
        return None

    def encoder(self, data: Workload) -> Callable[[Any], Any] | None:
        """Return the call that makes its X; None if it takes X as it is."""
        return self.encode.prepare(data) if self.encode and data.kind == "frame" else None

    def whole(self, setting: Setting, data: Workload) -> Fit:
        """Return the call that is timed, encoding included."""
        fit, encode = self.prepare(setting, data), self.encoder(data)
        return fit if encode is None else lambda X, y: fit(encode(X), y)

    def point(self, model: Any, data: Workload) -> tuple[Vector, float]:
        """(w, b) over the columns of the design."""
        w, b = self.read(model)
        if data.kind != "frame":
            return w, b
        if self.ours:
            return data.coding.from_users_units(w, b)
        if self.encode is None or len(w) != data.width:
            raise ValueError(f"{len(w)} coefficients for a design of {data.width} columns")
        ordered = np.empty_like(w)
        ordered[self.encode.places(data)] = w
        return ordered, b


def tolerances(ladder: tuple[float, ...] = LADDER) -> tuple[Setting, ...]:
    return tuple(Setting(f"{tol:.0e}", tol) for tol in ladder)


def of_estimator(model: Any) -> tuple[Vector, float]:
    return np.ravel(model.coef_).astype(np.float64), float(np.ravel(model.intercept_)[0])


# --- ours: the data as they are, every level a coefficient


def asked(data: Workload) -> dict[str, Any]:
    return {"coding": "all", "standardize": data.standardize} if data.kind == "frame" else {}


def chainrule_fit(setting: Setting, data: Workload) -> Fit:
    import chainrule

    return lambda X, y: chainrule.fit(X, y, alpha=data.alpha, tol=setting.tol, **asked(data))


def chainrule_estimator(setting: Setting, data: Workload) -> Fit:
    from chainrule import LogisticRegression

    return lambda X, y: LogisticRegression(alpha=data.alpha, tol=setting.tol).fit(X, y)


# --- scikit-learn: C multiplies the sum of the losses, so C = 1/(alpha m)


def scikit_learn(solver: str) -> Callable[[Setting, Workload], Fit]:
    def prepare(setting: Setting, data: Workload) -> Fit:
        from sklearn.linear_model import LogisticRegression

        # liblinear penalises b as the weight of a column of this value: the larger the value, the smaller the penalty.
        scaling = {} if setting.extra is None else {"intercept_scaling": setting.extra}
        return lambda X, y: LogisticRegression(
            C=data.strength, solver=solver, tol=setting.tol, max_iter=MANY, **scaling
        ).fit(X, y)

    return prepare


class Accelerated(logging.Handler):
    """What scikit-learn-intelex logs about its path: it falls back to scikit-learn without a warning."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())

    def verdict(self) -> str:
        if not self.said:
            return "said nothing of its path"
        return "fell back to scikit-learn" if any("fallback" in line for line in self.said) else "accelerated"


ACCELERATED = Accelerated()


def intelex(setting: Setting, data: Workload) -> Fit:
    from sklearnex.linear_model import LogisticRegression

    logger = logging.getLogger("sklearnex")  # the import set it up
    logger.handlers, logger.propagate = [ACCELERATED], False
    logger.setLevel(logging.INFO)
    ACCELERATED.said.clear()
    return lambda X, y: LogisticRegression(C=data.strength, solver="lbfgs", tol=setting.tol, max_iter=MANY).fit(X, y)


# --- glum: mean deviance / 2 + (alpha/2) w.w. It centres and scales the columns inside by itself, at the same objective


def glum(solver: str) -> Callable[[Setting, Workload], Fit]:
    def prepare(setting: Setting, data: Workload) -> Fit:
        from glum import GeneralizedLinearRegressor

        return lambda X, y: GeneralizedLinearRegressor(
            family="binomial",
            alpha=data.alpha,
            l1_ratio=0,
            solver=solver,
            gradient_tol=setting.tol,
            max_iter=MANY,
            cat_missing_method="convert",
        ).fit(X, y)

    return prepare


# --- LIBLINEAR's own Python: -R leaves the bias out of the penalty. Its dense input is slower than its CSR


def liblinear(setting: Setting, data: Workload) -> Fit:
    from liblinear.liblinearutil import train
    from scipy.sparse import csr_matrix

    options = f"-s 0 -c {data.strength!r} -e {setting.tol!r} -B 1 -R -q"
    return lambda X, y: train(y, csr_matrix(X), options)


def of_liblinear(model: Any) -> tuple[Vector, float]:
    sign = 1.0 if model.get_labels()[0] == 1 else -1.0  # its positive class is the label it met first
    w, b = model.get_decfun()
    return sign * np.asarray(w, dtype=np.float64), sign * float(b)


# --- statsmodels: a ridge is only in GLM.fit_regularized, which passes no tolerance on: its optimisers are the ladder


def statsmodels(setting: Setting, data: Workload) -> Fit:
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM
    from statsmodels.tools import add_constant

    def fit(X: Any, y: Any) -> Any:
        design = add_constant(X, prepend=False, has_constant="add")
        ridge = np.append(np.full(X.shape[1], data.alpha), 0.0)
        return GLM(y, design, family=Binomial()).fit_regularized(alpha=ridge, L1_wt=0, opt_method=setting.extra)

    return fit


def of_statsmodels(results: Any) -> tuple[Vector, float]:
    return np.asarray(results.params[:-1], dtype=np.float64), float(results.params[-1])


def of_result(result: Any) -> tuple[Vector, float]:
    return result.w, float(result.b)


MATRICES = ("array", "csr")
DEFAULT = (Setting("default"),)
OURS = (
    Solver("chainrule.fit", "chainrule", chainrule_fit, of_result, tolerances(), ours=True),
    Solver("chainrule.fit, default tol", "chainrule", chainrule_fit, of_result, DEFAULT, ours=True),
    Solver(
        "chainrule estimator", "chainrule", chainrule_estimator, of_estimator, tolerances(), takes=MATRICES, ours=True
    ),
)
PEERS = (
    Solver("sklearn lbfgs", "scikit-learn", scikit_learn("lbfgs"), of_estimator, tolerances(), encode=as_one_hot),
    Solver(
        "sklearn newton-cholesky",
        "scikit-learn",
        scikit_learn("newton-cholesky"),
        of_estimator,
        tolerances(),
        encode=as_one_hot,
        dense_hessian=True,
    ),
    Solver(
        "sklearn newton-cg", "scikit-learn", scikit_learn("newton-cg"), of_estimator, tolerances(), encode=as_one_hot
    ),
    Solver(
        "sklearn liblinear",
        "scikit-learn",
        scikit_learn("liblinear"),
        of_estimator,
        tuple(Setting(f"{t:.0e}, b x {s:g}", t, s) for s in (1.0, 100.0) for t in (1e-2, 1e-4, 1e-6, 1e-8, 1e-10)),
        encode=as_one_hot,
        in_c=True,
    ),
    # Its gradient is of the sum of the losses, not the mean: for the same stop, the tolerance must be m times as large.
    Solver(
        "oneDAL lbfgs",
        "scikit-learn-intelex",
        intelex,
        of_estimator,
        tolerances((1e6, 1e5, 1e4, 1e3, *LADDER)),
        takes=("array",),
    ),
    Solver("glum irls-ls", "glum", glum("irls-ls"), of_estimator, tolerances(), encode=as_tabmat, dense_hessian=True),
    Solver("glum lbfgs", "glum", glum("lbfgs"), of_estimator, tolerances(), encode=as_tabmat),
    Solver(
        "LIBLINEAR",
        "liblinear-official",
        liblinear,
        of_liblinear,
        tolerances(LADDER[3:13]),
        takes=MATRICES,
        in_c=True,
    ),
    Solver(
        "statsmodels GLM",
        "statsmodels",
        statsmodels,
        of_statsmodels,
        tuple(Setting(name, None, name) for name in ("BFGS", "L-BFGS-B", "Newton-CG")),
        takes=("array",),
        dense_hessian=True,
    ),
)
SOLVERS = {solver.name: solver for solver in (*OURS, *PEERS)}


def setting_of(name: str, setting: str) -> Setting:
    return next(s for s in SOLVERS[name].settings if s.name == setting)


def quiet() -> None:
    """Silence the peers' warnings: what a run reached is measured in any case."""
    warnings.simplefilter("ignore")
