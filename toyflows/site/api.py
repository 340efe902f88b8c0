"""The API reference, read from the sources: signatures and docstrings, nothing is imported.

A page is a package; on it each module, with its public classes, methods and functions.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from toyflows.pages.mathml import mathml

HIDDEN = ("lab", "pages", "site", "film")  # packages whose insides nobody calls
SHOWN = ("flows",)  # packages whose private modules hold formulas of the lectures
Definition = ast.FunctionDef | ast.ClassDef
SPECIAL = re.compile(r"([\\*_{}\[\]<>#|$~&@^])")


def modules(package: Path) -> dict[str, Path]:
    """Files of the reference by their path in the checkout, toyflows/flows/ml.py."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        inside = path.relative_to(package.parent)
        folder = inside.parts[1] if len(inside.parts) > 2 else ""
        private = any(p.startswith("_") and p != "__init__.py" for p in inside.parts)
        if folder not in HIDDEN and (not private or folder in SHOWN):
            found[inside.as_posix()] = path
    return found


def pages(package: Path) -> dict[str, str]:
    """The text of each page by its name, toyflows.flows."""
    found: dict[str, list[str]] = {}
    files = modules(package)
    for file, path in sorted(files.items(), key=_order):
        parts = file.removesuffix(".py").split("/")
        text = "\n".join(_module(parts, ast.parse(path.read_text("utf-8"))))
        found.setdefault(".".join(parts[:-1]), []).append(text)
    return {name: "\n\n".join(text) for name, text in sorted(found.items())}


def _order(item: tuple[str, Path]) -> tuple[int, str]:
    """The package itself, its modules, and at last those with a private name."""
    name = item[1].name
    return (0 if name == "__init__.py" else 1 + name.startswith("_"), item[0])


def _module(parts: list[str], tree: ast.Module) -> Iterator[str]:
    package = parts[-1] == "__init__"
    name = ".".join(parts[:-1] if package else parts)
    yield f"{'#' if package else '##'} {escaped(name)}\n"
    yield f"```{{py:module}} {name}\n```\n"
    yield prose(ast.get_docstring(tree) or "")
    known = Names(name, tree)
    for node in tree.body:
        if isinstance(node, Definition) and _public(node) and ast.get_docstring(node):
            yield from _definition(known.visit(node), name)


class Names(ast.NodeTransformer):
    """Says types by their whole name, so that each leads to its own page: there are two `Run`s."""

    def __init__(self, module: str, tree: ast.Module) -> None:
        own = {n.name for n in tree.body if isinstance(n, ast.ClassDef)}
        aliases = (t for n in tree.body if isinstance(n, ast.Assign) for t in n.targets)
        own |= {t.id for t in aliases if isinstance(t, ast.Name)}
        self.whole = {name: f"{module}.{name}" for name in own}
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or not node.module:
                continue
            if node.module.split(".")[0] in ("toyflows", "pathlib"):
                self.whole |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}

    def visit_Name(self, node: ast.Name) -> ast.Name:  # the name that ast calls
        """A name alone; what stands inside a text is not looked at."""
        return ast.Name(self.whole.get(node.id, node.id))


def _definition(node: Definition, inside: str, method: bool = False) -> Iterator[str]:
    """A function, or a class with its methods, as a directive of Sphinx's Python domain."""
    decorated = {ast.unparse(d) for d in node.decorator_list}
    fence = ":::" if method else "::::"
    if isinstance(node, ast.ClassDef):
        kind, given = "class", ", ".join(map(ast.unparse, node.bases))
        signature = f"{node.name}({given})" if given else node.name
    else:
        alone = {"property", "cached_property", "functools.cached_property"} & decorated
        kind = "property" if alone else "method" if method else "function"
        signature = node.name if alone else node.name + _arguments(node, method)
    name = f"{inside}.{node.name}"
    yield f"{fence}{{py:{kind}}} {signature}\n"
    if not name.isascii():  # Sphinx gives it a number as its place
        yield f'<span id="{name}"></span>\n'
    yield prose(ast.get_docstring(node) or "")
    if isinstance(node, ast.ClassDef):
        for inner in node.body:
            if isinstance(inner, ast.FunctionDef) and _public(inner):
                yield from _definition(inner, name, method=True)
    yield f"{fence}\n"


def _arguments(node: ast.FunctionDef, method: bool) -> str:
    """As they are written, without `self`."""
    text = ast.unparse(node.args)
    text = re.sub(r"^(self|cls)(, |$)", "", text) if method else text
    return f"({text})" + (f" -> {ast.unparse(node.returns)}" if node.returns is not None else "")


def _public(node: Definition) -> bool:
    """Whether it has a name for others."""
    return not node.name.startswith("_")


def prose(docstring: str) -> str:
    """A docstring as Markdown: equations set, what is indented kept as it is, code in backticks."""
    blocks = re.split(r"\n\s*\n", docstring) if docstring else []
    return "\n\n".join(_block(block) for block in blocks) + "\n"


def _block(block: str) -> str:
    if block.startswith("    "):
        return f"```text\n{block}\n```"
    if re.match(r"θ̇ = ", block) and "\n" not in block and not block.endswith("."):
        return mathml(block)
    return escaped(block)


def escaped(text: str) -> str:
    """Text that Markdown would read as signs of its own, outside of backticks."""
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(p if k % 2 else SPECIAL.sub(r"\\\1", p) for k, p in enumerate(parts))
