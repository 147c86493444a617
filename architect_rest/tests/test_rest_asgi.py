"""A double answers by an ASGI application, such as a FastAPI one, whichever client asks."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import asynccontextmanager, closing
from types import SimpleNamespace

import httpx2
import pytest
from fastapi import BackgroundTasks, FastAPI, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

import architect.sdk as architect
from architect.testing import Doubles

NAME = "acme/billing"


class Invoice(BaseModel):
    amount: int


@pytest.fixture
def seen():
    return SimpleNamespace(events=[], loops=set())


@pytest.fixture
def application(seen):
    @asynccontextmanager
    async def lifespan(_):
        seen.events.append("startup")
        seen.loops.add(asyncio.get_running_loop())
        yield {"rate": 7}
        seen.events.append("shutdown")

    app = FastAPI(lifespan=lifespan)

    @app.get("/invoices/{number}")
    async def invoice(number: str, request: Request):
        seen.loops.add(asyncio.get_running_loop())
        return {
            "number": number,
            "rate": request.state.rate,
            "url": str(request.url),
            "root": request.scope["root_path"],
        }

    @app.post("/invoices", status_code=201)
    def create(created: Invoice, tasks: BackgroundTasks):  # in a thread of FastAPI's
        tasks.add_task(seen.events.append, f"sent {created.amount}")
        return created

    @app.get("/broken")
    async def broken():
        raise FileNotFoundError("the application's own")

    @app.get("/events")
    async def events():
        async def lines():
            for number in range(1000):
                seen.events.append(number)
                yield f"data: {number}\n\n".encode()

        return StreamingResponse(lines(), media_type="text/event-stream")

    return app


@pytest.fixture
def doubles():
    with Doubles() as opened:
        yield opened


@pytest.fixture
def client(doubles, application):
    doubles.service(NAME, "rest", application, host="http://billing.internal/v1")
    return architect.service(NAME).client


def with_aio(use):
    """What `use` returns for the client for asyncio."""

    async def begin():
        return await use(architect.service(NAME).aio.client)

    return asyncio.run(begin())


def test_a_fastapi_application_answers_requests(client):
    answer = client.get("/invoices/:number", path_params={"number": "a b"})
    assert answer.json() == {
        "number": "a b", "rate": 7, "url": "http://billing.internal/v1/invoices/a b", "root": "/v1"
    }  # fmt: skip
    assert answer.headers["content-type"] == "application/json"
    assert client.post("/invoices", json={"amount": 10}).json() == {"amount": 10}
    assert client.post("/invoices", data=iter([b'{"amount"', b": 10}"])).status_code == 422  # no content type
    assert client.post("/invoices", json={"amount": "x"}).status_code == 422
    assert client.get("/unknown").reason == "Not Found"
    head = client.head("/invoices/7")
    assert (head.status_code, head.content) == (405, b"")


def test_a_fastapi_application_answers_the_client_for_asyncio(client):
    async def call(aio):
        numbers = await asyncio.gather(*(aio.get(f"/invoices/{number}") for number in range(20)))
        created = await aio.post("/invoices", json={"amount": 10})
        return [answer.json()["number"] for answer in numbers], created.status_code

    assert with_aio(call) == ([str(number) for number in range(20)], 201)


def test_the_lifespan_begins_with_the_first_request_and_ends_after_the_test(application, seen):
    with Doubles() as doubles:
        double = doubles.service(NAME, "rest", application)
        client = architect.service(NAME).client
        assert seen.events == []
        client.get("/invoices/1")
        with_aio(lambda aio: aio.get("/invoices/2"))
        assert seen.events == ["startup"]
        assert [each.path_url for each in double.requests] == ["/invoices/1", "/invoices/2"]
    assert seen.events == ["startup", "shutdown"]
    assert len(seen.loops) == 1
    assert not any(each.name == "architect-asgi-double" for each in threading.enumerate())


def test_a_request_is_answered_when_its_background_tasks_are_done(client, seen):
    client.post("/invoices", json={"amount": 10})
    assert seen.events == ["startup", "sent 10"]


def test_what_the_application_raises_is_raised_in_the_test(client):
    with pytest.raises(FileNotFoundError, match="the application's own"):
        client.get("/broken")
    with pytest.raises(FileNotFoundError, match="the application's own"):
        with_aio(lambda aio: aio.get("/broken"))


def test_an_answer_is_streamed_as_far_as_it_is_read(client, seen):
    with client.get("/events", stream=True) as answer:
        assert next(answer.iter_lines(chunk_size=1)) == b"data: 0"
        assert len(seen.events) < 20

    async def read_one(aio):
        async with aio.stream("GET", "/events") as answer:
            return await anext(answer.aiter_raw())

    assert with_aio(read_one) == b"data: 0\n\n"
    assert len(seen.events) < 40


def test_requests_are_served_at_the_same_time(doubles):
    both = threading.Barrier(2, timeout=10)

    async def application(scope, receive, send):
        if scope["type"] == "lifespan":
            raise NotImplementedError
        await asyncio.to_thread(both.wait)
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    doubles.service(NAME, "rest", application)
    client = architect.service(NAME).client
    other = threading.Thread(target=client.get, args=("/x",))
    other.start()
    assert client.get("/x").status_code == 204
    other.join()

    async def call(aio):
        return {(await each).status_code for each in [asyncio.create_task(aio.get("/x")) for _ in range(2)]}

    assert with_aio(call) == {204}


def test_an_application_is_called_as_the_specification_says(doubles):
    scopes, messages = [], []

    class Application:
        async def __call__(self, scope, receive, send):
            assert scope["type"] in {"http", "lifespan"}
            if scope["type"] == "lifespan":
                return  # which a server has to accept
            scopes.append(scope)
            messages.append(await receive())
            await send({"type": "http.response.start", "status": 299, "headers": [(b"set-cookie", b"a=1; Path=/")]})
            await send({"type": "http.response.body", "body": b"one ", "more_body": True})
            await send({"type": "http.response.body", "body": b"two"})
            messages.append(await receive())

    doubles.service(NAME, "rest", Application())
    answer = architect.service(NAME).client.put(
        "/a%20b/c?x=%201", data=iter([b"\xff", b"body"]), headers={"X-One": "1"}
    )
    assert (answer.status_code, answer.reason, answer.content) == (299, "Unknown", b"one two")
    assert answer.cookies.get_dict() == {"a": "1"}
    (scope,) = scopes
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/a b/c", b"/a%20b/c", b"x=%201")
    assert {(b"host", b"acme.billing.invalid"), (b"x-one", b"1"), (b"content-length", b"5")} <= set(scope["headers"])
    assert b"transfer-encoding" not in dict(scope["headers"])
    assert messages == [
        {"type": "http.request", "body": b"\xffbody", "more_body": False}, {"type": "http.disconnect"}
    ]  # fmt: skip


def test_an_application_that_does_not_start_or_does_not_answer_fails_the_test():
    @asynccontextmanager
    async def lifespan(_):
        raise ZeroDivisionError("no database")
        yield

    async def silent(scope, receive, send): ...

    for application, error in ((FastAPI(lifespan=lifespan), ZeroDivisionError), (silent, RuntimeError)):
        with Doubles() as doubles:
            doubles.service(NAME, "rest", application)
            with pytest.raises(error):
                architect.service(NAME).client.get("/x")


def test_what_the_application_raises_at_its_shutdown_is_raised():
    @asynccontextmanager
    async def lifespan(_):
        yield
        raise ZeroDivisionError("cannot end")

    doubles = Doubles()
    doubles.__enter__()
    doubles.service(NAME, "rest", FastAPI(lifespan=lifespan))
    architect.service(NAME).client.get("/x")
    with pytest.raises(ZeroDivisionError):
        doubles.__exit__(None, None, None)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # Python 3.12 on fork with threads
def test_a_forked_child_begins_a_lifespan_of_its_own(client, seen):
    client.get("/invoices/1")
    child = os.fork()
    if child == 0:
        fine = client.get("/invoices/2").json()["number"] == "2" and seen.events == ["startup", "startup"]
        os._exit(not fine)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_client_of_httpx2_that_ends_early_cancels_the_application(doubles):
    ended = threading.Event()

    async def application(scope, receive, send):
        if scope["type"] == "lifespan":
            return
        await send({"type": "http.response.start", "status": 200})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"more", "more_body": True})
        finally:
            ended.set()

    doubles.service(NAME, "rest", application)

    async def leave(aio):
        async with aio.stream("GET", "/x") as answer:
            assert isinstance(answer, httpx2.Response)

    with_aio(leave)
    assert ended.wait(10)
    ended.clear()
    with closing(architect.service(NAME).client.get("/x", stream=True)) as answer:
        assert answer.raw.read(2) == b"mo"
    assert ended.wait(10)
