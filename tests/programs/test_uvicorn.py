"""uvicorn: workers that are spawned, each of which imports the application again."""

import re
import signal

import pytest
from serving import get, when_ready

pytest.importorskip("uvicorn", reason="uvicorn is not installed: pip install latchwork[programs]")

# It knows nothing of Latchwork. With multiprocessing's own, each worker would have a lock and an event of
# its own, which excludes nobody and tells nobody anything.
APP = """
import multiprocessing, os

lock = multiprocessing.Lock()
closed = multiprocessing.Event()

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"] == "/die":
        lock.acquire()
        os.kill(os.getpid(), 9)
    if scope["path"] == "/close":
        closed.set()
    with lock:
        body = f"{os.getpid()} {'closed' if closed.is_set() else 'open'}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
"""


@pytest.fixture
def shop(start, tmp_path):
    """The server and its port."""
    (tmp_path / "shop.py").write_text(APP)
    options = ("--workers", "2", "--port", "0", "--no-access-log", "--lifespan", "off")
    server = start("-m", "uvicorn", "shop:app", *options)
    for line in server.stderr:
        if found := re.search(r"running on http://127.0.0.1:(\d+)", line):
            break
    else:
        pytest.fail("the server did not start")
    port = int(found[1])
    when_ready(port, server)
    return server, port


def pids(port, state):
    """The workers that answer, once two have; all agree on the state."""
    seen = set()
    for _ in range(2000):
        answer = get(port)
        if answer is not None:  # one that is just being killed gives none
            pid, said = answer.split()
            assert said == state
            seen.add(pid)
        if len(seen) == 2:
            return seen
    pytest.fail(f"only {seen} answered")


def test_an_event_at_module_level_is_one_in_all_workers(shop):
    _, port = shop
    pids(port, "open")
    get(port, "/close")
    pids(port, "closed")


def test_the_others_go_on_serving_when_a_worker_is_killed_with_the_lock(shop):
    server, port = shop
    for _ in range(2):
        pids(port, "open")
        assert get(port, "/die") is None
        assert get(port) is not None
    server.send_signal(signal.SIGTERM)
    server.communicate(timeout=30)
