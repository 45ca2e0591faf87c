"""A trained model, and its files: the model file and the trace beside it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.data.dialects import Dialect
from chainrule.data.frames import displayed
from chainrule.data.rows.decode import part_values, scipy_csr
from chainrule.data.rows.levels import limits
from chainrule.data.schema import BOOLEANS, Column, LabelKind, Schema, require_kinds
from chainrule.data.variables import Facts
from chainrule.errors import InputError
from chainrule.fitted import Fitted
from chainrule.fitting.methods import METHODS
from chainrule.fitting.result import Result
from chainrule.kernels.blocks import Blocks, CategoryColumn, Csr, NumberColumn
from chainrule.losses import LOGISTIC, LOSSES, Loss
from chainrule.model.files import write_atomically
from chainrule.model.safefile import explained, pack, unpack
from chainrule.solvers.trace import Trace
from chainrule.words import counted, plain

Floats = npt.NDArray[np.float64]

# rows whose z stays in the cache while the columns are added to it
_BLOCK = 32768
# the keys that other modules read from a model's `info`, and from its `split`
_INFO = {
    "alpha": float, "loss": float, "sum_weights": float, "method": str, "n_epochs": int, "n_rows": int, "na": list[str],
    "missing": list, "test_size": float | int, "seed": int,
}  # fmt: skip
UNDETERMINED = "undetermined"  # in place of a class, where infinite coefficients of both signs meet
_TENSORS = ("b", "b_fit", "center", "check_X", "scale", "w", "w_fit")


@dataclass(frozen=True, eq=False, repr=False)
class Model(Fitted):
    """A trained model: how to encode tables for it, its coefficients, and how it was trained.

    Its methods are those of `Fitted`. Without the record of its training, it can't draw the loss or write a report.

    Parameters
    ----------
    schema : Schema
        How a table is encoded as n columns.
    w, b : (n,) float64 and float
        In the user's units: z = x.w + b. For reading; `decision` uses `w_fit` and `b_fit`.
    w_fit, b_fit : (n,) float64 and float
        In the units of the fit, whose x is (x - center) / scale.
    center, scale : (n,) float64
        0 and 1 for a column that is not standardised.
    info : dict
        `Result.to_dict(timings=False)`: JSON values.

    Raises
    ------
    InputError
        An array's shape doesn't fit the schema's columns, or a number is not finite.
    """

    schema: Schema
    w: Floats
    b: float
    w_fit: Floats
    b_fit: float
    center: Floats
    scale: Floats
    info: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.schema.feature_names)
        for name in ("w", "w_fit", "center", "scale", "b", "b_fit"):
            array = np.asarray(getattr(self, name), dtype=np.float64)
            is_bias = name.startswith("b")
            if not is_bias and array.shape != (n,):
                raise InputError(f"the model's {name} must have {n} numbers, one a feature: its shape is {array.shape}")
            if not np.isfinite(array).all():
                raise InputError(f"the model's {name} is not finite: rescale the columns or lower the learning rate")
            object.__setattr__(self, name, float(array) if is_bias else array)

    @classmethod
    def of(cls, result: Result, schema: Schema | None = None, **known: Any) -> "Model":
        """Make the model of a fit. schema : of the command line's table; by default what the fit learnt from X and y.

        known : more for `info`, such as "split", by which the training rows are known again: by default, they are all rows.
        """
        info = result.to_dict(timings=False) | {"library": result.library, "loss_name": result.loss_name}
        info |= {"facts": plain(result.facts), "split": {"test_size": 0.0, "seed": 0}, "na": [], **known}
        schema = _schema_of(result) if schema is None else schema
        return cls(schema, result.w, result.b, result.w_fit, result.b_fit, result.center, result.scale, info)

    def _line(self) -> str:
        n = counted(len(self.w), "coefficient")
        return f"{self.schema.target}, {counted(self.info['n_rows'], 'row')}, {n}; {self.info['method']}"

    @property
    def model(self) -> "Model":
        """The model itself."""
        return self

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the coefficients, (n,)."""
        return self.schema.feature_names

    @cached_property
    def classes(self) -> tuple[Any, Any]:
        """Labels of y = 0 and y = 1: numbers, booleans or text as in training; labels of other kinds are text."""
        labels, kind = (self.schema.negative, self.schema.positive), self.schema.label_kind
        if kind == "boolean":
            return (labels[0] == BOOLEANS[1], labels[1] == BOOLEANS[1])
        return (_number(labels[0]), _number(labels[1])) if kind == "number" else labels

    @property
    def loss_function(self) -> Loss:
        """The loss that the coefficients minimise, which says what z means as a probability."""
        return LOSSES[self.info.get("loss_name", LOGISTIC.name)]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values: `info`, and how a table is encoded as "schema"."""
        return {**self.info, "schema": self.schema.to_dict()}

    @cached_property
    def facts(self) -> Facts | None:
        """What the rows of the fit say about the columns, as in `Result.facts`; None if the file is older."""
        told = self.info.get("facts")
        if told is None:
            return None
        require_kinds(told, {"mean": list, "sd": list, "counts": list | None, "rows": int})
        mean, sd = (np.array(told[name], dtype=np.float64) for name in ("mean", "sd"))
        counts = None if told["counts"] is None else np.array(told["counts"], dtype=np.float64)
        if any(array is not None and array.shape != self.w.shape for array in (mean, sd, counts)):
            raise TypeError("its facts")
        return Facts(mean, sd, counts, told["rows"])

    @property
    def infinite(self) -> npt.NDArray[np.int8]:
        """Signs and ranks of the infinite coefficients, (n,), as in `Result.infinite`; 0 for finite ones."""
        return np.asarray(self.info.get("infinite", np.zeros(len(self.w))), dtype=np.int8)

    def predicted(self, rows: Blocks, z: Floats) -> Floats:
        """Replace log-odds z by infinity where an infinite coefficient decides, and by NaN where two of both signs meet."""
        infinite = self.infinite
        if not infinite.any():
            return z
        n = len(self.w)
        plain = replace(self, b_fit=0.0, center=np.zeros(n), scale=np.ones(n))
        owners = np.zeros(n, dtype=np.intp)
        for k, column in enumerate(rows.columns):
            owners[column.span] = k

        def score(w: Floats) -> Floats:
            used = [rows.columns[k] for k in np.unique(owners[w != 0.0])]  # of a thousand columns, perhaps
            with np.errstate(all="ignore"):
                return replace(plain, w_fit=w)._of_columns(used, rows.m)

        found = limits(infinite, self.schema.columns, score)
        return np.where(found == 0.0, z, found)

    def decision(self, rows: Blocks | npt.ArrayLike) -> Floats:
        """Log-odds of the positive label: z = ((x - center) / scale).w_fit + b_fit, summed from the first feature on.

        The units of the fit keep all its digits: x.w + b cancels if a column is far from 0. A row's z has the same bits
        alone, among other rows and on every machine.

        Parameters
        ----------
        rows : Blocks, or (m, n) array
            Columns as the schema encodes them, or dense numbers in the user's units.

        Returns
        -------
        (m,) float64

        Raises
        ------
        InputError
            A row's z is beyond what float64 can hold, or not a number.
        """
        with np.errstate(all="ignore"):
            if not isinstance(rows, Blocks):
                z = self._of_dense(np.asarray(rows, dtype=np.float64))
            elif rows.X is not None:
                z = self._of_dense(rows.X)
            else:
                z = self._of_columns(rows.columns, rows.m) if rows.csr is None else self._of_sparse(rows.csr)
        if not np.isfinite(z).all():
            row = int(np.argmin(np.isfinite(z))) + 1
            raise InputError(f"row {row} has numbers that are missing or too large: its log-odds are not finite")
        return z

    def _of_dense(self, X: npt.NDArray[np.floating]) -> Floats:
        z, at_once = np.empty(len(X)), max(1, 4 * _BLOCK // X.shape[1])
        for start in range(0, len(X), at_once):
            rows = slice(start, start + at_once)
            terms = (X[rows] - self.center) / self.scale * self.w_fit
            terms[:, 0] += self.b_fit
            z[rows] = np.add.accumulate(terms, axis=1, out=terms)[:, -1]
        return z

    def _of_sparse(self, csr: Csr) -> Floats:
        """Add the stored elements alone; on centred columns, those of 0 are added first, together."""
        from scipy.sparse import hstack

        X, w = scipy_csr(csr).sorted_indices(), self.w_fit / self.scale
        first = np.full(csr.m, self.b_fit - float(self.center @ w))
        # as a column of its own, the bias is the first term
        return np.asarray(hstack([first[:, np.newaxis], X], format="csr") @ np.append(1.0, w))

    def _of_columns(self, columns: Sequence[NumberColumn | CategoryColumn], m: int) -> Floats:
        z = np.full(m, self.b_fit)
        for column in columns:
            first = 0
            for part in column.parts:
                for start in range(0, part.rows, _BLOCK):
                    values = part_values(part, slice(start, min(start + _BLOCK, part.rows)))
                    self._add(column, values, z[first + start :][: len(values)])
                first += part.rows
        return z

    def _add(self, column: NumberColumn | CategoryColumn, x: Floats, z: Floats) -> None:
        """Add a column's terms to the z of some rows; x: its numbers, or codes, NaN where one is missing; x is changed."""
        j, lost = column.at, np.isnan(x)
        if isinstance(column, CategoryColumn):
            of_codes = np.append(np.zeros(column.skip), self.w_fit[j : j + column.levels - column.skip])
            np.copyto(x, -1.0, where=lost)
            z += np.append(of_codes, of_codes[column.missing or 0])[x.astype(np.intp)]  # -1 is the last
            return
        if column.fill is not None:
            np.copyto(x, column.fill, where=lost)
        z += (x - self.center[j]) / self.scale[j] * self.w_fit[j]
        if column.indicator is not None:
            z += lost * self.w_fit[column.indicator]


