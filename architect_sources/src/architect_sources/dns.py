"""SRV records of the domain name system (RFC 2782)."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any, ClassVar

from architect_core.contract import Address, Configuration, Entries, Source, hookimpl, parse_address
from architect_core.exceptions import ConfigError
from architect_core.plugins.known import remedy
from architect_core.schema import ServiceConfig, validate
from architect_core.sources.variables import VariablesSource

ARCHITECT_CONTRACT = 2
DOMAIN_VARIABLE = "ARCHITECT_DNS"
SERVER_VARIABLE = "ARCHITECT_DNS_SERVER"
_SECONDS = 3.0
# what is looked up, in order -> the scheme of a host, and the protocol
_SERVICES = {"grpc": ("grpc", "grpc"), "https": ("https", "rest"), "http": ("http", "rest")}


@hookimpl
def architect_source() -> Source:
    return DnsSource()


class DnsSource(VariablesSource):
    """SRV records below the domain in `ARCHITECT_DNS`: "acme/billing" is `_http._tcp.billing.acme.<domain>`.

    `_grpc` and `_https` are looked up first. Several records of the lowest priority are several instances, in the order
    of their weights. `ARCHITECT_DNS_SERVER`, an IP address with a port, replaces the system's servers. It needs
    dnspython: `pip install 'architect-sources[dns]'`.
    """

    name: ClassVar[str] = "dns"

    def load(self) -> Configuration:
        """Prepare the look-ups; a record is looked up when its service is.

        Raises:
            ConfigError: dnspython is not installed, no server is known, or `ARCHITECT_DNS_SERVER` is malformed.
        """
        domain = self.variables.get(DOMAIN_VARIABLE)
        if not domain:
            return Configuration({}, None, f"DNS ({DOMAIN_VARIABLE} is not set)")
        where = f"the SRV records of {domain}"
        resolver = _resolver(self.variables.get(SERVER_VARIABLE, ""), where)
        return Configuration(Entries((), lambda name: _service(name, domain, resolver, where)), None, where)


def _resolver(server: str, where: str) -> Any:
    try:
        from dns.resolver import NoResolverConfiguration, Resolver
    except ModuleNotFoundError:
        raise ConfigError(where, [("", f"dnspython is not installed: {remedy('dns')}")]) from None
    if server:
        resolver = Resolver(configure=False)
        host, port = _address(server)
        resolver.nameservers, resolver.port = [host], port
    else:
        try:
            resolver = Resolver()
        except NoResolverConfiguration:
            reason = f"the system names no DNS server; set {SERVER_VARIABLE} to the IP address and port of one"
            raise ConfigError(where, [("", reason)]) from None
    resolver.lifetime = _SECONDS
    return resolver


def _address(server: str) -> tuple[str, int]:
    """The IP address and the port of a server."""
    try:
        address = parse_address(server)
        ip_address(address.host)
        if Address("", address.host, address.port) == address:  # it has no other parts
            return address.host, address.port or 53
    except ValueError:
        pass
    reason = "must be an IP address, with a port unless that is 53 (10.0.0.2:8600)"
    raise ConfigError(f"the environment variable {SERVER_VARIABLE}", [("", reason)])


def _service(name: str, domain: str, resolver: Any, where: str) -> ServiceConfig | None:
    labels = ".".join(reversed(name.split("/")))
    for service, (scheme, api) in _SERVICES.items():
        question = f"_{service}._tcp.{labels}.{domain}"
        records = _records(question, resolver, where)
        if records:
            return validate(ServiceConfig, {"api": api, **_endpoints(records, scheme)}, f"{where}, {question}")
    return None


def _records(question: str, resolver: Any, where: str) -> list[Any]:
    """The records of the lowest priority, by descending weight; raises ConfigError if the server fails."""
    from dns.exception import DNSException
    from dns.name import root
    from dns.resolver import NXDOMAIN, NoAnswer

    try:
        answer = resolver.resolve(question, "SRV")
    except (NXDOMAIN, NoAnswer):
        return []
    except DNSException as problem:
        reason = f"{question} cannot be looked up: {type(problem).__name__}"
    else:
        # RFC 2782: the target "." means that the service is not available at this domain
        records = [each for each in answer if each.target != root]
        lowest = min((each.priority for each in records), default=0)
        return sorted((each for each in records if each.priority == lowest), key=lambda each: -each.weight)
    raise ConfigError(where, [("", reason)])


def _endpoints(records: Sequence[Any], scheme: str) -> dict[str, Any]:
    """The fields of a service's entry that say where it is."""
    instances: list[dict[str, Any]] = [
        {"host": f"{scheme}://{str(each.target).rstrip('.')}", "port": each.port} for each in records
    ]
    first = dict(instances[0])
    if len({each.weight for each in records}) > 1:
        for instance, record in zip(instances, records, strict=True):
            instance["weight"] = max(1, record.weight)  # RFC 2782: a small chance for a weight of 0
    return first | ({"instances": instances} if len(instances) > 1 else {})
