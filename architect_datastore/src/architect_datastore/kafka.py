"""Apache Kafka, and the servers that speak its protocol (https://kafka.apache.org/documentation/#adminclientconfigs)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from architect_core.contract import Credentials
from architect_core.exceptions import DriverError
from architect_core.plugins.known import port_of
from architect_datastore.arguments import client_context, given, mode_of, translated
from architect_datastore.kit.keys import find_keys
from architect_datastore.kit.tls_keys import word
from architect_datastore.kit.url import build_host
from architect_datastore.options import CONTRADICTION, TLS, VERIFYING
from architect_datastore.tls import Flag, TlsOptions, TlsParser

# a value of `security.protocol`, which the address of a listener has as its scheme -> whether it is TLS
_PROTOCOLS = {"PLAINTEXT": False, "SSL": True, "SASL_PLAINTEXT": False, "SASL_SSL": True}
_PROTOCOL = {"protocol": ("securityprotocol",)}
_OF_LOGIN = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


class KafkaOptions(TlsOptions):
    """Options of a Kafka datastore. A URL's query may have any property of librdkafka with a ".", for confluent-kafka.

    Attributes:
        sasl_mechanism: how the user is authenticated: "PLAIN", which is the default for a user name, "SCRAM-SHA-256",
            "SCRAM-SHA-512", "OAUTHBEARER" or "GSSAPI".
        client_id: the name of this program in the servers' logs.
    """

    sasl_mechanism: str | None = None
    client_id: str | None = None


def confluent_kafka(db: Credentials) -> dict[str, Any]:
    """`confluent_kafka.Producer`, `Consumer`, `admin.AdminClient` and `aio.AIOProducer`: properties of librdkafka."""
    mode, files = db.options.get("sslmode"), ("ca", "certificate", "key")
    names = {"client_id": "client.id", **{file: f"ssl.{file}.location" for file in files}}
    dotted = {name: name for name in db.options if "." in name}
    arguments = translated(db, "confluent-kafka", {**dotted, **names}, "sslmode", "sasl_mechanism")
    protocol, mechanism = _security(db, "confluent-kafka")
    arguments |= {"bootstrap.servers": ",".join(_servers(db)), "security.protocol": protocol}
    arguments |= given(**{"sasl.mechanism": mechanism, "sasl.username": db.username, "sasl.password": db.password})
    if mode == "require":
        arguments["enable.ssl.certificate.verification"] = False
    if mode in {"require", "verify-ca"}:
        arguments["ssl.endpoint.identification.algorithm"] = "none"
    return arguments


def aiokafka(db: Credentials) -> dict[str, Any]:
    """`aiokafka.AIOKafkaProducer`, `AIOKafkaConsumer` and `admin.AIOKafkaAdminClient`."""
    return _python(db, "aiokafka")


def kafka_python(db: Credentials) -> dict[str, Any]:
    """`kafka.KafkaProducer`, `KafkaConsumer` and `KafkaAdminClient`."""
    return _python(db, "kafka-python")


def _python(db: Credentials, driver: str) -> dict[str, Any]:
    arguments = translated(db, driver, {"client_id": "client_id"}, *TLS, "sasl_mechanism")
    protocol, mechanism = _security(db, driver)
    arguments |= {"bootstrap_servers": _servers(db), "security_protocol": protocol}
    login = {"sasl_plain_username": db.username, "sasl_plain_password": db.password}
    arguments |= given(sasl_mechanism=mechanism, **login)
    return arguments if db.options.get("sslmode") is None else {**arguments, "ssl_context": client_context(db, driver)}


def _servers(db: Credentials) -> list[str]:
    return [build_host(*each) for each in db.hosts]


def _security(db: Credentials, driver: str) -> tuple[str, str | None]:
    """Returns the security protocol, and the mechanism of SASL or None."""
    mechanism = db.options.get("sasl_mechanism") or (None if db.username is None else "PLAIN")
    if (mechanism in _OF_LOGIN or db.password is not None) and (db.username is None or db.password is None):
        raise DriverError(f"{driver} needs a user name and a password to log in to Kafka; these credentials have one")
    transport = "PLAINTEXT" if mode_of(db, driver, "require", "verify-ca", "verify-full") is None else "SSL"
    return transport if mechanism is None else f"SASL_{transport}", mechanism


class KafkaParser(TlsParser):
    """Credentials for Kafka's clients: `confluent_kafka.Producer(db.for_driver("confluent-kafka"))`.

    Several hosts are the bootstrap servers. The name is a topic, or a prefix for topics, if an application has one.
    """

    Options = KafkaOptions
    sockets = False
    several_hosts = True
    tls_schemes: ClassVar = {"kafka": "kafka+ssl"}
    certificate = Flag("enable.ssl.certificate.verification")
    hostname = Flag("ssl.endpoint.identification.algorithm", on=("https",), off=("none", ""))
    option_names: ClassVar = {
        "sasl_mechanism": "sasl_mechanism",
        "sasl.mechanism": "sasl_mechanism",
        "sasl.mechanisms": "sasl_mechanism",
        "client_id": "client_id",
        "client.id": "client_id",
        "ssl.ca.location": "ca",
        "ssl.certificate.location": "certificate",
        "ssl.key.location": "key",
    }
    keys: ClassVar = {
        "hosts": ("bootstrapservers", "bootstrapserver", "kafkabootstrapservers", "brokers", "brokerlist", "servers"),
        "host": ("bootstraphost",),
        "port": ("bootstrapport",),
        "username": ("saslusername", "saslplainusername", "apikey"),
        "password": ("saslpassword", "saslplainpassword", "apisecret"),
        "name": ("topic", "topicname"),
        "sasl_mechanism": ("saslmechanism", "saslmechanisms"),
        "client_id": ("clientid",),
    }

    def read_options(self, scheme: str, query: Mapping[str, Any]) -> dict[str, Any]:
        """Reads the security protocol of the query or of the scheme, which must agree about TLS."""
        stated = find_keys(query, _PROTOCOL)
        rest = {key: value for key, value in query.items() if word(key) not in _PROTOCOL["protocol"]}
        protocol = str(query[stated["protocol"]] if stated else scheme).upper()
        if stated:
            if protocol not in _PROTOCOLS:
                raise ValueError(f"has an unknown security protocol; known: {', '.join(_PROTOCOLS)}")
            if self.is_secure(scheme) and not _PROTOCOLS[protocol]:
                raise ValueError(CONTRADICTION)
            scheme = "kafka+ssl" if _PROTOCOLS[protocol] else "kafka"
        found = super().read_options(scheme, rest)
        return {"sasl_mechanism": "PLAIN", **found} if protocol.startswith("SASL_") else found

    def read_keys(self, keys: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
        """Reads a security protocol as well."""
        found = super().read_keys(keys, options)
        stated = find_keys(keys, _PROTOCOL)
        if stated:
            of_protocol = self.read_options("kafka", {"security_protocol": keys[stated["protocol"]]})
            if {**options, **found}.get("sslmode") in {"require", *VERIFYING}:
                of_protocol.pop("sslmode", None)
            found |= of_protocol
        return found


PARSER = KafkaParser(
    "kafka",
    port_of("kafka"),
    schemes={
        "kafka": "kafka",
        "kafka+ssl": "kafka+ssl",  # Heroku's
        "plaintext": "kafka",
        "ssl": "kafka+ssl",
        "sasl_plaintext": "kafka",
        "sasl_ssl": "kafka+ssl",
    },
    drivers={
        "confluent-kafka": confluent_kafka,
        "aiokafka": aiokafka,
        **dict.fromkeys(("kafka-python", "kafka-python-ng", "kafka"), kafka_python),
    },
)
