"""How a table is trained on: the options of `chainrule.fit` as the command line has them."""

from dataclasses import dataclass
from typing import Literal

from chainrule.errors import InputError
from chainrule.findings import Front

METHODS = ("auto", "newton", "newton-cg", "gradient-descent", "sgd")
NEWTON = ("newton", "newton-cg")
SCHEDULES = ("constant", "inverse", "inverse-sqrt")


@dataclass(frozen=True)
class Recipe:
    """How to train: the options of `chainrule.fit` that a table's user chooses; None takes the method's default.

    learning_rate, epochs: of gradient descent, on all rows or by mini-batches. With either, "auto" means gradient descent, else
    Newton. batch_size, schedule: of sgd alone, which they choose. seed: of its order.
    standardize: by default True for gradient descent, whose speed depends on it, and False for Newton's, which doesn't.
    """

    method: str = "auto"
    learning_rate: float | Literal["auto"] | None = None
    epochs: int | None = None
    max_reads: int | None = None
    tol: float | None = None
    alpha: float = 0.0
    standardize: bool | None = None
    threads: int | None = None
    batch_size: int | None = None
    schedule: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InputError(
                f"--method {self.method!r} is not known; choose {', '.join(METHODS[:-1])} or {METHODS[-1]}"
            )
        if self.method in NEWTON and self.of_descent:
            raise InputError(
                f"{self.of_descent} is an option of gradient descent, and --method is {self.method}: leave one of them out"
            )
        if self.schedule is not None and self.schedule not in SCHEDULES:
            raise InputError(
                f"--schedule {self.schedule!r} is not known; choose {', '.join(SCHEDULES[:-1])} or {SCHEDULES[-1]}"
            )
        if self.method in (*NEWTON, "gradient-descent") and self.of_batches:
            raise InputError(
                f"{self.of_batches} is an option of sgd, and --method is {self.method}: leave one of them out"
            )
        if self.epochs is not None and self.max_reads is not None:
            raise InputError("--epochs and --max-reads limit the same run: give one of them")

    @property
    def of_descent(self) -> str:
        """The option given that only gradient descent has; empty without one."""
        if self.learning_rate is not None:
            return "--learning-rate"
        return "" if self.epochs is None else "--epochs"

    @property
    def of_batches(self) -> str:
        """The option given that only sgd has; empty without one."""
        if self.batch_size is not None:
            return "--batch-size"
        return "" if self.schedule is None else "--schedule"

    @property
    def chosen(self) -> str:
        """The method that will run."""
        if self.method != "auto":
            return self.method
        if self.of_batches:
            return "sgd"
        return "gradient-descent" if self.of_descent else "newton"

    @property
    def front(self) -> Front:
        """How this request's options are named: what limits the run, and what can't go with --method newton."""
        limit = "--max-reads" if self.chosen in NEWTON or self.max_reads is not None else "--epochs"
        given = {
            "--learning-rate": self.learning_rate,
            "--epochs": self.epochs,
            "--batch-size": self.batch_size,
            "--schedule": self.schedule,
        }
        without = [option for option, value in given.items() if value is not None]
        return Front(True, {"max_reads": limit}, f" without {' and '.join(without)}" if without else "")

    @property
    def reason(self) -> str:
        """Why that method, where it follows from another option; else empty."""
        if self.method == "auto" and self.of_batches:
            return f"{self.of_batches} was given, which only sgd has"
        if self.method == "auto" and self.of_descent:
            return f"{self.of_descent} was given, which only gradient descent has"
        return ""
