"""The book's pages exist, what they include exists, and its numbers and equations come from one place each."""

import ast
import re
from functools import partial

import pytest
import yaml

from sccore.evaluation import bd_rate
from sccore.evaluation.records import common, complete, measured
from sccore.paper import findings, results
from sccore.paper import readme as made_anew
from sccore.paper.tables import MISSING, paper_numbers, table
from sccore.utils import paths
from sccore.utils.errors import InputError
from sccore.utils.paths import ROOT

BOOK = ROOT / "book"
TOC = yaml.safe_load((BOOK / "_toc.yml").read_text(encoding="utf-8"))
CHAPTERS = [chapter for part in TOC["parts"] for chapter in part["chapters"]]
PAGES = [TOC["root"], *(page["file"] for chapter in CHAPTERS for page in (chapter, *chapter.get("sections", ())))]


def text(page):
    return (BOOK / f"{page}.md").read_text(encoding="utf-8")


def test_every_page_is_in_the_contents_once():
    files = {p.relative_to(BOOK).with_suffix("").as_posix() for p in BOOK.rglob("*.md") if "_build" not in p.parts}
    assert sorted(PAGES) == sorted(files)


@pytest.mark.parametrize("page", PAGES)
def test_included_objects_exist(page):
    folder = (BOOK / page).parent
    for target, options in re.findall(r"```\{literalinclude\} (\S+)\n((?::.*\n)*)", text(page)):
        source = (folder / target).read_text(encoding="utf-8")
        for name in re.findall(r":pyobject: (\S+)", options):
            for part in name.split("."):
                assert re.search(rf"^\s*(?:class|def) {part}\b", source, flags=re.MULTILINE), f"{page}: {name} in {target}"
        for start in re.findall(r':(?:start-at|end-before): "(.+)"', options):
            assert start in source


@pytest.mark.parametrize("page", PAGES)
def test_links_between_pages_resolve(page):
    folder = (BOOK / page).parent
    for target in re.findall(r"\]\(([\w/.-]+\.md)\)", text(page)):
        assert (folder / target).exists(), f"{page} links to {target}"


def test_every_equation_of_the_paper_stands_once():
    tags = re.findall(r"\\tag\{(\d+)\}", "".join(map(text, PAGES)))
    assert sorted(map(int, tags)) == list(range(1, 12))


def sentences(markdown):
    """The sentences of a page without its code, links, tables' frames and marks."""
    prose = re.sub(r"(?ms)^ *(`{3,}).*?^ *\1$|^---$.*?^---$|<!--.*?-->|^\$\$.*?^\$\$|^:[\w:].*?$|^#.*?$", "\n\n", markdown)
    prose = re.sub(r"\$[^$]*\$", "x", prose)
    prose = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"<br>|\|", "\n\n", prose))
    blocks = re.split(r"(?m)^\s*(?:[-*]|\d+\.|:)\s|\n\s*\n", prose)
    return [sentence for block in blocks for sentence in re.split(r"(?<=[.?!])[*\")]*\s+", " ".join(block.split())) if sentence]


def long_ones(markdown, most=30):
    return [sentence for sentence in sentences(markdown) if len(re.findall(r"\w[\w.,'’%-]*", sentence)) > most]


def test_sentences_are_counted():
    assert sentences("# A\n\nOne two. Three [four](x.md)?\n\n```python\ncode. here.\n```\n\n- five\n- six | seven\n") == [
        "One two.",
        "Three four?",
        "five",
        "six",
        "seven",
    ]
    assert long_ones("word " * 31 + ".") and not long_ones("word " * 30 + ".")


@pytest.mark.parametrize("page", ["README", *(page for page in PAGES if not page.startswith("api/"))])
def test_prose_is_in_short_sentences(page):
    assert not long_ones((ROOT / "README.md").read_text(encoding="utf-8") if page == "README" else text(page))


