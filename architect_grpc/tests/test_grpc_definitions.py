"""Definitions of all shapes are loaded from the service's own folder, whatever other dependencies define."""

from __future__ import annotations

import datetime as dt
import os
import pickle
import subprocess
import sys
import textwrap
import time

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_processes import run_program

from architect_core.exceptions import StubError
from architect_core.resolver import Resolver
from architect_grpc.generator import GrpcStubGenerator
from architect_grpc.protoc import compiler_root, run_compiler

TIME = 'import "google/protobuf/timestamp.proto";'
PAY = "service Pay { rpc Do (Order) returns (Order); }"


@pytest.fixture
def importable(project, monkeypatch):
    """The generated modules can be imported by name, and are not left to other tests."""
    monkeypatch.syspath_prepend(str(project.root))
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "architect_services"]:
        del sys.modules[name]


def test_a_service_may_be_called_architect_something(project):
    project.install("architect/addition-service", {"service.proto": f"message Order {{ int32 id = 1; }} {PAY}"})
    service = project.resolver().service("architect/addition-service")
    assert service.defs.Order(id=7).id == 7
    assert "Pay" in repr(service.client)
    service.close()


def test_files_in_subfolders_import_each_other_and_the_well_known_types(project):
    files = {
        "api/orders-v1.proto": f"""
            package acme.orders; import "common/money.proto"; {TIME} import "google/protobuf/empty.proto";
            message Order {{ acme.common.Money price = 1; google.protobuf.Timestamp at = 2; Line first = 3;
                            message Line {{ int32 n = 1; enum Size {{ SMALL = 0; LARGE = 1; }} Size size = 2; }} }}
            service Orders {{ rpc Place (Order) returns (google.protobuf.Empty); }}""",
        "common/money.proto": """
            package acme.common; import "common/currency.proto";
            message Money { int64 units = 1; Currency currency = 2; }""",
        "common/currency.proto": "package acme.common; enum Currency { UNKNOWN = 0; EUR = 1; }",
    }
    project.install("acme/orders", files)
    orders = project.resolver().service("acme/orders")
    defs = orders.defs
    order = defs.Order(price=defs.Money(units=3, currency=defs.EUR), at=Timestamp(seconds=1))
    order.first.CopyFrom(defs.Order.Line(n=1, size=defs.Order.Line.LARGE))
    assert defs.Order.FromString(order.SerializeToString()) == order
    assert defs.Currency.Name(1) == "EUR"
    assert defs["acme.common.Money"] is defs.Money
    assert defs.Empty.DESCRIPTOR.full_name == "google.protobuf.Empty"
    assert (defs.orders_v1_pb2.Order, defs.money_pb2.Money) == (defs.Order, defs.Money)
    assert callable(orders.client.Place)
    orders.close()


def test_imports_can_be_relative_to_the_listed_file_s_folder(project):
    files = {
        "protos/service.proto": f'import "common.proto"; message Order {{ Id id = 1; }} {PAY}',
        "protos/common.proto": "message Id { int32 n = 1; }",
    }
    project.install("orders", files)
    assert project.resolver().service("orders").defs.Order(id={"n": 1}).id.n == 1


def test_several_files_may_be_listed(project):
    files = {
        "a.proto": "package p; message A {} service First { rpc Do (A) returns (A); }",
        "b.proto": "package p; message B {} service Second { rpc Go (B) returns (B); }",
    }
    project.install("both", files, ["a.proto", "./b.proto"])
    both = project.resolver().service("both")
    assert callable(both.client.First.Do)
    assert callable(both.client.Go)
    assert {both.defs.A.DESCRIPTOR.full_name, both.defs.B.DESCRIPTOR.full_name} == {"p.A", "p.B"}
    both.close()


def test_a_file_that_is_listed_twice_is_loaded_once(project):
    project.install("twice", {"a.proto": f"package twice; message Order {{}} {PAY}"}, ["a.proto", "./a.proto"])
    twice = project.resolver("twice").current_service()
    assert twice.defs.Order.DESCRIPTOR.full_name == "twice.Order"
    assert twice.Servicer.__name__ == "PayServicer"


@pytest.mark.parametrize("imported", ["base.proto", "protos/base.proto"])
def test_listed_files_import_each_other_by_their_path_in_the_service_s_folder_or_in_their_own(project, imported):
    files = {
        "protos/a.proto": f'package listed; import "{imported}"; message Order {{ Id id = 1; }} {PAY}',
        "protos/base.proto": "package listed; message Id { int32 n = 1; }",
    }
    project.install("listed", files, list(files))
    assert project.resolver().service("listed").defs.Order(id={"n": 1}).id.n == 1


