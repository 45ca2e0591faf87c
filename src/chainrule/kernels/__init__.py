"""The typed face of the native core: one reader of designs, a few functions on it, and single rows.

A read goes once over the rows, in leaves by the rows' own numbers, and adds the leaves' sums in a fixed binary tree: the number
of threads can't change a bit, and reads of ranges of rows combine to the bits of one read.
"""
