"""Python source as a syntax tree, one thread at a time.

CPython 3.11 counts the depth of a tree in one place for all threads. Where the garbage
collector lets another thread in, both of them can end with a SystemError.
"""

from __future__ import annotations

import ast
import threading

_one_at_a_time = threading.Lock()


def parse(source: str, name: str = "<source>") -> ast.Module:
    """The tree of a source. Raises SyntaxError."""
    with _one_at_a_time:
        return ast.parse(source, name)