@pytest.mark.parametrize("implementation", ["upb", "python"])
def test_edition_2024_imports_files_for_their_options_alone(project, implementation):
    files = {
        "service.proto": """edition = "2024"; package editions; import option "note.proto";
            import option "google/protobuf/java_features.proto"; option features.(pb.java).utf8_validation = VERIFY;
            message Order { int32 id = 1 [(editions.note) = "said"]; }
            service Pay { rpc Do (Order) returns (Order); }""",
        "note.proto": """edition = "2024"; package editions; import "google/protobuf/descriptor.proto";
            extend google.protobuf.FieldOptions { string note = 50003; }""",
    }
    project.install("acme/pay", files)
    program = f"""
        import sys
        from architect_core.resolver import Resolver
        from google.protobuf.internal import api_implementation
        assert api_implementation.Type() == {implementation!r}
        sys.path.insert(0, {str(project.root)!r})
        defs = Resolver({project.config!r}, root={str(project.root)!r}).service("acme/pay").defs
        from architect_services.acme.pay import note_pb2, service_pb2
        from architect_services.acme.pay.google.protobuf import java_features_pb2
        assert service_pb2.Order is defs.Order
        assert defs.Order(id=1).DESCRIPTOR.fields_by_name["id"].GetOptions().Extensions[note_pb2.note] == "said"
        assert defs["pb.JavaFeatures"] is java_features_pb2.JavaFeatures
    """
    env = {**os.environ, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": implementation}
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, env=env, timeout=60)


def test_a_message_and_an_enum_value_may_have_the_name_of_a_module_s_attribute(project):
    text = "message Order {} message __name__ {} enum Kind { DESCRIPTOR = 0; ONE = 1; }"
    project.install("had", {"a.proto": f"package had; {text} {PAY}"})
    defs = project.resolver().service("had").defs
    assert (defs.DESCRIPTOR, defs.Kind.Value("ONE")) == (0, 1)
    assert defs["had.__name__"].DESCRIPTOR.full_name == "had.__name__"


@pytest.mark.usefixtures("importable")
def test_a_message_or_an_enum_may_be_called_like_a_keyword(project):
    text = "package words; message None { int32 class = 1; } enum True { import = 0; }"
    text += " message lambda {} message lambda_ {}"
    project.install("words", {"a.proto": f"{text} service Pay {{ rpc Do (None) returns (None); }}"})
    from architect_services.words import a_pb2, a_pb2_grpc

    assert a_pb2.None_ is getattr(a_pb2, "None")
    assert (a_pb2.True_.Value("import"), a_pb2.import_) == (0, 0)
    assert a_pb2.lambda_.DESCRIPTOR.full_name == "words.lambda_"
    assert a_pb2.None_(**{"class": 3}).SerializeToString() == b"\x08\x03"
    assert a_pb2_grpc.PayAsyncStub is a_pb2_grpc.PayStub


def test_a_file_s_name_may_have_letters_that_are_not_ascii(project):
    files = {
        "größe.proto": f'package beyond; import "maß.proto"; message Order {{ Id id = 1; }} {PAY}',
        "maß.proto": "package beyond; message Id { int32 n = 1; }",
    }
    project.install("beyond", files)
    assert project.resolver().service("beyond").defs.Order(id={"n": 1}).id.n == 1
    assert project.install("beyond-two", files | {"maß.proto": "package beyond; message Id { int64 n = 1; }"})
    assert project.resolver().service("beyond-two").defs.Order(id={"n": 1}).id.n == 1


def test_loading_a_file_of_thousands_of_messages_is_not_quadratic(project):
    text = "".join(f"message M{n} {{}} enum E{n} {{ A{n} = 0; B{n} = 1; C{n} = 2; }}" for n in range(1500))
    project.install("large", {"a.proto": f"package large; message Order {{}} {text} {PAY}"})
    started = time.thread_time()
    assert project.resolver().service("large").defs.C1499 == 2
    assert time.thread_time() - started < 5  # takes a quarter of a second; what is quadratic takes minutes


