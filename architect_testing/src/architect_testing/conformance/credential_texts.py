"""User names, passwords and URLs that a credential parser must read without change, or refuse."""

from __future__ import annotations

from urllib.parse import quote

_ASCII = "".join(map(chr, range(32, 127)))
# of two, three and four bytes in UTF-8; combining, invisible, from right to left
_BEYOND = "\xa0\xad¡£§¿ßàéñ÷ÿĀŁœžΩλЖщяאתعم٣अไกあ日本語한글€…∞✓️ﬁＡ𝒳𐍈😀👩\u0301\u200b\u200d\u202e\u2028\u2212\ufeff\ufffd"
_LOOK_ENCODED = ("100%41", "%2F%40", "%", "%%", "a+b c", "::1", "a://b:c@d/e?f#g")
_LOOK_SPECIAL = ("\\n\\t", "${HOME}", "{0}", "%(x)s", "''", '""')

SUB_DELIMITERS = "!$&'()*+,;="
"""The characters that RFC 3986 allows in a URL's user information without percent-encoding."""

ODD = ("", *"\0\n %/:@[]?#é", "%zz", "..", "//", "://", "a://b://c", "x" * 5000)
"""Values of a field that somebody got wrong."""


def texts() -> list[str]:
    """Every printable ASCII character and many others, alone and at start, middle and end, and all of them together.

    >>> texts()[2:6]
    ['!', '!a!b!', '"', '"a"b"']
    """
    forms = [form for each in _ASCII + _BEYOND for form in (each, f"{each}a{each}b{each}")]
    return [*forms, _ASCII, _ASCII[::-1], _BEYOND, _ASCII + _BEYOND, *_LOOK_ENCODED, *_LOOK_SPECIAL]


def url_of(scheme: str, location: str, username: str, password: str, *, bare: str = "") -> str:
    """A URL with user name and password, percent-encoded except for the characters in `bare`.

    >>> url_of("nest", "db:4150/shop", "app", "p@ss")
    'nest://app:p%40ss@db:4150/shop'
    """
    return f"{scheme}://{quote(username, safe=bare)}:{quote(password, safe=bare)}@{location}"


def malformed_urls(scheme: str, password: str, *, has_host: bool) -> list[str]:
    """Texts with a password that are no URLs of `scheme`."""
    urls = [f"no URL of {password}", f"{scheme}:no-slashes-before-{password}", f"{scheme}-of-another://h/{password}"]
    if has_host:
        locations = ("[broken/n", "h:port/n", "h:99999/n", "h:1:2/n", f"h/n#{password}")
        urls += [url_of(scheme, location, "architect", password) for location in locations]
    return urls