def _schema_of(result: Result) -> Schema:
    """Say how X and y of a fit in Python were encoded."""
    one, negative, positive = result.classes[1], *map(displayed, result.classes)
    kind: LabelKind = "boolean" if isinstance(one, bool) else "number" if isinstance(one, int | float) else "text"
    if result.encodings is not None:
        return Schema(result.target, negative, positive, result.encodings, label_kind=kind, source="frame")
    columns = tuple(Column(name, "number") for name in result.feature_names)
    return Schema(result.target, negative, positive, columns, label_kind=kind, source="array")


def _number(label: str) -> int | float:
    return int(label) if re.fullmatch(r"-?\d+", label) else float(label)


def save_model(path: str | Path, model: Model) -> None:
    """Write a model; the same model gives the same file to the bit.

    Parameters
    ----------
    path : str or Path
        Usually NAME.safetensors. Written whole or not at all.
    model : Model

    Raises
    ------
    InputError
        The file can't be written.
    """
    check_X = _check_rows(model)
    document = {
        "objective_line": model.info.get("objective_line"),
        "schema": model.schema.to_dict(),
        "result": model.info,
        "check_z": [float(z).hex() for z in model.decision(check_X)],
    }
    numbers = {name: getattr(model, name) for name in _TENSORS if name != "check_X"}
    write_atomically(path, pack("model", document, {**numbers, "check_X": check_X}))


