"""Encodes a pandas frame for the peers: one-hot CSR for scikit-learn, a frame of prepared numbers and categories for glum.

Both give the columns of `designs.Coding`, with the library's own encoders and from the frame alone, since that is timed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from designs import Workload, level_codes
from numpy.typing import NDArray


@dataclass(frozen=True)
class Encoding:
    """`prepare(data)` returns the call frame -> X; `places(data)` the design's column of each of X's."""

    prepare: Callable[[Workload], Callable[[Any], Any]]
    places: Callable[[Workload], NDArray[np.int64]]


def one_hot(data: Workload) -> Callable[[Any], Any]:
    """Prepare scikit-learn's ColumnTransformer.

    Its OneHotEncoder gets pandas' codes: from text it takes four times as long.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import MissingIndicator, SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    def encode(frame: Any) -> Any:
        coded = frame.copy(deep=False)
        categories = list(frame.select_dtypes("category").columns)
        for name in categories:
            coded[name] = level_codes(frame[name])
        numbers = [name for name in frame.columns if name not in categories]
        marked = [name for name in numbers if frame[name].isna().any()]
        filled = SimpleImputer(strategy="mean")
        parts: list[tuple[str, Any, list[str]]] = [
            ("numbers", make_pipeline(filled, StandardScaler()) if data.standardize else filled, numbers),
            ("marks", MissingIndicator(), marked),
            ("levels", OneHotEncoder(), categories),
        ]
        encoder = ColumnTransformer([part for part in parts if part[2]], sparse_threshold=1.0)
        return encoder.fit_transform(coded)

    return encode


def ready_numbers(data: Workload) -> Callable[[Any], Any]:
    """Prepare the frame with numbers standardised and marks beside them; glum takes the categories as they are."""
    import pandas as pd

    def encode(frame: Any) -> Any:
        columns: dict[str, Any] = {}
        for name in frame.columns:
            column = frame[name]
            columns[name] = column
            if hasattr(column, "cat"):
                continue
            x = column.to_numpy(np.float64)
            lost = np.isnan(x)
            if lost.any():
                x = np.where(lost, np.nanmean(x), x)
                columns[f"{name} missing"] = lost.astype(np.float64)
            columns[name] = (x - x.mean()) / x.std() if data.standardize else x
        # Places follow `Coding`: a mark comes after its number, since a dict keeps the order of its keys.
        return pd.DataFrame(columns, copy=False)

    return encode


as_one_hot = Encoding(one_hot, lambda data: data.coding.by_kind)
as_tabmat = Encoding(ready_numbers, lambda data: np.arange(data.width))
