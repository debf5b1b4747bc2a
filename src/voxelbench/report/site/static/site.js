// Theme, sorting and filters. Everything can be read without this file.
(() => {
  "use strict";

  const root = document.documentElement;

  // ---- theme: as the system has it, until a reader chooses -------------------------------------------------------
  // A browser may keep nothing for pages of the file system; then a choice lasts for one page.
  const remembered = {
    get() { try { return localStorage.getItem("voxelbench-theme"); } catch { return null; } },
    set(theme) { try { localStorage.setItem("voxelbench-theme", theme); } catch { /* kept for this page alone */ } },
  };
  const systemIsDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme || (systemIsDark.matches ? "dark" : "light")) === "dark";
  const chosen = remembered.get();
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;

  function setUpTheme() {
    const button = document.getElementById("site-theme");
    const show = () => button.setAttribute("aria-pressed", String(isDark()));
    button.hidden = false;
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      remembered.set(root.dataset.theme);
      show();
    });
    systemIsDark.addEventListener("change", show);
    show();
  }

  // ---- sorting: a button in every header; empty cells last in either direction ------------------------------------
  // A cell that shows more than its number has the number in data-v.
  const cellKey = (row, header) => {
    const cell = row.cells[header.cellIndex];
    const text = cell.dataset.v ?? cell.textContent.trim();
    return header.classList.contains("n") && text !== "" ? Number.parseFloat(text) : text;
  };

  function compare(a, b, sign) {
    if (a === "" || b === "") return (a === "") - (b === "");
    if (typeof a === "number" && typeof b === "number") return sign * (a - b);
    return sign * String(a).localeCompare(String(b), "en", { numeric: true });
  }

  function sortBy(table, header, direction) {
    const sign = direction === "descending" ? -1 : 1;
    const rows = [...table.tBodies[0].rows].map((row) => [cellKey(row, header), row]);
    rows.sort(([a], [b]) => compare(a, b, sign));
    table.tBodies[0].append(...rows.map(([, row]) => row));
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", direction);
  }

  function setUpSorting(table, changed) {
    for (const header of table.tHead.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      header.append(button);
      button.addEventListener("click", () => {
        const first = header.classList.contains("n") ? "descending" : "ascending";
        const other = first === "ascending" ? "descending" : "ascending";
        sortBy(table, header, header.getAttribute("aria-sort") === first ? other : first);
        changed();
      });
    }
  }

  // ---- filters: one select a column; the state is the page's hash, so that a link shares it -----------------------
  function setUpFilters(form, table) {
    const headers = [...table.tHead.rows[0].cells];
    const selects = [...form.querySelectorAll("select")];
    const indexOf = (key) => headers.findIndex((header) => header.dataset.key === key);
    const text = (row, key) => row.cells[indexOf(key)].textContent.trim().split(/\s/)[0];
    for (const select of selects) {
      const values = new Set([...table.tBodies[0].rows].map((row) => text(row, select.name)));
      for (const value of [...values].sort()) select.add(new Option(value, value));
    }

    function apply() {
      const rows = [...table.tBodies[0].rows];
      for (const row of rows) {
        row.hidden = selects.some((select) => select.value && text(row, select.name) !== select.value);
      }
      const n = rows.filter((row) => !row.hidden).length;
      form.querySelector("output").textContent = `${n} of ${rows.length} cells`;
    }

    function write() {
      const state = new URLSearchParams();
      for (const select of selects) if (select.value) state.set(select.name, select.value);
      const sorted = headers.find((header) => header.hasAttribute("aria-sort"));
      if (sorted) state.set("sort", `${sorted.dataset.key} ${sorted.getAttribute("aria-sort")}`);
      history.replaceState(null, "", `#${state}`);
    }

    function read() {
      if (!location.hash.includes("=")) return; // the hash of a link within the page
      const state = new URLSearchParams(location.hash.slice(1));
      for (const select of selects) {
        const value = state.get(select.name) ?? "";
        select.value = [...select.options].some((option) => option.value === value) ? value : "";
      }
      const [key, direction] = (state.get("sort") ?? "").split(" ");
      const header = headers[indexOf(key)];
      if (header) sortBy(table, header, direction === "descending" ? "descending" : "ascending");
    }

    form.addEventListener("change", () => { apply(); write(); });
    form.addEventListener("reset", () => setTimeout(() => { apply(); write(); }));
    addEventListener("hashchange", () => { read(); apply(); });
    setUpSorting(table, write);
    read();
    apply();
    form.hidden = false;
  }

  addEventListener("DOMContentLoaded", () => {
    setUpTheme();
    const form = document.getElementById("site-filters");
    const filtered = form && document.getElementById("site-cells");
    if (filtered) setUpFilters(form, filtered);
    for (const table of document.querySelectorAll("table[data-sortable]")) {
      if (table !== filtered) setUpSorting(table, () => {});
    }
  });
})();
