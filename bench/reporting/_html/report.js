"use strict";

// Sorts and filters the table of cases, and keeps what was chosen in the page's address, so that a link shows the same.
(function () {
  const table = document.getElementById("case-table");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const headers = Array.from(table.tHead.rows[0].cells);
  const keys = headers.map((header) => header.dataset.key);
  const filters = Array.from(document.querySelectorAll("#filters select"));
  const status = document.getElementById("table-status");
  let sortedBy = "";
  let descending = false;

  const text = (row, column) => row.cells[column].textContent.trim();

  function compare(column) {
    const isNumber = headers[column].classList.contains("number");
    return function (one, other) {
      if (!isNumber) return text(one, column).localeCompare(text(other, column), "en", { numeric: true });
      return Number(one.cells[column].dataset.value) - Number(other.cells[column].dataset.value);
    };
  }

  function sorted() {
    const column = keys.indexOf(sortedBy);
    if (column < 0) return rows;
    // Cells without a figure stay at the end whichever way the others go.
    const isNumber = headers[column].classList.contains("number");
    const isEmpty = (row) => (isNumber ? row.cells[column].dataset.value === undefined : text(row, column) === "");
    const filled = rows.filter((row) => !isEmpty(row)).sort(compare(column));
    return (descending ? filled.reverse() : filled).concat(rows.filter(isEmpty));
  }

  function isShown(row) {
    return filters.every((select) => !select.value || text(row, keys.indexOf(select.dataset.key)) === select.value);
  }

  function describe(numShown) {
    const header = headers[keys.indexOf(sortedBy)];
    const order = sortedBy && header ? ", sorted by " + header.textContent.trim() + (descending ? ", largest first" : "") : "";
    status.textContent = numShown + " of " + rows.length + " shown" + order;
  }

  function show() {
    let numShown = 0;
    for (const row of rows) {
      row.hidden = !isShown(row);
      numShown += row.hidden ? 0 : 1;
      if (row.dataset.detail) document.getElementById(row.dataset.detail).hidden = row.hidden;
    }
    body.append(...sorted());
    headers.forEach(function (header, column) {
      if (keys[column] === sortedBy) header.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else header.removeAttribute("aria-sort");
    });
    describe(numShown);
  }

  function remember() {
    const chosen = new URLSearchParams();
    if (sortedBy) chosen.set("sort", sortedBy);
    if (descending) chosen.set("order", "descending");
    for (const select of filters) if (select.value) chosen.set(select.dataset.key, select.value);
    history.replaceState(null, "", "#" + (chosen.toString() || "cases"));
  }

  function choose() {
    show();
    remember();
  }

  // The first press sorts upwards, the second downwards, the third gives the order of the plan back.
  function press(key) {
    if (sortedBy !== key) [sortedBy, descending] = [key, false];
    else if (!descending) descending = true;
    else [sortedBy, descending] = ["", false];
    choose();
  }

  function follow() {
    const target = document.getElementById(location.hash.slice(1));
    if (target && target.tagName === "DETAILS") {
      target.hidden = false; // a filter may have hidden it, and somebody wants to see it
      target.open = true;
      target.scrollIntoView();
      return;
    }
    const chosen = new URLSearchParams(location.hash.slice(1));
    if (target || !Array.from(chosen.values()).some(Boolean)) return;
    sortedBy = chosen.get("sort") || "";
    descending = chosen.get("order") === "descending";
    for (const select of filters) {
      select.value = chosen.get(select.dataset.key) || "";
      if (select.selectedIndex < 0) select.value = "";
    }
    show();
  }

  for (const header of headers) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = header.textContent;
    button.addEventListener("click", () => press(header.dataset.key));
    header.replaceChildren(button);
  }
  for (const select of filters) select.addEventListener("change", choose);
  if (filters.length) {
    document.getElementById("filters").hidden = false;
    document.getElementById("filters-reset").addEventListener("click", function () {
      for (const select of filters) select.value = "";
      [sortedBy, descending] = ["", false];
      choose();
    });
  }
  window.addEventListener("hashchange", follow);
  show();
  follow();
})();
