"""The files that definitions import are found in every layout that is common, and none is taken for another."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from architect_core.contract import Definitions
from architect_core.exceptions import StubError
from architect_grpc.generator import GrpcStubGenerator

MONEY = "package acme.v1; message Money { int32 units = 1; }"
ORDERS = """package acme.v1; import "acme/v1/money.proto"; message Order { Money price = 1; }
    service Orders { rpc Place (Order) returns (Money); }"""
HTTP = 'package google.api; import "google/protobuf/descriptor.proto"; message Http { int32 n = 1; }'


def modules(project, files, listed=None, roots=(), service="acme/orders"):
    """The modules of the messages that are generated."""
    definitions = project.define(service, files, listed)
    definitions = Definitions(service, definitions.folder, definitions.files, tuple(roots))
    stubs = GrpcStubGenerator().generate(definitions)
    return {path.removesuffix("_pb2.py") for path in stubs if path.endswith("_pb2.py")}


@pytest.mark.parametrize("root", ["proto", "src/main/proto", "api"])
def test_an_import_is_found_in_any_folder_above_the_file_that_has_it(project, root):
    files = {f"{root}/acme/v1/orders.proto": ORDERS, f"{root}/acme/v1/money.proto": MONEY}
    assert modules(project, files) == {"acme/v1/orders", "acme/v1/money"}
    project.install("acme/orders", files)
    assert project.resolver().service("acme/orders").defs.Order(price={"units": 3}).price.units == 3


@pytest.mark.parametrize("copy", ["third_party/googleapis/google/api/http.proto", "vendor/a/b/google/api/http.proto"])
def test_an_import_is_found_where_the_path_of_a_file_in_the_service_s_folder_ends_in_it(project, copy):
    text = 'import "google/api/http.proto"; message Order { google.api.Http http = 1; }'
    assert modules(project, {"proto/orders.proto": text, copy: HTTP}) == {"proto/orders", "google/api/http"}


def test_imports_may_begin_with_the_name_of_the_service_s_folder(project):
    files = {
        "api/raftpb/internal.proto": 'import "orders/api/kv/kv.proto"; import "rpc.proto"; message I { kv.Kv kv = 1; }',
        "api/raftpb/rpc.proto": 'package raftpb; import "orders/api/kv/kv.proto"; message Get { kv.Kv kv = 1; }',
        "api/kv/kv.proto": "package kv; message Kv { int32 n = 1; }",
        "server/lock.proto": 'import "orders/api/raftpb/rpc.proto"; message Lock { raftpb.Get get = 1; }',
    }
    one_name_each = {"orders/api/raftpb/internal", "orders/api/raftpb/rpc", "orders/api/kv/kv", "orders/server/lock"}
    assert modules(project, files, list(files)) == one_name_each
    another = {name: text.replace('"orders/', '"tree/') for name, text in files.items()}  # a clone with another name
    assert modules(project, another, list(files)) == {name.replace("orders/", "tree/") for name in one_name_each}


def test_a_stated_root_is_searched_first_and_names_the_files_in_it(project):
    files = {
        "proto/acme/v1/orders.proto": ORDERS,
        "proto/acme/v1/money.proto": "package acme.v1; message Coin {}",
        "shared/acme/v1/money.proto": MONEY,
    }
    with pytest.raises(StubError, match='"Money" is not defined'):
        modules(project, files)
    assert modules(project, files, roots=["shared", "proto"]) == {"acme/v1/orders", "acme/v1/money"}


def test_a_root_may_be_outside_of_the_service_s_folder(project):
    project.define("shared", {"proto/acme/v1/money.proto": MONEY})
    files = {"orders.proto": ORDERS}
    assert modules(project, files, roots=["../shared/proto"], service="orders") == {"orders", "acme/v1/money"}


def test_a_root_may_be_an_installed_distribution(project, monkeypatch, tmp_path):
    contents = {"google/api/http.proto": HTTP, "sent_protos/data/acme/v1/money.proto": MONEY}
    for name, text in contents.items():
        path = tmp_path / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'syntax = "proto3";\n{text}')
    information = tmp_path / "site" / "sent_protos-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: sent-protos\nVersion: 1.0\n")
    (information / "RECORD").write_text("".join(f"{name},,\n" for name in contents))
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])
    text = f'{ORDERS} import "google/api/http.proto"; message More {{ google.api.Http http = 1; }}'
    found = modules(project, {"proto/orders.proto": text}, roots=["sent-protos"])
    assert found == {"proto/orders", "google/api/http", "acme/v1/money"}


@pytest.mark.parametrize("root", ["nowhere", "../nowhere", "pydantic"])
def test_an_unknown_root_is_an_error(project, root):
    reason = rf"acme/orders: '{root}' is neither a folder in {project.folder}.* nor an installed distribution"
    with pytest.raises(StubError, match=rf"{reason} that has definition files \(api.roots\)"):
        modules(project, {"orders.proto": MONEY}, roots=[root])


def test_each_of_two_files_imports_its_own_neighbour_of_the_same_name(project):
    files = {
        f"{side}/{name}.proto": text
        for side in ("a", "b")
        for name, text in {
            "service": f'package {side}; import "common.proto"; message Order {{ Id{side} id = 1; }}',
            "common": f"package {side}; message Id{side} {{ int32 {side} = 1; }}",
        }.items()
    }
    listed = ["a/service.proto", "b/service.proto"]
    assert modules(project, files, listed) == {"a/service", "a/common", "b/service", "b/common"}
    project.install("acme/orders", files, listed)
    defs = project.resolver().service("acme/orders").defs
    assert defs["a.Order"](id={"a": 1}).id.a == defs["b.Order"](id={"b": 1}).id.b


def test_equal_copies_of_a_file_are_one_file(project):
    files = {f"{side}/acme/v1/money.proto": MONEY for side in ("a", "b")}
    files |= {f"{side}/{side}.proto": ORDERS.replace("Order", side.upper()) for side in ("a", "b")}
    assert modules(project, files, ["a/a.proto", "b/b.proto"]) == {"a", "b", "acme/v1/money"}


def test_equal_files_that_import_different_files_are_two(project):
    files = {f"{side}/{side}.proto": f'package {side}; import "one.proto"; message M {{}}' for side in ("a", "b")}
    files |= {f"{side}/one.proto": 'import "two.proto"; ' for side in ("a", "b")}
    files |= {f"{side}/two.proto": f"package {side}; message Two {{}}" for side in ("a", "b")}
    found = modules(project, files, ["a/a.proto", "b/b.proto"])
    assert found == {"a", "b", "a/one", "b/one", "a/two", "b/two"}


def test_an_import_that_could_be_different_files_is_an_error_with_both(project):
    files = {"orders.proto": ORDERS, "x/acme/v1/money.proto": MONEY, "y/acme/v1/money.proto": f"{MONEY} // y"}
    reason = r"'acme/v1/money.proto', which may be \S+/x/acme/v1/money.proto or \S+/y/acme/v1/money.proto, and they"
    with pytest.raises(StubError, match=rf"{reason} differ.*api\.roots"):
        modules(project, files)
    assert modules(project, files, roots=["y"]) == {"orders", "acme/v1/money"}


def test_of_several_files_the_nearest_to_the_import_is_meant(project):
    text = 'import "google/api/http.proto"; message {} {{ google.api.Http http = 1; }}'
    files = {f"{side}/api/{side}.proto": text.format(side.upper()) for side in ("a", "b")}
    files |= {f"{side}/third_party/google/api/http.proto": HTTP for side in ("a", "b")}
    assert modules(project, files, list(files)[:2]) == {"a/api/a", "b/api/b", "google/api/http"}
    files["b/third_party/google/api/http.proto"] = "package google.api; message Other {}"
    with pytest.raises(StubError, match=r'/b/api/b\.proto:2:\d+: "google.api.Http" .* is not imported by'):
        modules(project, files, list(files)[:2])


def test_a_file_of_another_package_is_not_taken_for_an_import(project):
    files = {
        "orders.proto": 'import "validate/validate.proto"; message Order {}',
        "proto/buf/validate/validate.proto": "package buf.validate; message Rule {}",
        "api/validate/validate.proto": "package acme.rules; message Rule {}",
    }
    with pytest.raises(StubError, match=r'orders.proto:2:1: Import "validate/validate.proto" was not found'):
        modules(project, {name: text for name, text in files.items() if "api/" not in name})
    assert modules(project, files) == {"orders", "validate/validate"}
    other = {"orders.proto": 'import "google/api/http.proto"; message Order {}', "api/http.proto": "package acme.api;"}
    with pytest.raises(StubError, match=r'Import "google/api/http\.proto" was not found'):
        modules(project, other, service="acme/other")


def test_files_of_other_tools_are_not_searched(project):
    folders = ["node_modules/x", ".cache", "env", "architect_services/x"]
    for folder in folders:
        project.define("acme/orders", {f"{folder}/acme/v1/money.proto": MONEY})
    (project.folder / "definitions/acme/orders/env/pyvenv.cfg").touch()
    with pytest.raises(StubError, match=r'Import "acme/v1/money\.proto" was not found'):
        modules(project, {"orders.proto": ORDERS})


def test_a_file_has_one_name_whatever_imports_call_it(project):
    files = {
        "proto/acme/v1/orders.proto": ORDERS,
        "proto/acme/v1/money.proto": MONEY,
        "proto/acme/v1/page.proto": 'package acme.v1; import "money.proto"; message Page { Money price = 1; }',
    }
    listed = ["proto/acme/v1/orders.proto", "proto/acme/v1/page.proto"]
    assert modules(project, files, listed) == {"acme/v1/orders", "acme/v1/money", "acme/v1/page"}


@pytest.mark.parametrize(
    "statement",
    [
        'import /* of // it */ "base.proto";',
        "import\n  public\n\t'base.proto' ;",
        '// import "nowhere.proto";\nimport "base.proto"; /* import "nowhere.proto"; */',
        'import"base.proto";',
        'option java_package = "import \\"nowhere.proto\\"; // "; import "base.proto";',
    ],
)
def test_import_statements_are_read_as_the_compiler_reads_them(project, statement):
    files = {f"{side}/base.proto": f"package {side}; message Id {{}}" for side in ("a", "b")}
    files |= {
        f"{side}/service.proto": f"package {side}; {statement} message Import {{ Id id = 1; int32 import = 2; }}"
        for side in ("a", "b")
    }
    listed = ["a/service.proto", "b/service.proto"]
    assert modules(project, files, listed) == {"a/service", "a/base", "b/service", "b/base"}


@pytest.mark.parametrize("one", ["a-b.proto", "a.b.proto", "a/b.proto"])
def test_files_whose_names_give_the_same_module_have_a_module_each(project, one):
    other = "a_b.proto" if one == "a-b.proto" else "a/b.proto" if one == "a.b.proto" else "a.b.proto"
    package = "same" + "".join(each for each in one if each.isalpha())
    files = {
        one: f"package {package}.one; message Order {{ int32 one = 1; }}",
        other: f"package {package}.other; message Order {{ int32 other = 1; }}",
    }
    assert len(modules(project, files, [one, other])) == 2
    project.install("acme/orders", files, [one, other])
    defs = project.resolver().service("acme/orders").defs
    assert defs[f"{package}.one.Order"](one=1).one == defs[f"{package}.other.Order"](other=1).other
    assert len({defs[f"{package}.{name}.Order"].__module__ for name in ("one", "other")}) == 2


def test_a_mistake_is_reported_where_the_file_is(project):
    files = {"proto/acme/v1/orders.proto": ORDERS, "proto/acme/v1/money.proto": "message Money { int32 }"}
    with pytest.raises(StubError, match=rf"{project.folder}\S+/proto/acme/v1/money\.proto:2:23: Expected") as caught:
        modules(project, files)
    assert "warning" not in str(caught.value)


@pytest.mark.parametrize("name", ["a=b", "a:b", "a b", "ä"])
def test_any_folder_can_hold_definitions(project, name):
    assert modules(project, {f"{name}/acme/v1/orders.proto": ORDERS, f"{name}/acme/v1/money.proto": MONEY}) == {
        "acme/v1/orders",
        "acme/v1/money",
    }


def test_a_search_ends_at_the_root_of_the_file_system(project):
    """A definition that shares only "/" with the service's folder is searched for up to there, and no further."""
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as elsewhere:
        path = Path(elsewhere, "orders.proto")
        path.write_text('syntax = "proto3"; import "nowhere/money.proto";')
        folder = project.define("acme/orders", {"own.proto": MONEY}).folder
        with pytest.raises(StubError, match=r'orders\.proto:1:\d+: Import "nowhere/money\.proto" was not found'):
            GrpcStubGenerator().checksum(Definitions("acme/orders", folder, (str(path),)))


