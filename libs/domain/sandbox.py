"""The sandbox that templates run in: an allow-list of syntax, filters and tests, and no way from a value to its methods."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from jinja2 import Template, Undefined, UndefinedError, nodes, pass_context
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from libs.domain.names import UNDEFINED, Names, parts_of, walk
from libs.domain.wording import FILTERS

LIMIT = 65_536
"""Characters that a rendered text, or a part of it, may have."""

LONGEST_LOOP = 1_000
DEEPEST_LOOP = 2
UNKNOWN = "(unknown)"
QUOTE = 400
"""Characters of a value that a prompt quotes; the whole of it stands in the facts."""
_TEXTUAL = re.compile(r"[<>{}«»\n\r]|[.!?:;।]\s")
_NO_MARKS = str.maketrans({"«": "‹", "»": "›", "<": "‹", ">": "›"})
_RUN = " run"
"""Where a run stands in its context: a name that no template can write."""


class NotAllowed(Exception):
    """A template uses something that templates here do not have."""


class TooLong(Exception):
    """A run of a template would be too long."""


class Unknown(Undefined):
    """What an undefined name is in a prompt: it reads "(unknown)", is empty, and compares with nothing."""

    __slots__ = ("_record",)

    def __init__(self, name: str, record: dict[str, None]) -> None:
        super().__init__(name=name)
        self._record = record

    def __str__(self) -> str:
        self._record[self._undefined_name or ""] = None
        return UNKNOWN

    def _nothing(self, *_: Any, **__: Any) -> Any:
        return False

    __lt__ = __gt__ = __le__ = __ge__ = _nothing

    def _itself(self, *_: Any, **__: Any) -> Any:
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = _itself


class Unnamed(Undefined):
    """What an undefined name is in what a contact reads: any use but `is defined` and `default` fails."""

    __slots__ = ()

    def _fail(self, *_: object) -> Any:
        raise UndefinedError(self._undefined_name)

    __str__ = __iter__ = __len__ = __bool__ = __eq__ = __ne__ = __lt__ = __gt__ = __le__ = __ge__ = _fail
    __add__ = __radd__ = __sub__ = __rsub__ = __neg__ = __pos__ = _fail
    __hash__ = Undefined.__hash__


@dataclass(frozen=True, slots=True)
class Run:
    """One rendering: its names, and in a prompt the record of those that were unknown."""

    names: Names
    unknown: dict[str, None] | None

    def value(self, path: str) -> Any:
        return self.defined(self.names.get(path), path)

    def defined(self, value: Any, path: str) -> Any:
        """Null is as good as undefined in a text."""
        if value is not UNDEFINED and value is not None:
            return value
        return Unnamed(name=path) if self.unknown is None else Unknown(path, self.unknown)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A template ready to run, and the paths that it names."""

    template: Template
    names: frozenset[str]

    def text(self, run: Run) -> str:
        """Run it. Raises UndefinedError, TooLong, and what a filter raises of a value that does not suit it."""
        chunks: list[str] = []
        length = 0
        for chunk in self.template.root_render_func(self.template.new_context({_RUN: run})):
            length += len(chunk)
            if length > LIMIT:
                raise TooLong(f"it is longer than {LIMIT} characters")
            chunks.append(chunk)
        return "".join(chunks)