def load_model(path: str | Path) -> Model:
    """Read a model, and check that it is whole and still gives its check rows the same z, to the bit.

    Raises
    ------
    InputError
        The file is missing, damaged, not of chainrule, a trace, or of a newer version of chainrule.
    """
    document, tensors = unpack(path, "model")
    with explained(path, "model"):  # the checksum is right, so another program wrote unusable content
        info = document["result"]
        require_kinds({"na": [], "missing": []} | info | info.get("split", {"test_size": 0.0, "seed": 0}), _INFO)
        Dialect.asked(**info.get("written", {}))
        if {name: x.dtype.kind for name, x in tensors.items()} != dict.fromkeys(_TENSORS, "f"):
            raise TypeError("its numbers")
        infinite = info.get("infinite", [0] * len(tensors["w"]))  # files of 0.1.0 have none
        require_kinds({"infinite": infinite}, {"infinite": list[int]})
        if len(infinite) != len(tensors["w"]):
            raise TypeError("its infinite coefficients")
        if info["method"] not in METHODS:
            raise ValueError("its method")
        if info.get("loss_name", LOGISTIC.name) not in LOSSES:
            what = f"the loss {info['loss_name']!r}, which is not known here"
            raise InputError(f"{path} was fitted with {what}: register it in chainrule.losses.LOSSES first")
        check_X = tensors.pop("check_X")
        numbers: dict[str, Any] = dict(tensors)
        model = Model(Schema.from_dict(document["schema"]), info=info, **numbers)
        _ = model.facts  # checked here
        z = model.decision(check_X)
        expected = np.array([float.fromhex(number) for number in document["check_z"]])
    if not np.array_equal(z, expected):
        what = "this machine computes other log-odds for the model's check rows than the machine that trained it"
        raise InputError(f"{path}: {what}: train the model again")
    return model


