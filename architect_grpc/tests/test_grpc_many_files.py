"""What a service with many definition files costs."""

from __future__ import annotations

import textwrap

from grpc_processes import run_program

from architect_grpc.generator import GrpcStubGenerator

FILES = {
    f"many/f{n}.proto": f"package many.f{n}; message M {{ int32 n = 1; }} service S {{ rpc Do (M) returns (M); }}"
    for n in range(200)
}


def test_definitions_are_read_once_however_many_modules_are_imported_and_servicers_added(project):
    project.install("many", FILES, list(FILES))
    program = f"""
        import sys
        from concurrent.futures import ThreadPoolExecutor
        from importlib import import_module
        import grpc
        from architect_core.resolver import Resolver

        opened = []
        sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
        sys.path.insert(0, {str(project.root)!r})
        modules = [import_module(f"architect_services.many.many.f{{n}}_pb2{{suffix}}")
                   for n in range({len(FILES)}) for suffix in ("", "_grpc")]
        service = Resolver({project.config!r}, current_service="many", root={str(project.root)!r}).current_service()
        server = grpc.server(ThreadPoolExecutor())
        for module in modules[1::2]:
            service.add_servicer(type("S", (module.SServicer,), {{}})(), server)
        assert service.defs["many.f7.M"] is modules[14].M
        assert len([path for path in opened if path.endswith("definitions.binpb")]) == 1, opened
    """
    run_program(textwrap.dedent(program))


def test_an_installed_module_keeps_what_it_defines_also_beside_many_definitions(project):
    site = project.distribution("owner", {"owned_elsewhere.proto": FILES["many/f7.proto"]})
    more = {f"more/f{n}.proto": f"package more.f{n}; message M {{}}" for n in range(50)}
    project.install("many", FILES | more, [*FILES, *more])
    program = f"""
        import sys
        sys.path.insert(0, {str(site)!r})
        from architect_core.resolver import Resolver
        defs = Resolver({project.config!r}, root={str(project.root)!r}).service("many").defs
        import owned_elsewhere_pb2
        assert owned_elsewhere_pb2.M.DESCRIPTOR.file.name == "owned_elsewhere.proto"
        assert defs["many.f7.M"] is owned_elsewhere_pb2.M
    """
    run_program(textwrap.dedent(program))


def test_what_a_checksum_depends_on_is_every_file_that_was_read_and_every_folder_that_was_searched(project):
    files = {
        "proto/acme/v1/orders.proto": 'import "acme/v1/money.proto"; import "google/api/http.proto";',
        "proto/acme/v1/money.proto": "message Money {}",
        "third_party/google/api/http.proto": "message Http {}",
    }
    definitions = project.define("acme/orders", files)
    generator = GrpcStubGenerator()
    assert generator.inputs(definitions) is None
    generator.checksum(definitions)
    inputs = generator.inputs(definitions)
    folder = str(definitions.folder)
    expected = {f"{folder}/{name}" for name in files}
    expected |= {f"{folder}{each}" for each in ("", "/proto", "/proto/acme", "/proto/acme/v1", "/third_party/google")}
    assert expected <= inputs
    assert not [path for path in inputs if folder.startswith(f"{path}/")]
