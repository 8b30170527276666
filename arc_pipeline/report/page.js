"use strict";
// Sorting of tables by a click on a column, a choice of the dataset, pictures in full size, and links into what is folded. Without it the page is complete, but still.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const numeric = heading.classList.contains("number");
      const first = numeric ? "descending" : "ascending";
      const second = numeric ? "ascending" : "descending";
      const order = heading.ariaSort === first ? second : first;
      headings.forEach((each) => each.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", order);
      const key = (row) => {
        const text = row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
        return numeric ? parseFloat(text) : text;
      };
      const empty = (value) => value === "" || Number.isNaN(value);
      const sign = order === "ascending" ? 1 : -1;
      const rows = [...table.tBodies[0].rows].sort((one, other) => {
        const [a, b] = [key(one), key(other)];
        if (empty(a) || empty(b)) return empty(a) - empty(b);
        return sign * (numeric ? a - b : a.localeCompare(b, "en", { numeric: true }));
      });
      table.tBodies[0].append(...rows);
    });
  });
}

for (const table of document.querySelectorAll("table[data-filter]")) {
  const rows = [...table.tBodies[0].rows];
  const names = [...new Set(rows.map((row) => row.dataset.of))].sort();
  if (names.length < 2) continue;
  const choice = document.createElement("select");
  for (const [text, value] of [["all", ""], ...names.map((name) => [name, name])]) {
    choice.append(new Option(text, value));
  }
  choice.addEventListener("change", () => {
    for (const row of rows) row.hidden = choice.value !== "" && row.dataset.of !== choice.value;
  });
  const label = document.createElement("label");
  label.append(table.dataset.filter + " ", choice);
  table.parentElement.before(label);
}

const viewer = document.createElement("dialog");
viewer.className = "viewer";
viewer.innerHTML = '<form method="dialog"><a>download</a> <button>close</button></form><img>';
document.body.append(viewer);
for (const picture of document.querySelectorAll("figure img")) {
  const open = () => {
    const [link, shown] = [viewer.querySelector("a"), viewer.querySelector("img")];
    shown.src = link.href = picture.src;
    shown.alt = picture.alt;
    shown.className = picture.className;
    link.download = picture.alt.replace(/[^A-Za-z0-9_.-]+/g, "_").slice(0, 80) + ".png";
    viewer.showModal();
  };
  picture.tabIndex = 0;
  picture.setAttribute("role", "button");
  picture.addEventListener("click", open);
  picture.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      open();
    }
  });
}
viewer.addEventListener("click", (event) => event.target === viewer && viewer.close());

const unfold = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let each = target; each; each = each.parentElement) if (each.tagName === "DETAILS") each.open = true;
  target?.scrollIntoView();
};
addEventListener("hashchange", unfold);
unfold();
