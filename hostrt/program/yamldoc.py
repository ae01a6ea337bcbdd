"""The one door for YAML text: safe loader only, bounded, plain types in and out."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from hostrt.errors import ProgramCorrupt, ProgramUnsafe
from hostrt.program.intake import Budgets, over_budget

if TYPE_CHECKING:
    import yaml

_MAX_DEPTH = 64
_MAX_ALIASES = 4096  # the reference toolkit shares empty comments, one alias per vector
_MAX_VALUES = 1 << 18
_PYTHON_TAG = "tag:yaml.org,2002:python/"
# Other explicit tags make the loader convert text it never checked (crashing on some) or build
# types that JSON does not have.
_PLAIN_TAGS = frozenset({"!", *(f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map"))})


def load_yaml(
    data: bytes | str,
    name: str,
    *,
    max_bytes: int = Budgets().yaml_bytes,
    max_aliases: int = _MAX_ALIASES,
    max_depth: int = _MAX_DEPTH,
) -> object:
    """Parse one YAML document with the safe loader.

    Args:
        data: UTF-8 text.
        name: file or member name for messages.
        max_bytes: size limit.
        max_aliases: `*name` references allowed. What they refer to counts as if it stood there:
            written out in full, a document with aliases has at most 2**18 values.
        max_depth: nesting allowed.

    Returns:
        Dicts, lists, strings, numbers, bools, None, dates. None for an empty document.

    Raises:
        ProgramCorrupt: not UTF-8, not YAML, a key twice in one mapping, several documents, tags.
        ProgramUnsafe: over one of the limits.
    """
    import yaml

    if len(data) > max_bytes:
        raise over_budget(name, f"{len(data)} bytes of YAML", max_bytes)
    loader = _loader_class()
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
        _check_events(yaml.parse(text, Loader=loader), name, max_aliases, max_depth)
        tree: object = yaml.load(text, Loader=loader)  # noqa: S506 - made of the safe loader
    except UnicodeDecodeError as error:
        raise _corrupt(name, 0, f"bytes that are not UTF-8 at 0x{error.start:x}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(part for part in (error.context, error.problem) if part)
        raise _corrupt(name, mark.line + 1 if mark else 0, what) from error
    except (yaml.YAMLError, ValueError) as error:
        raise _corrupt(name, 0, str(error).partition("\n")[0]) from error
    return tree


def dump_yaml(tree: object) -> str:
    """Write plain types (dict, list, str, int, float, bool, None) as YAML that any reader takes.

    Key order is kept, nothing is referenced twice, text is not escaped.

    Raises:
        TypeError: a value of any other type (the vendor's metadata hold Python objects, which
            safe loaders cannot read back; vendor-gaps B28).
    """
    import yaml

    base: type[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

    class PlainDumper(base):  # type: ignore[misc]
        def ignore_aliases(self, data: object) -> bool:
            return True

    try:
        text: str = yaml.dump(
            tree, Dumper=PlainDumper, sort_keys=False, allow_unicode=True, default_flow_style=False
        )
    except yaml.representer.RepresenterError as error:
        kind = type(error.args[-1]).__name__
        raise TypeError(f"cannot write a {kind} to YAML; convert it to a plain type") from error
    return text


def _corrupt(name: str, line: int, what: str) -> ProgramCorrupt:
    where = f"{name}, line {line}" if line else name
    return ProgramCorrupt(
        f"{where}: found {what}, expected a YAML document of plain types",
        hint="make the file again", file=name, line=line,
    )  # fmt: skip


def _check_events(events: Any, name: str, max_aliases: int, max_depth: int) -> None:
    """Check limits and tags before any object is built."""
    import yaml

    documents = 0
    sizes = _Sizes(name, max_aliases, max_depth)
    for event in events:
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.CollectionStartEvent):
            sizes.open(event.anchor, line)
        elif isinstance(event, yaml.CollectionEndEvent):
            sizes.close()
        elif isinstance(event, yaml.ScalarEvent):
            sizes.scalar(event.anchor)
        elif isinstance(event, yaml.AliasEvent):
            sizes.alias(str(event.anchor), line)
        elif isinstance(event, yaml.DocumentStartEvent):
            documents += 1
        if documents > 1:
            raise _corrupt(name, line, "a second document")
        tag = getattr(event, "tag", None)
        if tag is not None and tag not in _PLAIN_TAGS:
            _refuse_tag(tag, name, line)


class _Sizes:
    """Counts the values of a document as it would be with its aliases written out."""

    def __init__(self, name: str, max_aliases: int, max_depth: int) -> None:
        self._name = name
        self._max_aliases = max_aliases
        self._max_depth = max_depth
        self._aliases = 0
        self._open: list[tuple[str | None, int]] = []
        self._count = 0
        self._of_anchor: dict[str, int] = {}

    def open(self, anchor: str | None, line: int) -> None:
        """Begin a list or mapping."""
        if anchor is not None:
            self._of_anchor.pop(anchor, None)
        self._open.append((anchor, self._count))
        self._count += 1
        _check_limit(self._name, line, "levels of nesting", len(self._open), self._max_depth)

    def close(self) -> None:
        """End the list or mapping that was begun last."""
        anchor, before = self._open.pop()
        if anchor is not None:
            self._of_anchor[anchor] = self._count - before

    def scalar(self, anchor: str | None) -> None:
        """Count a single value."""
        self._count += 1
        if anchor is not None:
            self._of_anchor[anchor] = 1

    def alias(self, anchor: str, line: int) -> None:
        """Count an alias, which must refer to a value that has ended."""
        self._aliases += 1
        _check_limit(self._name, line, "aliases", self._aliases, self._max_aliases)
        if anchor not in self._of_anchor:
            raise _corrupt(self._name, line, f"alias {anchor[:40]!r} to nothing or to itself")
        self._count += self._of_anchor[anchor]
        _check_limit(self._name, line, "values written out by aliases", self._count, _MAX_VALUES)


def _check_limit(name: str, line: int, what: str, found: int, limit: int) -> None:
    if found > limit:
        raise ProgramUnsafe(
            f"{name}, line {line}: found {found} {what}, expected at most {limit}",
            hint="write the document out in full", file=name, line=line,
        )  # fmt: skip


def _refuse_tag(tag: str, name: str, line: int) -> None:
    if not tag.startswith(_PYTHON_TAG):
        raise _corrupt(name, line, f"tag {tag[:80]!r}")
    raise ProgramCorrupt(
        f"{name}, line {line}: found Python object tag {tag[len(_PYTHON_TAG) :][:80]!r}, expected "
        "plain types",
        hint="some vendor tools write metadata with Python objects, which would run code when "
        "loaded; write it again as plain numbers and strings",
        file=name,
        line=line,
    )


@cache
def _loader_class() -> type[yaml.SafeLoader]:
    """The safe loader, in C when there is one, that refuses duplicate keys."""
    import yaml

    base: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class UniqueKeyLoader(base):  # type: ignore[misc]
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> object:
            seen: set[object] = set()
            for key_node, _ in node.value:
                if not isinstance(key_node, yaml.ScalarNode):
                    raise yaml.constructor.ConstructorError(
                        None, None, "a key that is not plain", key_node.start_mark
                    )
                if key_node.tag == "tag:yaml.org,2002:merge":
                    continue
                key = self.construct_object(key_node)
                if key in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"key {str(key)[:80]!r} twice in one mapping",
                        key_node.start_mark,
                    )  # fmt: skip
                seen.add(key)
            return super().construct_mapping(node, deep)

    return UniqueKeyLoader
