"""A client verifies the server, and sends its credentials to no other."""

from __future__ import annotations

from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from architect_core.exceptions import ConfigError

DEFINITIONS = """
package asked;
message Nothing {}
message Asked { map<string, string> metadata = 1; repeated string caller = 2; repeated string names = 3; }
service Who { rpc Ask (Nothing) returns (Asked); rpc Stream (Nothing) returns (stream Asked); }
"""


@pytest.fixture
def ask(project):
    """Starts a server that responds with its caller's identity; returns a function that calls it with options."""
    project.install("who", {"who.proto": DEFINITIONS})
    serving = project.resolver("who").current_service()

    class Who(serving.Servicer):
        def Ask(self, request, context):
            caller = [name.decode() for name in context.peer_identities() or []]
            sent = {each.key: each.value for each in context.invocation_metadata()}
            names = [each.key for each in context.invocation_metadata()]
            return serving.defs.Asked(metadata=sent, caller=caller, names=names)

        def Stream(self, request, context):
            yield self.Ask(request, context)

    # known to grpc's server, and not to a servicer
    host = grpc.unary_unary_rpc_method_handler(lambda _, context: context._rpc_event.call_details.host)
    called_as = grpc.method_handlers_generic_handler("called", {"As": host})
    started = []

    def start(credentials=None, host="127.0.0.1", instances=(), **options):
        server = grpc.server(ThreadPoolExecutor(2))
        serving.add_servicer(Who(), server)
        server.add_generic_rpc_handlers((called_as,))
        at = "127.0.0.1:0"
        port = server.add_secure_port(at, credentials) if credentials else server.add_insecure_port(at)
        server.start()
        project.config["who"] = {"host": host, "port": port, "api": "grpc", "options": options}
        project.config["who"]["instances"] = list(instances)
        resolver = project.resolver()
        started.append((resolver, server))
        return resolver.service("who")

    start.resolver = lambda: started[-1][0]
    yield start
    for resolver, server in started:
        resolver.close()
        server.stop(None).wait()


def answer(service):
    return service.client.Ask(service.defs.Nothing(), timeout=5)


def refused(service):
    with pytest.raises(grpc.RpcError) as caught:
        answer(service)
    return caught.value.code() is grpc.StatusCode.UNAVAILABLE


def refusal(make):
    with pytest.raises(ConfigError) as caught:
        _ = make().client
    assert "canary" not in str(caught.value)
    return str(caught.value)


def test_a_server_of_a_trusted_authority_is_called_over_tls(ask, files):
    tls = {"ca": str(files.ca)}
    assert answer(ask(files.server("127.0.0.1"), tls=tls)).metadata
    assert answer(ask(files.server("127.0.0.1"), "grpcs://127.0.0.1", tls=tls)).metadata


def test_a_server_of_another_authority_or_with_another_name_is_not_called(ask, files):
    assert refused(ask(files.server("127.0.0.1"), "grpcs://127.0.0.1"))
    assert refused(ask(files.server("elsewhere.internal"), tls={"ca": str(files.ca)}))
    assert refused(ask(None, tls={"ca": str(files.ca)}))  # a plain text server


def test_the_certificate_must_have_the_name_in_the_option_server_name(ask, files):
    server = files.server("payments.internal")
    assert answer(ask(server, tls={"ca": str(files.ca), "server_name": "payments.internal"})).metadata
    assert refused(ask(server, tls={"ca": str(files.ca), "server_name": "elsewhere.internal"}))


@pytest.mark.parametrize("names", [("certificate", "key"), ("pair",)])
def test_a_client_presents_its_certificate(ask, files, names):
    server = files.server("127.0.0.1", client=True)
    own = {"certificate": str(getattr(files, names[0])), **({"key": str(files.key)} if "key" in names else {})}
    assert list(answer(ask(server, tls={"ca": str(files.ca), **own})).caller) == ["caller"]
    assert refused(ask(server, tls={"ca": str(files.ca)}))


def test_a_replaced_certificate_is_used_after_a_reload(ask, files):
    files.write(files.other, "caller")
    tls = {"ca": str(files.ca), "certificate": str(files.certificate), "key": str(files.key)}
    service = ask(files.server("127.0.0.1", client=True), tls=tls)
    assert refused(service)
    files.write(files.authority, "renewed")
    ask.resolver().reload()
    assert list(answer(service).caller) == ["renewed"]