def test_dependencies_that_share_a_file_name_both_work(project):
    project.install("one", {"service.proto": f"package p1; message Order {{ int32 a = 1; }} {PAY}"})
    project.install(
        "two", {"service.proto": f"package p2; {TIME} message Order {{ google.protobuf.Timestamp b = 1; }} {PAY}"}
    )
    resolver = project.resolver()
    assert resolver.service("one").defs.Order(a=1).a == 1
    assert resolver.service("two").defs.Order(b=Timestamp(seconds=5)).b.seconds == 5


def test_dependencies_that_share_a_definition_share_its_classes(project):
    money = "package acme.money; message Money { int32 n = 1; }"
    for name in ("here", "there"):
        text = f'package {name}; import "{name}/money.proto"; message Order {{ acme.money.Money price = 1; }} {PAY}'
        assert project.install(name, {"service.proto": text, f"{name}/money.proto": money}) == []
    resolver = project.resolver()
    here, there = resolver.service("here").defs, resolver.service("there").defs
    assert there.Order(price=here.Money(n=3)).price.n == 3


CLASH = {
    "clash/one": f"package clash; {TIME} message Order {{ google.protobuf.Timestamp at = 1; int32 a = 2; }} {PAY}",
    "clash/two": f"package clash; {TIME} message Order {{ google.protobuf.Timestamp at = 1; string b = 2; }} {PAY}",
    "clash/none": f"package other; {TIME} message Order {{ google.protobuf.Timestamp at = 1; }} {PAY}",
}


@pytest.mark.parametrize("order", [("clash/one", "clash/two"), ("clash/two", "clash/one")])
def test_dependencies_that_define_a_name_differently_work_in_one_process_in_any_order(project, order):
    notes = [project.install(name, {"service.proto": text}) for name, text in CLASH.items()][-1]
    assert notes == [
        "clash/one and clash/two define clash.Order differently. Both work in one process, each with classes of its "
        "own for these messages and those that use them: pass dicts and datetimes where a field of one is a "
        "google.protobuf message, such as a Timestamp"
    ]
    resolver = project.resolver()
    noon = dt.datetime(2026, 1, 2, 12, tzinfo=dt.UTC)
    for name in order:
        defs = resolver.service(name).defs
        order_message = defs.Order(at=noon)
        assert order_message.at.ToDatetime(dt.UTC) == noon
        assert defs.Order(at={"seconds": 5}).at.seconds == 5
        assert defs.Order(at=defs.Timestamp(seconds=6)).at.seconds == 6
        order_message.at = noon
        assert defs.Order.FromString(order_message.SerializeToString()) == order_message
    assert resolver.service("clash/one").defs.Order(a=1).a == 1
    assert resolver.service("clash/two").defs.Order(b="x").b == "x"
    assert resolver.service("clash/none").defs.Order(at=Timestamp(seconds=5)).at.seconds == 5


def test_dependencies_that_clash_are_called_from_one_process(project, serve):
    servers = {}
    for name in ("clash/one", "clash/two"):
        project.install(name, {"service.proto": CLASH[name]})
    for name in ("clash/one", "clash/two"):
        serving = project.resolver(name)

        class Pay(serving.current_service().Servicer):
            def Do(self, request, context):
                return request

        servers[name] = serve(serving, Pay())
    for name, port in servers.items():
        project.config[name]["port"] = port
    resolver = project.resolver()
    one, two = resolver.service("clash/one"), resolver.service("clash/two")
    assert one.client.Do(one.defs.Order(a=4)).a == 4
    assert two.client.Do(two.defs.Order(b="four")).b == "four"
    resolver.close()


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_dependencies_with_the_same_extension_number_are_noted_and_load_in_any_order(project, order):
    package = f"number_{order}"
    for name in order:
        text = f"""package {package}.{name}; import "google/protobuf/descriptor.proto"; {TIME}
            extend google.protobuf.MethodOptions {{ string {name} = {50001 if order == "ab" else 50002}; }}
            message Order {{ google.protobuf.Timestamp at = 1; }} {PAY}"""
        notes = project.install(f"{package}/{name}", {"service.proto": text})
    assert [note.partition(" differently")[0] for note in notes] == [
        f"{package}/a and {package}/b define extension {50001 if order == 'ab' else 50002} of "
        "google.protobuf.MethodOptions"
    ]
    resolver = project.resolver()
    for name in order:
        defs = resolver.service(f"{package}/{name}").defs
        assert defs.Order(at=Timestamp(seconds=5)).at.seconds == 5


