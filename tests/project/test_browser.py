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
CUT = """() => [...document.querySelectorAll('.bd-article pre')].filter(e => e.offsetParent && e.scrollWidth > e.clientWidth + 1)
    .map(e => e.innerText.slice(0, 60))"""
TABLES = """() => [...document.querySelectorAll('.bd-article table')].filter(t => {
    if (!t.offsetParent) return false;
    const column = t.closest('.cell_output, .pst-scrollable-table-container, div.wide') || t.parentElement;
    return t.scrollWidth > column.clientWidth + 1;
}).map(t => t.innerText.slice(0, 60))"""
BOXES = """() => [...document.querySelectorAll('.text_html:has(.rd, .slider, .gallery, .traced)')].filter(e =>
    getComputedStyle(e).backgroundColor !== 'rgba(0, 0, 0, 0)').length"""
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


@pytest.fixture(scope="module", params=(1280, 390))
def page(request, chromium, site):
    """A page of this width that cannot reach the network."""
    page = chromium.new_page(viewport={"width": request.param, "height": 900})
    page.set_default_timeout(120_000)  # a busy machine takes long
    page.route("**/*", lambda route: route.continue_() if route.request.url.startswith((site, "data:", "blob:")) else route.abort())
    page.said = []
    page.on("console", lambda message: message.type == "error" and "ERR_FAILED" not in message.text and page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    yield page
    page.close()


@pytest.mark.parametrize("name", [name for name in PAGES if name != "index.html"])  # which leads to the first page at once
def test_a_page_stands_as_it_should(page, site, name):
    page.said.clear()
    page.goto(site + name, wait_until="load")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(f"document.documentElement.dataset.theme === '{scheme}'")
        assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"] + 1, page.evaluate(WIDE)
        assert not page.evaluate(BOXES) or scheme == "light", "a light box in the dark"
    assert not page.said
    assert not page.evaluate(BROKEN)
    assert not page.evaluate(CUT)
    if page.viewport_size["width"] > 1000:  # on a phone a table scrolls inside its column
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = !one.classList.contains('trace')")
        assert not page.evaluate(TABLES)


def test_no_link_leads_nowhere(chromium, site):
    page = chromium.new_page(java_script_enabled=True)
    page.set_default_timeout(120_000)
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


def test_curves_answer_to_pointer_boxes_and_clicks(page, site):
    page.goto(site + "intro.html", wait_until="load")
    plot = page.locator(".rd").first
    said = plot.locator("output").inner_text()
    plot.scroll_into_view_if_needed()
    point = plot.locator("g.curve[data-curve=avif] circle").first.bounding_box()
    middle = point["x"] + point["width"] / 2, point["y"] + point["height"] / 2
    page.mouse.move(*middle)
    shown = plot.locator("output").inner_text()
    assert shown != said and shown.startswith("AVIF, quality") and "dB" in shown
    assert not plot.locator("img").count()
    page.mouse.click(*middle)
    assert plot.locator("img").get_attribute("src").startswith("data:image/webp") and plot.locator("img").is_visible()
    plot.locator("input[data-curve=avif]").click()
    assert not plot.locator("g.curve[data-curve=avif]").is_visible() and plot.locator("g.curve[data-curve=jpeg]").is_visible()
    letters = plot.locator("svg text").first.bounding_box()["height"]
    assert letters > 9  # pixels, on a phone too


def test_curves_are_whole_without_scripts(chromium, site):
    page = chromium.new_page(viewport={"width": 390, "height": 900}, java_script_enabled=False)
    page.goto(site + "intro.html", wait_until="domcontentloaded")
    assert page.locator(".rd polyline").count() >= 5 and page.locator(".rd circle title").count() >= 20
    assert page.locator(".rd svg").first.is_visible()
    page.close()


@pytest.mark.parametrize(
    "name", ["prior.html", "entropy.html", "experiments/figure-8.html", "experiments/figure-4.html", "experiments/explore.html"]
)
def test_the_border_moves_and_the_lists_choose(page, site, name):
    page.goto(site + name, wait_until="load")
    slider = page.locator(".slider").first
    border = slider.locator("input[type=range]")
    border.focus()
    page.keyboard.press("ArrowRight")
    at = slider.locator(".frame").evaluate("e => e.style.getPropertyValue('--at')")
    assert at == f"{float(border.input_value()):g}%" and at != "50%"
    right = slider.locator("select[data-side=right]")
    chosen = right.locator("option").all_inner_texts()[1]
    right.select_option(chosen)
    assert slider.locator("img.right").get_attribute("data-name") == chosen
    note = right.evaluate("e => e.selectedOptions[0].dataset.note")
    assert slider.locator("span.right").inner_text() == note
    for side in ("left", "right"):
        text = slider.locator(f"span.{side}")
        assert text.evaluate("e => e.scrollWidth <= e.clientWidth + 1")  # its numbers are not cut


def test_a_gallery_is_large_enough_to_see_artefacts(page, site):
    page.goto(site + "experiments/figure-8.html", wait_until="load")
    gallery = page.locator(".gallery").first
    pictures = gallery.locator("img")
    assert pictures.count() >= 5
    assert all(pictures.nth(i).bounding_box()["width"] >= 300 for i in range(pictures.count()))


def test_folded_tables_open(page, site):
    page.goto(site + "results.html", wait_until="load")
    folded = page.locator("details.sd-dropdown").first
    table = folded.locator("table").first
    assert not table.is_visible()
    folded.locator("summary").click()
    assert table.is_visible()


def test_a_number_opens_its_record(page, site):
    page.goto(site + "experiments/table-1.html", wait_until="load")
    number = page.locator("table.traced details.trace").nth(3)
    number.locator("summary").click()
    box = number.locator("> div")
    assert box.is_visible() and "sha256" in box.inner_text()
    assert box.bounding_box()["x"] >= 0 and box.bounding_box()["width"] <= page.viewport_size["width"]