def test_ten_findings_rest_on_records_and_they_and_the_verdicts_are_in_short_sentences(monkeypatch):
    monkeypatch.setattr(bd_rate, "compare", partial(bd_rate.compare, resamples=20))  # how sure a number is does not matter here
    ten = findings.findings()
    monkeypatch.setattr(findings, "findings", lambda: ten)  # they take seconds
    said = findings.page()
    assert re.findall(r"^(\d+)\. \*\*", said, flags=re.MULTILINE) == [str(k) for k in range(1, 11)]
    for found in ten:
        assert all(list(paths.RESULTS.glob(name)) for name in found.records) and f"{found.page}" in PAGES
        assert found.answer and found.doubt.endswith(".") and found.short.endswith(".")
        assert any(re.search(r"\([−+\d.]+ to [−+\d.]+\)|no BD-rate|\d %", line) for line in found.answer), "a number, or why there is none"
    shown = said, made_anew.findings(), results.verdicts({name: complete(measured(name)) for name in made_anew.SETS})
    assert not any(map(long_ones, shown))


def test_every_module_is_in_the_api():
    files = [path.relative_to(ROOT / "sccore") for path in (ROOT / "sccore").rglob("*.py") if not path.stem.startswith("__")]
    modules = {".".join(path.with_suffix("").parts) for path in files} - {"cli.parser", "cli.commands", "cli.papermill_engine"}
    found = {page: re.findall(r"automodule:: sccore\.([\w.]+)", text(page)) for page in PAGES if page.startswith("api/")}
    assert sorted(name for names in found.values() for name in names) == sorted(modules)
    room = lambda name: f"api/{name.split('.')[0] if '.' in name else 'core'}"
    assert not [(page, name) for page, names in found.items() for name in names if room(name) != page], "not on its room's page"


def test_the_architecture_page_says_where_everything_of_the_paper_is():
    rows = re.findall(r"^\| (.+?) \|.*\| `sccore/(\S+\.py)`, `([\w.]+)` \|", text("architecture"), flags=re.MULTILINE)
    shown = {what for row, *_ in rows for what in row.split(", ")}
    assert {f"Eq. {i}" for i in range(1, 12)} | {f"Table {i}" for i in range(1, 7)} | {f"Fig. {i}" for i in range(1, 11)} <= shown
    for what, file, name in rows:
        scope = ast.parse((ROOT / "sccore" / file).read_text(encoding="utf-8")).body
        for part in name.split("."):
            found = [node for node in scope if getattr(node, "name", "") == part]
            assert found, f"{what}: {name} in {file}"
            scope = getattr(found[0], "body", [])


def test_citations_are_in_the_bibliography():
    known = set(re.findall(r"^@\w+\{(\w+),", (BOOK / "references.bib").read_text(encoding="utf-8"), flags=re.MULTILINE))
    cited = {key for page in PAGES for keys in re.findall(r"\{cite(?::t)?\}`([^`]+)`", text(page)) for key in keys.split(",")}
    assert cited <= known and known - cited == set()


def test_the_papers_average_is_the_mean_of_its_columns():
    rows = paper_numbers()["table1"]["rows"]
    for name in ("BPG", "VVC", "cheng2020", "Ours"):  # those with a number for every data set
        *columns, average = rows[name]
        assert sum(columns) / len(columns) == pytest.approx(average, abs=0.06), name


def test_table():
    assert table(["a", "b"], [[1, None]]) == "| a | b |\n| --- | --- |\n| 1 | – |"


def record(codec, shift=0.0):
    rows = [
        {"name": name, "lmbda": lmbda, "bpp": bpp * 2**shift, "psnr": 30 + 4 * i + offset}
        for name, offset in zip("abcde", (0.0, 0.5, 0.0, 0.5, 0.25))
        for i, (lmbda, bpp) in enumerate([(0.0018, 0.1), (0.0035, 0.2), (0.0067, 0.4), (0.013, 0.8)])
    ]
    return {"codec": codec, "checkpoint": {"steps": 1000, "hours": 1.25}, "images": rows}