class Sandbox(ImmutableSandboxedEnvironment):
    """No value has attributes but a loop its counters (paths are looked up as names), and nothing can be called."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, LoopContext) and attribute in _COUNTERS:
            return getattr(obj, attribute)
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        return Unnamed(name=str(argument))

    def is_safe_callable(self, obj: Any) -> bool:
        return False


def compiled(text: str) -> Compiled:
    """Parse, check and compile. Raises jinja2.TemplateSyntaxError or NotAllowed."""
    tree = _SANDBOX.parse(text)
    _check(tree)
    by_path = _ByPath(frozenset(name for loop in tree.find_all(nodes.For) for name in _targets(loop.target)))
    tree = by_path.visit(tree)
    tree.set_environment(_SANDBOX)
    code = compile(_SANDBOX.compile(tree, raw=True), "<template>", "exec")
    return Compiled(_SANDBOX.template_class.from_code(_SANDBOX, code, {}), frozenset(by_path.paths))


class _ByPath(NodeTransformer):
    """Turns each `a.b[0]` into one look-up of the whole path, so that names mean the same here as everywhere.

    A loop's variable hides a name of the context in the whole template.
    """

    def __init__(self, locals_: frozenset[str]) -> None:
        self.locals = locals_
        self.paths: set[str] = set()

    def visit_Name(self, node: nodes.Name) -> nodes.Node:
        return self._look_up(node, node.name) if node.ctx == "load" else node

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Node:
        return self._chain(node)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        return self._chain(node)

    def visit_For(self, node: nodes.For) -> nodes.Node:
        self.generic_visit(node)
        node.iter = nodes.Filter(node.iter, "_bounded", [], [], None, None)
        return node

    def _chain(self, node: nodes.Getattr | nodes.Getitem) -> nodes.Node:
        path = _path(node)
        return self.generic_visit(node) if path is None else self._look_up(node, path)

    def _look_up(self, node: nodes.Expr, path: str) -> nodes.Node:
        root = path.partition(".")[0]
        if root == "loop" and self.locals:
            return node
        if root in self.locals:
            variable = nodes.Name(root, "load")
            return nodes.Filter(variable, "_within", [nodes.Const(path)], [], None, None, lineno=node.lineno)
        self.paths.add(path)
        return nodes.Filter(nodes.Const(path), "_named", [], [], None, None, lineno=node.lineno)


def _path(node: nodes.Node) -> str | None:
    match node:
        case nodes.Name():
            return str(node.name)
        case nodes.Getattr():
            key: Any = node.attr
        case nodes.Getitem(arg=nodes.Const(value=str() | int() as value)):
            key = value
        case _:
            return None
    above = _path(node.node)
    return None if above is None else f"{above}.{key}"


def _targets(target: nodes.Node) -> list[str]:
    names = [target] if isinstance(target, nodes.Name) else target.find_all(nodes.Name)
    return [name.name for name in names]


def _check(tree: nodes.Template) -> None:
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, _SYNTAX):
            raise NotAllowed(
                f"line {node.lineno}: a template may not use {_said(node)}; it has names, filters, if and for"
            )
        if isinstance(node, nodes.Filter) and node.name not in _FILTER_NAMES:
            raise NotAllowed(
                f"line {node.lineno}: there is no filter {node.name!r}; there are {', '.join(sorted(_FILTER_NAMES))}"
            )
        if isinstance(node, nodes.Test) and node.name not in _TESTS:
            raise NotAllowed(
                f"line {node.lineno}: there is no test {node.name!r}; there are {', '.join(sorted(_TESTS))}"
            )
        if isinstance(node, nodes.Getattr | nodes.Getitem) and _path(node) is None:
            raise NotAllowed(f"line {node.lineno}: only names have parts, named by a word or a number: a.b, a[0]")
        if isinstance(node, nodes.For) and node.recursive:
            raise NotAllowed(f"line {node.lineno}: a loop may not be recursive")
    if _depth(tree) > DEEPEST_LOOP:
        raise NotAllowed(f"loops may be nested {DEEPEST_LOOP} deep")


def _depth(node: nodes.Node) -> int:
    below = max((_depth(child) for child in node.iter_child_nodes()), default=0)
    return below + isinstance(node, nodes.For)


def _said(node: nodes.Node) -> str:
    return _WORDS.get(type(node), f"{type(node).__name__.lower()}")


_WORDS: dict[type[nodes.Node], str] = {
    nodes.Call: "calls",
    nodes.Assign: "set",
    nodes.Mul: "*",
    nodes.Mod: "%",
    nodes.Pow: "**",
    nodes.Concat: "~",
    nodes.Macro: "macros",
}
_SYNTAX = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Const,
    nodes.List,
    nodes.Tuple,
    nodes.Filter,
    nodes.Test,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Add,
    nodes.Sub,
    nodes.Neg,
    nodes.Pos,
    nodes.CondExpr,
    nodes.If,
    nodes.For,
    nodes.Keyword,
)
_TESTS = frozenset(
    {"defined", "undefined", "none", "string", "number", "true", "false", "in", "eq", "ne", "odd", "even"}
)


_COUNTERS = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length"})
_FILTER_NAMES = frozenset({*FILTERS, "default"})


@pass_context
def _named(context: Context, path: str) -> Any:
    run: Run = context[_RUN]
    return run.value(path)


@pass_context
def _within(context: Context, value: Any, path: str) -> Any:
    run: Run = context[_RUN]
    return run.defined(walk(value, parts_of(path)[1:]), path)


@pass_context
def _quoted(context: Context, value: Any) -> Any:
    """In a prompt a value that is a text of its own, and could give orders, stands on one line between « and »."""
    run: Run = context[_RUN]
    if run.unknown is None or not isinstance(value, str) or _plain(value):
        return value
    return f"«{' '.join(value.translate(_NO_MARKS).split())[:QUOTE]}»"


def _plain(value: str) -> bool:
    return len(value) <= 60 and value.count(" ") < 6 and not _TEXTUAL.search(value)


def _bounded(value: Any) -> Any:
    if isinstance(value, Unknown):
        return ()
    if isinstance(value, Undefined):
        return iter(value)
    if not isinstance(value, list | tuple):
        raise TypeError("a loop needs a list")
    if len(value) > LONGEST_LOOP:
        raise TooLong(f"a loop may have {LONGEST_LOOP} rounds, this list has {len(value)} parts")
    return value


def _default(value: Any, instead: Any = "") -> Any:
    return instead if isinstance(value, Undefined) else value


def _of_defined(filter_: Callable[..., Any]) -> Callable[..., Any]:
    """An undefined value stays unknown in a prompt, and fails elsewhere."""

    @wraps(filter_)
    def filtered(value: Any, *args: Any, **named: Any) -> Any:
        if isinstance(value, Unknown):
            return value
        return filter_(str(value) if isinstance(value, Undefined) else value, *args, **named)

    return filtered


def _sandbox() -> Sandbox:
    made = Sandbox(autoescape=False, undefined=Unnamed, keep_trailing_newline=True, finalize=_quoted)
    made.globals = {}
    made.tests = {name: test for name, test in made.tests.items() if name in _TESTS}
    made.filters = {name: _of_defined(filter_) for name, filter_ in FILTERS.items()}
    made.filters |= {"default": _default, "_named": _named, "_within": _within, "_bounded": _bounded}
    return made


_SANDBOX = _sandbox()
