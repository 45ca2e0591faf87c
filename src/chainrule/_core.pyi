"""The native core; `chainrule.kernels` is its documented face."""

from typing import Any

BLOCK_ROWS: int
FEW_LEVELS: int
FLOAT32_BLOCK: int

def read_rows(
    X: Any,
    what: int,
    y: Any = None,
    s: Any = None,
    w: Any = None,
    b: float = 0.0,
    v: Any = None,
    z: Any = None,
    center: Any = None,
    p: Any = None,
    cp: Any = None,
    index: Any = None,
    q: Any = None,
    h: Any = None,
    threads: int = 1,
    kernel: str | None = None,
) -> tuple[Any, Any, int, int, int, int]: ...
def secant(
    X: Any,
    y: Any,
    s: Any,
    z: Any,
    v: Any,
    u: Any,
    center: Any,
    p: Any,
    cp: Any,
    index: Any,
    threads: int,
    kernel: str | None,
) -> Any: ...

class Columns:
    def __init__(self, m: int, terms: list[tuple[Any, ...]]) -> None: ...
    @property
    def slots(self) -> int: ...

def read_columns(
    columns: Columns,
    what: int,
    y: Any = None,
    s: Any = None,
    h: Any = None,
    w: Any = None,
    b: float = 0.0,
    v: Any = None,
    q: Any = None,
    z: Any = None,
    curvature: Any = None,
    product: Any = None,
    by_class: bool = False,
    center: Any = None,
    p: Any = None,
    cp: Any = None,
    index: Any = None,
    threads: int = 1,
    kernel: str | None = None,
) -> tuple[Any, Any, int, int, int, int]: ...
def secant_columns(
    columns: Columns,
    y: Any,
    s: Any,
    z: Any,
    v: Any,
    q: Any,
    u: Any,
    center: Any,
    p: Any,
    cp: Any,
    index: Any,
    threads: int,
    kernel: str | None,
) -> tuple[Any, Any, int, int]: ...
def gram_columns(
    columns: Columns,
    h: Any,
    s: Any,
    place: Any,
    matrix: Any,
    center: Any = None,
    p: Any = None,
    cp: Any = None,
    index: Any = None,
    threads: int = 1,
    kernel: str | None = None,
) -> tuple[int, int, int, bool] | None: ...
def column_leaf_blocks(m: int, large_slots: int) -> int: ...
def gram_leaf_rows(m: int, side: int) -> int: ...
def newton_path(
    X: Any,
    y: Any,
    s: Any,
    center: Any,
    p: Any,
    cp: Any,
    index: Any,
    alpha: Any,
    fit_intercept: bool,
    w: Any,
    b: float,
    near: float,
    most: int,
    threads: int,
    kernel: str | None,
) -> tuple[Any, Any, int, int]: ...
def descend(
    X: Any,
    y: Any,
    s: Any,
    center: Any,
    p: Any,
    cp: Any,
    kept: Any,
    step: Any,
    alpha: float,
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
    kernel: str | None,
) -> Any: ...
def visiting_order(places: Any, seed: int, epoch: int) -> None: ...
def encode_labels(y: Any, codes: Any, kernel: str | None = None) -> tuple[Any, Any] | None: ...
def pointwise(z: Any, y: Any, loss: Any, residual: Any, curvature: Any, kernel: str | None = None) -> None: ...
def csr_read(
    data: Any,
    indices: Any,
    indptr: Any,
    n: int,
    what: int,
    y: Any = None,
    s: Any = None,
    h: Any = None,
    w: Any = None,
    b: float = 0.0,
    z: Any = None,
    curvature: Any = None,
    p: Any = None,
    index: Any = None,
    q: Any = None,
    threads: int = 1,
    kernel: str | None = None,
) -> Any: ...
def csr_secant(
    data: Any,
    indices: Any,
    indptr: Any,
    n: int,
    y: Any,
    s: Any,
    w: Any,
    b: float,
    at: Any,
    u: Any,
    p: Any,
    index: Any,
    threads: int,
    kernel: str | None,
) -> Any: ...
def csr_moments(
    data: Any, indices: Any, indptr: Any, n: int, s: Any, index: Any, threads: int, kernel: str | None
) -> Any: ...
def csr_gram(
    data: Any, indices: Any, indptr: Any, n: int, s: Any, h: Any, p: Any, index: Any, columns: Any, threads: int
) -> Any: ...
def csr_check(indptr: Any, indices: Any, n: int, threads: int) -> bool: ...
def csr_leaves(m: int, n: int, nnz: int, width: int) -> tuple[int, int]: ...
def csr_blocks(m: int, nnz: int, k: int) -> tuple[int, int]: ...
def along(
    z: Any, u: Any, y: Any, s: Any, t: float, shift: float, threads: int, kernel: str | None
) -> tuple[float, float, float, float, float, float]: ...
def feasible(
    z: Any, u: Any, y: Any, s: Any, t: float, shift: float, pull: float, threads: int, kernel: str | None
) -> tuple[float, float, float, float, float, float, float, float, float]: ...
def kernel_name(kernel: str | None = None) -> str: ...