def test_options_for_other_languages_are_no_clash(project):
    for name in ("here", "there"):
        files = {
            "service.proto": f'package langs.{name}; import "money.proto"; message Order {{ langs.M m = 1; }} {PAY}',
            "money.proto": f'package langs; option go_package = "{name}/langs"; message M {{ int32 n = 1; }}',
        }
        assert project.install(f"langs/{name}", files) == []
    resolver = project.resolver()
    here, there = resolver.service("langs/here").defs, resolver.service("langs/there").defs
    assert there.Order(m=here.M(n=3)).m.n == 3


@pytest.mark.parametrize("first", ["stubs", "installed"])
def test_a_copy_of_google_s_definitions_does_not_break_an_installed_distribution_of_them(project, tmp_path, first):
    copy = "package google.probe; message Status { int32 code = 1; }"
    original = project.define("original", {"google/probe/status.proto": copy.replace("code", "number")})
    site = tmp_path / "site"
    site.mkdir()
    run_compiler(f"-I{original.folder}", f"--python_out={site}", "google/probe/status.proto")
    text = f'package pay; import "google/probe/status.proto"; message Order {{ google.probe.Status s = 1; }} {PAY}'
    project.install("pay", {"service.proto": text, "google/probe/status.proto": copy})
    program = f"""
        import sys
        sys.path.insert(0, {str(site)!r})
        from architect_core.resolver import Resolver
        resolver = Resolver({{"pay": {{"host": "h", "port": 1, "api": "grpc"}}}}, root={str(project.root)!r})
        def stubs():
            assert resolver.service("pay").defs.Order(s={{"code": 1}}).s.code == 1
        def installed():
            from google.probe import status_pb2
            assert status_pb2.Status(number=1).number == 1
        for use in [stubs, installed] if sys.argv[1] == "stubs" else [installed, stubs]:
            use()
    """
    run_program(textwrap.dedent(program), first)


def test_dependencies_that_clash_work_with_the_pure_python_protobuf(project):
    for name in ("clash/one", "clash/two"):
        project.install(name, {f"{name.replace('/', '_')}.proto": CLASH[name]})
    program = f"""
        from google.protobuf.internal import api_implementation
        from architect_core.resolver import Resolver
        assert api_implementation.Type() == "python"
        resolver = Resolver({project.config!r}, root={str(project.root)!r})
        assert resolver.service("clash/one").defs.Order(a=1, at={{"seconds": 5}}).at.seconds == 5
        assert resolver.service("clash/two").defs.Order(b="x").b == "x"
    """
    env = {**os.environ, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"}
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, env=env, timeout=60)


def test_a_folder_has_one_set_of_classes_however_its_path_is_spelled(project):
    for name in ("clash/one", "clash/two"):
        project.install(name, {"service.proto": CLASH[name]})
    link = project.folder / "link"
    link.symlink_to(project.root)
    spelled = [project.root, link, project.root / ".." / "root"]
    assert len({Resolver(project.config, root=root).service("clash/one").defs.Order for root in spelled}) == 1


def test_clashes_txt_is_removed_when_nothing_clashes_any_more(project):
    for name in ("clash/one", "clash/two"):
        project.install(name, {"service.proto": CLASH[name]})
    assert (project.services / "clashes.txt").read_text() == "clash/one\tclash.Order\nclash/two\tclash.Order\n"
    assert project.install("clash/two", {"service.proto": CLASH["clash/one"]}) == []
    assert not (project.services / "clashes.txt").exists()


def test_a_clash_with_definitions_of_another_library_is_resolved_when_loading(project):
    from google.protobuf import descriptor_pb2, descriptor_pool

    theirs = descriptor_pb2.FileDescriptorProto(name="library.proto", package="library", syntax="proto3")
    theirs.message_type.add(name="Order").field.add(name="theirs", number=1, type=9, label=1)
    descriptor_pool.Default().AddSerializedFile(theirs.SerializeToString())
    project.install("ours", {"service.proto": f"package library; message Order {{ int32 ours = 1; }} {PAY}"})
    assert project.resolver().service("ours").defs.Order(ours=1).ours == 1


