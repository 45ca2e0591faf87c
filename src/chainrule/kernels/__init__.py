"""One function per hot loop: a thin typed wrapper over the native core.

A read goes once over the rows, in logical blocks of `BLOCK_ROWS`, and adds the blocks' sums in a fixed binary tree:
the number of threads can't change a bit.
"""

from chainrule.kernels.dense import Path, newton_path, read_rows
from chainrule.kernels.depth import matrix_depth, sum_depth
from chainrule.kernels.pointwise import pointwise, two_labels
from chainrule.kernels.reading import (
    BLOCK_ROWS,
    FLOAT32_BLOCK,
    MAX_THREADS,
    Secant,
    Sums,
    View,
    What,
    kernel_name,
    thread_count,
    useful_threads,
)
from chainrule.kernels.stochastic import SCHEDULES, Batches, descend, visiting_order
from chainrule.kernels.vectors import Along, Feasible, along, feasible

__all__ = [
    "BLOCK_ROWS",
    "FLOAT32_BLOCK",
    "MAX_THREADS",
    "SCHEDULES",
    "Along",
    "Batches",
    "Feasible",
    "Path",
    "Secant",
    "Sums",
    "View",
    "What",
    "along",
    "descend",
    "feasible",
    "kernel_name",
    "matrix_depth",
    "newton_path",
    "pointwise",
    "read_rows",
    "sum_depth",
    "thread_count",
    "two_labels",
    "useful_threads",
    "visiting_order",
]
