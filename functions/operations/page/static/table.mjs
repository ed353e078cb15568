// The table: search, sort and choice of columns over all rows; only what is in view is drawn.
import { TabulatorFull } from "./vendor/tabulator.mjs";

const FIRST_SHOWN = ["key", "captured_at", "make", "model", "gps_latitude_deg", "gps_longitude_deg", "gps_altitude_m",
  "relative_altitude_m", "gimbal_pitch_deg", "gimbal_yaw_deg", "warnings"];
const CHOICE = "skyledger-columns";

export class PhotoTable {
  constructor(element, list, choose) {
    this.list = list;
    this.columns = [];
    this.chosen = null;
    this.table = new TabulatorFull(element, {
      index: "id", height: "100%", layout: "fitDataFill", renderVertical: "virtual", renderHorizontal: "virtual",
      nestedFieldSeparator: false, columns: [], data: [], placeholder: "No photo matches.", columnDefaults: { headerSortTristate: true },
      rowFormatter: (row) => {
        row.getElement().tabIndex = -1; // reached by the arrow keys, so that the Tab key does not walk through all rows
        row.getElement().classList.toggle("chosen", row.getData().id === this.chosen);
      },
    });
    this.ready = new Promise((done) => this.table.on("tableBuilt", done));
    this.table.on("rowClick", (_, row) => choose(row.getData()));
    element.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    const row = event.target.closest(".tabulator-row");
    const header = event.target.closest(".tabulator-col");
    const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    if ((row || header) && (event.key === "Enter" || event.key === " ")) (row || header).click();
    else if (row && step) row[step]?.focus();
    else if (!row && event.key === "ArrowDown") this.table.element.querySelector(".tabulator-row")?.focus();
    else return;
    event.preventDefault();
  }

  async setColumns(names) {
    await this.ready;
    if (names.join() === this.columns.join()) return;
    this.columns = names;
    const first = JSON.parse(localStorage.getItem(CHOICE) || "null") || FIRST_SHOWN;
    this.shown = new Set(first.filter((name) => names.includes(name)));
    this.order = [...FIRST_SHOWN.filter((name) => names.includes(name)), ...names.filter((name) => !FIRST_SHOWN.includes(name))];
    this.list.replaceChildren(...this.order.map((name) => this.checkbox(name, this.shown.has(name))));
    this.drawColumns();
  }

  drawColumns() {
    const shown = this.order.filter((name) => this.shown.has(name));
    this.table.setColumns(shown.map((name) => ({ title: name, titleFormatter: "plaintext", field: name, maxInitialWidth: 280 })));
    this.table.element.querySelectorAll(".tabulator-col").forEach((header) => { header.tabIndex = 0; });
  }

  async show(rows) {
    await this.ready;
    await this.table.replaceData(rows);
  }

  choose(row) {
    const before = this.chosen;
    this.chosen = row ? row.id : null;
    for (const id of [before, this.chosen]) {
      const found = id && this.table.getRow(id);
      if (found) found.reformat();
    }
  }

  checkbox(name, checked) {
    const label = document.createElement("label");
    const box = Object.assign(document.createElement("input"), { type: "checkbox", checked });
    box.addEventListener("change", () => {
      this.shown[box.checked ? "add" : "delete"](name);
      localStorage.setItem(CHOICE, JSON.stringify([...this.shown]));
      this.drawColumns();
    });
    label.append(box, ` ${name}`);
    return label;
  }
}