def test_several_instances_over_tls_need_the_option_server_name(project, files):
    project.install("who", {"who.proto": DEFINITIONS})
    instances = [{"host": f"grpcs://10.0.0.{number}", "port": 1} for number in (1, 2)]
    project.config["who"] = {"api": "grpc", "instances": instances, "options": {"tls": {"ca": str(files.ca)}}}
    assert "who.options.tls.server_name: is missing" in refusal(lambda: project.resolver().service("who"))


def test_the_authority_of_several_instances_is_the_first_address(ask):
    first = {"host": "127.0.0.1", "port": ask().config.port}
    service = ask(instances=[first, {"host": "127.0.0.1", "port": 1}])
    assert service.client.channel.unary_unary("/called/As")(b"", timeout=5).decode() == f"127.0.0.1:{first['port']}"


def test_invalid_files_are_errors_with_their_paths(ask, files, tmp_path):
    (tmp_path / "text").write_text("canary")
    text, missing = str(tmp_path / "text"), str(tmp_path / "missing")
    assert "who.options.tls.ca: has no certificate" in refusal(lambda: ask(tls={"ca": text}))
    assert "who.options.tls.ca: cannot be read (No such file" in refusal(lambda: ask(tls={"ca": missing}))
    assert "who.options.tls.key: cannot be read" in refusal(
        lambda: ask(tls={"certificate": str(files.certificate), "key": missing})
    )
    certificate = {"certificate": str(files.certificate)}
    assert "who.options.tls.certificate: must be" in refusal(lambda: ask(tls=certificate))  # without its key
    certificate["key"] = str(files.key)
    files.other.issue_cert("caller").private_key_pem.write_to_path(files.key)
    assert "who.options.tls.certificate: must be" in refusal(lambda: ask(tls=certificate))


def test_tls_for_a_plain_text_host_is_an_error(ask, files):
    assert "who.options.tls: is for a host with grpcs://" in refusal(
        lambda: ask(None, "http://127.0.0.1", tls={"ca": str(files.ca)})
    )


@pytest.mark.parametrize(
    ("auth", "name", "value"),
    [
        ({"bearer": "t0ken"}, "authorization", "Bearer t0ken"),
        ({"username": "me", "password": "pä:ss"}, "authorization", "Basic " + b64encode("me:pä:ss".encode()).decode()),
        ({"headers": {"X-Api-Key": "k3y"}}, "x-api-key", "k3y"),
    ],
)
def test_auth_is_sent_with_every_call(ask, files, auth, name, value):
    service = ask(files.server("127.0.0.1"), tls={"ca": str(files.ca)}, auth=auth)
    nothing = service.defs.Nothing()
    assert answer(service).metadata[name] == value
    assert next(service.client.Stream(nothing)).metadata[name] == value
    assert service.client.Ask.future(nothing).result().metadata[name] == value
    assert service.client.Ask.with_call(nothing, metadata=[("x-trace", "7")])[0].metadata[name] == value


def test_a_call_s_own_metadata_is_sent_too_and_wins(ask):
    service = ask(auth={"bearer": "t0ken", "headers": {"x-api-key": "k3y"}})
    asked = service.client.Ask(service.defs.Nothing(), metadata=[("authorization", "own"), ("x-trace", "7")])
    sent = asked.metadata
    assert list(asked.names).count("authorization") == 1
    assert (sent["authorization"], sent["x-trace"], sent["x-api-key"]) == ("own", "7", "k3y")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "grpc://127.0.0.1"])
def test_auth_is_sent_in_plain_text_to_this_machine(ask, host):
    assert answer(ask(None, host, auth={"bearer": "t0ken"})).metadata["authorization"] == "Bearer t0ken"


@pytest.mark.parametrize("host", ["payments.internal", "grpc://10.0.0.1", "dns:///payments.internal:1"])
def test_auth_is_never_sent_in_plain_text_to_another_machine(ask, host):
    assert "who.options.auth: is sent over TLS" in refusal(lambda: ask(None, host, auth={"bearer": "canary"}))


@pytest.mark.parametrize(
    ("auth", "path"),
    [
        ({"bearer": "canary\x7f"}, "bearer"),
        ({"bearer": "canarü"}, "bearer"),
        ({"headers": {"x-key": "canarü"}}, "headers"),
        ({"headers": {"grpc-timeout": "canary"}}, "headers"),
        ({"headers": {"key-bin": "canary"}}, "headers"),
        ({"headers": {"x!": "canary"}}, "headers"),
    ],
)
def test_auth_that_grpc_cannot_send_is_an_error_with_its_path_and_without_its_value(ask, auth, path):
    assert f"who.options.auth.{path}: has a" in refusal(lambda: ask(auth=auth))
