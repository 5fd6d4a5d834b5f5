"""Drives Debian's chromium through its DevTools protocol, over a pipe: pages as a user meets them.

    with Browser(folder) as browser:
        page = browser.open(path)
        page.run("document.title")        # the value of an expression, promises awaited
        page.press("ArrowRight")          # real input
        page.console                      # what the page complained about
"""
import base64
import json
import os
import pathlib
import select
import shutil
import subprocess
import time

ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--force-color-profile=srgb",
    "--remote-debugging-pipe", "--window-size=1280,900",
]
KEYS = {  # DOM name: (Windows key code, text)
    "ArrowLeft": (37, ""), "ArrowUp": (38, ""), "ArrowRight": (39, ""), "ArrowDown": (40, ""), "Home": (36, ""),
    "End": (35, ""), "PageUp": (33, ""), "PageDown": (34, ""), "Enter": (13, "\r"), "Escape": (27, ""),
    "Tab": (9, ""), " ": (32, " "),
}


def find():
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """One process; call() sends a command and waits for its answer, events are kept on the way."""

    def __init__(self, folder, deadline=30):
        self.deadline = deadline
        self.events = []
        self.number = 0
        self.unread = b""
        commands, self.to = os.pipe()
        self.answers, results = os.pipe()

        def move():  # chromium reads commands from 3 and writes to 4
            os.dup2(commands, 13)
            os.dup2(results, 14)
            os.dup2(13, 3)
            os.dup2(14, 4)

        self.process = subprocess.Popen(
            [find(), *ARGUMENTS, f"--user-data-dir={folder}/chromium", "about:blank"], preexec_fn=move,
            close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": str(folder)})
        os.close(commands)
        os.close(results)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.to)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.answers)

    def read(self, until):
        while b"\0" not in self.unread:
            ready, _, _ = select.select([self.answers], [], [], max(0, until - time.monotonic()))
            more = os.read(self.answers, 1 << 20) if ready else b""
            if not more:
                raise TimeoutError("chromium does not answer")
            self.unread += more
        message, _, self.unread = self.unread.partition(b"\0")
        return json.loads(message)

    def call(self, method, session=None, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + self.deadline
        while True:
            answer = self.read(until)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def open(self, path, **look):
        return Page(self, path, **look)


class Page:
    def __init__(self, browser, path, width=1280, height=900, dark=False, script=True, still=False):
        self.browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 600)
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        if still:
            features.append({"name": "prefers-reduced-motion", "value": "reduce"})
        self.call("Emulation.setEmulatedMedia", features=features)
        if not script:
            self.call("Emulation.setScriptExecutionDisabled", value=True)
        self.call("Page.navigate", url=pathlib.Path(path).resolve().as_uri())
        self.wait_for_event("Page.loadEventFired")

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def events(self, method):
        return [e["params"] for e in self.browser.events if e.get("method") == method and e.get("sessionId") == self.session]

    def wait_for_event(self, method):
        until = time.monotonic() + self.browser.deadline
        while not self.events(method):
            self.browser.events.append(self.browser.read(until))

    @property
    def console(self):
        """Errors, warnings and violations of the policy, as text."""
        self.run("0")
        logged = [e["entry"]["text"] for e in self.events("Log.entryAdded")]
        thrown = [e["exceptionDetails"].get("exception", {}).get("description", "?") for e in self.events("Runtime.exceptionThrown")]
        return logged + thrown

    def run(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"].get("exception", {}).get("description", str(result)))
        return result["result"].get("value")

    def settle(self):
        """Until two frames were drawn: what input caused is done."""
        self.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def wait_for(self, selector):
        """Until an element fits: lists are filled when they come into view."""
        until = time.monotonic() + self.browser.deadline
        while not self.run(f"!!document.querySelector({json.dumps(selector)})"):
            if time.monotonic() > until:
                raise TimeoutError(f"no element '{selector}'")
            self.settle()

    def press(self, key):
        code, text = KEYS[key]
        common = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)
        self.settle()

    def click(self, selector):
        """A real click in the middle of the first element that fits."""
        x, y = self.run(f"""(() => {{
            const element = document.querySelector({json.dumps(selector)});
            element.scrollIntoView({{ block: "center", behavior: "instant" }});
            const box = element.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }})()""")
        self.settle()
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        self.settle()

    def enter(self, selector, value):
        """Gives a field or slider a value, as input does."""
        self.run(f"""(() => {{
            const element = document.querySelector({json.dumps(selector)});
            element.value = {json.dumps(value)};
            for (const kind of ["input", "change"]) element.dispatchEvent(new Event(kind, {{ bubbles: true }}));
        }})()""")
        self.settle()

    def screenshot(self, path, whole=False):
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        pathlib.Path(path).write_bytes(base64.b64decode(data))