def test_protoc_s_generated_code_and_stubs_share_message_classes(project, tmp_path):
    text = f"package same_thing; {TIME} message Order {{ int32 order_id = 1; google.protobuf.Timestamp at = 2; }} {PAY}"
    project.install("same", {"same_thing.proto": text})
    includes = [f"-I{folder}" for folder in (project.folder / "definitions" / "same", compiler_root())]
    run_compiler(*includes, f"--python_out={tmp_path}", "same_thing.proto")
    program = f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        from architect_core.resolver import Resolver
        resolver = Resolver({{"same": {{"host": "h", "port": 1, "api": "grpc"}}}}, root={str(project.root)!r})
        first = [lambda: resolver.service("same").defs.Order, lambda: __import__("same_thing_pb2").Order]
        one, other = [ask() for ask in (first if sys.argv[1] == "stubs" else reversed(first))]
        assert one is other, (one, other)
    """
    for first in ("stubs", "generated"):
        run_program(textwrap.dedent(program), first)


def test_stubs_are_found_from_any_working_directory_without_a_change_of_sys_path(project, tmp_path):
    project.install("acme/pay", {"service.proto": f"message Order {{ int32 id = 1; }} {PAY}"})
    (project.root / "architect.json").write_text('{"name": "acme/shop"}')
    program = """
        import os, sys
        before, modules = list(sys.path), set(sys.modules)
        import architect.sdk as architect
        defs = architect.service("acme/pay").defs
        assert defs.Order(id=3).id == 3
        assert sys.path == before
        assert modules <= set(sys.modules)
        assert not [name for name in sys.modules if name.startswith(("service_pb2", "architect_services"))]
        print(os.getcwd())
    """
    (project.root / "program.py").write_text(textwrap.dedent(program))
    config = '{"acme/pay": {"host": "h", "port": 1, "api": "grpc"}}'
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [sys.executable, str(project.root / "program.py")],
        env={**os.environ, "ARCHITECT": config},
        cwd=elsewhere,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(elsewhere)


@pytest.mark.usefixtures("importable")
def test_generated_modules_have_the_same_classes_and_messages_can_be_pickled(project):
    files = {
        "api/service.proto": f'import "base.proto"; message Order {{ Id id = 1; }} {PAY}',
        "base.proto": "message Id { int32 n = 1; }",
    }
    project.install("pickle/pay-api", files)
    defs = project.resolver().service("pickle/pay-api").defs
    from architect_services.pickle.pay_api import base_pb2
    from architect_services.pickle.pay_api.api import service_pb2, service_pb2_grpc

    assert service_pb2.Order is defs.Order
    assert base_pb2.Id is defs.Id
    assert pickle.loads(pickle.dumps(defs.Order(id={"n": 5}))).id.n == 5
    assert {"PayStub", "PayServicer", "add_PayServicer_to_server"} <= set(vars(service_pb2_grpc))


@pytest.mark.usefixtures("importable")
def test_a_generated_module_has_the_public_imports_of_its_file(project):
    files = {
        "a.proto": f'package pub; import public "b.proto"; message Order {{ Id id = 1; }} {PAY}',
        "b.proto": 'package pub; import public "google/protobuf/empty.proto"; message Id { int32 n = 1; }',
    }
    project.install("public", files)
    from architect_services.public import a_pb2, b_pb2

    assert a_pb2.Id is b_pb2.Id
    assert a_pb2.Empty is b_pb2.Empty
    assert a_pb2.DESCRIPTOR.package == "pub"


@pytest.mark.parametrize("imported", ["java_features", "go_features", "compiler/plugin"])
def test_a_definition_of_protobuf_s_own_has_a_module_unless_protobuf_installs_one(project, imported):
    name = f"google.protobuf.{imported.replace('/', '.')}_pb2"
    module = name if imported == "compiler/plugin" else f"architect_services.acme.pay.{name}"
    package = "taken" + "".join(each for each in imported if each.isalpha())
    text = f'package {package}; import "google/protobuf/{imported}.proto"; message Order {{}} {PAY}'
    project.install("acme/pay", {"a.proto": text})
    # in a new process, because the compiler makes modules of definitions when they are imported
    program = f"""
        import sys
        from importlib import import_module
        from architect_core.resolver import Resolver
        sys.path.insert(0, {str(project.root)!r})
        defs = Resolver({project.config!r}, root={str(project.root)!r}).service("acme/pay").defs
        module = import_module({module!r})
        assert module.DESCRIPTOR.name.endswith("google/protobuf/{imported}.proto")
        assert defs.{module.rpartition(".")[2]}.DESCRIPTOR == module.DESCRIPTOR
        assert defs.Order.DESCRIPTOR.full_name == "{package}.Order"
    """
    run_program(textwrap.dedent(program))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_that_is_forked_while_another_thread_loads_stubs_can_load_them(project):
    program = f"""
        import os, signal, threading
        from architect_core.resolver import Resolver
        from architect_grpc import stubs
        resolver = Resolver({{"fork": {{"host": "h", "port": 1, "api": "grpc"}}}}, root={str(project.root)!r})
        locked, end = threading.Event(), threading.Event()
        def hold():
            with stubs._lock:
                locked.set()
                end.wait()
        threading.Thread(target=hold).start()
        locked.wait()
        child = os.fork()
        if not child:
            signal.alarm(20)
            os._exit(0 if resolver.service("fork").defs.Order() is not None else 1)
        status = os.waitpid(child, 0)[1]
        end.set()
        assert status == 0, status
    """
    project.install("fork", {"service.proto": f"package forked; message Order {{}} {PAY}"})
    run_program(textwrap.dedent(program))


def test_missing_stubs_are_an_error_that_says_what_to_run(project):
    project.install("acme/pay", {"service.proto": f"message Order {{}} {PAY}"})
    project.config["acme/billing-api"] = {"host": "h", "port": 1, "api": "grpc"}
    with pytest.raises(StubError) as caught:
        _ = project.resolver().service("acme/billing-api").client
    assert str(caught.value) == (
        f"there are no stubs of acme/billing-api in {project.services}; there: acme/pay. The service must be listed "
        f"under `dependencies` in architect.json. Run: architect install --prefix {project.root}"
    )


@pytest.mark.parametrize(
    ("content", "reason"), [(b"\xff\xff", "is damaged"), (b"", "is incomplete"), (None, "were written by another tool")]
)
def test_stubs_that_cannot_be_used_say_what_to_run(project, content, reason):
    project.install("acme/pay", {"service.proto": f"message Order {{}} {PAY}"})
    path = project.services / "acme" / "pay" / "definitions.binpb"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(StubError, match=rf"{reason}.*Run: architect install --prefix {project.root}"):
        _ = project.resolver().service("acme/pay").defs


def test_stubs_that_are_damaged_during_an_installation_are_an_error_that_says_what_to_do(project):
    project.install("acme/pay", {"service.proto": f"message Order {{}} {PAY}"})
    path = project.services / "acme" / "pay" / "definitions.binpb"
    for spoil, reason in ((lambda: path.write_bytes(b"\xff\xff"), "is damaged"), (path.unlink, "is missing")):
        spoil()
        with pytest.raises(StubError, match=rf"{path} {reason}\. Run `architect install` again"):
            GrpcStubGenerator().finish({"acme/pay": path.parent}, project.services)


def test_the_command_in_an_error_quotes_a_path_with_a_space(project):
    config = {"acme/pay": {"host": "h", "port": 1, "api": "grpc"}}
    root = project.folder / "my shop"
    with pytest.raises(StubError, match=f"Run: architect install --prefix '{root}'$"):
        _ = Resolver(config, root=root).service("acme/pay").defs


def test_a_damaged_clashes_txt_is_ignored_and_replaced(project):
    project.install("clash/one", {"service.proto": CLASH["clash/one"]})
    (project.services / "clashes.txt").write_bytes(b"\xff\n")
    assert project.resolver().service("clash/one").defs.Order(a=1).a == 1
    assert project.install("clash/two", {"service.proto": CLASH["clash/two"]})
    assert (project.services / "clashes.txt").read_text() == "clash/one\tclash.Order\nclash/two\tclash.Order\n"


def test_regenerated_stubs_are_loaded_by_a_new_resolver(project):
    project.install("new", {"service.proto": "package anew; message Order { int32 a = 1; }"})
    assert project.resolver().service("new").defs.Order(a=1)
    project.install("new", {"service.proto": "package anew; message Order { int32 b = 1; }"})
    assert project.resolver().service("new").defs.Order(b=1)


def test_an_ambiguous_name_is_an_error_and_available_by_full_name_or_file(project):
    files = {
        "a.proto": "package a; message Order { int32 a = 1; }",
        "b.proto": "package b; message Order { int32 b = 1; }",
    }
    project.install("amb", files, ["a.proto", "b.proto"])
    defs = project.resolver().service("amb").defs
    with pytest.raises(AttributeError, match=r"'Order' is ambiguous in the definitions of amb: a\.Order, b\.Order"):
        _ = defs.Order
    assert defs["a.Order"](a=1).a == defs.b_pb2.Order(b=1).b
    with pytest.raises(AttributeError, match=r"have no 'Ordr'"):
        _ = defs.Ordr
    with pytest.raises(KeyError, match="did you mean"):
        defs["a.Ordr"]
