"""The files around the package agree with one another, and importing the package is cheap."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from sccore.utils.paths import ROOT

WEIGHTS = {"craft", "ppocr"}  # extras that only bring a detector's weights
NAMED = {"all"} | WEIGHTS  # extras without requirements of their own to check
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pins():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements():
    extras = PROJECT["optional-dependencies"]
    return PROJECT["dependencies"] + [r for name, extra in extras.items() if name not in NAMED for r in extra]


def test_environment_installs_what_the_makefile_installs():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert pip[0] == "-c constraints.txt"
    assert pip[1] == "-e .[all]" and "-c constraints.txt -e '.[all]'" in (ROOT / "Makefile").read_text(encoding="utf-8")
    (everything,) = PROJECT["optional-dependencies"]["all"]
    assert set(re.fullmatch(r"sccore\[([\w,]+)\]", everything)[1].split(",")) == set(PROJECT["optional-dependencies"]) - NAMED


def test_environment_has_a_python_that_the_package_allows():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    (python,) = [entry for entry in environment["dependencies"] if str(entry).startswith("python=")]
    minor = int(python.removeprefix("python=3."))
    low, high = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", PROJECT["requires-python"]).groups()
    assert int(low) <= minor < int(high)


@pytest.mark.parametrize("command", [("check",), ("format", "--check")], ids=lambda c: c[0])
def test_the_code_is_clean(command):
    result = subprocess.run(
        [sys.executable, "-m", "ruff", *command, *(ROOT / part for part in ("sccore", "tests", "benchmarks"))],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout


def test_the_types_of_the_public_names_agree():
    """mypy, with what [tool.mypy] says; every module that holds a public name is among its files, but the one that asks Pillow."""
    checked = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]["files"]
    homes = re.findall(r"^from \.([\w.]+) import", (ROOT / "sccore" / "__init__.pyi").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert {f"sccore/{home.replace('.', '/')}.py" for home in homes} - {"sccore/data/images.py"} <= set(checked)
    result = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_every_direct_dependency_is_pinned():
    pinned = {normal(name) for name in pins()}
    assert {normal(re.match(r"[\w.-]+", r)[0]) for r in requirements()} <= pinned


def test_pins_satisfy_the_requirements():
    from packaging.requirements import Requirement

    versions = {normal(name): version for name, version in pins().items()}
    for requirement in map(Requirement, requirements()):
        assert requirement.specifier.contains(versions[normal(requirement.name)]), requirement


def test_the_lowest_versions_can_be_installed_together():
    """What `make lowest` runs the quick tests with."""
    from packaging.requirements import Requirement

    uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if not uv:
        pytest.skip("uv is not installed")
    python = re.match(r">=([\d.]+)", PROJECT["requires-python"])[1]
    command = [uv, "pip", "compile", "--quiet", "--no-annotate", "--resolution", "lowest-direct", "--python-version", python]
    result = subprocess.run([*command, ROOT / "pyproject.toml"], capture_output=True, text=True)
    if re.search("error sending request|client error|dns error|timed out|offline", result.stderr, re.IGNORECASE):
        pytest.skip("no package index within reach")
    assert result.returncode == 0, result.stderr
    found = dict(line.split("==") for line in result.stdout.splitlines() if "==" in line and not line.startswith("#"))
    for requirement in map(Requirement, PROJECT["dependencies"]):
        (floor,) = [one.version for one in requirement.specifier if one.operator == ">="]
        assert f"{found[normal(requirement.name)]}.".startswith(f"{floor}."), requirement


def imported(folder):
    """Distributions that the Python files of a folder import, the standard library and the project left out."""
    packages = {
        "PIL": "pillow",
        "yaml": "pyyaml",
        "pytorch_msssim": "pytorch-msssim",
        "cv2": "opencv-python",
        "sklearn": "scikit-learn",
        "lazy_loader": "lazy-loader",
    }
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            found |= {name.split(".")[0] for name in names}
    return {packages.get(m, m) for m in found} - set(sys.stdlib_module_names) - {"sccore", *(path.stem for path in folder.glob("*.py"))}


def test_what_is_imported_is_declared():
    name = lambda requirement: normal(re.match(r"[\w.-]+", requirement)[0])
    core, everything = set(map(name, PROJECT["dependencies"])), set(map(name, requirements()))
    optional = {"click", "nbformat", "papermill"}  # _papermill.py, which papermill loads
    optional |= {"scikit-learn"}  # trains ASIQE-R
    optional |= {"craft_text_detector"}  # a detector for those who have it
    optional |= {"pytesseract", "rapidfuzz"}  # the reader and its errors
    assert imported(ROOT / "sccore") - core <= optional
    assert imported(ROOT / "tests") - everything <= {"nbformat"}  # of papermill and jupytext


def test_importing_sccore_is_light():
    code = "import sys, sccore, sccore.utils.paths, sccore.cli.notebook_parameters; print(sorted({'torch', 'numpy', 'pandas'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_results_are_read_without_torch():
    """Tables, pages of results and the state of the runs do without torch, which is slow to import."""
    names = ("results", "findings", "seeds", "tables_2_5", "table_1", "table_6", "prior_benefit", "short_trainings", "speed", "effort")
    code = f"""
import importlib, sys
for name in {names}:
    importlib.import_module("sccore.paper." + name)
from sccore.codecs import checkpoint_files
from sccore.training.suite import Suite, status
assert len(status(Suite({{}}))) and checkpoint_files.shipped()
print("torch" in sys.modules)"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"


def test_papermill_compiles_no_grammar_of_iris():
    """As it would at every start with later versions of jsonschema beside JupyterLab."""
    code = "import sys, papermill.cli; print('rfc3987_syntax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"


def test_version_is_one():
    import sccore

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert PROJECT["dynamic"] == ["version"]  # read from the package
    assert sccore.__version__ == citation["version"]
    assert f"## {sccore.__version__}\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_no_file_is_unpickled():
    calls = []
    for path in (ROOT / "sccore").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "import pickle" not in text, path
        calls += re.findall(r"\b(?:np|torch)\.load\((?:[^()]|\([^()]*\))*\)", text)
    assert calls and all("allow_pickle=False" in call or "weights_only=True" in call for call in calls), calls
