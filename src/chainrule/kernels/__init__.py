"""The typed face of the native core: one reader of designs, a few functions on it, and single rows.

A read goes once over the rows, in leaves by the rows' own numbers, and adds the leaves' sums in a fixed binary tree: the number
of threads can't change a bit, and reads of ranges of rows combine to the bits of one read.
"""

from chainrule.kernels.design import (
    FEW_LEVELS,
    CategoryColumn,
    CodeError,
    Column,
    Csr,
    DenseRows,
    Design,
    NumberColumn,
    Part,
    check,
    lies_in_columns,
)
from chainrule.kernels.moments import LevelCounts, level_counts, missing_counts, moments
from chainrule.kernels.path import Path, newton_path
from chainrule.kernels.pointwise import pointwise, two_labels
from chainrule.kernels.reader import (
    GivenLoss,
    Partial,
    combine,
    diagonal,
    gram,
    product,
    read,
    read_points,
    read_range,
    secant,
)
from chainrule.kernels.reading import (
    BLOCK_ROWS,
    FLOAT32_BLOCK,
    MAX_THREADS,
    Secant,
    Sums,
    View,
    What,
    kernel_name,
    kernel_names,
    thread_count,
    useful_threads,
)
from chainrule.kernels.stochastic import SCHEDULES, Batches, descend, visiting_order
from chainrule.kernels.vectors import Along, Feasible, along, feasible, vector_depth

__all__ = [
    "BLOCK_ROWS",
    "FEW_LEVELS",
    "FLOAT32_BLOCK",
    "MAX_THREADS",
    "SCHEDULES",
    "Along",
    "Batches",
    "CategoryColumn",
    "CodeError",
    "Column",
    "Csr",
    "DenseRows",
    "Design",
    "Feasible",
    "GivenLoss",
    "LevelCounts",
    "NumberColumn",
    "Part",
    "Partial",
    "Path",
    "Secant",
    "Sums",
    "View",
    "What",
    "along",
    "check",
    "combine",
    "descend",
    "diagonal",
    "feasible",
    "gram",
    "kernel_name",
    "kernel_names",
    "level_counts",
    "lies_in_columns",
    "missing_counts",
    "moments",
    "newton_path",
    "pointwise",
    "product",
    "read",
    "read_points",
    "read_range",
    "secant",
    "thread_count",
    "two_labels",
    "useful_threads",
    "vector_depth",
    "visiting_order",
]
