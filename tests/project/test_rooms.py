"""The rooms of the package stand in an order, and each imports from those before it alone; no file imports itself in a circle."""

import ast

import pytest

from sccore.paper.drawing.import_graph import MODULES, ORDER, between_rooms, draw, graph, room

GRAPH = graph()


def test_a_room_imports_from_those_before_it():
    assert {room(name) for name in MODULES} == set(ORDER)
    wrong = [f"{a} imports {b}" for a in GRAPH for b in GRAPH[a] if ORDER.index(room(b)) > ORDER.index(room(a))]
    assert not wrong, "\n".join(sorted(wrong))
    count = between_rooms()
    assert count.sum() == sum(map(len, GRAPH.values())) and (count[1:].sum(1) > 0).all() and len(draw().axes[0].texts) == (count > 0).sum()


def test_the_innermost_rooms_stand_alone():
    """Rendered pages and the quality index need nothing but the utilities; drawing knows no table and no figure."""
    for inner, allowed in (("sccore.text.pages", ("sccore.utils",)), ("sccore.evaluation.asiqe", ("sccore.utils",))):
        outside = {b for a in GRAPH if a.startswith(f"{inner}.") for b in GRAPH[a] if not b.startswith((f"{inner}.", *allowed))}
        assert not outside, outside
    drawing = {b for a in GRAPH if a.startswith("sccore.paper.drawing.") for b in GRAPH[a] if room(b) == "paper" and ".drawing." not in b}
    assert not drawing, drawing


def test_no_file_imports_itself_in_a_circle():
    state: dict[str, int] = {}

    def visit(name: str, way: list[str]):
        assert state.get(name) != 1, " -> ".join([*way[way.index(name) :], name])
        if name not in state:
            state[name] = 1
            for other in sorted(GRAPH[name]):
                visit(other, [*way, name])
            state[name] = 2

    for name in GRAPH:
        visit(name, [])


@pytest.mark.parametrize("library, before", [("compressai", "late_compressai"), ("torchvision", "torchvision_ops")])
def test_libraries_are_imported_behind_what_lets_them_be(library, before):
    """Whichever file is imported first; see sccore.utils.late_compressai and sccore.utils.torchvision_ops."""
    from_it = lambda node: isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == library
    needy = {name for name, path in MODULES.items() if any(map(from_it, ast.parse(path.read_text(encoding="utf-8")).body))}
    bare = {name for name in needy if f"sccore.utils.{before}" not in {name, *GRAPH[name]}}
    assert len(needy) > 1 and not bare, bare