def test_links_that_lead_back_are_not_followed(project):
    files = {"orders.proto": ORDERS, "x/y/acme/v1/money.proto": MONEY}
    folder = project.define("acme/orders", files).folder
    for name in ("first", "second"):
        (folder / name).symlink_to(folder, target_is_directory=True)
        (folder / "x" / name).symlink_to(folder / "x", target_is_directory=True)
    (folder / "linked").symlink_to(folder / "x/y", target_is_directory=True)
    assert modules(project, files, ["orders.proto"]) == {"orders", "acme/v1/money"}


def test_a_line_of_slashes_after_the_word_import_is_read_at_once(project):
    files = {"orders.proto": f"package acme.v1; message Import {{ int32 import {'/' * 200}\n= 1; }} // import;"}
    assert modules(project, files) == {"orders"}


@pytest.mark.parametrize("name", ["-x.proto", "--python_out=x.proto", "@arguments.proto", "caf\udce9.proto"])
def test_a_file_name_that_the_compiler_cannot_take_is_an_error_with_the_file(project, name):
    """An option of the compiler's, its file of arguments, or bytes that are not UTF-8."""
    folder = project.define("acme/orders", {"other.proto": MONEY}).folder
    try:
        (folder / name).write_text('syntax = "proto3"; message M {}')
    except (OSError, UnicodeError):  # macOS and Windows have no such names
        return
    with pytest.raises(StubError, match=r"acme/orders: the compiler accepts no file called '.*proto'; rename it"):
        GrpcStubGenerator().checksum(Definitions("acme/orders", folder, (name,)))
