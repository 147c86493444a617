"""What a person sees of a run."""

from __future__ import annotations

import asyncio
import doctest
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from architect_cli.output import lines, prefixes
from architect_cli.output.console import Console
from architect_cli.output.lines import LONGEST_LINE
from architect_cli.output.masking import is_secret_name, passwords_in, spellings


@pytest.fixture(autouse=True)
def no_colour_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def say(console: Console, name: str, *lines: str) -> None:
    """A program prints these lines."""
    console.output_of(name).write("".join(f"{line}\n" for line in lines).encode())


def test_lines_have_their_service_s_name_before_them_all_of_one_width():
    stream = io.StringIO()
    console = Console(["acme/a", "acme/longer"], stream)
    say(console, "acme/a", "one")
    say(console, "acme/longer", "two")
    console.note("three")
    assert stream.getvalue() == "acme/a      | one\nacme/longer | two\nthree\n"


def test_services_have_different_colours_on_a_terminal():
    stream = Terminal()
    console = Console(["a", "b"], stream)
    say(console, "a", "one")
    say(console, "b", "two")
    first, second = stream.getvalue().splitlines()
    assert first.startswith("\x1b[36ma\x1b[0m")
    assert second.startswith("\x1b[32mb\x1b[0m")


def test_a_secret_is_masked_in_lines_notes_and_last_lines():
    stream = io.StringIO()
    console = Console(["a"], stream)
    console.hide(["s3cret", None])
    say(console, "a", "I am s3cret, s3cret!")
    console.note("so s3cret")
    assert stream.getvalue() == "a | I am ***, ***!\nso ***\n"
    assert console.last_lines("a") == ["I am ***, ***!"]


def test_a_secret_that_holds_another_is_masked_whole():
    console = Console([], io.StringIO())
    console.hide(["s3cret"])
    console.hide(["s3cret-and-more"])
    assert console.masked("s3cret-and-more s3cret") == "*** ***"


def test_secrets_too_short_or_too_ordinary_are_not_masked_because_they_would_hide_other_text():
    console = Console([], io.StringIO())
    console.hide(["abc", "true", ""])
    assert console.masked("abc is true") == "abc is true"


@settings(max_examples=40, deadline=None)
@given(st.text(min_size=4, max_size=30).filter(lambda text: spellings(text) and not set(text) & set("*\r\n")))
def test_however_a_secret_is_spelt_it_is_masked(secret: str):
    console = Console([], io.StringIO())
    console.hide([secret])
    if secret.lower() in {"true", "false", "none", "null"}:
        return
    for spelling in (secret, json.dumps({"password": secret}), repr([secret])):
        assert secret not in console.masked(f"<{spelling}>")
        assert "***" in console.masked(f"<{spelling}>")


def test_each_line_of_a_secret_of_several_lines_is_masked():
    console = Console([], io.StringIO())
    console.hide(["first line\nsecond line\n"])
    assert [console.masked(line) for line in ("first line", "> second line")] == ["***", "> ***"]


def test_a_password_in_a_url_is_known_decoded_and_encoded():
    assert set(passwords_in("http://app:p%40ss@db.test/x and http://db.test")) == {"p%40ss", "p@ss"}
    assert "12/p@ss" in set(passwords_in("http://app:12/p%40ss@db.test/x"))


@pytest.mark.parametrize(
    "text",
    [
        "Host=db;Password=p&s w;User=u",
        "Host=db;PWD = 'p&s w'",
        'Password="p&s w"',
        "host=db password=p%26s%20w dbname=x",
        "jdbc:x://db/n?user=u&password=p%26s%20w&a=b",
    ],
)
def test_a_password_in_a_connection_string_is_known(text):
    assert "p&s w" in set(passwords_in(text))


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        ("PASSWORD", True),
        ("db_pass", True),
        ("DBPASSWORD", True),
        ("dbPassword", True),
        ("API_KEY", True),
        ("apikey", True),
        ("AWS_SECRET_ACCESS_KEY", True),
        ("JWT_SIGNING_KEY", True),
        ("x-token", True),
        ("Authorization", True),
        ("GITHUB_TOKEN", True),
        ("CREDENTIALS", True),
        ("SLACK_SECRET_URL", True),
        ("PW", True),
        ("KEYSPACE", False),
        ("CASSANDRA_KEYSPACE", False),
        ("KEYBOARD", False),
        ("MONKEY", False),
        ("TOKENIZER", False),
        ("PASSENGERS", False),
        ("COMPASS", False),
        ("AUTHOR", False),
        ("PARTITION_KEY", False),
        ("PUBLIC_KEY", False),
        ("TOKEN_TTL", False),
        ("PASSWORD_MIN_LENGTH", False),
        ("SECRET_NAME", False),
        ("AUTH_URL", False),
        ("KEY_FILE", False),
        ("", False),
        ("_", False),
    ],
)
def test_a_name_says_whether_its_value_is_a_secret(name, is_secret):
    assert is_secret_name(name) == is_secret


