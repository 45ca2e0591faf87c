"""Chooses a fit's method by the options and the shape of the data, never by free memory or time."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from chainrule.data.rows import Rows
from chainrule.data.rows.costs import BLOCK, FEW_COLUMNS, MAX_NEWTON_COLUMNS, block_of, hessian_steps
from chainrule.errors import InputError
from chainrule.findings import Finding
from chainrule.fitting.methods import DESCENT, NEWTON, NEWTON_CG, Method, owner_of
from chainrule.fitting.problem import Ending
from chainrule.fitting.spec import FitSpec
from chainrule.penalties import ElasticNet
from chainrule.solvers.plan import ROWS_PER_COLUMN, WEAK

MOST_COLUMNS = 20_000  # five matrices of 3.2 GB: the Hessian, its scaled form, two factors, an inverse
MAX_ROW_SPACE = 3000  # most rows for which a wide X is factored
# Above these, a Hessian and its factor take longer than the reads that they save (on flights_3m 5 took less time, 10 more).
CG_COLUMNS, CG_READS, ANY_READS = {"dense": 1000, "sparse": 300}, 7.0, 50.0
SAMPLED_ROWS = 4 * ROWS_PER_COLUMN  # per column: with fewer, Newton takes no samples, and newton-cg is faster
NEWTON_PRODUCTS = 1e12  # of a Hessian: a few seconds
IN_ROW_SPACE = replace(NEWTON, function="conjugate.optimize_in_row_space")
OF_FEW_ROWS = replace(NEWTON, function="few_rows.optimize_few_rows")
FEW_NUMBERS = 300_000  # in X, up to which the search for separation names few columns, in a second (`overlap`)


@dataclass(frozen=True)
class Shape:
    """The facts by which a method is chosen.

    m : rows. n : coefficients. hessian_steps : cost of a Hessian, in steps without one. is_isotropic : the penalty depends on
    |w| alone. block : columns of the block that newton-cg's preconditioner would have. strength : m times the penalty's least
    curvature. is_numeric : whether no column is a level or a mark, which have their own way to be separated. side : of a square
    matrix with as many numbers as the Hessian has; n by default.
    """

    m: int
    n: int
    is_dense: bool
    has_penalty: bool
    hessian_steps: float = math.inf
    is_isotropic: bool = True
    block: int = BLOCK
    strength: float = math.inf
    is_numeric: bool = True
    side: int | None = None

    @classmethod
    def of(cls, rows: Rows, penalty: ElasticNet) -> Shape:
        """Collect the facts of a fit."""
        # with a head, newton-cg is still as fast on real sets (movielens: 0.6 s in place of 1.0)
        steps, block = (math.inf, BLOCK) if rows.is_dense else (hessian_steps(rows, whole=True), block_of(rows)[1])
        costs, strength = (steps, penalty.isotropic, block), rows.n_rows * float(penalty.curvature.min())
        is_numeric, n, side = bool(rows.design.numeric.all()), rows.n_features, None
        if n > MAX_NEWTON_COLUMNS and rows.design.head is not None:
            side = math.isqrt(n * (n - (rows.design.head.stop - rows.design.head.start)))
        return cls(rows.n_rows, n, rows.is_dense, penalty.strongly_convex, *costs, strength, is_numeric, side)

    @property
    def is_many(self) -> bool:
        """Whether there are so many columns that a Hessian takes longer than the reads it saves."""
        # With a weak penalty newton-cg may take hundreds of reads, and without a block of all columns.
        if self.is_dense:
            is_quick = self.m <= SAMPLED_ROWS * self.n and self.strength >= WEAK
            return self.n > (FEW_COLUMNS if is_quick else CG_COLUMNS["dense"])
        is_quick = self.block >= min(self.n, BLOCK) and self.strength >= WEAK
        worth = CG_READS if is_quick else ANY_READS
        costly = self.hessian_steps > worth or self.n > MAX_NEWTON_COLUMNS
        return self.n > CG_COLUMNS["sparse"] and costly

    @property
    def is_wide(self) -> bool:
        """Whether the problem can be solved in the space of its rows, which are few and fewer than the columns."""
        return self.is_dense and self.has_penalty and self.is_isotropic and self.m < self.n and self.m <= MAX_ROW_SPACE

    @property
    def is_separable(self) -> bool:
        """Whether a plane mostly separates any labels: of up to 2n rows (Cover 1965), of n if they are independent."""
        is_large = self.m <= 2 * self.n and self.m * self.n > FEW_NUMBERS
        return self.is_numeric and not self.has_penalty and (self.m <= self.n or is_large)


def choose_method(spec: FitSpec, shape: Shape) -> tuple[Method, str]:
    """Return the method for such data, and why."""
    n, side = shape.n, shape.n if shape.side is None else shape.side
    newton = IN_ROW_SPACE if shape.is_wide else OF_FEW_ROWS if shape.is_separable else NEWTON
    if spec.method != "auto" or spec.given:
        if spec.asked is NEWTON and newton is NEWTON and side > MOST_COLUMNS:
            raise InputError(
                Finding("too many columns", {"columns": n, "side": side, "has_penalty": shape.has_penalty})
            )
        return newton if spec.asked is NEWTON else spec.asked, _why_asked(spec)
    if shape.is_wide:
        return newton, f"in the space of the {shape.m:,} rows, which are fewer than the {n:,} columns"
    if shape.has_penalty and shape.is_many:
        return (
            NEWTON_CG,
            f"a read a step costs less than a Hessian of {n:,} columns, and the penalty lets it prove as much",
        )
    if shape.is_separable:
        return (
            newton,
            f"separation first, as a plane separates almost any labels of {shape.m:,} rows with {n:,} columns",
        )
    if n > MAX_NEWTON_COLUMNS and shape.is_dense:
        return DESCENT, f"a Hessian of {n:,} columns would take {8e-9 * n * n:.2g} GB"
    if side > MAX_NEWTON_COLUMNS:
        raise InputError(Finding("too many columns", {"columns": n, "side": side, "has_penalty": False}))
    return newton, "the certified optimum in the fewest reads"


def _why_asked(spec: FitSpec) -> str:
    """Say by which of the options the method was chosen."""
    if spec.method != "auto":
        return "as asked for"
    telling = next(option for option in spec.given if owner_of(option) is spec.asked)
    return f"{spec.front.option(telling)} was given, which only {spec.asked.words} has"


def is_for_newton(method: Method, ending: Ending, spec: FitSpec, shape: Shape) -> bool:
    """Whether Newton should take over from a newton-cg that proved too little: only if that takes a few minutes at most."""
    if method is not NEWTON_CG or spec.method != "auto":
        return False
    if spec.max_reads is not None or ending.outcome.reason == "interrupted" or ending.certificate.gap <= spec.tol:
        return False
    return shape.m * shape.n**2 <= NEWTON_PRODUCTS and shape.n <= MAX_NEWTON_COLUMNS
