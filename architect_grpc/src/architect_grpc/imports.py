"""The definition files of a service: those its manifest lists, and all that these import, each under one name.

The compiler knows files by the names in their imports, and one name cannot be two files. Definitions that are written
for different import roots may call one file by two names, or two files by one name. So each file that is found gets
one name, and the imports are written with it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from architect_core.exceptions import StubError
from architect_grpc.descriptors import module_name
from architect_grpc.roots import Folders, installed_root, is_sane, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from architect_core.contract import Definitions

_SPACE = rb"(?:\s|//[^\n]*|/\*.*?\*/)*+"  # possessive: "////" is divided into comments in one way only
_TEXT = rb"\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
_TOKEN = re.compile(
    rb"//[^\n]*|/\*.*?\*/"
    rb"|\bimport\b" + _SPACE + rb"(?:(?:public|weak|option)\b" + _SPACE + rb")?(?P<path>" + _TEXT + rb")"
    rb"|" + _TEXT,
    re.DOTALL,
)
_NO_NAME = re.compile(r"[-@]|.*[\ud800-\udfff]", re.DOTALL)  # it is taken for an option, or is not UTF-8
_PACKAGE = re.compile(rb"^[ \t]*package[ \t]+([\w.]+)[ \t]*;", re.MULTILINE)


@dataclass
class _File:
    """A definition file, and the outermost folder in which its imports are looked for."""

    path: str
    home: str
    content: bytes
    imports: dict[str, str] = field(default_factory=dict)  # as written -> the path of the file
    names: set[str] = field(default_factory=set)  # what other files import it as
    own_names: set[str] = field(default_factory=set)  # its places in the roots of what it imports

    @cached_property
    def package(self) -> list[str]:
        found = _PACKAGE.search(self.content)
        return found[1].decode().split(".") if found else []

    def statements(self) -> Iterator[tuple[int, int, str]]:
        """The imports: where the path starts and ends, and the path."""
        last = self.content.rfind(b"import")  # what follows needs no reading
        end = self.content.find(b";", last) if last >= 0 else 0
        for found in _TOKEN.finditer(self.content, 0, end if end >= 0 else len(self.content)):
            if found["path"]:
                start, end = found.span("path")
                yield start + 1, end - 1, os.fsdecode(found["path"][1:-1])


@dataclass(frozen=True)
class Sources:
    """Definition files by their names, ready to be compiled.

    Attributes:
        texts: name -> content, whose imports have these names.
        paths: name -> where the file is.
        listed: the names of the files that the manifest lists.
        inputs: the files that were read, and the folders in which files were looked for.
    """

    texts: dict[str, bytes]
    paths: dict[str, str]
    listed: list[str]
    inputs: frozenset[str]


def find_sources(definitions: Definitions, compiler_root: str) -> Sources:
    """Find the files of `definitions` and what they import; an import that is not found is left as it is.

    An import is looked for in the roots that the manifest states, then in the folders above the importing file up to
    the service's, then in `compiler_root`, and then wherever in the service's folder a file's path ends in it.

    Raises:
        StubError: a file or a root is missing, an import could be one of several files, or the compiler accepts no file
            of that name.
    """
    return _Search(definitions, compiler_root).sources()


class _Search:
    def __init__(self, definitions: Definitions, compiler_root: str) -> None:
        self._service = definitions.service
        self._folder = plain(definitions.folder)
        self._compiler_root = compiler_root
        self._folders = Folders()
        self._installed: dict[str, str] = {}  # import path -> file of an installed distribution
        self._roots = list(self._listed_roots(definitions.roots))
        self._files: dict[str, _File] = {}
        self._peeked: dict[str, _File] = {}  # that could be meant by an import
        self._found_roots: dict[str, str] = {}  # a folder -> what imports write before paths in it, such as "etcd/"
        self._listed = []
        for name in definitions.files:
            path = plain(definitions.folder / name)
            if not Path(path).is_file():
                where = f"{definitions.folder} (api.definitions)"
                raise StubError(f"{self._service}: there is no file {name} in {where}")
            self._listed.append(path)

    def _listed_roots(self, roots: Sequence[str]) -> Iterator[str]:
        for root in roots:
            path = plain(Path(self._folder, root))
            if Path(path).is_dir():
                yield path
            elif (files := installed_root(root)) is not None:
                self._installed |= {name: path for name, path in files.items() if name not in self._installed}
            else:
                raise StubError(
                    f"{self._service}: {root!r} is neither a folder in {self._folder} nor an installed distribution "
                    "that has definition files (api.roots)"
                )

    def sources(self) -> Sources:
        pending = [self._add(path, self._home(path)) for path in dict.fromkeys(self._listed)]
        while pending:
            file = pending.pop()
            for _, _, wanted in file.statements():
                found = self._find(file, wanted) if is_sane(wanted) else None
                if found is None:
                    continue
                path, home = found
                file.imports[wanted] = path
                if path not in self._files:
                    pending.append(self._add(path, home))
                self._files[path].names.add(wanted)
                self._learn_root(file, wanted, path)
        names = self._unique_names()
        for path, name in names.items():
            if _NO_NAME.match(name):
                raise StubError(f"{self._service}: the compiler accepts no file called {path!r}; rename it")
        return Sources(
            texts={names[path]: self._renamed(file, names) for path, file in self._files.items()},
            paths={names[path]: path for path in reversed(self._files)},
            listed=list(dict.fromkeys(names[path] for path in self._listed)),
            inputs=frozenset(self._files).union(self._peeked, self._folders.listed),
        )

    def _learn_root(self, file: _File, wanted: str, path: str) -> None:
        """Note what `file` is called, if the file that it imports as `wanted` is in a folder above it."""
        root, before = path.removesuffix(f"/{wanted}"), ""
        if root == path:
            root, before = self._folder, wanted.removesuffix(path.removeprefix(f"{self._folder}/"))
        if file.path.startswith(f"{root}/"):
            self._found_roots[root] = before
            file.own_names.add(before + file.path.removeprefix(f"{root}/"))

    def _add(self, path: str, home: str) -> _File:
        file = self._files[path] = _File(path, home, Path(path).read_bytes())
        return file

    def _home(self, path: str) -> str:
        roots = [root for root in self._roots if path.startswith(f"{root}/")]
        return roots[0] if roots else _shared(self._folder, path)

    def _find(self, file: _File, wanted: str) -> tuple[str, str] | None:
        """The path of what `file` imports as `wanted`, and the outermost folder of its own imports."""
        for root in self._roots:
            if self._folders.has(root, wanted):
                return f"{root}/{wanted}", root
        if wanted in self._installed:
            path = self._installed[wanted]
            return path, path.removesuffix(f"/{wanted}")
        above = file.path
        while above not in {file.home, ""}:
            above = above.rpartition("/")[0]
            if self._folders.has(above, wanted):
                return f"{above}/{wanted}", file.home
        if self._folders.has(self._compiler_root, wanted):
            return f"{self._compiler_root}/{wanted}", self._compiler_root
        found = self._whose_path_ends_in(file, wanted) or self._in_folder_called_as(wanted)
        return (found, self._folder) if found else None

    def _whose_path_ends_in(self, file: _File, wanted: str) -> str | None:
        """The file of the service's folder whose path ends in `wanted`; of several, the nearest to `file`."""
        found = [path for path in self._index.get(_last(wanted), ()) if path.endswith(f"/{wanted}")]
        found = [path for path in found if self._may_be(path, wanted)]
        distances = {path: -len(_shared(path, file.path)) for path in found}
        nearest = [path for path in found if distances[path] == min(distances.values())]
        if len({self._peek(path).content for path in nearest}) > 1:
            raise StubError(
                f"{self._service}: {file.path} imports {wanted!r}, which may be {' or '.join(nearest)}, and they "
                "differ. List the folder that the import is relative to in api.roots of the service's manifest"
            )
        return nearest[0] if nearest else None

    def _in_folder_called_as(self, wanted: str) -> str | None:
        """The file of the service's folder in whose path `wanted` ends, as if the folder were called as it begins."""
        names = wanted.split("/")
        for start in range(1, len(names)):
            inside = "/".join(names[start:])
            called_so = self._folder.split("/")[-start:] == names[:start]
            if self._folders.has(self._folder, inside) and (called_so or start < len(names) - 1):
                path = f"{self._folder}/{inside}"
                package = self._peek(path).package
                if called_so or names[:-1][-len(package) :] == package:
                    return path
        return None

    def _may_be(self, path: str, wanted: str) -> bool:
        """Whether an import of `wanted` may mean `path`: not if the folders of its package are above the import's."""
        package = self._peek(path).package
        inside, imported = (each.split("/")[:-1] for each in (path, wanted))
        return inside[-len(package) :] != package or imported[-len(package) :] == package

    def _peek(self, path: str) -> _File:
        if path not in self._files and path not in self._peeked:
            self._peeked[path] = _File(path, self._folder, Path(path).read_bytes())
        return self._files.get(path) or self._peeked[path]

    @cached_property
    def _index(self) -> dict[str, list[str]]:
        """File name -> the definition files of the service's folder that are called so."""
        found: dict[str, list[str]] = {}
        for path in self._folders.walk(self._folder):
            found.setdefault(_last(path), []).append(path)
        return found

    def _unique_names(self) -> dict[str, str]:
        """Path -> name. Equal files that would have one name are one file; different ones get longer names."""
        names = {path: self._name(file) for path, file in self._files.items()}
        names |= {path: os.path.relpath(path, self._folder).replace("../", "") for path in self._clashing(names)}
        return names | _numbered({path: names[path] for path in self._clashing(names)}, set(names.values()))

    def _clashing(self, names: dict[str, str]) -> list[str]:
        """The paths of different files whose names give one module."""
        modules: dict[str, list[str]] = {}
        for path, name in names.items():
            modules.setdefault(module_name(name), []).append(path)
        identities: dict[str, str] = {}
        shared = [paths for paths in modules.values() if paths[1:]]
        different = [paths for paths in shared if len({self._identity(path, identities) for path in paths}) > 1]
        return [path for paths in different for path in paths]

    def _name(self, file: _File) -> str:
        """What a file is called: by its place in a stated root, else the longest name that any import gives it."""
        roots = [*self._roots, *([self._compiler_root] if file.home == self._compiler_root else [])]
        for root in roots:
            if file.path.startswith(f"{root}/"):
                return file.path.removeprefix(f"{root}/")
        found = self._found_roots.items()
        in_roots = {before + file.path[len(root) + 1 :] for root, before in found if file.path.startswith(f"{root}/")}
        if names := file.own_names | (file.names or in_roots):
            return max(names, key=lambda name: (len(name), name))
        return file.path.removeprefix(f"{self._folder}/") if file.home == self._folder else _last(file.path)

    def _identity(self, path: str, known: dict[str, str]) -> str:
        """A hash of a file and of all that it imports."""
        if path not in known:
            known[path] = ""  # ends a circle, which the compiler refuses
            file = self._files[path]
            imported = [(name, self._identity(each, known)) for name, each in sorted(file.imports.items())]
            known[path] = hashlib.sha256(repr(imported).encode() + file.content).hexdigest()
        return known[path]

    def _renamed(self, file: _File, names: dict[str, str]) -> bytes:
        changed = [
            (start, end, names[path])
            for start, end, wanted in file.statements()
            if (path := file.imports.get(wanted)) and names[path] != wanted
        ]
        content = file.content
        for start, end, name in reversed(changed):
            content = content[:start] + os.fsencode(name) + content[end:]
        return content


def _shared(path: str, other: str) -> str:
    """The innermost folder above two paths."""
    return os.path.commonpath([path, other.rpartition("/")[0] or "/"]).replace(os.sep, "/")


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _numbered(names: dict[str, str], taken: set[str]) -> dict[str, str]:
    """Names whose modules differ: of "a-b.proto" and "a_b.proto", the first becomes "a_b_2.proto"."""
    count: Counter[str] = Counter()
    found = {}
    for path, name in sorted(names.items(), key=lambda each: ("-" in each[1], each[1])):
        stem = module_name(name).removesuffix("_pb2").replace(".", "/")
        count[stem] += 1
        while count[stem] > 1 and f"{stem}_{count[stem]}.proto" in taken:
            count[stem] += 1
        found[path] = name if count[stem] == 1 else f"{stem}_{count[stem]}.proto"
    return found
