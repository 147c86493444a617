"""Draws the parts that URLs of all peers have."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, quote_plus

from hypothesis import strategies as st

Texts = st.SearchStrategy[str]

SUB_DELIMITERS = "!$&'()*+,;="  # RFC 3986, which needs no percent-encoding in a user name, a password or a path

anything = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0", max_codepoint=0x2FFF), max_size=8)
words = st.sampled_from(["app", "orders", "a.b", "x-1_y", "Ab~", "0", "a+b"])
values = words | st.sampled_from(["a/b", "p@w:?#", "p;w", "007"]) | anything.filter(bool)
names = st.sampled_from(["db", "db.example.com", "a_b-c", "DB.Example", "10.0.0.1", "localhost"])
ipv6 = st.sampled_from(["[::1]", "[2001:db8::5]", "[fe80::1%25eth0]"])
hosts = names | names | ipv6
_PORTS_OF_TLS = (443, 2484, 5671, 8443, 9243)
ports = (st.integers(1, 65535) | st.sampled_from(_PORTS_OF_TLS)).map(str)


def encoded(texts: Texts) -> Texts:
    """Percent-encodes all that is reserved, or all but what RFC 3986 lets stand."""
    return st.builds(quote, texts, safe=st.sampled_from(["", "", "~", SUB_DELIMITERS]))


def strictly_encoded(texts: Texts) -> Texts:
    """Percent-encodes all that is reserved."""
    return st.builds(quote, texts, safe=st.just(""))


def optional(texts: Texts, absent: str = "") -> Texts:
    """Draws a text, or that there is none."""
    return st.just(absent) | texts | texts


def joined(*parts: Texts | str) -> Texts:
    """Draws parts and joins them."""
    return st.tuples(*(st.just(each) if isinstance(each, str) else each for each in parts)).map("".join)


userinfo = optional(
    joined(encoded(values), "@") | joined(optional(encoded(values)), ":", optional(encoded(values)), "@")
)
netlocs = joined(hosts, optional(joined(":", ports)))
several = st.lists(netlocs, min_size=1, max_size=3).map(",".join)


def query(options: Mapping[str, Texts]) -> Texts:
    """Draws a query of some of these options; the texts are values, not encoded."""
    pairs = [
        st.builds("{}={}".format, st.just(name), st.builds(quote, drawn, safe=st.sampled_from(["", "/:,"])))
        | st.builds("{}={}".format, st.just(name), st.builds(quote_plus, drawn))
        for name, drawn in options.items()
    ]
    chosen = st.lists(st.sampled_from(pairs), max_size=3, unique_by=id).flatmap(lambda few: st.tuples(*few))
    return chosen.map("&".join).map(lambda text: f"?{text}" if text else "")


numbers = st.integers(1, 300).map(str)
switches = st.sampled_from(["true", "false", "True", "0", "1", "yes", "no"])
