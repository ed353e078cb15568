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
      columns: [], data: [], placeholder: "No photo matches.", columnDefaults: { headerSortTristate: true },
      rowFormatter: (row) => {
        row.getElement().tabIndex = 0;
        row.getElement().classList.toggle("chosen", row.getData().id === this.chosen);
      },
    });
    this.ready = new Promise((done) => this.table.on("tableBuilt", done));
    this.table.on("rowClick", (_, row) => choose(row.getData()));
    element.addEventListener("keydown", (event) => {
      const row = event.target.closest(".tabulator-row");
      if (row && (event.key === "Enter" || event.key === " ")) {
        event.preventDefault();
        row.click();
      } else if (row && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
        event.preventDefault();
        (event.key === "ArrowDown" ? row.nextElementSibling : row.previousElementSibling)?.focus();
      }
    });
  }

  async setColumns(names) {
    await this.ready;
    if (names.join() === this.columns.join()) return;
    this.columns = names;
    const stored = JSON.parse(localStorage.getItem(CHOICE) || "null");
    const shown = new Set(stored || FIRST_SHOWN);
    const order = [...FIRST_SHOWN.filter((name) => names.includes(name)), ...names.filter((name) => !FIRST_SHOWN.includes(name))];
    this.table.setColumns(order.map((name) => ({ title: name, field: name, visible: shown.has(name), maxInitialWidth: 280 })));
    this.list.replaceChildren(...order.map((name) => this.checkbox(name, shown.has(name))));
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
      this.table[box.checked ? "showColumn" : "hideColumn"](name);
      const shown = this.table.getColumns().filter((column) => column.isVisible()).map((column) => column.getField());
      localStorage.setItem(CHOICE, JSON.stringify(shown));
    });
    label.append(box, ` ${name}`);
    return label;
  }
}
