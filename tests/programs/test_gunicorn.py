"""gunicorn: workers that share a lock, one of which is killed while it holds it."""

import signal
import socket

import pytest
from serving import get, when_ready

pytest.importorskip("gunicorn", reason="gunicorn is not installed: pip install latchwork[programs]")

NAMED = """
import latchwork
lock = latchwork.Lock(name="stock", namespace="shop")
"""
# It knows nothing of Latchwork; the workers inherit the lock from gunicorn, which loads it first.
INHERITED = """
import multiprocessing
lock = multiprocessing.Lock()
"""
APP = """
import os

def app(environ, start_response):
    if environ["PATH_INFO"] == "/die":
        lock.acquire()
        os.kill(os.getpid(), 9)
    with lock:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(os.getpid()).encode()]
"""


@pytest.mark.parametrize(
    ("app", "options"),
    [
        pytest.param(NAMED, [], id="named"),
        pytest.param(INHERITED, ["--preload"], id="inherited"),
    ],
)
def test_the_others_go_on_serving_when_a_worker_is_killed_with_the_lock(
    app, options, start, tmp_path
):
    (tmp_path / "shop.py").write_text(app + APP)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # gunicorn takes over a listening socket as systemd hands it on, so no port is guessed.
        port = listener.getsockname()[1]
        server = start(
            *("-m", "gunicorn", "--workers", "2", "--bind", f"fd://{listener.fileno()}"),
            *("--no-control-socket", *options, "shop:app"),
            pass_fds=[listener.fileno()],
        )
        assert int(when_ready(port, server))
        for _ in range(3):
            assert get(port, "/die") is None
            answers = {get(port) for _ in range(10)}
            assert None not in answers
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=30)
    assert server.returncode == 0
