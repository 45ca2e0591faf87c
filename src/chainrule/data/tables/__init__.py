"""Tables: CSV and Parquet files in, a design of numbers out, and the schema that remembers how."""

from chainrule.data.tables.encoding import Design as Design
from chainrule.data.tables.encoding import encode as encode
from chainrule.data.tables.encoding import read_weights as read_weights
from chainrule.data.tables.labels import target_labels as target_labels
from chainrule.data.tables.learning import constants as constants
from chainrule.data.tables.learning import learn_schema as learn_schema
from chainrule.data.tables.reading import read_table as read_table
from chainrule.data.tables.schema import Column as Column
from chainrule.data.tables.schema import Schema as Schema

__all__ = [
    "Column",
    "Design",
    "Schema",
    "constants",
    "encode",
    "learn_schema",
    "read_table",
    "read_weights",
    "target_labels",
]
