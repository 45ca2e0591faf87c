"""The sizes of Newton's samples, and whether samples get a Hessian at all."""

from __future__ import annotations

import math

ROWS_PER_COLUMN, FEWEST = 20, 1000  # rows of the first sample: per column, and at least
GROWTH = 8
SHARES = (1 / 16, 1 / 8)  # candidate sizes of the last sample, as shares of the rows
NOISE = 1e-25  # a gap of about this size is all rounding; a smaller tol counts as this
WEAK = 0.1  # of a penalty's curvature, in that of a row
LEAST_BY_PRODUCTS = 800  # columns, from which on newton-cg may replace samples
PRODUCTS = 60.0  # cost of the first sample's Hessian, in reads of the sample, above which none is made


def plan(
    m: int, n: int, tol: float, hessian_reads: float, counts: tuple[int, int] | None = None, matrix_reads: float = 0.0
) -> tuple[int, ...]:
    """Return the sizes of the samples; the last sample's Hessian serves all rows. (m,): Newton on all rows from the start.

    (): newton-cg runs until the first Hessian, as some tens of products cost less than a sample's Hessian and its factor.

    With the Hessian of a share f of the rows, corrected by steps made with it, each read multiplies the gap by about n/(f m)
    (4 n/(f m) without the corrections), and the bound is 2/f times the gap, both measured. m counts rows of positive weight
    or, if a class is rare, four times its rows, which dominate the Hessian. hessian_reads: `data.rows.costs`; a sample's cost a
    third more: its last step is sometimes made twice, and its rows are not contiguous. counts: rows of each class.
    matrix_reads: the part of hessian_reads that the matrix takes, whatever the number of rows.
    """
    zeros, ones = (m - m // 2, m // 2) if counts is None else counts
    kept = max(zeros + ones, 1)
    size = max(ROWS_PER_COLUMN * n, FEWEST) * m // kept
    of_rows = hessian_reads - matrix_reads
    if n >= LEAST_BY_PRODUCTS and hessian_reads + matrix_reads * (m / size - 1.0) > PRODUCTS:
        return ()
    if m <= 4 * size:
        return (m,)
    tol = max(tol, NOISE)
    effective = min(kept, 4 * min(zeros, ones) + 1)

    def cost(share: float) -> float:
        shrink = 1.2 * n / (share * effective)
        if shrink >= 0.1:
            return math.inf
        start = n / (2.0 * share * effective)
        reads = math.ceil(math.log(max(2.0 / share * start / tol, 1.0)) / -math.log(shrink))
        return 4.0 / 3.0 * share * of_rows + matrix_reads + 1.0 + max(1.0, reads)

    # If factoring takes longer than reading all rows, fewer rows save nothing.
    costs = {share: cost(share) for share in SHARES if matrix_reads < of_rows}
    costs[1.0] = hessian_reads + 2.0
    share = min(costs, key=lambda s: costs[s])
    sizes = []
    while size < share * m / 2:
        sizes.append(size)
        size *= GROWTH
    return (*sizes, int(share * m)) if share < 1.0 else (*sizes, m)
