"""Pages are whole without network or script: structure, links, figures, and what must be known."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from aexbench import SkipError
from aexbench.board.leaderboard import leaderboard
from aexbench.plotting import looks
from aexbench.publishing import charts, data, figures, pictures, publish, verdicts
from aexbench.running.packed import open_store
from aexbench.running.store import Store
from aexbench.running.titles import AXES
from tests.aexbench.publishing.conftest import RESULTS
from tests.aexbench.publishing.html import Page, pages


@pytest.fixture(scope="session")
def board():
    return leaderboard(open_store(RESULTS / "quickstart"))


@pytest.fixture(scope="session")
def index(quickstart: Path) -> Page:
    return Page(quickstart / "index.html")


def only(found: list[Path]) -> Page:
    (path,) = found
    return Page(path)


def test_every_page_is_well_formed_and_named(quickstart):
    found = pages(quickstart)
    assert len(found) == 1 + 1 + 1 + 11 + 2, (
        "the index, how to read, the paper, explainers, data sets"
    )
    for page in found:
        assert page.faults == [], page.path
        assert page.tags[0] == ("html", {"lang": "en"})
        assert [page.count(tag) for tag in ("h1", "main", "header")] == [1, 1, 1]
        assert page.texts[[tag for tag, _ in page.texts].index("title")][1].endswith("aexbench")
        ids = page.values("id")
        assert len(ids) == len(set(ids)), page.path
        assert "width=device-width, initial-scale=1" in page.values("content")


def test_every_table_says_what_it_holds(quickstart):
    tables = [table for page in pages(quickstart) for table in page.tables]
    assert len(tables) > 30
    for page in pages(quickstart):
        for table in page.tables:
            assert table.caption.strip()
            assert set(table.scopes[0]) == {"col"}
            assert all(row[0] == "row" for row in table.scopes[1:])
            assert len({len(row) for row in table.rows}) == 1


def test_nothing_comes_from_elsewhere_and_nothing_runs_in_a_page(quickstart):
    for page in pages(quickstart):
        for tag, attributes in page.tags:
            assert not [name for name in attributes if name.startswith("on")], page.path
            for name in ("href", "src"):
                assert urlsplit(attributes.get(name, "")).scheme in ("", "data"), page.path
            assert tag != "script" or attributes["src"].endswith("assets/page.js")
        assert page.count("script") == 1
        assert not [data for tag, data in page.texts if tag in ("script", "style") and data.strip()]
    style = (quickstart / "assets" / "page.css").read_text()
    assert "url(" not in style
    assert "@import" not in style


def test_every_link_leads_somewhere_and_every_file_is_reached(quickstart):
    reached, anchors = {quickstart / "index.html"}, 0
    for page in pages(quickstart):
        for link in [*page.values("href"), *page.values("src")]:
            path, _, anchor = link.partition("#")
            if path.startswith("data:"):
                continue
            target = (page.path.parent / unquote(path)).resolve() if path else page.path
            assert target.is_file(), link
            reached.add(target)
            if anchor:
                anchors += 1
                assert anchor in Page(target).values("id"), link
    assert anchors > 10
    listed = quickstart / "files.json"
    assert {path for path in quickstart.rglob("*") if path.is_file()} - {listed} == reached


def test_the_main_table_is_the_board(index, board):
    main = index.tables[0]
    (section,) = board.sections
    assert main.column("explainer") == [row.explainer for row in section.rows]
    means = [f"{row.scores['recall'].mean:.2f}" for row in section.rows]
    assert [cell.split()[0] for cell in main.column("recall@1")] == means
    assert main.column("#")[:5] == ["1–2", "1–2", "3", "4–5", "4–5"]
    assert main.column("gain")[:2] == ["+0.06 [+0.03]", "-0.01 [-0.06]"]
    words = ["yes", *["not shown"] * 4, *["floor"] * 4, "the truth", "chance"]
    assert main.column("above") == words


def test_groups_are_rows_under_their_data_set_and_corruption(index, board):
    groups = next(table for table in index.tables if "by group" in table.caption)
    (section,) = board.sections
    assert groups.rows[0][:3] == ["data set", "corruption", "units"]
    assert groups.rows[0][3:] == [row.explainer for row in section.rows]
    assert groups.rows[1][:2] == ["all groups", ""]
    assert groups.caption == "recall@1 by group; in full: null[threshold=0.2]"
    named = [" / ".join(row[:2]) for row in groups.rows[2:]]
    assert named == [name.replace("[threshold=0.2]", "") for name in sorted(section.groups)]
    assert index.values("title").count("null[threshold=0.2]") == 2
    by_group = section.rows[1].by_group
    shown = [row[4].lstrip("·") for row in groups.rows[2:]]
    assert shown == [f"{by_group[name][0]:.2f}" for name in sorted(section.groups)]


def test_the_board_says_what_its_order_is_worth_before_it_shows_it(index):
    said = "hat the order by recall[top=truth] has predicted"
    assert index.text.index(said) < index.text.index("0.96 ±0.01")
    assert "lost 0.13 [0.05, 0.21] of it" in index.text


def test_the_board_says_how_it_was_run_and_how_to_add_ones_own(index):
    for text in (
        "1,080 ok", "aexbench run quickstart", "2.13.0+cpu",
        "Intel(R) Xeon(R) Processor, 2 cores, 1 threads",
        "null[threshold=0.2], random, adversarial", "aexbench check mine.py", "ROC-AUC",
        "a single dark pixel hardly moves the error of 64",
    ):  # fmt: skip
        assert text in index.text, text


def test_a_figure_is_in_full_for_whom_points_at_it(index):
    hints = index.values("title")
    assert "0.9620, 95 %: 0.9486 to 0.9754" in hints
    assert any(hint.startswith("repair: 0.98") and "over deviation" in hint for hint in hints)


def test_how_to_read_explains_the_floors_along_one_picture(quickstart):
    page = only(list((quickstart / "reading").iterdir()))
    assert page.count("svg") == 1
    order = ["random (floor), 0.02", "feature-prior (floor), 0.20", "deviation (floor), 0.78"]
    order += [
        "pca-residual (floor), 0.90",
        "repair (the best explainer), 0.96",
        "oracle (the truth), 1.00",
    ]
    places = [page.text.index(text) for text in order]
    assert places == sorted(places)
    for text in (
        "initial twin", "permuted twin", "loss-ablated", "has predicted",
        "root=joint] scores 0.90. Its best floor, pca-residual, scores 0.90",
        "repair scores 0.96", "Tukey", "the detector is not asked",
    ):  # fmt: skip
        assert text in page.text, text


def test_an_explainer_has_a_page_of_its_own(quickstart):
    page = only(list((quickstart / "explainers").glob("lrp-preset-paper-tabular-0*")))
    for text in (
        "Layer-wise relevance propagation of the reconstruction error",
        "Source: \"Unlocking Layer-wise Relevance Propagation for Autoencoders\"",
        "Best of 5 explainers in 0 of 6 groups.",
        "Below its best floor in 5 of 5 groups with units enough",
        "rows backward", "The rule of all other weighted layers",
    ):  # fmt: skip
        assert text in page.text, text
    parameters = next(table for table in page.tables if table.caption == "Parameters")
    assert ["preset", "paper-tabular", "null"] in [row[:3] for row in parameters.rows]
    groups = page.tables[-1]
    assert len(groups.rows) == 1 + 6
    assert groups.column("the best there")[0] == "0.98 repair"


def test_of_many_who_are_best_in_a_group_the_first_are_named():
    names = ("residual", "repair", "lrp", "saliency")
    cell = verdicts._best(verdicts.Standing("one", 0.5, 1.0, names, wins=False))
    assert cell.text == "1.00 residual, repair and 2 more"
    assert cell.hint == "residual, repair, lrp, saliency"
    cell = verdicts._best(verdicts.Standing("one", 0.5, 1.0, names[:2], wins=False))
    assert (cell.text, cell.hint) == ("1.00 residual, repair", "")


def test_a_data_set_has_its_licence_and_what_its_detectors_are_worth(quickstart):
    page = only(list((quickstart / "datasets").glob("digits-*")))
    for text in ("CC BY 4.0", "8 × 8 grey values", "0.93", "is packed and has no anomalies"):
        assert text in page.text, text
    anomalies = next(table for table in page.tables if table.caption == "Sets of anomalies")
    assert len(anomalies.rows) == 1 + 3 * 5
    assert set(anomalies.column("asked for")) == {"100"}


def test_a_store_that_holds_anomalies_shows_some(ran, tmp_path):
    publish([ran], tmp_path / "pages")
    page = only(list((tmp_path / "pages" / "datasets").iterdir()))
    (examples,) = (table for table in page.tables if "as the network sees" in table.caption)
    wrong = examples.column("what is wrong")
    assert len(wrong) == 4
    assert all(re.fullmatch(r"[\w/ ]+ -?[\d.e-]+ → -?[\d.e-]+", text) for text in wrong)


def test_charts_are_in_the_page_and_in_its_colours(index):
    assert index.count("svg") == 2
    drawn = [
        attributes[name]
        for tag, attributes in index.tags
        for name in ("fill", "stroke")
        if name in attributes and tag not in ("html",)
    ]
    assert "var(--ink)" in drawn
    assert not [colour for colour in drawn if colour.startswith("#")]
    labels = [a["aria-label"] for tag, a in index.tags if tag == "svg"]
    assert labels[0].startswith("ranks: quickstart")
    assert "recall@1: 0.962" in index.text, "a point says what it stands for"


def test_both_grounds_have_all_colours(quickstart):
    style = (quickstart / "assets" / "page.css").read_text()
    for look in (looks.LIGHT, looks.DARK):
        for name in charts.COLOURS:
            assert f"--{name}: {getattr(look, name)};" in style
    used = set(re.findall(r"var\(--(\w+)\)", style)) - {"shade", "head"}
    assert used <= set(charts.COLOURS)


def test_it_is_small_and_the_same_every_time(quickstart, tmp_path):
    publish([RESULTS / "quickstart"], tmp_path / "again")
    first, again = ({p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()}
                    for f in (quickstart, tmp_path / "again"))  # fmt: skip
    assert first == again
    assert sum(map(len, first.values())) < 2_000_000


def test_several_stores_have_a_board_each(tmp_path, monkeypatch):
    monkeypatch.setattr(charts, "inline", lambda *ignored: "No picture.")
    publish([RESULTS / "quickstart", RESULTS / "quickstart", RESULTS / "images"], tmp_path / "p")
    index = Page(tmp_path / "p" / "index.html")
    boards = [a["id"] for tag, a in index.tags if a.get("class") == "board"]
    assert len(set(boards)) == 3
    assert len(list((tmp_path / "p" / "data").iterdir())) == 3
    assert len(list((tmp_path / "p" / "reading").iterdir())) == 3
    names = {path.stem for path in (tmp_path / "p" / "explainers").iterdir()}
    deviation = only(list((tmp_path / "p" / "explainers").glob("deviation-*")))
    assert len([name for name in names if name.startswith("deviation-")]) == 1
    assert [text for text in ("images: Labels", "quickstart: Injected") if text in deviation.text]
    assert deviation.text.count("quickstart: Injected causes") == 2


def test_without_altair_there_is_no_picture_and_the_page_says_so(ran, tmp_path, monkeypatch):
    def missing(name: str, extra: str = "") -> None:
        raise SkipError(f"this needs the package {name}: pip install 'aexbench[{extra}]'")

    monkeypatch.setattr(charts.drawing, "optional", missing)
    publish([ran], tmp_path / "pages")
    index = Page(tmp_path / "pages" / "index.html")
    assert index.count("svg") == 0
    assert "No picture: this needs the package altair: pip install 'aexbench[plots]'" in index.text
    assert index.tables


def test_without_pyarrow_there_is_no_parquet_and_the_page_says_so(ran, tmp_path, monkeypatch):
    def missing(name: str, extra: str = "") -> None:
        raise SkipError(f"this needs the package {name}")

    monkeypatch.setattr(charts, "inline", lambda *ignored: "No picture.")
    monkeypatch.setattr(data, "optional", missing)
    publish([ran], tmp_path / "pages")
    assert not list((tmp_path / "pages").rglob("*.parquet"))
    text = Page(tmp_path / "pages" / "index.html").text
    assert "There is no Parquet: whoever published this had no pyarrow" in text


def test_heat_maps_stand_on_the_pages_of_explainers_and_anomalies_on_those_of_data_sets(
    images, tmp_path
):
    publish([images], tmp_path / "pages")
    for name in ("residual", "saliency"):
        page = only(list((tmp_path / "pages" / "explainers").glob(f"{name}-*")))
        (picture,) = (a for tag, a in page.tags if tag == "img")
        assert picture["alt"].startswith(f"What {name} points at")
        path = (page.path.parent / picture["src"]).resolve()
        assert path.read_bytes().startswith(b"\x89PNG")
    assert Page(tmp_path / "pages" / "index.html").count("img") == 0
    assert only(list((tmp_path / "pages" / "datasets").iterdir())).count("img") == 1
    assert len(list((tmp_path / "pages" / pictures.FOLDER).iterdir())) >= 3


def test_pages_call_things_by_their_titles_and_name_explainers_beside(images, tmp_path):
    store, called = (
        Store(images),
        {"explainer": "error map", "dataset": "grey", "corruption": "dirt"},
    )
    records = [r for r in store.records()[0] if r.cell.explainer.name == "residual"]
    parts = records[0].cell.parts
    own = {axis: {parts[part].key: called[part]} for axis, part in AXES.items() if part in called}
    ((suite, _),) = store.plans()
    store.write_plan({**suite, "titles": own}, [record.cell for record in store.records()[0]])
    publish([images], tmp_path / "pages")
    index = Page(tmp_path / "pages" / "index.html")
    assert sorted(index.tables[0].column("explainer")) == ["error map (residual)", "saliency"]
    residual = only(list((tmp_path / "pages" / "explainers").glob("residual-*")))
    assert ("h1", "error map (residual)") in residual.texts
    (picture,) = (a["alt"] for tag, a in residual.tags if tag == "img")
    assert picture.startswith("What error map points at, below each anomaly: grey / dirt, seed 0")
    data = only(list((tmp_path / "pages" / "datasets").iterdir()))
    assert data.count("img") == 1
    assert data.tables[-1].column("corruption")[0] == "dirt"
    saliency = only(list((tmp_path / "pages" / "explainers").glob("saliency-*")))
    said = [text for _, text in saliency.texts if "residual" in text]
    assert [text for text in said if not text.startswith("aexbench run")] == []  # its example


def test_who_has_no_floors_is_not_above_them(images, tmp_path, monkeypatch):
    monkeypatch.setattr(charts, "inline", lambda *ignored: "No picture.")
    publish([images], tmp_path / "pages")
    main = Page(tmp_path / "pages" / "index.html").tables[0]
    assert main.column("above") == ["no floors", "no floors"]
    page = only(list((tmp_path / "pages" / "explainers").glob("saliency-*")))
    assert "every floor" not in page.text


def test_a_picture_of_too_many_rows_is_left_out(board, monkeypatch):
    monkeypatch.setattr(charts, "MOST_ROWS", 3)
    said = charts.inline("ranks", board, board.sections[0], "name")
    assert said == "No picture: 11 rows are too many to be read in one."


@pytest.mark.parametrize(
    ("found", "text"),
    [(0.25, "250.00 ms"), (2.0, "2.0 s"), (None, "")],
)
def test_times_are_short(found, text):
    assert figures.seconds(found).text == text


def test_the_command_says_where_to_look(aexbench_cli, ran, tmp_path, monkeypatch):
    monkeypatch.setattr(charts, "inline", lambda *ignored: "No picture.")
    outcome = aexbench_cli("publish", ran, "--to", tmp_path / "pages")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == f"{tmp_path / 'pages' / 'index.html'}\n"
    outcome = aexbench_cli("publish", tmp_path / "none", "--to", tmp_path / "other")
    assert outcome.code == 2
    assert "is no store" in outcome.err
    assert not (tmp_path / "other").exists()
