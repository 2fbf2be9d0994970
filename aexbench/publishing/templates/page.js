// Sorting, choosing and pointing: the page is whole without it.
"use strict";

const value = (row, column) => {
  const cell = row.cells[column];
  return "order" in cell.dataset ? Number(cell.dataset.order) : cell.textContent.trim();
};

// Numbers before texts, and nothing last, whichever way a column is sorted.
const compare = (a, b, down) => {
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  const order = typeof a === "number" ? a - b : a.localeCompare(b);
  return down ? -order : order;
};

function sort(table, column) {
  const head = table.tHead.rows[0].cells[column];
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => ({ row, key: value(row, column) }));
  rows.sort((one, other) => compare(one.key, other.key, down));
  body.append(...rows.map(({ row }) => row));
}

function sortable(table) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const name = head.textContent.trim();
    if (!name) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    if (head.querySelector("a")) {
      button.setAttribute("aria-label", `sort by ${name}`);
      head.firstElementChild.append(" ", button);
    } else {
      button.append(...head.firstElementChild.childNodes);
      head.firstElementChild.append(button);
    }
    button.addEventListener("click", () => sort(table, column));
  });
}

const chosen = (form) => ({
  dataset: form.elements.dataset.value,
  corruption: form.elements.corruption.value,
  explainer: form.elements.explainer.value.trim().toLowerCase(),
});

const fits = (about, wanted) =>
  ["dataset", "corruption"].every((name) => !wanted[name] || !about[name] || about[name] === wanted[name]) &&
  (!about.explainer || about.explainer.toLowerCase().includes(wanted.explainer));

function filter(form) {
  const wanted = chosen(form);
  const rows = [...document.querySelectorAll("tbody tr")];
  for (const row of rows) row.hidden = !fits(row.dataset, wanted);
  for (const head of document.querySelectorAll("thead th[data-explainer]")) {
    const hidden = !fits(head.dataset, wanted);
    const column = head.cellIndex;
    for (const row of head.closest("table").rows) row.cells[column].hidden = hidden;
  }
  const groups = rows.filter((row) => row.dataset.dataset);
  const shown = groups.filter((row) => !row.hidden).length;
  const all = Object.values(wanted).every((one) => !one);
  form.querySelector("output").textContent = all
    ? ""
    : `${shown} of ${groups.length} groups are shown. Means, places and gains are still over all of them.`;
}

function filters(form) {
  for (const name of ["dataset", "corruption"]) {
    const rows = document.querySelectorAll(`tbody tr[data-${name}]`);
    const names = [...new Set([...rows].map((row) => row.dataset[name]))].sort();
    form.elements[name].append(...names.map((one) => new Option(one, one)));
  }
  form.hidden = false;
  form.addEventListener("input", () => filter(form));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => filter(form)));
}

// What a figure is in full, where one points at it or taps it.
function hints() {
  const box = document.createElement("div");
  box.id = "hint";
  box.setAttribute("role", "tooltip");
  box.hidden = true;
  document.body.append(box);
  const show = (event) => {
    const cell = event.target.closest && event.target.closest("td[title], th[title], [data-hint]");
    if (cell && cell.title) {
      cell.dataset.hint = cell.title;
      cell.removeAttribute("title");
    }
    box.hidden = !cell;
    if (!cell) return;
    box.textContent = cell.dataset.hint;
    const place = cell.getBoundingClientRect();
    box.style.left = `${Math.max(4, Math.min(place.left, innerWidth - box.offsetWidth - 4))}px`;
    const above = place.top - box.offsetHeight - 6;
    box.style.top = `${above > 4 ? above : place.bottom + 6}px`;
  };
  document.addEventListener("pointerover", show);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") box.hidden = true;
  });
  document.addEventListener("touchmove", () => (box.hidden = true), { passive: true });
}

document.querySelectorAll("table.sortable").forEach(sortable);
document.querySelectorAll("form.filters").forEach(filters);
hints();