def test_comparison_of_what_is_recorded_and_what_is_missing(tmp_path, monkeypatch):
    from sccore.evaluation.records import save_record
    from sccore.utils import paths

    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    assert MISSING in results.comparison(measured())
    save_record(tmp_path / "samples/wacnn.json", record("wacnn"))
    save_record(tmp_path / "samples/sftip.json", record("sftip", shift=-1))
    shown = results.comparison(measured()).splitlines()
    assert "1,000 steps, 1.2 h | 0.100 – 0.800 | 30.25 – 42.25 | 0 |" in shown[2]
    assert "−50.0 % (−50.0 to −50.0)" in shown[3]  # half the bits at every quality
    assert MISSING in shown[4]


def test_unfinished_measurements_are_left_out_and_named(tmp_path, monkeypatch, capsys):
    from sccore.evaluation.records import save_record
    from sccore.utils import paths

    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    unfinished = record("sftip")
    unfinished["images"] = unfinished["images"][:4]
    save_record(tmp_path / "samples/wacnn.json", record("wacnn"))
    save_record(tmp_path / "samples/sftip.json", unfinished)
    assert set(complete(measured())["codec"]) == {"wacnn"}
    assert "sftip (1 of 5)" in capsys.readouterr().out
    assert complete(measured("nothing")).empty


def test_a_codec_on_some_of_the_images_is_compared_on_those(tmp_path, monkeypatch, capsys):
    """VTM on one image of five, at qualities instead of lambdas: named, kept out of the means, compared where it was measured."""
    from sccore.evaluation.records import save_record
    from sccore.paper.drawing import curves
    from sccore.utils import paths

    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    for codec, names, shift in (("bpg", "abcde", 0), ("vtm", "a", -1), ("vtm-scc", "ab", -2)):
        classical = record(codec, shift) | {"settings": f"of {codec}"}
        classical["images"] = [
            {**row, "quality": i % 4, "lmbda": None} for i, row in enumerate(classical["images"]) if row["name"] in names
        ]
        if codec == "vtm-scc":
            classical["images"].pop()  # killed before the last point of the last image
        save_record(tmp_path / f"samples/{codec}.json", classical)
    frame = measured()
    assert set(complete(frame)["codec"]) == {"bpg"}
    said = capsys.readouterr().out
    assert "vtm (1 of 5), vtm-scc (1 of 5)" in said
    shared = common(frame, ["bpg", "vtm", "vtm-scc"])
    assert set(shared["name"]) == {"a"} and len(shared) == 12
    assert common(frame, ["bpg", "jpeg"]).empty
    head, _, bpg, vtm, screen = results.classical(shared).splitlines()
    assert bpg == "| `bpg` | of bpg | 0.100 – 0.800 | 30.00 – 42.00 | 0 |" and "−50.0 %" in vtm and "−75.0 %" in screen
    with pytest.raises(InputError, match="not measured on the same images: bpg, vtm"):
        curves.rd_curves(frame)
    assert curves.rd_curves(shared).axes[0].get_legend().get_title().get_text() == "1 image"


def test_effort_counts_what_came_before():
    stage = {"steps": 500, "seconds": 1800}
    assert results.training_effort({"steps": 1000, "hours": 1.5}) == "1,000 steps, 1.5 h"
    assert results.training_effort({"steps": 1000, "hours": 1.5, "history": [stage, stage]}) == "2,000 steps, 2.5 h"
    assert results.training_effort({"file": "published.pth"}) is None


def test_readme_shows_the_records():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"<!-- {what}:{where} -->" in readme for what in ("findings", "results") for where in ("begin", "end"))
    assert readme == made_anew.with_results(readme), "run: python -m sccore.paper.readme"
    assert readme.count("\n") < 150, "it is read in a minute; the rest belongs into the book"


def test_readme_keeps_the_rest():
    begin, end = "<!-- results:begin -->", "<!-- results:end -->"
    made = made_anew.with_results(f"before\n{begin}\nSTALE\n{end}\nafter \\1")
    assert made.startswith("before\n") and made.endswith("\nafter \\1") and "STALE" not in made


def test_unreadable_records_are_not_hidden(tmp_path, monkeypatch):
    from sccore.utils import paths

    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples/a.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="a.json"):
        measured()