@pytest.mark.parametrize(
    ("secret", "text", "shown"),
    [
        # an ordinary word is masked only where it is a password for sure
        ("architect", "File /srv/architect/run.py, in architect.sdk", None),
        ("architect", "import architect", None),
        ("architect", "postgres://app:architect@db/architect", "postgres://app:***@db/architect"),
        ("architect", '{"name": "architect", "password": "architect"}', '{"name": "architect", "password": "***"}'),
        ("architect", "PGPASSWORD=architect psql architect", "PGPASSWORD=*** psql architect"),
        ("orders", "acme/orders listens", None),
        ("postgres", "postgres: starting", None),
        ("Postgres", "password='Postgres'", "password='***'"),
        # a short one where it is a word of its own
        ("owls", "howls, owls and owls_", "howls, *** and owls_"),
        ("owls", "'owls'\\nowls owls!", "'***'\\n*** ***!"),
        ("p+1", "p+1", None),  # too short
        ("p+12", "xp+12 p+123 p+12", "xp+12 p+123 ***"),
        # a longer one anywhere
        ("correcthorse", "xcorrecthorsex", "x***x"),
    ],
)
def test_a_secret_is_masked_where_it_is_one(secret, text, shown):
    console = Console(["acme/orders"], io.StringIO())
    console.mask.show(["/srv/architect", "architect.sdk"])
    console.hide([secret])
    assert console.masked(text) == (text if shown is None else shown)


SECRET = "s3cret-word"


@pytest.mark.parametrize("cut", range(len(SECRET) + 1))
def test_a_secret_that_two_reads_share_is_masked(cut):
    async def shown(pause: float) -> str:
        stream = io.StringIO()
        console = Console(["a"], stream)
        console.hide([SECRET])
        output = console.output_of("a")
        output.write(f"it is {SECRET[:cut]}".encode())
        await asyncio.sleep(pause)
        output.write(f"{SECRET[cut:]} again\nand {SECRET}".encode())
        output.close()
        return stream.getvalue()

    expected = "a | it is *** again\na | and ***\n"
    assert asyncio.run(shown(0)) == expected
    assert asyncio.run(shown(0.08)) == expected


@pytest.mark.parametrize("before", range(LONGEST_LINE - 14, LONGEST_LINE + 4))
def test_a_secret_at_the_border_of_two_pieces_of_a_long_line_is_masked(before):
    stream = io.StringIO()
    console = Console(["a"], stream)
    console.hide([SECRET])
    say(console, "a", "x" * before + SECRET + "y" * LONGEST_LINE)
    shown = "".join(line.removeprefix("a | ") for line in stream.getvalue().splitlines())
    assert "***" in shown
    assert SECRET not in stream.getvalue()
    assert shown == "x" * before + "***" + "y" * LONGEST_LINE


def test_only_the_last_twenty_lines_of_the_last_start_are_kept():
    console = Console([], io.StringIO())
    say(console, "a", *map(str, range(30)))
    assert console.last_lines("a") == [str(number) for number in range(10, 30)]
    say(console, "a", "again")
    assert console.last_lines("a") == ["again"]
    assert console.last_lines("nobody") == []


def test_what_the_terminal_s_encoding_cannot_show_is_written_as_an_escape():
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding="ascii", write_through=True) as stream:
        say(Console(["a"], stream), "a", "größer")
        assert raw.getvalue() == b"a | gr\\xf6\\xdfer\n"


def test_a_stream_that_fails_is_reported_once_and_not_written_again():
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    console, printed = Console(["a"], Closed()), []
    console.on_failure = printed.append
    output = console.output_of("a")
    output.write(b"one\n")
    output.write(b"two\n")
    assert [problem.errno for problem in printed] == [32]
    assert console.last_lines("a") == ["one", "two"]


def test_the_examples_of_prefixes_and_lines_are_true():
    assert [doctest.testmod(module) for module in (prefixes, lines)] == [(0, 1), (0, 1)]
