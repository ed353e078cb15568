// Which photos are shown: what the reader typed and chose, and the rectangle drawn on the map.
import { inSlices } from "./slices.mjs";

const SEARCHED = ["key", "make", "model", "drone_model", "title", "description", "author", "comment", "keywords", "captured_at", "etag", "warnings",
  "copyright", "lens_model", "serial_number", "drone_serial_number"];
export const TYPED = ["search", "camera", "from", "to"];

export const hasPosition = (row) => row.gps_latitude_deg !== undefined && row.gps_longitude_deg !== undefined;
export const camera = (row) => [row.make, row.model].filter(Boolean).join(" ");

// Gives the rows that a filter leaves: { search, camera, from, to, warned, area }.
export async function filtered(rows, filter, signal) {
  const words = filter.search.toLowerCase().split(/\s+/).filter(Boolean);
  const { from, to, area } = filter;
  const left = [];
  await inSlices(rows, (row) => {
    if ((!filter.camera || camera(row) === filter.camera) && (!filter.warned || row.warnings) &&
      (!from || (row.captured_at || "") >= from) && (!to || (row.captured_at && row.captured_at.slice(0, to.length) <= to)) &&
      (!area || isWithin(row, area)) && (!words.length || hasAll(row, words))) left.push(row);
  }, signal);
  return left;
}

// Gives the rows that have a position.
export async function located(rows, signal) {
  const placed = [];
  await inSlices(rows, (row) => { if (hasPosition(row)) placed.push(row); }, signal);
  return placed;
}

export async function camerasOf(rows, signal) {
  const names = new Set();
  await inSlices(rows, (row) => names.add(camera(row)), signal);
  names.delete("");
  return [...names].sort();
}

function hasAll(row, words) {
  const text = SEARCHED.map((name) => row[name] ?? "").join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}

// An area is [west, south, east, north] in degrees; one whose east is less than its west crosses the 180th meridian.
function isWithin(row, [west, south, east, north]) {
  if (!hasPosition(row) || row.gps_latitude_deg < south || row.gps_latitude_deg > north) return false;
  const longitude = row.gps_longitude_deg;
  return west <= east ? longitude >= west && longitude <= east : longitude >= west || longitude <= east;
}
