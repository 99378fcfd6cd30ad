"""wait() and wait_async() with file descriptors that are not what they seem."""

import asyncio
import os
import socket

import pytest

import latchwork


def closed():
    one, other = socket.socketpair()
    one.close()
    other.close()
    return one


@pytest.mark.parametrize(
    "what", [closed, lambda: -1, lambda: 10**20], ids=["closed", "-1", "10**20"]
)
def test_what_is_no_open_file_is_an_os_error(what):
    with pytest.raises(OSError, match="is not open"):
        latchwork.wait([what()])
    with pytest.raises(OSError, match="is not open"):
        asyncio.run(latchwork.wait_async([what()]))


@pytest.fixture
def pipe():
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


@pytest.mark.parametrize("how", ["timeout", "cancelled"])
def test_a_wait_with_a_file_that_ends_at_once_harms_no_trio_run(pipe, how):
    trio = pytest.importorskip("trio")
    event = latchwork.Event()

    async def main():
        for _ in range(200):
            if how == "timeout":
                assert await latchwork.wait_async([event, pipe[0]], timeout=1e-7) == []
                continue
            with trio.CancelScope() as scope:
                scope.cancel()
                await latchwork.wait_async([event, pipe[0]])
        os.write(pipe[1], b"x")
        assert await latchwork.wait_async([event, pipe[0]]) == [pipe[0]]

    trio.run(main)
