"""Definitions get along with the generated modules of installed distributions, and with those of other services."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading

import pytest
from google.protobuf import descriptor_pool, json_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_processes import run_program

TIME = 'import "google/protobuf/timestamp.proto";'
OPTIONS = 'import "google/protobuf/descriptor.proto";'
BEHAVIOR = "enum Behavior { UNKNOWN = 0; REQUIRED = 1; }"
MARK = "repeated Behavior behavior = 71052;"
ORDER = f"""package shop; import "google/probe/behavior.proto"; {TIME}
    message Order {{ int32 id = 1 [(google.probe.behavior) = REQUIRED]; google.protobuf.Timestamp at = 2; }}
    service Shop {{ rpc Do (Order) returns (Order); }}"""


def behavior(extension=MARK, enum=BEHAVIOR, more=""):
    return f"package google.probe; {OPTIONS} {enum} {more} extend google.protobuf.FieldOptions {{ {extension} }}"


@pytest.fixture
def run(project):
    """Runs a program twice, in each order of its functions `stubs` and `installed`, with folders in `sys.path`."""

    def run(program, *sites):
        prelude = f"""
            import sys
            sys.path[:0] = {[str(site) for site in sites]!r}
            from google.protobuf.timestamp_pb2 import Timestamp
            from architect_core.resolver import Resolver
            resolver = Resolver({project.config!r}, root={str(project.root)!r})
        """
        end = """
            for each in (stubs, installed) if sys.argv[1] == "stubs" else (installed, stubs):
                each()
        """
        for first in ("stubs", "installed"):
            run_program("".join(map(textwrap.dedent, (prelude, program, end))), first)

    return run


@pytest.mark.parametrize(
    "installed",
    [
        behavior(),
        behavior(enum=BEHAVIOR.replace("}", "LATER = 2; }"), more="message Later {}"),
        behavior(enum=BEHAVIOR.replace("}", "LATER = 2; }"), extension=f"{MARK} string later = 71053;"),
        behavior(enum=BEHAVIOR.replace("REQUIRED", "NEEDED")),
        behavior(extension=MARK.replace("71052", "71054")),
        behavior(extension=MARK.replace("repeated", "optional")),
        behavior(extension=MARK.replace("behavior", "conduct")),
    ],
    ids=["equal", "later", "later option", "other value", "other number", "other label", "other name"],
)
def test_an_installed_copy_of_a_file_of_options_changes_no_message_that_uses_the_options(project, run, installed):
    project.install("shop", {"shop.proto": ORDER, "google/probe/behavior.proto": behavior()})
    site = project.distribution("probe", {"google/probe/behavior.proto": installed})
    run(
        """
        def stubs():
            defs = resolver.service("shop").defs
            assert defs.Order(at=Timestamp(seconds=5)).at.seconds == 5
            options = defs.Order.DESCRIPTOR.fields_by_name["id"].GetOptions()
            own = type(options) if defs.behavior.containing_type is options.DESCRIPTOR else defs.FieldOptions
            assert list(own.FromString(options.SerializeToString()).Extensions[defs.behavior]) == [defs.REQUIRED]
        def installed():
            from google.probe import behavior_pb2
            assert behavior_pb2.Behavior.Value("UNKNOWN") == 0
        """,
        site,
    )


STATUS = "package google.probe; message Status { int32 code = 1; }"
PAY = f"""package pay; import "google/probe/status.proto"; {TIME}
    message Order {{ google.probe.Status status = 1; google.protobuf.Timestamp at = 2; }}
    message Other {{ google.protobuf.Timestamp at = 1; }} service Pay {{ rpc Do (Order) returns (Other); }}"""


def test_a_later_version_of_a_file_that_is_installed_is_used_instead_of_the_service_s_copy(project, run):
    project.install("pay", {"pay.proto": PAY, "google/probe/status.proto": STATUS})
    later = "package google.probe; message Status { int32 code = 1; string text = 2 [deprecated = true]; }"
    site = project.distribution("probe", {"google/probe/status.proto": later})
    run(
        """
        def stubs():
            from google.probe import status_pb2
            defs = resolver.service("pay").defs
            assert defs.Order(status=status_pb2.Status(code=3), at=Timestamp(seconds=5)).at.seconds == 5
            assert defs.Status is defs.status_pb2.Status is status_pb2.Status
        def installed():
            from google.probe import status_pb2
        """,
        site,
    )


@pytest.mark.parametrize("installed", ["int64 code = 1;", "int32 number = 1;", "int32 code = 2;", "string text = 3;"])
def test_only_the_messages_that_use_what_an_installed_distribution_defines_otherwise_are_isolated(
    project, run, installed
):
    project.install("pay", {"pay.proto": PAY, "google/probe/status.proto": STATUS})
    file = {"google/probe/status.proto": f"package google.probe; message Status {{ {installed} }}"}
    run(
        """
        def stubs():
            defs = resolver.service("pay").defs
            assert defs.Other(at=Timestamp(seconds=5)).at.seconds == 5
            order = defs.Order(status=defs.Status(code=3), at={"seconds": 5})
            assert defs.Order.FromString(order.SerializeToString()).status.code == 3
            client = resolver.service("pay").client
            assert callable(client.Do)
        def installed():
            from google.probe import status_pb2
            assert status_pb2.Status.DESCRIPTOR.full_name == "google.probe.Status"
        """,
        project.distribution("probe", file),
    )


def test_what_isolated_and_other_messages_use_is_the_installed_class(project, run):
    details = "message Detail { int32 id = 1; } message Details { Detail detail = 1; Status status = 2; NEW }"
    text = """package pay; import "google/probe/status.proto";
        message Order { google.probe.Status status = 1; google.probe.Detail detail = 2; }"""
    later = f"{STATUS} {details}".replace("NEW", "int32 later = 3;")
    project.install("pay", {"pay.proto": text, "google/probe/status.proto": later})
    run(
        """
        def stubs():
            from google.probe import status_pb2
            defs = resolver.service("pay").defs
            assert defs.Order(status=defs.Status(code=3), detail=defs.Detail(id=4)).detail.id == 4
            assert (defs.Status, defs.Detail) == (status_pb2.Status, status_pb2.Detail)
            assert defs.Details(later=5, status={"code": 3}).status.code == 3
        def installed():
            from google.probe import status_pb2
            assert not hasattr(status_pb2.Details(), "later")
        """,
        project.distribution("probe", {"google/probe/status.proto": f"{STATUS} {details}".replace("NEW", "")}),
    )


HEALTH = """package grpc.health.v1; message HealthCheckRequest { string service = 1; }
    message HealthCheckResponse {
      enum ServingStatus { UNKNOWN = 0; SERVING = 1; NOT_SERVING = 2; SERVICE_UNKNOWN = 3; } ServingStatus status = 1; }
    service Health { rpc Check (HealthCheckRequest) returns (HealthCheckResponse); }"""


@pytest.mark.parametrize("file", ["health.proto", "grpc/health/v1/health.proto", "all.proto"])
@pytest.mark.parametrize("text", [HEALTH, HEALTH.replace("string service", "string name")], ids=["part", "other"])
def test_a_service_s_copy_of_an_installed_file_leaves_its_names_to_the_installed_module(project, run, file, text):
    project.install("checked", {file: text})
    run("""
        def stubs():
            service = resolver.service("checked")
            assert service.defs.HealthCheckRequest(**{service.defs.HealthCheckRequest.DESCRIPTOR.fields[0].name: "x"})
            assert callable(service.client.Check)
            assert not hasattr(service.client, "Watch")
        def installed():
            from grpc_health.v1 import health_pb2, health_pb2_grpc
            assert health_pb2.HealthCheckRequest(service="x").service == "x"
    """)


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize(
    "theirs",
    [
        "package acme.v1; message Money { string text = 1; }",
        "package acme.v1; message Money { int32 cents = 1; int32 more = 2; }",
        "package other; message Something {}",
        f"package acme.numbers; {OPTIONS} extend google.protobuf.FieldOptions {{ string theirs = 71060; }}",
    ],
    ids=["other", "later", "another package", "number"],
)
def test_a_generated_module_on_the_path_can_be_imported_whatever_was_loaded_before(project, run, theirs, recorded):
    text = f"""package acme.v1; {TIME} {OPTIONS} message Money {{ int32 cents = 1; }}
        extend google.protobuf.FieldOptions {{ string ours = 71060; }}
        message Other {{ google.protobuf.Timestamp at = 1; }}"""
    project.install("bank", {"acme/v1/money.proto": text})
    site = project.distribution("acme", {"acme/v1/money.proto": theirs}, recorded=recorded)
    (site / "acme" / "__init__.py").write_text("")
    run(
        """
        def stubs():
            defs = resolver.service("bank").defs
            assert defs.Money(cents=3).cents == 3
            assert defs.Other(at=Timestamp(seconds=5)).at.seconds == 5
        def installed():
            from acme.v1 import money_pb2
            assert money_pb2.DESCRIPTOR.name == "acme/v1/money.proto"
        """,
        site,
    )


@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_generated_module_is_known_however_it_is_formatted(project, run, quote):
    project.install("bank", {"money.proto": "package feed; message Money { int32 n = 1; }"})
    site = project.distribution("money", {"feed/money.proto": "package feed; message Money { string text = 1; }"})
    module = site / "feed" / "money_pb2.py"
    text = module.read_text()
    literal = text.partition("AddSerializedFile(b'")[2].partition("')\n")[0]
    assert literal
    text = text.replace(f"AddSerializedFile(b'{literal}')", f"AddSerializedFile(\n    b{quote}{literal}{quote},\n)")
    module.write_text(text)
    run(
        """
        def stubs():
            assert resolver.service("bank").defs.Money(n=5).n == 5
        def installed():
            from feed import money_pb2
        """,
        site,
    )


def test_a_file_name_is_left_to_an_installed_module_of_another_path(project, run):
    project.install(
        "bank", {"service.proto": f"package bank; {TIME} message Money {{ google.protobuf.Timestamp at = 1; }}"}
    )
    site = project.distribution("theirs", {"service.proto": "package theirs; message Something {}"})
    (site / "theirs").mkdir()
    (site / "service_pb2.py").rename(site / "theirs" / "service_pb2.py")
    (site / "theirs-1.0.dist-info" / "RECORD").write_text("theirs/service_pb2.py,sha256=0,1\n")
    run(
        """
        def stubs():
            assert resolver.service("bank").defs.Money(at=Timestamp(seconds=5)).at.seconds == 5
        def installed():
            from theirs import service_pb2
            assert service_pb2.DESCRIPTOR.name == "service.proto"
        """,
        site,
    )


def test_a_package_of_the_application_is_not_imported_for_a_module_that_defines_something_else(project):
    project.install("bank", {"acme/money.proto": "package acme; message Money {}"})
    site = project.distribution("acme", {"acme/money.proto": "package another; message Something {}"})
    (site / "acme" / "__init__.py").write_text("raise SystemExit('acme is imported')")
    program = f"""
        import sys
        sys.path.insert(0, {str(site)!r})
        from architect_core.resolver import Resolver
        assert Resolver({project.config!r}, root={str(project.root)!r}).service("bank").defs.Money() is not None
    """
    run_program(textwrap.dedent(program))


def test_an_application_whose_package_loads_stubs_when_it_is_imported_does_not_deadlock(project):
    project.install("one", {"acme/one.proto": "package acme.one; message Money { int32 a = 1; }"})
    project.install("two", {"acme/two.proto": "package acme.two; message Money { int32 a = 1; }"})
    site = project.distribution("acme", {"acme/two.proto": "package acme.two; message Money { int32 a = 1; }"})
    (site / "acme" / "__init__.py").write_text(
        "import start\nstart.importing.set()\nstart.loading.wait(20)\nstart.resolver.service('one').defs.Money(a=1)\n"
    )
    program = f"""
        import sys, threading, types
        sys.path.insert(0, {str(site)!r})
        from architect_core.resolver import Resolver
        resolver = Resolver({project.config!r}, root={str(project.root)!r})
        importing, loading = threading.Event(), threading.Event()
        sys.modules["start"] = types.SimpleNamespace(resolver=resolver, importing=importing, loading=loading)
        def application():
            import acme
        thread = threading.Thread(target=application, daemon=True)
        thread.start()
        importing.wait(20)
        threading.Timer(0.2, loading.set).start()
        assert resolver.service("two").defs.Money(a=1).a == 1
        thread.join(20)
        assert not thread.is_alive()
    """
    run_program(textwrap.dedent(program))


def test_what_two_services_define_alike_is_shared_though_they_define_something_else_differently(project):
    for name, kind in (("alike/one", "int32"), ("alike/two", "string")):
        text = f"""package alike; {TIME} message Order {{ {kind} id = 1; }} message Page {{ Order order = 1; }}
            message Money {{ google.protobuf.Timestamp at = 1; }} enum Kind {{ SMALL = 0; }}
            service Shop {{ rpc Do (Order) returns (Page); rpc Pay (Money) returns (Money); }}"""
        project.install(name, {"shop.proto": text})
    resolver = project.resolver()
    one, two = resolver.service("alike/one").defs, resolver.service("alike/two").defs
    assert one.Money is two.Money
    assert one.Money(at=Timestamp(seconds=5)).at.seconds == 5
    assert one.Page(order=one.Order(id=1)).order.id == 1
    assert two.Page(order=two.Order(id="a")).order.id == "a"
    assert one.shop_pb2.DESCRIPTOR.services_by_name["Shop"].methods_by_name["Do"].input_type is one.Order.DESCRIPTOR


def test_a_message_with_one_name_in_files_of_different_names_is_shared_if_it_is_equal(project):
    money = "package named; message Money { int32 n = 1; } message Price { Money money = 1; }"
    files = {
        "named/one": {"one.proto": money},
        "named/two": {"two.proto": money},
        "named/six": {"six.proto": money.replace("int32", "int64")},
    }
    for name, definitions in files.items():
        notes = project.install(name, definitions)
    assert len(notes) == 2
    resolver = project.resolver()
    one, two, six = (resolver.service(name).defs for name in files)
    assert one.Price is not two.Price  # each of them differs from the third
    for defs in (one, two, six):
        assert defs.Price(money=defs.Money(n=3)).money.n == 3
        assert defs.Price.DESCRIPTOR.file.name.endswith(".proto")
    assert (one.one_pb2.Money, six.six_pb2.Money) == (one.Money, six.Money)


ISOLATED = """package {package}; import "google/protobuf/any.proto"; {options} {time}
    message Tag {{ string name = 1; }}
    extend google.protobuf.MessageOptions {{ repeated Tag tags = {number}; string table = {number}1; }}
    message Order {{ option ({package}.tags) = {{name: "a"}}; option ({package}.tags) = {{name: "b"}};
      option ({package}.table) = "orders";
      {kind} id = 1; google.protobuf.Any any = 2; google.protobuf.Timestamp at = 3; }}
    service Shop {{ rpc Do (Order) returns (Order); }}"""


@pytest.fixture
def isolated(project, request):
    """The `defs` of two services that define a message differently."""
    number = 71100 + len(request.node.name) % 50
    package = f"isolated{number}"
    for name, kind in (("a", "int32"), ("b", "string")):
        text = ISOLATED.format(package=package, kind=kind, number=number, options=OPTIONS, time=TIME)
        project.install(f"{package}/{name}", {"shop.proto": text})
    resolver = project.resolver()
    return [resolver.service(f"{package}/{name}").defs for name in "ab"]


def test_custom_options_of_an_isolated_message_can_be_read(isolated):
    for defs in isolated:
        options = defs.Order.DESCRIPTOR.GetOptions()
        assert options.Extensions[defs.table] == "orders"
        assert [tag.name for tag in options.Extensions[defs.tags]] == ["a", "b"]


def test_json_and_text_have_what_an_any_of_an_isolated_message_contains(isolated):
    for defs, value in zip(isolated, (3, "three"), strict=True):
        pool = defs.Order.DESCRIPTOR.file.pool
        for content in (defs.Order(id=value), Timestamp(seconds=5), defs.Tag(name="a")):
            order = defs.Order(at={"seconds": 5})
            order.any.Pack(content)
            as_dict = json_format.MessageToDict(order, descriptor_pool=pool)
            parsed = json_format.ParseDict(as_dict, defs.Order(), descriptor_pool=pool)
            assert parsed.any.value == order.any.value
            unpacked = type(content)()
            assert parsed.any.Unpack(unpacked)
            assert unpacked == content


def test_the_pool_of_an_isolated_message_answers_reflection(isolated):
    for defs in isolated:
        pool = defs.Order.DESCRIPTOR.file.pool
        service = pool.FindFileContainingSymbol(defs.shop_pb2.DESCRIPTOR.services_by_name["Shop"].full_name)
        seen = descriptor_pool.DescriptorPool()  # of a client that gets the files by reflection

        def add(file, seen=seen):
            for each in file.dependencies:
                add(each)
            return seen.AddSerializedFile(FileDescriptorProto.FromString(file.serialized_pb).SerializeToString())

        order = add(service).message_types_by_name["Order"]
        assert [field.type for field in order.fields] == [field.type for field in defs.Order.DESCRIPTOR.fields]


def test_a_custom_option_with_another_s_number_is_read_with_the_options_of_its_own_definitions(project):
    for name in ("first", "second"):
        text = f"""package numbered.{name}; {OPTIONS} extend google.protobuf.MessageOptions {{ string {name} = 71200; }}
            message Order {{ option ({name}) = "{name}"; }}"""
        project.install(f"numbered/{name}", {"shop.proto": text})
    for name in ("first", "second"):
        defs = project.resolver().service(f"numbered/{name}").defs
        options = defs.MessageOptions.FromString(defs.Order.DESCRIPTOR.GetOptions().SerializeToString())
        assert options.Extensions[getattr(defs, name)] == name


def test_definitions_are_loaded_by_many_threads_at_once(project):
    count = 12
    for number in range(count):
        text = f"""package threads; {TIME} message Order {{ google.protobuf.Timestamp at = 1; }}
            message Own{number} {{ Order order = 1; }}
            message Same {{ {"int32" if number % 2 else "string"} a = 1; }}"""
        project.install(f"threads/{number}", {"shop.proto": text})
    found, start = {}, threading.Barrier(count)

    def load(number):
        start.wait()
        found[number] = project.resolver().service(f"threads/{number}").defs

    threads = [threading.Thread(target=load, args=(number,)) for number in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len({found[number].Order for number in range(count)}) == 1
    assert len({found[number].Same for number in range(count)}) == count
    for number in range(count):
        own = getattr(found[number], f"Own{number}")
        assert own(order=found[number].Order(at=Timestamp(seconds=5))).order.at.seconds == 5


def test_repeated_custom_options_work_with_the_pure_python_protobuf(project):
    options = """package pure; import "google/protobuf/descriptor.proto"; import "google/protobuf/duration.proto";
        message Tag { string name = 1; extend google.protobuf.MethodOptions { repeated Tag within = 71301; }
          message Deep { extend google.protobuf.MethodOptions { repeated Deep deep = 71302; } } }
        extend google.protobuf.MessageOptions { repeated Tag tags = 71303; Tag tag = 71306;
          repeated google.protobuf.Duration waits = 71304; repeated string names = 71305; }"""
    shop = """package PACKAGE; import "options.proto"; import "google/protobuf/timestamp.proto";
        message Order { option (pure.tags) = {name: "a"}; option (pure.tags) = {name: "b"};
          option (pure.waits) = {seconds: 1}; option (pure.waits) = {seconds: 2}; option (pure.tag) = {name: "c"};
          option (pure.names) = "d"; option (pure.names) = "e"; google.protobuf.Timestamp at = 1; KIND id = 2; }
        service Shop { rpc Do (Order) returns (Order) {
          option (pure.Tag.within) = {name: "f"}; option (pure.Tag.within) = {name: "g"};
          option (pure.Tag.Deep.deep) = {}; option (pure.Tag.Deep.deep) = {}; } }"""
    for name, package, kind in (("alone", "alone", "int32"), ("one", "both", "int32"), ("two", "both", "string")):
        text = shop.replace("PACKAGE", package).replace("KIND", kind)
        project.install(name, {"shop.proto": text, "options.proto": options})
    program = f"""
        from google.protobuf.internal import api_implementation
        from google.protobuf.timestamp_pb2 import Timestamp
        from architect_core.resolver import Resolver
        assert api_implementation.Type() == "python"
        resolver = Resolver({project.config!r}, root={str(project.root)!r})
        for name in ("one", "alone", "two"):
            defs = resolver.service(name).defs
            options = defs.Order.DESCRIPTOR.GetOptions()
            assert [each.name for each in options.Extensions[defs.tags]] == ["a", "b"]
            assert [each.seconds for each in options.Extensions[defs.waits]] == [1, 2]
            assert list(options.Extensions[defs.names]) == ["d", "e"]
            assert options.Extensions[defs.tag].name == "c"
            method = defs.shop_pb2.DESCRIPTOR.services_by_name["Shop"].methods_by_name["Do"].GetOptions()
            assert [each.name for each in method.Extensions[defs.Tag.within]] == ["f", "g"]
            assert len(method.Extensions[defs.Tag.Deep.deep]) == 2
        assert resolver.service("alone").defs.Order(at=Timestamp(seconds=5)).at.seconds == 5
        assert resolver.service("two").defs.Order(id="a").id == "a"
    """
    env = {**os.environ, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"}
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, env=env, timeout=60)
