"""A host beyond ASCII is the same in every driver."""

from __future__ import annotations

import pytest
from datastore_reading import credentials

from architect_core.exceptions import ConfigError


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("bücher.example", "xn--bcher-kva.example"),  # RFC 5891
        ("日本.jp", "xn--wgv71a.jp"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("\uff41。example", "a.example"),  # UTS 46: the wide letter and the wide full stop
        ("straße.example", None),  # UTS 46: a deviation, "strasse" for IDNA 2003
        ("σς.example", None),
        ("a\u200db.example", None),
        ("a\uff0fcanary", None),  # a "/" after normalization
        ("a\uff20canary", None),
        ("a\uff1a1", None),
        ("é" * 70, None),  # RFC 1035: at most 63 letters
        ("ü..example", None),
    ],
)
@pytest.mark.parametrize("engine", ["postgres", "redis", "mysql", "amqp", "generic"])
def test_a_host_beyond_ascii_is_idna_or_an_error_in_every_driver(engine, host, expected):
    if expected is None:
        with pytest.raises(ConfigError, match=r"primary_db\.host: ") as caught:
            credentials(type=engine, host=host)
        assert "canary" not in str(caught.value)
        return
    scheme = "influx" if engine == "generic" else engine
    db = credentials(type=engine, host=host)
    assert credentials(type=engine, url=f"{scheme}://{host}").host == db.host == expected
    for driver in db._drivers:
        assert expected in repr(db.for_driver(driver))


def test_each_of_several_hosts_is_in_ascii():
    assert credentials(type="postgres", hosts=["ü", "b"]).hosts == [("xn--tda", 5432), ("b", 5432)]
    assert credentials(url="postgresql://ü,b:1/d").hosts == [("xn--tda", 5432), ("b", 1)]
    assert credentials(type="postgres", host="/run/ü").host == "/run/ü"
