"""Data as rows: all that a solver needs is a sum over rows; where the rows live is the storage's affair alone.

One class a storage.
"""

from chainrule.data.rows.base import MAX_MATRIX_COLUMNS, Rows
from chainrule.data.rows.columns import ColumnRows
from chainrule.data.rows.csr import CsrRows
from chainrule.data.rows.dense import DenseRows
from chainrule.data.rows.rare import Rare
from chainrule.data.rows.spread import spread_rows
from chainrule.data.rows.units import Moments, Units, power_of_two

__all__ = [
    "MAX_MATRIX_COLUMNS",
    "ColumnRows",
    "CsrRows",
    "DenseRows",
    "Moments",
    "Rare",
    "Rows",
    "Units",
    "power_of_two",
    "spread_rows",
]