def save_trace(path: str | Path, trace: Trace) -> None:
    """Write what training recorded; the same trace gives the same file to the bit.

    Parameters
    ----------
    path : str or Path
        See `trace_path`. Written whole or not at all.
    trace : Trace

    Raises
    ------
    InputError
        The file can't be written.
    """
    document = {"columns": list(trace.columns), "stride": int(trace.stride), "note": trace.note}
    columns = {f"columns/{name}": np.asarray(column) for name, column in trace.columns.items()}
    write_atomically(path, pack("trace", document, {"w": trace.w, "b": trace.b, **columns}))


def load_trace(path: str | Path) -> Trace:
    """Read a trace and check that it is whole.

    Raises
    ------
    InputError
        The file is missing, damaged, not of chainrule, a model, or of a newer version of chainrule.
    """
    document, tensors = unpack(path, "trace")
    with explained(path, "trace"):
        require_kinds(document, {"columns": list[str], "stride": int, "note": str})
        columns = {name: tensors[f"columns/{name}"] for name in document["columns"]}
        w, b = tensors["w"], tensors["b"]
        if b.ndim != 1 or any(x.shape != b.shape for x in (*columns.values(), w[:, 0])) or "epoch" not in columns:
            raise TypeError("its columns")
        return Trace(columns, w, b, document["stride"], document["note"])


def trace_path(model_path: str | Path) -> Path:
    """Return the path of a model's trace: beside the model, NAME.trace for NAME.safetensors or NAME.

    Raises
    ------
    InputError
        The model's own name ends in .trace, or is a folder.
    """
    path = Path(model_path)
    if not path.name:
        raise InputError(f"can't write {path}: it is a folder; name a file in it")
    if path.suffix == ".trace":
        raise InputError(f"{path}: a model's name can't end in .trace: call it {path.stem}.safetensors")
    return path.with_suffix(".trace") if path.suffix == ".safetensors" else path.with_name(f"{path.name}.trace")


def trace_belongs(model: Model, trace: Trace) -> bool:
    """Return whether a trace may be from the model's training: a kept epoch has the model's w and b to the bit.

    A thinned trace may have dropped that epoch.
    """
    if trace.w.shape[1:] != model.w_fit.shape:
        return False
    return trace.stride > 1 or bool(np.any(np.all(trace.w == model.w_fit, axis=1) & (trace.b == model.b_fit)))


def _check_rows(model: Model) -> Floats:
    """Make a few rows that test every feature: at the centre, one scale up, one scale down, and alternating."""
    sign = np.where(np.arange(model.w.size) % 2 == 0, 1.0, -1.0)
    steps = np.stack([0.0 * sign, 1.0 + 0.0 * sign, -1.0 + 0.0 * sign, sign])
    return np.asarray(model.center + steps * model.scale)
