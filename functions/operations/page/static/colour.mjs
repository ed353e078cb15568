// Points are coloured by one column, whose name and unit the legend has. Two kinds of height are never one ramp: neither
// two columns, nor the two references that one column may have.
import { inSlices } from "./slices.mjs";

const RAMP = ["#3b6fb6", "#37a37a", "#e0a526", "#cf3f3f"];
const WITHOUT = "#7d8b97";
const HEIGHTS = ["relative_altitude_m", "gps_altitude_m", "absolute_altitude_m"]; // the first that a photo has is taken
const NO_SCALE = new Set(["gps_altitude_ref", "revision", "reader_version", "xmp_packets"]);

// What a value refers to, where one column has several kinds of it. 2 and 3: Exif 3.0, GPSAltitudeRef.
const REFERENCES = {
  gps_altitude_m: (row) => (row.gps_altitude_ref >= 2 ? "above the ellipsoid" : "above sea level"),
  absolute_altitude_m: (row) => row.altitude_type || "reference not told",
};

export const numericColumns = (columns, described) =>
  columns.filter((name) => ["integer", "decimal"].includes(described[name]?.type) && !NO_SCALE.has(name));

// Gives { column, reference, low, high, others, value }: `value(row)` is the number that colours the row, if any.
export async function colouring(rows, asked, signal) {
  const counts = new Map(HEIGHTS.map((name) => [name, 0]));
  if (!asked) await inSlices(rows, (row) => HEIGHTS.forEach((name) => { if (row[name] !== undefined) counts.set(name, counts.get(name) + 1); }), signal);
  const column = asked || HEIGHTS.find((name) => counts.get(name)) || "";
  const refer = REFERENCES[column] || (() => "");
  const ranges = new Map();
  await inSlices(rows, (row) => {
    const value = row[column];
    if (!Number.isFinite(value)) return;
    const range = ranges.get(refer(row)) || { low: Infinity, high: -Infinity, count: 0 };
    ranges.set(refer(row), { low: Math.min(range.low, value), high: Math.max(range.high, value), count: range.count + 1 });
  }, signal);
  const [first, ...rest] = [...ranges].sort(([, one], [, other]) => other.count - one.count);
  const reference = first?.[0] ?? "";
  const value = (row) => (Number.isFinite(row[column]) && refer(row) === reference ? row[column] : undefined);
  return { column, reference, ...(first?.[1] || { low: 0, high: 0, count: 0 }), others: rest.reduce((sum, [, { count }]) => sum + count, 0), value };
}

export function paint({ low, high, count }) {
  const known = ["==", ["typeof", ["get", "value"]], "number"];
  if (!count) return WITHOUT;
  if (!(high > low)) return ["case", known, RAMP[1], WITHOUT];
  const stops = RAMP.flatMap((colour, index) => [low + ((high - low) * index) / (RAMP.length - 1), colour]);
  return ["case", known, ["interpolate", ["linear"], ["to-number", ["get", "value"], 0], ...stops], WITHOUT];
}

export class Legend {
  constructor(element, change) {
    this.part = (name) => element.querySelector(`#${name}`);
    this.select = this.part("colour");
    this.select.addEventListener("change", () => change(this.select.value));
  }

  setColumns(names, chosen) {
    this.select.replaceChildren(new Option("height", ""), ...names.map((name) => new Option(name, name)));
    this.select.value = names.includes(chosen) ? chosen : "";
    return this.select.value;
  }

  show({ column, reference, low, high, count, others }, unit) {
    const digits = high - low < 1 ? 3 : high - low < 100 ? 1 : 0;
    const text = (value) => (count ? `${value.toLocaleString("en", { maximumFractionDigits: digits })} ${unit}`.trim() : "");
    this.part("legend-low").textContent = text(low);
    this.part("legend-high").textContent = text(high);
    this.part("legend-low").nextElementSibling.hidden = !count;
    const kind = [this.select.value ? "" : column, reference, others ? `grey: ${others.toLocaleString("en")} of another reference` : ""];
    this.part("legend-kind").textContent = count ? kind.filter(Boolean).join(", ") : column ? "no photo shown has it" : "";
  }
}
