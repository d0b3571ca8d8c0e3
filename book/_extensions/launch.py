"""Links to Binder and Colab on the pages of notebooks, once the book is built in a checkout whose origin is public on GitHub.

Binder builds the environment of `environment.yml`; Colab opens the notebook alone, so the page says what to install there first.
"""

import re
import subprocess
from pathlib import Path

from docutils import nodes

BINDER = "https://mybinder.org/v2/gh/{place}/HEAD?labpath=notebooks/{name}.ipynb"
COLAB = "https://colab.research.google.com/github/{place}/blob/{branch}/notebooks/{name}.ipynb"
INSTALL = "!git clone --depth 1 https://github.com/{place} project && pip install -q -e 'project[all]'\n%cd project"


def git(folder, *command) -> str:
    """What a git command prints; nothing if it fails or there is no git."""
    try:
        return subprocess.run(["git", "-C", str(folder), *command], capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def place(address: str) -> str | None:
    """OWNER/NAME of a repository on GitHub, from any form of its address; None for all others."""
    found = re.fullmatch(r"(?:https://(?:[^@/]+@)?|ssh://git@|git@)github\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?", address)
    return found and found[1]


def find(app):
    """The checkout's origin and branch, once a build."""
    folder = Path(app.srcdir).parent
    app.launch_from = {"place": place(git(folder, "remote", "get-url", "origin"))}
    app.launch_from["branch"] = git(folder, "branch", "--show-current") or "main"


def add(app, doctree):
    """Links behind the first paragraph of a page that has a notebook; it says what the page is for."""
    name, source = app.env.docname.rpartition("/")[2], app.launch_from
    if not source["place"] or not (Path(app.srcdir).parent / "notebooks" / f"{name}.ipynb").exists():
        return
    line = nodes.paragraph(classes=["launch"])
    line += nodes.Text("Run this page: ")
    for number, (text, address) in enumerate({"Binder": BINDER, "Colab": COLAB}.items()):
        line += [nodes.Text(" or ")] * bool(number)
        line += nodes.reference("", text, refuri=address.format(name=name, **source))
    line += nodes.Text(". Colab opens the notebook alone. There, run this first:")
    install = INSTALL.format(**source)
    first = next(iter(doctree.findall(nodes.paragraph)))
    behind = first.parent.index(first) + 1
    first.parent[behind:behind] = [line, nodes.literal_block(install, install, language="none")]


def setup(app):
    app.connect("builder-inited", find)
    app.connect("doctree-read", add)
    return {"parallel_read_safe": True}
