"""How a table is trained on: the options of `chainrule.fit` as the command line has them."""

from dataclasses import dataclass
from typing import Literal

from chainrule.errors import InputError

METHODS = ("auto", "newton", "gradient-descent")


@dataclass(frozen=True)
class Recipe:
    """How to train: the options of `chainrule.fit` that a table's user chooses; None takes the method's default.

    learning_rate, epochs: of gradient descent alone. With either, "auto" means gradient descent, else Newton.
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

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InputError(
                f"--method {self.method!r} is not known; choose {', '.join(METHODS[:-1])} or {METHODS[-1]}"
            )
        if self.method == "newton" and self.of_descent:
            raise InputError(
                f"{self.of_descent} is an option of gradient descent, and --method is newton: leave one of them out"
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
    def chosen(self) -> str:
        """The method that will run."""
        if self.method != "auto":
            return self.method
        return "gradient-descent" if self.of_descent else "newton"

    @property
    def limit(self) -> str:
        """The option that limits the run, to be raised where it ended too early."""
        return "--max-reads" if self.chosen == "newton" or self.max_reads is not None else "--epochs"

    @property
    def newton(self) -> str:
        """Say how Newton's method would be asked for."""
        given = {"--learning-rate": self.learning_rate, "--epochs": self.epochs}
        without = [option for option, value in given.items() if value is not None]
        return "take --method newton" + (f" without {' and '.join(without)}" if without else "")

    @property
    def reason(self) -> str:
        """Why that method, where it follows from another option; else empty."""
        if self.method == "auto" and self.of_descent:
            return f"{self.of_descent} was given, which only gradient descent has"
        return ""
