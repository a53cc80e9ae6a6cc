"""Debian's Chromium, driven over its own protocol: opens a page, chooses files, reads the page."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
from websockets.sync.client import ClientConnection, connect

CHROMIUM: Final = shutil.which("chromium")
WHY_NOT: Final = "no chromium here; `tools/setup browser` installs it where it may"

_STARTS_S: Final = 30
_ANSWERS_S: Final = 30


class Browser:
    """One tab."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._last = 0
        self.loaded: list[str] = []

    def open(self, page: Path, script: str = "") -> None:
        """Opens a page of the disk; `script` runs in it before its own."""
        self._call("Network.enable")
        self._call("Page.enable")
        if script:
            self._call("Page.addScriptToEvaluateOnNewDocument", source=script)
        self._call("Page.navigate", url=page.as_uri())
        self.until("document.readyState === 'complete' && !!document.body.dataset.result")

    def choose(self, selector: str, *files: Path) -> None:
        """Chooses files in a file input, as a person would in the dialogue."""
        root = self._call("DOM.getDocument")["root"]["nodeId"]
        node = self._call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self._call("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])

    def type(self, selector: str, text: str) -> None:
        """Types into a field and leaves it."""
        self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        self._call("Input.insertText", text=text)
        self.run("document.activeElement.blur()")

    def close(self) -> None:
        """Ends the browser."""
        self._call("Browser.close")

    def run(self, expression: str) -> Any:
        """The value of an expression in the page."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, expression: str) -> None:
        """Waits until an expression is true."""
        deadline = time.monotonic() + _ANSWERS_S
        while not self.run(expression):
            assert time.monotonic() < deadline, f"never true: {expression}"
            time.sleep(0.02)

    def _call(self, method: str, **params: Any) -> Any:
        self._last += 1
        self._connection.send(json.dumps({"id": self._last, "method": method, "params": params}))
        while True:
            answer = json.loads(self._connection.recv(_ANSWERS_S))
            if answer.get("method") == "Network.requestWillBeSent":
                self.loaded.append(answer["params"]["request"]["url"])
            if answer.get("id") == self._last:
                assert "error" not in answer, (method, answer)
                return answer["result"]


@contextmanager
def browser(folder: Path, port: int) -> Iterator[Browser]:
    """A headless Chromium with its profile in `folder`, ended with the block."""
    assert CHROMIUM is not None, WHY_NOT
    words = [
        CHROMIUM,
        "--headless=new",
        f"--remote-debugging-port={port}",
        f"--user-data-dir={folder}",
        *("--disable-gpu", "--no-first-run", "--disable-background-networking"),
        *(("--no-sandbox",) if os.geteuid() == 0 else ()),
        "about:blank",
    ]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with connect(_address(folder, port), max_size=None) as connection:
            tab = Browser(connection)
            yield tab
            tab.close()
            process.wait(_ANSWERS_S)
    finally:
        process.kill()
        process.wait()


def _address(folder: Path, port: int) -> str:
    """Where the first tab listens, once the browser is up."""
    deadline = time.monotonic() + _STARTS_S
    while True:
        try:
            tabs = httpx2.get(f"http://127.0.0.1:{port}/json/list").json()
            return str(next(t["webSocketDebuggerUrl"] for t in tabs if t["type"] == "page"))
        except (httpx2.HTTPError, StopIteration):
            assert time.monotonic() < deadline, f"chromium did not start with {folder}"
            time.sleep(0.05)
