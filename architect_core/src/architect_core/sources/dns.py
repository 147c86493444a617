"""SRV records of the domain name system (RFC 2782)."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, ClassVar

from architect_core._base.address import Address, parse_address
from architect_core.contract.source import Configuration, Entries, Source
from architect_core.exceptions import ConfigError
from architect_core.sources.entries import checked_service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from architect_core.schema.config import ServiceConfig

DOMAIN_VARIABLE = "ARCHITECT_DNS"
SERVER_VARIABLE = "ARCHITECT_DNS_SERVER"
_SECONDS = 3.0
# what is asked for, in order -> the scheme of a host, and the protocol
_SERVICES = {"grpc": ("grpc", "grpc"), "https": ("https", "rest"), "http": ("http", "rest")}


@dataclass(frozen=True)
class DnsSource(Source):
    """SRV records below the domain in `ARCHITECT_DNS`: "acme/billing" is `_http._tcp.billing.acme.<domain>`.

    Also `_https` and `_grpc` are asked for. Several records of the lowest priority are several instances, those of more
    weight first. `ARCHITECT_DNS_SERVER`, an address and port, is asked instead of the system's servers. It needs
    dnspython: `pip install 'architect-core[dns]'`.

    Attributes:
        environ: where the variables are looked up; the process's environment unless given.
    """

    knows_current_service: ClassVar[bool] = False
    environ: Mapping[str, str] | None = field(default=None, repr=False)

    def load(self) -> Configuration:
        """Nothing is asked before a service's name is."""
        environ = os.environ if self.environ is None else self.environ
        domain = environ.get(DOMAIN_VARIABLE)
        if not domain:
            return Configuration({}, None, f"DNS ({DOMAIN_VARIABLE} is not set)")
        where = f"the SRV records of {domain}"
        resolver = _resolver(environ.get(SERVER_VARIABLE, ""), where)
        return Configuration(Entries((), lambda name: _service(name, domain, resolver, where)), None, where)


def _resolver(server: str, where: str) -> Any:
    try:
        from dns.resolver import NoResolverConfiguration, Resolver
    except ModuleNotFoundError:
        raise ConfigError(where, [("", "dnspython is not installed: pip install 'architect-core[dns]'")]) from None
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
        if Address("", address.host, address.port) == address:  # and it has no other parts
            return address.host, address.port or 53
    except ValueError:
        pass
    reason = "must be an IP address, with a port unless that is 53 (10.0.0.2:8600)"
    raise ConfigError(f"the environment variable {SERVER_VARIABLE}", [("", reason)])


def _service(name: str, domain: str, resolver: Any, where: str) -> ServiceConfig | None:
    from dns.exception import DNSException
    from dns.name import root
    from dns.resolver import NXDOMAIN, NoAnswer

    labels = ".".join(reversed(name.split("/")))
    for service, (scheme, api) in _SERVICES.items():
        question = f"_{service}._tcp.{labels}.{domain}"
        try:
            answer = resolver.resolve(question, "SRV")
        except (NXDOMAIN, NoAnswer):
            continue
        except DNSException as problem:
            reason = f"{question} cannot be asked for: {type(problem).__name__}"
        else:
            # RFC 2782: a target of "." says that the service is not there
            records = sorted(
                (each for each in answer if each.target != root), key=lambda each: (each.priority, -each.weight)
            )
            if not records:
                continue
            chosen = [each for each in records if each.priority == records[0].priority]
            instances: list[dict[str, Any]] = [
                {"host": f"{scheme}://{str(each.target).rstrip('.')}", "port": each.port} for each in chosen
            ]
            entry = {**instances[0], "api": api}
            if len({each.weight for each in chosen}) > 1:
                for instance, record in zip(instances, chosen, strict=True):
                    instance["weight"] = max(1, record.weight)  # RFC 2782: one of 0 is to be chosen very seldom
            return checked_service(
                entry | ({"instances": instances} if len(chosen) > 1 else {}), f"{where}, {question}"
            )
        raise ConfigError(where, [("", reason)])
    return None
