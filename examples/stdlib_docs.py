"""The documentation of the running Python's standard library, as documents to index.

1. List the public modules, packages walked down, what acts on import left out.
2. Import each, with its warnings and its prints kept quiet; what this machine lacks is passed over.
3. Give every class and function the one place that defines it, so that a re-export is no second document.
4. Write one document for each of them, for their methods and properties, and for the modules.

Nothing but the standard library is used and nothing of Penstock is known here: any Python 3.11 or newer
can run this file. `python -m examples.stdlib_docs` writes the documents to standard output as NDJSON.
"""

import contextlib
import importlib
import inspect
import io
import json
import pkgutil
import sys
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any

Document = dict[str, Any]

# Importing one of these opens a browser or a window, prints, or runs a program.
ACTS_ON_IMPORT = frozenset({"antigravity", "this", "idlelib", "turtledemo", "__main__"})
# Test packages of the standard library itself: not its documentation.
TEST_PACKAGES = frozenset({"test", "tests"})
# What these define is documented as `os`; the modules themselves say "do not import directly".
BEHIND_OS = frozenset({"posix", "nt"})

# Defaults that a signature shows; any other is written `...`, as in a stub file. The rest hold addresses in
# memory, which differ from run to run, and `os.environ` (`cgi.parse`), whose secrets must not be indexed.
SHOWN_DEFAULTS = (type(None), bool, int, float, str, bytes, type(inspect.Parameter.empty))
ID_MAX_BYTES = 512


def harvest() -> list[Document]:
    """Every public module, class, function, method and property, sorted by its qualified name.

    Each document holds `qualified_name` (unique, at most 512 bytes of UTF-8: the id to index it under),
    `name`, `module`, `kind` ("module", "class", "function", "method" or "property"), `signature` (empty where
    Python knows none), `doc` (the docstring as `help()` shows it, empty where nobody wrote one), `summary`
    (its first line) and `lines` (how many it has). The same Python gives the same documents each time.
    """
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        modules = list(_public_modules())
        found: dict[str, Document] = {}
        for document in _documents(modules):
            found.setdefault(document["qualified_name"], document)
    return [found[name] for name in sorted(found) if len(name.encode()) <= ID_MAX_BYTES]


def _public_modules() -> Iterator[ModuleType]:
    for name in sorted(sys.stdlib_module_names - BEHIND_OS):
        if _is_wanted(name):
            yield from _with_submodules(name)


def _with_submodules(name: str) -> Iterator[ModuleType]:
    module = _import_quietly(name)
    if module is None:
        return
    yield module
    # `os.path` and its like are modules under another name: only what lies in a package is walked.
    for child in sorted(info.name for info in pkgutil.iter_modules(getattr(module, "__path__", None) or [])):
        if _is_wanted(child):
            yield from _with_submodules(f"{name}.{child}")


def _is_wanted(name: str) -> bool:
    return not name.startswith("_") and name not in ACTS_ON_IMPORT | TEST_PACKAGES


def _import_quietly(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except Exception:
        # Another platform's module, or one built without its C library: its documentation is not here, and
        # these fail in their own ways (ImportError, but also ValueError, AttributeError and tkinter's).
        return None


def _documents(modules: list[ModuleType]) -> Iterator[Document]:
    seen: dict[int, object] = {}  # the objects themselves are kept, so that no id is given out twice
    for module in modules:
        yield _document(module.__name__, module.__name__, "module", module)
    # First what a module defines itself, then what it shows of a private module (`io.FileIO` from `_io`).
    for own in (True, False):
        for module in modules:
            for name, member in sorted(vars(module).items()):
                if _belongs(name, member, module, own=own) and id(member) not in seen:
                    seen[id(member)] = member
                    yield from _member_documents(name, member, module.__name__, seen)


def _belongs(name: str, member: object, module: ModuleType, *, own: bool) -> bool:
    if name.startswith("_") or not (inspect.isclass(member) or inspect.isroutine(member)):
        return False
    home = getattr(member, "__module__", None) or ""
    if own:
        return home == module.__name__
    return _is_hidden(home) and name in getattr(module, "__all__", vars(module))


def _is_hidden(home: str) -> bool:
    """Whether a member of the standard library is defined where no reader would look for it."""
    top, *_ = parts = home.split(".")
    return top in BEHIND_OS or (top in sys.stdlib_module_names and any(p.startswith("_") for p in parts))


def _member_documents(path: str, member: Any, module: str, seen: dict[int, object]) -> Iterator[Document]:
    if not inspect.isclass(member):
        yield _document(f"{module}.{path}", module, "function", member)
        return
    yield _document(f"{module}.{path}", module, "class", member)
    for name, attribute in list(vars(member).items()):
        target = getattr(attribute, "__func__", attribute)  # what a classmethod or staticmethod wraps
        if id(target) in seen or not _is_public_attribute(name, target):
            continue
        seen[id(target)] = target
        if not inspect.isclass(target):
            kind = "method" if inspect.isroutine(target) else "property"
            yield _document(f"{module}.{path}.{name}", module, kind, target)
        elif target.__qualname__ == f"{member.__qualname__}.{name}":
            # Nested for real; a class that is merely an attribute is documented where it is defined.
            yield from _member_documents(f"{path}.{name}", target, module, seen)


def _is_public_attribute(name: str, target: Any) -> bool:
    return not name.startswith("_") and (
        inspect.isclass(target)
        or inspect.isroutine(target)
        or isinstance(target, property)
        or inspect.isgetsetdescriptor(target)
        or inspect.ismemberdescriptor(target)
    )


def _document(qualified_name: str, module: str, kind: str, member: Any) -> Document:
    doc = _docstring(kind, member)
    return {
        "qualified_name": qualified_name,
        "name": qualified_name.rpartition(".")[2],
        "module": module,
        "kind": kind,
        "signature": _signature(member) if kind in ("class", "function", "method") else "",
        "summary": doc.partition("\n")[0],
        "doc": doc,
        "lines": len(doc.splitlines()),
    }


def _docstring(kind: str, member: Any) -> str:
    # An overriding method means what the one it overrides says; a class does not mean what its base says.
    doc = inspect.getdoc(member) if kind in ("method", "property") else member.__doc__
    return inspect.cleandoc(doc).strip() if isinstance(doc, str) else ""


class _NotShown:
    def __repr__(self) -> str:
        return "..."


def _signature(member: Any) -> str:
    try:
        signature = inspect.signature(member)
    except (TypeError, ValueError, AttributeError):
        # AttributeError: a default that C code writes as a name which exists only after `curses.initscr()`.
        return ""
    parameters = [
        parameter if isinstance(parameter.default, SHOWN_DEFAULTS) else parameter.replace(default=_NotShown())
        for parameter in signature.parameters.values()
    ]
    return str(signature.replace(parameters=parameters))


def main() -> None:
    for document in harvest():
        print(json.dumps(document, ensure_ascii=False))


if __name__ == "__main__":
    main()
