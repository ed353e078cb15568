// The table: only the rows in view are drawn, however many there are. One element has the focus, and says which row is
// the active one (WAI-ARIA Authoring Practices, "Grid": aria-activedescendant), so that a row may leave the view.
const FIRST_SHOWN = ["key", "captured_at", "make", "model", "gps_latitude_deg", "gps_longitude_deg", "gps_altitude_m",
  "relative_altitude_m", "gimbal_pitch_deg", "gimbal_yaw_deg", "warnings"];
const CHOICE = "skyledger-columns";
const ROW_PX = 28;
const BEYOND = 8; // rows drawn above and below those in view
const CHARACTER_PX = 8;
const [LEAST_PX, MOST_PX] = [70, 300];
const SAMPLE = 200; // rows whose cells say how wide a column is

export class PhotoTable {
  constructor(element, list, { choose, sort, message }) {
    Object.assign(this, { list, choose_: choose, sort_: sort, message, rows: [], columns: [], order: [], shown: new Set(), widths: new Map(), active: -1, chosen: null, sort: null, lines: new Map() });
    this.grid = Object.assign(element, { tabIndex: 0, className: "grid" });
    element.setAttribute("role", "grid");
    element.setAttribute("aria-label", "Photos");
    this.head = group("grid-head");
    this.body = group("grid-body");
    this.note = Object.assign(document.createElement("p"), { className: "grid-note" });
    element.replaceChildren(this.head, this.body);
    element.after(this.note);
    element.addEventListener("scroll", () => this.draw());
    element.addEventListener("keydown", (event) => this.key(event));
    this.body.addEventListener("click", (event) => {
      const row = event.target.closest("[role=row]");
      if (row) this.activate(row.index, true);
    });
    new ResizeObserver(() => this.draw()).observe(element);
  }

  setColumns(names, described) {
    if (names.join() === this.columns.join()) return;
    this.columns = names;
    this.described = described;
    const first = JSON.parse(localStorage.getItem(CHOICE) || "null") || FIRST_SHOWN;
    this.shown = new Set(first.filter((name) => names.includes(name)));
    this.order = [...FIRST_SHOWN.filter((name) => names.includes(name)), ...names.filter((name) => !FIRST_SHOWN.includes(name))];
    this.list.replaceChildren(...this.order.map((name) => this.checkbox(name, this.shown.has(name))));
    this.drawHead();
  }

  // Shows these rows, in this order; the reader keeps the place: the active row stays active, and where it stood.
  show(rows, sort) {
    const id = this.rows[this.active]?.id;
    Object.assign(this, { rows, sort, active: id ? rows.findIndex((row) => row.id === id) : -1 });
    this.widths.clear();
    this.note.textContent = rows.length ? "" : this.message();
    this.drawHead();
  }

  choose(row) {
    this.chosen = row ? row.id : null;
    const index = row ? this.rows.findIndex(({ id }) => id === row.id) : -1;
    if (index >= 0) {
      this.active = index;
      this.reveal(index);
    }
    this.draw();
  }

  focus() {
    this.grid.focus({ preventScroll: true });
  }

  activate(index, chooses) {
    this.active = Math.min(Math.max(index, 0), this.rows.length - 1);
    this.reveal(this.active);
    this.draw();
    if (chooses && this.rows[this.active]) this.choose_(this.rows[this.active]);
  }

