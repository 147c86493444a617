"""Stubs are generated from a service's definitions, and errors in these name the file and the line."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys

import pytest

from architect_core.contract import Definitions
from architect_core.exceptions import StubError
from architect_grpc.generator import GrpcStubGenerator

GOOD = "message Order { int32 id = 1; } service Pay { rpc Do (Order) returns (stream Order); }"


def test_a_syntax_error_has_its_file_line_and_column(project, capfd):
    definitions = project.define("acme/pay", {"api/service.proto": "message Order {\n  int32 id = 1\n}\n"})
    with pytest.raises(StubError, match=r"^acme/pay: .*api/service\.proto:4:1: Expected \";\"\."):
        GrpcStubGenerator().generate(definitions)
    assert capfd.readouterr() == ("", "")


def test_a_missing_import_is_an_error(project):
    definitions = project.define("acme/pay", {"service.proto": 'import "nowhere.proto";'})
    with pytest.raises(StubError, match=r"service\.proto:2:1: Import \"nowhere\.proto\" was not found"):
        GrpcStubGenerator().checksum(definitions)


def test_a_missing_file_is_an_error_with_the_folder(project):
    with pytest.raises(StubError, match=rf"acme/pay: there is no file service\.proto in {project.folder} \(api\.defin"):
        GrpcStubGenerator().checksum(Definitions("acme/pay", project.folder, ("service.proto",)))


def test_definitions_may_be_outside_the_service_s_folder(project):
    project.define("shared", {"service.proto": GOOD})
    folder = project.folder / "definitions" / "pay"
    folder.mkdir()
    stubs = GrpcStubGenerator().generate(Definitions("pay", folder, ("../shared/service.proto",)))
    assert {"service_pb2.py", "service_pb2.pyi", "service_pb2_grpc.py", "service_pb2_grpc.pyi"} < set(stubs)


def test_a_relative_folder_generates_the_same_stubs(project, monkeypatch):
    definitions = project.define("acme/pay", {"api/service.proto": GOOD})
    monkeypatch.chdir(project.folder)
    relative = Definitions("acme/pay", definitions.folder.relative_to(project.folder), definitions.files)
    assert GrpcStubGenerator().generate(relative) == GrpcStubGenerator().generate(definitions)


def test_the_checksum_changes_with_an_imported_file_and_not_with_the_folder_or_a_comment(project, tmp_path):
    files = {"service.proto": f'import "base.proto"; {GOOD}', "base.proto": "message Id { int32 n = 1; }"}
    definitions = project.define("acme/pay", files)
    first = GrpcStubGenerator().checksum(definitions)
    copy = shutil.copytree(definitions.folder, tmp_path / "copy")
    assert GrpcStubGenerator().checksum(Definitions("acme/pay", copy, definitions.files)) == first
    project.define("acme/pay", files | {"base.proto": "// said\nmessage Id { int32 n = 1; }"})
    assert GrpcStubGenerator().checksum(definitions) == first
    project.define("acme/pay", files | {"base.proto": "message Id { int64 n = 1; }"})
    assert GrpcStubGenerator().checksum(definitions) != first


def test_type_stubs_import_each_other_relatively(project):
    files = {
        "api/service.proto": """
            import "base.proto"; import public "api/more.proto"; import "google/protobuf/empty.proto";
            service Pay { rpc Do (Id) returns (stream More.Inner); rpc Up (stream Id) returns (google.protobuf.Empty); }
            message Order { Id id = 1; }""",
        "api/more.proto": "message More { message Inner { int32 n = 1; } }",
        "base.proto": "message Id { int32 n = 1; }",
    }
    stubs = GrpcStubGenerator().generate(project.define("acme/pay", files))
    for path, content in stubs.items():
        if path.endswith((".py", ".pyi")):
            ast.parse(content, path)
    messages, services = stubs["api/service_pb2.pyi"].decode(), stubs["api/service_pb2_grpc.pyi"].decode()
    assert "from .. import base_pb2 as _base_pb2" in messages
    assert "from ..api.more_pb2 import More as More" in messages
    assert "Do: grpc.UnaryStreamMultiCallable[_base_pb2.Id, _api_more_pb2.More.Inner]" in services
    assert "Up: grpc.StreamUnaryMultiCallable[_base_pb2.Id, _google_protobuf_empty_pb2.Empty]" in services
    assert "Do: grpc.aio.UnaryStreamMultiCallable[_base_pb2.Id, _api_more_pb2.More.Inner]" in services
    assert "api/more_pb2_grpc.py" not in stubs


def test_only_types_from_a_folder_called_like_a_keyword_are_unknown(project):
    files = {
        "a.proto": """import public "in/b.proto"; import public "c.proto";
            message Order { Line line = 1; repeated Part parts = 2; } service Pay { rpc Do (Line) returns (Order); }""",
        "in/b.proto": "message Line { int32 class = 1; int32 n = 2; }",
        "c.proto": "message Part {}",
    }
    stubs = GrpcStubGenerator().generate(project.define("acme/pay", files, list(files)))
    for path in ("a_pb2.pyi", "a_pb2_grpc.pyi", "in/b_pb2.pyi"):
        ast.parse(stubs[path], path)
    assert (
        b"    line: _Any\n    parts: _containers.RepeatedCompositeFieldContainer[_c_pb2.Part]\n" in stubs["a_pb2.pyi"]
    )
    assert b"    Do: grpc.UnaryUnaryMultiCallable[Any, _a_pb2.Order]\n" in stubs["a_pb2_grpc.pyi"]
    unused = GrpcStubGenerator().generate(
        project.define("acme/bill", {"b.proto": 'import "google/protobuf/any.proto";'})
    )
    assert b"any_pb2" not in unused["b_pb2.pyi"]
    assert b"    n: int\n    def __init__(self, n: _Optional[int] = ..., **kwargs: _Any)" in stubs["in/b_pb2.pyi"]


def test_without_the_compiler_the_error_says_what_to_install(project, monkeypatch):
    monkeypatch.setitem(sys.modules, "grpc_tools", None)
    with pytest.raises(StubError, match=r"pip install 'architect-grpc\[tools\]'"):
        GrpcStubGenerator().checksum(project.define("acme/pay", {"service.proto": GOOD}))


def test_standard_error_is_restored_after_compiling(project, capfd):
    GrpcStubGenerator().generate(project.define("acme/pay", {"service.proto": GOOD}))
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"


@pytest.mark.parametrize("module", ["service_pb2", "service_pb2_grpc", "api.deep_pb2"])
def test_stubs_imported_where_architect_grpc_is_missing_say_what_to_install(project, module):
    project.install(
        "acme/pay", {"service.proto": GOOD, "api/deep.proto": "message Deep {}"}, ["service.proto", "api/deep.proto"]
    )
    command = [sys.executable, "-S", "-c", f"import {module}"]  # -S: without what is installed
    done = subprocess.run(
        command, cwd=project.services / "acme" / "pay", env={}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: these stubs need architect-grpc: pip install --upgrade 'architect-sdk[grpc]>=0.3'; "
        "0.2.1 cannot use them"
    )


def test_an_error_of_another_package_that_is_missing_is_passed_on(project):
    project.install("acme/pay", {"service.proto": GOOD})
    (project.folder / "architect_grpc.py").write_text("import a_package_of_someone_else")
    done = subprocess.run(
        [sys.executable, "-S", "-c", "import service_pb2"],
        cwd=project.services / "acme" / "pay",
        env={"PYTHONPATH": str(project.folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr.splitlines()[-1] == "ModuleNotFoundError: No module named 'a_package_of_someone_else'"
