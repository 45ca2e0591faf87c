"""The native core; `chainrule.kernels` is its documented face."""

from typing import Any

BLOCK_ROWS: int
FEW_LEVELS: int
FLOAT32_BLOCK: int

class Design:
    def __init__(self, m: int) -> None: ...
    def add_rows(self, X: Any) -> None: ...
    def add_sparse(self, data: Any, indices: Any, indptr: Any, n: int) -> None: ...
    def add_column(
        self, form: int, column: int, levels: int, fill: float, missing: int, of_codes: bool, parts: tuple[Any, ...]
    ) -> None: ...
    @property
    def m(self) -> int: ...
    @property
    def slots(self) -> int: ...

class Reading:
    def result(self) -> tuple[Any, Any, Any, Any, float, Any]: ...
    @property
    def bad(self) -> tuple[int, int, int, bool] | None: ...
    @property
    def subtrees(self) -> list[tuple[int, int, Any]]: ...
    @property
    def matrices(self) -> list[tuple[int, int, Any]]: ...

def read(
    design: Design,
    what: int,
    y: Any = None,
    s: Any = None,
    w: Any = None,
    b: Any = None,
    points: int = 1,
    outputs: int = 1,
    row_weights: Any = None,
    q: Any = None,
    h: Any = None,
    z: Any = None,
    u: Any = None,
    r: Any = None,
    t: float = 0.0,
    step: float = 0.0,
    pull: float = 0.0,
    z_out: Any = None,
    h_out: Any = None,
    r_out: Any = None,
    center: Any = None,
    p: Any = None,
    index: Any = None,
    columns: Any = None,
    loss: Any = None,
    rows: tuple[int, int] | None = None,
    number: int = 0,
    head: tuple[int, int] | None = None,
    threads: int = 1,
    kernel: str | None = None,
) -> Reading: ...
def combine(readings: list[Reading]) -> Reading: ...
def leaf_rows(design: Design, what: int) -> int: ...
def depths(design: Design, rows: int, kernel: str | None = None) -> tuple[float, float]: ...
def check_sparse(data: Any, indices: Any, indptr: Any, n: int, threads: int = 1) -> bool: ...
def border_products(border: Any, matrix: Any) -> Any: ...
def subtract_border(border: Any, pivots: Any, matrix: Any) -> None: ...
def newton_path(
    design: Design,
    y: Any,
    s: Any,
    center: Any,
    p: Any,
    index: Any,
    columns: Any,
    alpha: Any,
    fit_intercept: bool,
    w: Any,
    b: float,
    near: float,
    most: int,
    z: Any,
    threads: int,
    kernel: str | None = None,
) -> tuple[Any, Any, Any, int, int, Any, Any, Reading | None]: ...
def descend(
    design: Design,
    y: Any,
    s: Any,
    center: Any,
    p: Any,
    kept: Any,
    step: Any,
    ridge: Any,
    fit_intercept: bool,
    w: Any,
    b: float,
    rate: float,
    schedule: int,
    batch: int,
    per_weight: float,
    seed: int,
    epoch: int,
    first: int,
    end: int,
    kernel: str | None = None,
) -> Any: ...
def visiting_order(rows: int, seed: int, epoch: int) -> Any: ...
def encode_labels(y: Any, codes: Any, kernel: str | None = None) -> tuple[Any, Any] | None: ...
def pointwise(z: Any, y: Any, kernel: str | None = None) -> tuple[Any, Any, Any]: ...
def kernel_name(kernel: str | None = None) -> str: ...
def kernel_names() -> list[str]: ...