  key(event) {
    if (event.target !== this.grid || event.altKey || event.ctrlKey || event.metaKey) return;
    const page = Math.max(1, Math.floor(this.room / ROW_PX) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") this.grid.scrollLeft += event.key === "ArrowLeft" ? -80 : 80;
    else if (event.key in steps) this.activate(Math.max(this.active, steps[event.key] > 0 ? -1 : 0) + steps[event.key], this.chosen !== null);
    else if ((event.key === "Enter" || event.key === " ") && this.active >= 0) this.activate(this.active, true);
    else return;
    event.preventDefault();
  }

  get room() {
    return this.grid.clientHeight - this.head.offsetHeight;
  }

  reveal(index) {
    const [top, bottom] = [index * ROW_PX, (index + 1) * ROW_PX];
    if (top < this.grid.scrollTop) this.grid.scrollTop = top;
    else if (bottom > this.grid.scrollTop + this.room) this.grid.scrollTop = bottom - this.room;
  }

  get names() {
    return this.order.filter((name) => this.shown.has(name));
  }

  width(name) {
    if (!this.widths.has(name)) {
      const longest = this.rows.slice(0, SAMPLE).reduce((most, row) => Math.max(most, String(row[name] ?? "").length), 0);
      this.widths.set(name, Math.min(Math.max(longest * CHARACTER_PX, name.length * CHARACTER_PX + 24, LEAST_PX), MOST_PX) + 12);
    }
    return this.widths.get(name);
  }

  drawHead() {
    const { names } = this;
    const held = document.activeElement?.closest?.(".grid-head [role=columnheader]")?.dataset.field;
    this.grid.setAttribute("aria-rowcount", String(this.rows.length + 1));
    this.grid.setAttribute("aria-colcount", String(names.length));
    this.grid.style.setProperty("--columns", names.map((name) => `${Math.round(this.width(name))}px`).join(" "));
    const row = part("row", "grid-row");
    row.setAttribute("aria-rowindex", "1");
    row.append(...names.map((name) => this.header(name)));
    this.head.replaceChildren(row);
    this.lines.clear();
    if (held) this.head.querySelector(`[data-field="${CSS.escape(held)}"] button`)?.focus();
    this.body.hidden = !this.rows.length;
    this.body.style.height = `${this.rows.length * ROW_PX}px`;
    this.draw();
  }

  header(name) {
    const cell = part("columnheader", "grid-cell");
    const sorted = this.sort?.column === name;
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: name, title: this.described?.[name]?.meaning || "" });
    cell.dataset.field = name;
    cell.setAttribute("aria-sort", !sorted ? "none" : this.sort.descending ? "descending" : "ascending");
    button.addEventListener("click", () => this.sort_(!sorted ? { column: name, descending: false } : this.sort.descending ? null : { column: name, descending: true }));
    cell.append(button);
    return cell;
  }

  draw() {
    const first = Math.max(0, Math.floor(this.grid.scrollTop / ROW_PX) - BEYOND);
    const last = Math.min(this.rows.length, Math.ceil((this.grid.scrollTop + this.grid.clientHeight) / ROW_PX) + BEYOND);
    const { names } = this;
    // What was drawn stays: a click is lost on a row that is another element when the button goes up.
    const before = this.lines;
    this.lines = new Map(this.rows.slice(first, last).map((row, place) => [row, before.get(row) || this.line(row, first + place, names)]));
    const lines = [...this.lines.values()];
    lines.forEach((line) => this.mark(line));
    if (lines.length !== this.body.children.length || lines.some((line, place) => line !== this.body.children[place])) this.body.replaceChildren(...lines);
    if (this.active >= first && this.active < last) this.grid.setAttribute("aria-activedescendant", `row-${this.active}`);
    else this.grid.removeAttribute("aria-activedescendant");
  }

  line(row, index, names) {
    const line = Object.assign(part("row", "grid-row"), { id: `row-${index}`, index });
    line.style.top = `${index * ROW_PX}px`;
    line.setAttribute("aria-rowindex", String(index + 2));
    line.append(...names.map((name) => {
      const cell = Object.assign(part("gridcell", "grid-cell"), { textContent: row[name] === undefined ? "" : String(row[name]) });
      cell.dataset.field = name;
      if (typeof row[name] === "number") cell.classList.add("number");
      else if (cell.textContent.length * CHARACTER_PX > MOST_PX) cell.title = cell.textContent; // it is cut
      return cell;
    }));
    return line;
  }

  mark(line) {
    line.setAttribute("aria-selected", String(this.rows[line.index].id === this.chosen));
    line.classList.toggle("active", line.index === this.active);
  }

  checkbox(name, checked) {
    const label = document.createElement("label");
    const box = Object.assign(document.createElement("input"), { type: "checkbox", checked });
    box.addEventListener("change", () => {
      this.shown[box.checked ? "add" : "delete"](name);
      localStorage.setItem(CHOICE, JSON.stringify([...this.shown]));
      this.drawHead();
    });
    label.append(box, ` ${name}`);
    return label;
  }
}

function part(role, className) {
  const element = Object.assign(document.createElement("div"), { className });
  element.setAttribute("role", role);
  return element;
}

const group = (className) => part("rowgroup", className);

// Gives what puts rows in order by one column: numbers as numbers, and what has no value last, either way.
export function byColumn({ column, descending }) {
  const turn = descending ? -1 : 1;
  return (one, other) => {
    const [left, right] = [one[column], other[column]];
    if (left === undefined || right === undefined) return (left === undefined) - (right === undefined);
    return left < right ? -turn : left > right ? turn : 0;
  };
}
