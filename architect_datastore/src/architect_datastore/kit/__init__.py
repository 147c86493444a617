"""Reads the URLs, connection strings and entries of datastores; for plugins of engines."""

from architect_datastore.kit.connection_string import read_connection_string
from architect_datastore.kit.network import NetworkParser
from architect_datastore.kit.plugin import EngineParser
from architect_datastore.kit.url import build_url, parse_url

__all__ = ["EngineParser", "NetworkParser", "build_url", "parse_url", "read_connection_string"]
