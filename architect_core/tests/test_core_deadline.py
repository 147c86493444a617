"""A deadline holds for what is done inside of it, and for nothing else."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

import architect.sdk as architect


def test_there_is_no_deadline_outside_of_one():
    assert architect.remaining() is None
    with architect.deadline(5):
        assert 4 < architect.remaining() <= 5
    assert architect.remaining() is None


@pytest.mark.parametrize(("outer", "inner", "most"), [(5, 60, 5), (60, 5, 5)])
def test_of_two_deadlines_the_one_that_ends_first_counts(outer, inner, most):
    with architect.deadline(outer):
        with architect.deadline(inner):
            assert most - 1 < architect.remaining() <= most
        assert outer - 1 < architect.remaining() <= outer


def test_a_deadline_that_has_passed_leaves_less_than_nothing():
    with architect.deadline(0.01):
        time.sleep(0.02)
        assert architect.remaining() < 0


def test_what_is_raised_inside_leaves_the_deadline_too():
    with pytest.raises(KeyError), architect.deadline(1):
        raise KeyError
    assert architect.remaining() is None


def test_another_thread_and_another_task_have_their_own():
    seen = []
    with architect.deadline(5):
        thread = threading.Thread(target=lambda: seen.append(architect.remaining()))
        thread.start()
        thread.join()

    async def serve(seconds):
        with architect.deadline(seconds):
            await asyncio.sleep(0.01)
            return architect.remaining()

    async def both():
        return await asyncio.gather(serve(5), serve(50))

    few, many = asyncio.run(both())
    assert seen == [None]
    assert few <= 5
    assert many > 40


def test_seconds_that_are_no_number_are_an_error_before_anything_is_done():
    with pytest.raises(TypeError), architect.deadline("5"):
        pytest.fail("it was entered")
