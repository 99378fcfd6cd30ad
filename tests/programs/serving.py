"""What the tests of web servers have in common."""

import contextlib
import http.client
import time


def get(port, path="/", timeout=10.0):
    """The body of the answer; None if the worker ended before it gave one."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    with contextlib.closing(connection):
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        except (ConnectionError, http.client.HTTPException):
            return None


def when_ready(port, server):
    """The first answer that the server gives."""
    for _ in range(600):
        assert server.poll() is None, server.communicate()
        with contextlib.suppress(OSError):
            answer = get(port)
            if answer is not None:
                return answer
        time.sleep(0.05)
    raise TimeoutError("the server does not answer")
