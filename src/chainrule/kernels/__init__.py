"""The typed interface to the native core: the reader of designs, a few functions built on it, and functions of single rows.

A read goes over the rows once, in leaves that depend on row numbers alone, and adds the leaves' sums in a fixed binary tree. So
the number of threads can't change a bit, and reads of ranges of rows combine to the bits of one read.
"""
