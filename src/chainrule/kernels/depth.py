"""How deep the dense kernels' sums are: what bounds their rounding."""

from __future__ import annotations

import math


def sum_depth(n_rows: int, block: int = 1024, lanes: int = 8) -> float:
    """Count the roundings that a term of a sum over m rows goes through: d = K/8 + log2(m/K) + 8, in blocks of K rows.

    The lanes of a block are added one after the other, the blocks in a binary tree; 8 covers the lanes' own sum and the
    term's products. Higham 2002, section 4.2. The sum of weights S must be right to 2u (`math.fsum`); else add its depth.
    """
    blocks = max(1, -(-n_rows // block))
    return min(block, n_rows) / lanes + math.ceil(math.log2(blocks)) + 8.0


def matrix_depth(n_rows: int, block: int = 1024, panel: int = 128, leaf: int = 8) -> float:
    """Count the roundings that a term of the Hessian's sum goes through: N, as the core adds it.

    The rows of a panel are added one after another, then the panels of up to 8 blocks, then these leaves in a binary tree;
    8 covers the term's own products.
    """
    blocks = max(1, -(-n_rows // block))
    together = min(leaf, max(1, blocks // 16))
    panels = together * -(-min(n_rows, block) // panel)
    return min(panel, n_rows) + panels + math.ceil(math.log2(-(-blocks // together))) + 8.0
