"""The example notebook runs from top to bottom, and holds nothing but what somebody has written."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[1] / "docs"
NOTEBOOKS = sorted(DOCS.glob("**/*.ipynb"))


def cells(path: Path, kind: str) -> list[str]:
    """Return the sources of a notebook's cells of a kind."""
    found = json.loads(path.read_text())["cells"]
    return ["".join(cell["source"]) for cell in found if cell["cell_type"] == kind]


def run(code: str, names: dict[str, Any], where: str) -> Any:
    """Run a cell as a kernel does, and return the value of its last expression."""
    tree = ast.parse(code, where)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, where, "exec"), names)
    if last is None:
        return None
    assert isinstance(last, ast.Expr)
    return eval(compile(ast.Expression(last.value), where, "eval"), names)


def shown(path: Path) -> dict[str, Any]:
    """Return all that a notebook's code has made, and under numbers what its cells show."""
    names: dict[str, Any] = {"__name__": "__main__"}
    values = {
        str(place): run(code, names, f"{path.name}, cell {place}")
        for place, code in enumerate(cells(path, "code"))
    }
    return names | {place: value for place, value in values.items() if value is not None}


def test_the_example_runs_and_every_answer_shows_itself():
    found = shown(DOCS / "example.ipynb")
    html = [value._repr_html_() for place, value in found.items() if place.isdigit()]
    assert len(html) >= 6
    assert all("<t" in text for text in html)
    assert found["anomalies"].truth.sum() == len(found["anomalies"]) == 30
    assert found["detector"].report["validation_error"] < found["detector"].report["constant_error"]
    assert found["answer"].cause.sum() == 1
    assert set(found["own"].explainer) == {"residual", "lrp[root=joint]", "repair"}
    assert found["results"].complete
    assert [row.explainer for row in found["board"].rows if row.rank] != []
    assert found["explanation"][0].features
    assert found["audit"].explainer == "residual"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_hold_no_outputs_and_nothing_of_a_machine(path):
    notebook = json.loads(path.read_text())
    assert notebook["metadata"] == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook["cells"]:
        assert cell["metadata"] == {}
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
