"""Every page of the built book in a real browser: nothing breaks, nothing hangs out, no link leads nowhere."""

import functools
import http.server
import shutil
import threading
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest

from sccore.utils.paths import ROOT

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
HTML = ROOT / "book" / "_build" / "html"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PAGES = sorted(
    path.relative_to(HTML).as_posix() for path in HTML.rglob("*.html") if path.parts[len(HTML.parts)] not in ("_static", "_modules")
)
SOURCES = [path for path in (ROOT / "book").rglob("*.*") if "_build" not in path.parts]
STALE = bool(PAGES) and (HTML / PAGES[0]).stat().st_mtime < max(path.stat().st_mtime for path in SOURCES)
pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on the PATH"),
    pytest.mark.skipif(not PAGES, reason="the book is not built: jupyter-book build book"),
    pytest.mark.skipif(STALE, reason="the book is older than its sources: jupyter-book build book"),
]

WIDE = """() => [...document.querySelectorAll('body *')].filter(e => {
    if (!e.offsetParent || !e.innerText) return false;
    for (let p = e; p && p !== document.body; p = p.parentElement)
        if (/auto|scroll|hidden|clip/.test(getComputedStyle(p).overflowX)) return false;
    return e.getBoundingClientRect().right > innerWidth + 1;
}).slice(0, 3).map(e => e.tagName + '.' + e.className + ': ' + e.innerText.slice(0, 60))"""
BROKEN = "() => [...document.images].filter(i => i.loading !== 'lazy' && i.complete && !i.naturalWidth).map(i => i.src)"
LINKS = "() => [...document.querySelectorAll('a[href]')].map(a => a.href)"


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def site():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=str(HTML))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module", params=[(1280, "light"), (390, "dark")], ids=lambda p: f"{p[0]}-{p[1]}")
def page(request, chromium, site):
    """A page of this width and scheme that cannot reach the network."""
    width, scheme = request.param
    page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.route("**/*", lambda route: route.continue_() if route.request.url.startswith((site, "data:", "blob:")) else route.abort())
    page.said = []
    page.on("console", lambda message: message.type == "error" and "ERR_FAILED" not in message.text and page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    yield page
    page.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_stands_as_it_should(page, site, name):
    page.said.clear()
    page.goto(site + name, wait_until="load")
    page.wait_for_timeout(100)
    assert not page.said
    assert not page.evaluate(BROKEN)
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"] + 1, page.evaluate(WIDE)


def test_no_link_leads_nowhere(chromium, site):
    page = chromium.new_page(java_script_enabled=True)
    page.route("**/*", lambda route: route.continue_() if route.request.resource_type == "document" else route.abort())
    anchors, links = {}, {}
    for name in [name for name in PAGES if name != "index.html"]:  # which leads to the first page at once
        page.goto(site + name, wait_until="domcontentloaded")
        anchors[name] = set(page.evaluate("() => [...document.querySelectorAll('[id], a[name]')].map(e => e.id || e.name)"))
        links[name] = set(page.evaluate(LINKS))
    page.close()
    dead = []
    for name, found in links.items():
        for link in found:
            target, anchor = urldefrag(urljoin(site + name, link))
            if not target.startswith(site):
                continue
            path = unquote(urlsplit(target).path).lstrip("/") or "index.html"
            if not (HTML / path).exists():
                dead.append(f"{name}: {path}")
            elif anchor and path in anchors and unquote(anchor) not in anchors[path]:
                dead.append(f"{name}: {path}#{anchor}")
    assert not dead, "\n".join(sorted(dead))
