"""The clients of Kafka connect with what `for_driver` gives them: with TLS, a login and several servers."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import warnings
from collections.abc import Iterator
from typing import Any

import aiokafka
import confluent_kafka
import pytest
from aiokafka.errors import KafkaError
from confluent_kafka.admin import AdminClient
from datastore_certificates import Files
from datastore_kafka import brokers, door
from datastore_servers import free_port
from datastore_texts import AWKWARD

from architect_core.exceptions import DriverError

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of importlib.resources
    import kafka

pytestmark = [pytest.mark.usefixtures("collected"), pytest.mark.filterwarnings("ignore::ResourceWarning")]
LOGIN = (f"u{AWKWARD}", AWKWARD)


@pytest.fixture(scope="module")
def broker() -> Iterator[int]:
    with brokers() as port:
        yield port


@pytest.fixture(scope="module")
def port(broker: int) -> Iterator[int]:
    with door(broker) as port:
        yield port


@pytest.fixture(scope="module")
def context(certificates: Files) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.certificate, certificates.key)
    return context


@pytest.fixture(scope="module")
def secure(broker: int, context: ssl.SSLContext) -> Iterator[int]:
    with door(broker, context) as secure:
        yield secure


@pytest.fixture(scope="module")
def with_login(broker: int) -> Iterator[int]:
    with door(broker, None, LOGIN) as guarded:
        yield guarded


@pytest.fixture(scope="module")
def with_both(broker: int, context: ssl.SSLContext) -> Iterator[int]:
    with door(broker, context, LOGIN) as guarded:
        yield guarded


def over_confluent(db: Any, seconds: float) -> bool:
    delivered: list[bool] = []
    more = {"log_level": 0, "message.timeout.ms": int(seconds * 1000)}
    producer = confluent_kafka.Producer({**db.for_driver("confluent-kafka"), **more})
    producer.produce("orders", b"text", on_delivery=lambda error, message: delivered.append(error is None))
    producer.flush(LONG)
    producer.close()
    return delivered == [True]


def over_aiokafka(db: Any, seconds: float) -> bool:
    async def run() -> bool:
        producer = aiokafka.AIOKafkaProducer(**db.for_driver("aiokafka"))
        try:
            async with asyncio.timeout(seconds):
                await producer.start()
                await producer.send_and_wait("orders", b"text")
        finally:
            await producer.stop()
        return True

    try:
        return asyncio.run(run())
    except (KafkaError, TimeoutError):
        return False


def over_kafka_python(db: Any, seconds: float) -> bool:
    limits = dict.fromkeys(("bootstrap_timeout_ms", "max_block_ms"), int(seconds * 1000))
    try:
        with contextlib.closing(kafka.KafkaProducer(**db.for_driver("kafka-python"), **limits)) as producer:
            producer.send("orders", b"text").get(seconds)
    except kafka.errors.KafkaError:
        return False
    return True


ALL = {"confluent-kafka": over_confluent, "aiokafka": over_aiokafka, "kafka-python": over_kafka_python}
every = pytest.mark.parametrize("sends", ALL.values(), ids=ALL)
LONG, SHORT = 60.0, 1.0  # a client tries again for as long as it may


def entry(port: int, **more: Any) -> dict[str, Any]:
    return {"type": "kafka", "host": "127.0.0.1", "port": port, **more}


@every
def test_a_server_is_reached_by_fields_and_by_url(port, datastore, sends):
    db = datastore(**entry(port))
    assert sends(db, LONG)
    assert sends(datastore(url=db.url), LONG)


@every
def test_of_several_servers_one_that_listens_is_used(port, datastore, sends):
    servers = f"PLAINTEXT://127.0.0.1:{free_port()},PLAINTEXT://127.0.0.1:{port}"
    assert sends(datastore(type="kafka", **{"bootstrap.servers": servers}), LONG)


@every
@pytest.mark.parametrize(
    ("options", "connects"),
    [({"ca": "ca"}, True), ({"sslmode": "require"}, True), ({"sslmode": "verify-ca", "ca": "ca"}, True)],
)
def test_tls_is_spoken_in_each_of_its_modes(secure, certificates, datastore, sends, options, connects):
    files = {key: getattr(certificates, value, value) for key, value in options.items()}
    assert sends(datastore(**entry(secure, options=files)), LONG) is connects


@every
@pytest.mark.parametrize("options", [{"ca": "other_ca"}, {}], ids=["another authority", "no TLS"])
def test_a_certificate_of_another_authority_is_refused(secure, certificates, datastore, sends, options):
    files = {key: getattr(certificates, value) for key, value in options.items()}
    assert not sends(datastore(**entry(secure, options=files)), SHORT)


@every
def test_a_login_is_sent_as_it_is(with_login, datastore, sends):
    db = datastore(**entry(with_login, username=LOGIN[0], password=LOGIN[1]))
    assert sends(db, LONG)
    assert sends(datastore(url=db.url), LONG)
    assert not sends(datastore(**entry(with_login, username=LOGIN[0], password="another")), SHORT)


@every
def test_a_login_over_tls_as_an_operator_of_kubernetes_writes_it(with_both, certificates, datastore, sends):
    keys = {"bootstrapServers": f"127.0.0.1:{with_both}", "securityProtocol": "SASL_SSL", "saslMechanism": "PLAIN"}
    db = datastore(type="kafka", **keys, username=LOGIN[0], password=LOGIN[1], options={"ca": certificates.ca})
    assert sends(db, LONG)


SCRAM = {"sasl.mechanisms": "SCRAM-SHA-512", "security.protocol": "SASL_SSL", "api-key": "u", "api-secret": "p"}


def test_each_client_accepts_every_argument(datastore, certificates):
    files = {"ca": certificates.ca, "certificate": certificates.client, "key": certificates.client_key}
    options = {**files, "client_id": "orders"}
    db = datastore(type="kafka", servers="h:1,i:2", **SCRAM, options=options)
    arguments = db.for_driver("confluent-kafka")
    AdminClient({**arguments, "log_level": 0}).poll(0)  # it refuses unknown names and values
    assert arguments["sasl.mechanism"] == "SCRAM-SHA-512"

    async def construct() -> None:
        producer = aiokafka.AIOKafkaProducer(**db.for_driver("aiokafka"))
        await producer.stop()

    asyncio.run(construct())
    known = kafka.KafkaProducer.DEFAULT_CONFIG
    assert set(db.for_driver("kafka-python")) <= set(known)


def test_a_property_of_librdkafka_reaches_confluent_kafka_alone(datastore):
    db = datastore(url="kafka://h?socket.keepalive.enable=true")
    assert db.for_driver("confluent-kafka")["socket.keepalive.enable"] == "true"
    with pytest.raises(DriverError, match=r"socket\.keepalive\.enable"):
        db.for_driver("aiokafka")


@pytest.mark.parametrize("login", [{"username": "u"}, {"password": "p"}, {"security.protocol": "SASL_SSL"}])
def test_a_login_without_a_half_is_an_error(datastore, login):
    for driver in ALL:
        with pytest.raises(DriverError, match="needs a user name and a password"):
            datastore(type="kafka", host="h", **login).for_driver(driver)
