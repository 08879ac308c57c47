"""Runs a server in a process of its own, and its page in a browser."""

import base64
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from wires import PATIENCE_S, free_port

FLAGS = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
# Copies the samples that the worklet plays, starting at the call.
HEAR = """async ([samples, again]) => {
  globalThis.heard = [];
  let count = 0;
  await new Promise((enough) => {
    const stop = soundstage.player.tap((block) => {
      heard.push(block);
      count += block.length;
      if (count >= samples) stop().then(enough);
    });
    if (again) soundstage.conductor.reset();
  });
}"""
# As base64, which a browser returns much faster than a list of numbers.
FLOATS = """async (blocks) => {
  const bytes = new Uint8Array(await new Blob(blocks).arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 32768) {
    text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  }
  return btoa(text);
}"""


# The page's state, for the message of a test that timed out.
STATE = """JSON.stringify({
  link: soundstage.link.state,
  started: soundstage.conductor.started,
  playing: soundstage.conductor.playing,
  stale: soundstage.conductor.stale,
  wanted: soundstage.player.wanted,
  context: soundstage.player.context?.state,
  status: soundstage.player.status,
  notice: document.getElementById("notice-text").textContent,
})"""


def chromium():
    """Returns the path of Chromium on this machine, or None.

    The first has no windows, tabs and menus, which otherwise are drawn although nobody sees them.
    """
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    return next((path for path in map(shutil.which, names) if path), None)


@contextmanager
def launched(*flags: str) -> Iterator:
    """Runs a browser; skips the test on a machine without one."""
    sync_api = pytest.importorskip("playwright.sync_api")
    path = chromium()
    if path is None:
        pytest.skip("no chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*FLAGS, *flags])
        yield browser
        browser.close()


@contextmanager
def opening(browser) -> Iterator:
    """Yields a function that opens a page in a new context; a script error fails the test.

    A page moves less by default, as without a GPU its drawings take half a core.
    """
    contexts, errors = [], []

    def open_page(at, reduced_motion="reduce", **options):
        contexts.append(browser.new_context(reduced_motion=reduced_motion, **options))
        contexts[-1].set_default_timeout(1000 * PATIENCE_S)
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(at)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


@contextmanager
def serving(log: Path, *options: str) -> Iterator[str]:
    """Runs `soundstage serve`; yields the address of its page."""
    port = free_port()
    # The server does not wait for pages that are open when a test ends.
    own = ("--port", str(port), "--drain", "0")
    command = [sys.executable, "-m", "soundstage", "serve", *own, *options]
    with log.open("wb") as out:
        server = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        await_ready(server, f"http://127.0.0.1:{port}/readyz", log)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()


def await_ready(server, address, log):
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        assert server.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.1)
    raise AssertionError(f"not ready after {PATIENCE_S} s:\n{log.read_text()}")


def hear(page, seconds, again=False):
    """Returns what the page plays next, float32 [sample, channel]; `again` restarts the music."""
    channels = page.evaluate("soundstage.conductor.format.channels")
    rate_hz = page.evaluate("soundstage.conductor.format.sample_rate_hz")
    samples = round(seconds * rate_hz) * channels
    page.evaluate(HEAR, [samples, again])
    return floats(page, "heard")[:samples].reshape(-1, channels)


def floats(page, blocks):
    """Returns the Float32Arrays of a JavaScript expression, concatenated."""
    coded = page.evaluate(f"({FLOATS})({blocks})")
    return np.frombuffer(base64.b64decode(coded), "<f4")


def until(page, expression):
    """Waits until a JavaScript expression is true; the page forbids Playwright's own method."""
    latest = time.monotonic() + PATIENCE_S
    while not page.evaluate(f"Boolean({expression})"):
        assert time.monotonic() < latest, f"{expression}: {page.evaluate(STATE)}"
        time.sleep(0.05)


def ready(page):
    """Waits until the page has a stream; returns the page."""
    until(page, "soundstage.conductor.started && soundstage.link.state === 'open'")
    return page


def play(page):
    """Starts playback, and waits until the page plays audio."""
    page.get_by_role("button", name="Play", exact=True).click()
    until(page, "soundstage.player.status.flowing")
