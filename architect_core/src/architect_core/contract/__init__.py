"""The contract of plugins: the classes that their hooks return instances of, and helpers for those.

A plugin is a module (or any object) named by an entry point in the group `architect`, where the entry point's name is
the protocol, engine, source or command that it serves.
"""

from architect_core._base.address import (  # isort: skip
    MASK, Address, decoded, mask_url, parse_address, parse_port, scheme_of, split_login,
)  # fmt: skip
from architect_core._base.files import ROOT_VARIABLE, STUBS_FOLDER, find_root, read_file, search_root
from architect_core._base.json_text import as_written, dotted, is_text, raising, read_json, require_object, showable
from architect_core._base.names import MANIFEST_FILE, PROTOCOL, SERVICE_NAME, did_you_mean, listing, stub_folder

from architect_core.contract.channel import (  # isort: skip
    REASON_HEADER, Broker, Capabilities, Channel, Consumer, EventChannel, EventRuntime, EventTarget, Once, Receipt,
    Received, Sender, Topic,
)  # fmt: skip
from architect_core.contract.client import Auth, ClientFactory, Target, Tls
from architect_core.contract.credentials import CredentialParser, Credentials, DatastoreTarget, Driver

from architect_core.contract.development import (  # isort: skip
    Command, DatastoreProvisioner, Definitions, Double, DoubleFactory, DoubleTarget, Listener, Provisioned,
    ReadinessProbe, StubGenerator,
)  # fmt: skip
from architect_core.contract.events import Delivery, Event, Message, Subscription, Subscriptions, serialise
from architect_core.contract.hooks import CONTRACT, GROUP, OLDEST_CONTRACT, Options, hookimpl
from architect_core.contract.observer import BegunCall, ClientObserver, EventOperation, Health, Observer, Outcome

from architect_core.contract.source import (  # isort: skip
    CURRENT_SERVICE_VARIABLE, FILE_VARIABLE, SERVICES_VARIABLE, SOURCE_VARIABLE, Configuration, Entries, Exported,
    Exporter, ExportTarget, Form, Source,
)  # fmt: skip

__all__ = [
    "CONTRACT", "CURRENT_SERVICE_VARIABLE", "FILE_VARIABLE", "GROUP", "MANIFEST_FILE", "MASK", "OLDEST_CONTRACT",
    "PROTOCOL", "REASON_HEADER", "ROOT_VARIABLE", "SERVICES_VARIABLE", "SERVICE_NAME", "SOURCE_VARIABLE",
    "STUBS_FOLDER", "Address", "Auth", "BegunCall", "Broker", "Capabilities", "Channel", "ClientFactory",
    "ClientObserver", "Command", "Configuration", "Consumer", "CredentialParser", "Credentials", "DatastoreProvisioner",
    "DatastoreTarget", "Definitions", "Delivery", "Double", "DoubleFactory", "DoubleTarget", "Driver", "Entries",
    "Event", "EventChannel", "EventOperation", "EventRuntime", "EventTarget", "ExportTarget", "Exported", "Exporter",
    "Form", "Health", "Listener", "Message", "Observer", "Once", "Options", "Outcome", "Provisioned", "ReadinessProbe",
    "Receipt", "Received", "Sender", "Source", "StubGenerator", "Subscription", "Subscriptions", "Target", "Tls",
    "Topic", "as_written", "decoded", "did_you_mean", "dotted", "find_root", "hookimpl", "is_text", "listing",
    "mask_url", "parse_address", "parse_port", "raising", "read_file", "read_json", "require_object", "scheme_of",
    "search_root", "serialise", "showable", "split_login", "stub_folder",
]  # fmt: skip
