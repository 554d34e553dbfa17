"""What a workload file says of itself, read from its source: neither torch nor the file is imported."""

import ast
import functools
from collections.abc import Iterable, Iterator
from pathlib import Path


def batch_sizes(path: Path) -> dict[str, int]:
    """
    Return the BATCH_SIZES that a workload file declares: function to default global batch size, the first the default.

    Raises:
        SyntaxError: If the file is not Python.
        ValueError: If BATCH_SIZES is not a literal dict of names to positive integers.
    """
    for node in _tree(path).body:
        if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
            continue
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if isinstance(target, ast.Name) and target.id == "BATCH_SIZES":
            return _sizes(node.value)
    return {}


def functions(path: Path) -> dict[str, str]:
    """Return the public functions at the top of a workload file with the first line of each one's docstring."""
    return {
        node.name: _first_line(node)
        for node in _tree(path).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }


def binds(path: Path, name: str) -> bool:
    """
    Return whether importing the file may bind *name* at module level, by whatever statement.

    A star import and a module's ``__getattr__`` may bind anything.
    """
    return not {name, "*", "__getattr__"}.isdisjoint(_bound_names(_tree(path).body))


def _bound_names(body: Iterable[ast.AST]) -> Iterator[str]:
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name  # what is bound inside them stays inside
        elif isinstance(node, ast.alias):
            yield node.asname or node.name.partition(".")[0]
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        else:
            yield from _bound_names(ast.iter_child_nodes(node))


def _sizes(node: ast.expr) -> dict[str, int]:
    message = "BATCH_SIZES is not a literal dict of function names to positive integers, such as {'small': 32}"
    try:
        sizes = ast.literal_eval(node)
    except (ValueError, TypeError):
        raise ValueError(message) from None
    if not isinstance(sizes, dict) or not all(
        isinstance(name, str) and type(size) is int and size > 0 for name, size in sizes.items()
    ):
        raise ValueError(message)
    return sizes


def _first_line(node: ast.Module | ast.FunctionDef) -> str:
    return (ast.get_docstring(node) or "").partition("\n")[0]


def _tree(path: Path) -> ast.Module:
    # Resolved, so that a relative path means another file after a change of directory.
    return _parsed(path.resolve())


@functools.cache
def _parsed(path: Path) -> ast.Module:
    # Bytes, so that Python's own rules for the encoding of source apply.
    return ast.parse(path.read_bytes(), filename=str(path))
