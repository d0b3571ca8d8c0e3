"""The rooms of the package and what each imports from the others, read from the code itself."""

import ast
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from sccore.paper.drawing.style import styled
from sccore.utils.paths import PACKAGE

ORDER = "utils", "", "data", "text", "codecs", "evaluation", "training", "paper", "cli"  # "": the paper's own files
MODULES = {
    ".".join(("sccore", *path.relative_to(PACKAGE).with_suffix("").parts)): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if not path.stem.startswith("__")
}


def room(module: str) -> str:
    """sccore.text.pages.render -> text; sccore.priors -> ""."""
    return module.split(".")[1] if module.count(".") > 1 else ""


def imports(path: Path) -> set[str]:
    """Modules of the project that a file imports, in functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "import_module":
            found |= {arg.value for arg in node.args if isinstance(arg, ast.Constant)}
    return found & MODULES.keys()


def graph() -> dict[str, set[str]]:
    """Module -> the modules that it imports."""
    return {name: imports(path) for name, path in MODULES.items()}


def between_rooms() -> np.ndarray:
    """How many imports go from each room of ORDER (row) to each (column)."""
    count = np.zeros((len(ORDER), len(ORDER)), int)
    for module, others in graph().items():
        for other in others:
            count[ORDER.index(room(module)), ORDER.index(room(other))] += 1
    return count


def contents() -> list[tuple[str, str, list[str]]]:
    """Of each room, in order: its name, what it says of itself, and its files."""
    said = lambda name: ast.get_docstring(ast.parse((PACKAGE / name / "__init__.py").read_text(encoding="utf-8"))).splitlines()[0]
    files = lambda name: [module.removeprefix("sccore.").removeprefix(f"{name}.") for module in MODULES if room(module) == name]
    own = "The paper's own files: the prior, the networks, what is coded, and the loss."
    return [(name or "(top level)", said(name) if name else own, files(name)) for name in ORDER]


@styled
def draw() -> Figure:
    """The matrix of :func:`between_rooms`; that nothing stands right of its diagonal is the order."""
    count, names = between_rooms(), [name or "top level" for name in ORDER]
    figure, axes = plt.subplots(figsize=(5.2, 4.0))
    shade = np.where(count, np.log1p(count) / np.log1p(count.max()) * 0.75 + 0.1, 0)
    axes.imshow(np.eye(len(names)), cmap="Greys", vmin=0, vmax=12)
    axes.imshow(np.ma.masked_equal(shade, 0), cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(count):
        axes.text(
            column, row, count[row, column], ha="center", va="center", color="white" if shade[row, column] > 0.6 else "0.1", fontsize=8
        )
    axes.set(xticks=range(len(names)), yticks=range(len(names)), xlabel="is imported", ylabel="imports")
    axes.set_xticklabels(names, rotation=45, ha="right")
    axes.set_yticklabels(names)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return figure
