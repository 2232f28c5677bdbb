// report.js - what a report does beyond being read: tables sorted by a header, numbers of charts and
// attention maps at the pointer. Without it nothing is missing but these.
"use strict";
(() => {
  const svgName = "http://www.w3.org/2000/svg";
  const make = (tag, text) => {
    const e = document.createElement(tag);
    if (text !== undefined) e.textContent = text;
    return e;
  };

  // ---- tables ----
  const keyOf = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.v !== undefined ? Number(cell.dataset.v) : cell.tagName === "TH" ? cell.textContent.trim() : NaN;
  };
  const order = (a, b) => {
    if (typeof a === "string") return a.localeCompare(b);
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
    return a - b;
  };
  const sortBy = (header) => {
    const table = header.closest("table"), body = table.tBodies[0], column = header.cellIndex;
    const down = header.getAttribute("aria-sort") === "ascending";
    for (const h of table.tHead.rows[0].cells) h.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...body.rows].map((row) => [keyOf(row, column), row]);
    rows.sort(([a], [b]) => (down && !Number.isNaN(a) && !Number.isNaN(b) ? order(b, a) : order(a, b)));
    for (const [, row] of rows) body.append(row);
  };
  for (const header of document.querySelectorAll("th.sort")) {
    const button = make("button");
    button.type = "button";
    header.firstChild.textContent = header.firstChild.textContent.trimEnd(); // so that the arrow stays with the last word
    button.append(...header.childNodes);
    const arrow = make("span");
    arrow.className = "arrow";
    button.insertBefore(arrow, button.querySelector("small"));
    button.addEventListener("click", () => sortBy(header));
    header.append(button);
  }

  // ---- charts ----
  const numbers = (text) => (text ? text.split(",").map((t) => (t === "" ? NaN : Number(t))) : []);
  const shown = (v) => (Math.abs(v) >= 1000 ? Math.round(v).toLocaleString("en") : String(Number(v.toPrecision(4)))).replace("-", "\u2212");
  const readChart = (figure) => {
    const svg = figure.querySelector(".plot > svg");
    if (!svg) return;
    const series = [...svg.querySelectorAll("g.data")].map((g) => ({
      name: g.dataset.name, style: g.dataset.style,
      x: numbers(g.dataset.x), mean: numbers(g.dataset.mean), lo: numbers(g.dataset.lo), hi: numbers(g.dataset.hi),
    })).filter((s) => s.x.length);
    const x0 = Number(svg.dataset.x0), x1 = Number(svg.dataset.x1), logX = svg.dataset.log.includes("x");
    const place = (v) => (logX ? Math.log(v / x0) / Math.log(x1 / x0) : (v - x0) / (x1 - x0));
    const cursor = document.createElementNS(svgName, "line");
    cursor.setAttribute("class", "cursor");
    cursor.setAttribute("y2", "100%");
    const box = make("div");
    box.className = "readout";
    const hide = () => { cursor.remove(); box.remove(); };
    const row = (s, i) => {
      const line = make("div"), mark = document.createElementNS(svgName, "svg"), of = make("span", s.name);
      for (const [name, value] of [["viewBox", "-7 -7 14 14"], ["width", "12"], ["height", "12"]]) mark.setAttribute(name, value);
      mark.append(svg.querySelector(`.at .marker.s${s.style}`)?.cloneNode() ?? "");
      const text = shown(s.mean[i]) + (s.lo.length && s.lo[i] !== s.hi[i] ? ` (${shown(s.lo[i])} to ${shown(s.hi[i])})` : "");
      line.append(mark, of, make("span", text));
      return line;
    };
    const show = (event) => {
      const frame = svg.getBoundingClientRect(), at = (event.clientX - frame.left) / frame.width;
      const nearest = series.map((s) => s.x.reduce((best, v, i) => (Math.abs(place(v) - at) < Math.abs(place(s.x[best]) - at) ? i : best), 0));
      let lead = 0;
      series.forEach((s, k) => { if (Math.abs(place(s.x[nearest[k]]) - at) < Math.abs(place(series[lead].x[nearest[lead]]) - at)) lead = k; });
      const x = series[lead].x[nearest[lead]], where = place(x);
      for (const name of ["x1", "x2"]) cursor.setAttribute(name, `${100 * where}%`);
      // a model that had ended by then, or has no point near, is left out
      const rows = series.map((s, k) => [s, nearest[k]]).filter(([s, i]) => Math.abs(place(s.x[i]) - where) < 0.06 && !Number.isNaN(s.mean[i]));
      box.replaceChildren(make("b", `${svg.dataset.of}: ${shown(x)}`), ...rows.map(([s, i]) => row(s, i)));
      svg.append(cursor);
      figure.append(box);
      const outer = figure.getBoundingClientRect(), left = frame.left - outer.left + where * frame.width;
      const free = left + 12 + box.offsetWidth < outer.width ? left + 12 : left - 12 - box.offsetWidth;
      box.style.left = `${Math.max(4, Math.min(free, outer.width - box.offsetWidth - 4))}px`;
    };
    if (!series.length) return;
    svg.addEventListener("pointermove", show);
    svg.addEventListener("pointerdown", show);
    // a finger leaves as soon as it is lifted: what it asked for stays until it touches something else
    svg.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") hide(); });
    document.addEventListener("pointerdown", (event) => { if (!svg.contains(event.target)) hide(); });
  };
  for (const figure of document.querySelectorAll("figure.chart")) readChart(figure);

  // ---- attention maps ----
  for (const map of document.querySelectorAll("figure.map")) {
    const said = make("p", "");
    said.className = "note said";
    map.append(said);
    const say = (event) => {
      const title = event.target.closest("rect")?.querySelector("title");
      said.textContent = title ? title.textContent : "";
    };
    map.addEventListener("pointerover", say);
    map.addEventListener("pointerdown", say);
  }
})();
