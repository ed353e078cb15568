// The page: joins the rows that the worker keeps current with filters, map, table and the chosen photo.
import { PhotoMap, hasPosition } from "./map.mjs";
import { PhotoTable } from "./table.mjs";

const element = (id) => document.getElementById(id);
const HIDDEN = new Set(["exif", "xmp"]);
const SEARCHED = ["key", "make", "model", "drone_model", "title", "description", "author", "comment", "keywords", "captured_at", "etag", "warnings"];

const shards = new Map(); // hash -> rows
const state = { rows: [], shown: [], total: 0, version: 0, newest: "", markers: 0, filtering: true, chosen: null, photos: "" };
window.skyledger = state; // for whoever looks with the browser's tools

const map = new PhotoMap(element("map"), element("legend"), choose);
const table = new PhotoTable(element("table"), element("column-list"), choose);
Object.assign(state, { map, table });

const worker = new Worker(new URL("rows.js", import.meta.url));
worker.onmessage = ({ data }) => {
  if (data.columns) table.setColumns(data.columns.filter((name) => !HIDDEN.has(name)));
  else if (data.shard) {
    shards.set(data.shard, data.rows);
    if (data.progress < 1) element("status").textContent = `Loading… ${Math.round(data.progress * 100)} %`;
  } else if (data.order) take(data);
  else if (data.error) element("status").textContent = `Not current: ${data.error}`;
};

function take({ order, version, newest, total }) {
  const named = new Set(order);
  for (const hash of shards.keys()) if (!named.has(hash)) shards.delete(hash);
  Object.assign(state, { rows: order.flatMap((hash) => shards.get(hash)), version, newest, total });
  cameras();
  filter();
  tell();
  const still = state.chosen && state.rows.find((row) => row.id === state.chosen.id);
  if (state.chosen && !still) choose(null); // the photo was removed
}

fetch("page/config.json").then((answer) => (answer.ok ? answer.json() : {})).catch(() => ({})).then((config) => {
  state.photos = config.photos || "";
  worker.postMessage({ base: new URL(".", document.baseURI).href });
});

const camera = (row) => [row.make, row.model].filter(Boolean).join(" ");

function cameras() {
  const names = [...new Set(state.rows.map(camera))].filter(Boolean).sort();
  const select = element("camera");
  const chosen = select.value;
  select.replaceChildren(new Option("all", ""), ...names.map((name) => new Option(name, name)));
  select.value = names.includes(chosen) ? chosen : "";
}

async function filter() {
  state.filtering = true;
  const words = element("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const [name, from, to, warned] = [element("camera").value, element("from").value, element("to").value, element("warned").checked];
  state.shown = state.rows.filter((row) =>
    (!name || camera(row) === name) && (!warned || row.warnings) &&
    (!from || (row.captured_at || "") >= from) && (!to || (row.captured_at && row.captured_at.slice(0, to.length) <= to)) &&
    (!words.length || matches(row, words)));
  state.markers = state.shown.reduce((count, row) => count + hasPosition(row), 0);
  const without = state.shown.length - state.markers;
  element("shown").value = `${state.shown.length.toLocaleString("en")} of ${state.rows.length.toLocaleString("en")} photos` + (without ? `, ${without.toLocaleString("en")} without position` : "");
  const shown = state.shown;
  await Promise.all([map.show(shown), table.show(shown)]);
  if (shown === state.shown) state.filtering = false;
}

function matches(row, words) {
  const text = SEARCHED.map((name) => row[name] ?? "").join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}

function tell() {
  const seconds = state.newest ? Math.max(0, (Date.now() - Date.parse(state.newest)) / 1000) : null;
  const age = seconds === null ? "no event yet" : `newest event ${duration(seconds)} ago`;
  const rows = state.rows.length.toLocaleString("en");
  const photos = state.total > state.rows.length ? `the newest ${rows} of ${state.total.toLocaleString("en")}` : rows;
  element("status").textContent = `Version ${state.version}, ${photos} photos, ${age}`;
}

function duration(seconds) {
  for (const [size, name] of [[86400, "d"], [3600, "h"], [60, "min"]]) if (seconds >= size) return `${Math.floor(seconds / size)} ${name}`;
  return `${Math.floor(seconds)} s`;
}

function choose(row) {
  state.chosen = row;
  map.choose(row);
  table.choose(row);
  element("photo").hidden = !row;
  document.querySelector("main").classList.toggle("with-photo", Boolean(row));
  if (!row) return;
  element("photo-name").textContent = row.key;
  const link = document.createElement(state.photos ? "a" : "code");
  if (state.photos) {
    link.href = state.photos.replace("{id}", encodeURIComponent(row.id)).replace("{bucket}", encodeURIComponent(row.bucket)).replace("{key}", row.key.split("/").map(encodeURIComponent).join("/"));
    link.target = "_blank";
    link.rel = "noopener";
    link.textContent = "Open the photo";
  } else link.textContent = `s3://${row.bucket}/${row.key}`;
  element("photo-link").replaceChildren(link);
  element("photo-warnings").replaceChildren(...JSON.parse(row.warnings || "[]").map((text) => tag("li", text)));
  const values = Object.entries(row).filter(([name, value]) => value !== undefined && name !== "id" && name !== "warnings");
  element("photo-values").replaceChildren(...values.flatMap(([name, value]) => [tag("dt", name), tag("dd", String(value))]));
}

function tag(name, text) {
  return Object.assign(document.createElement(name), { textContent: text });
}

let waiting = 0;
element("filters").addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(filter, 150);
});
element("filters").addEventListener("reset", () => setTimeout(filter));
element("filters").addEventListener("submit", (event) => event.preventDefault());
element("photo-close").addEventListener("click", () => choose(null));
document.addEventListener("keydown", (event) => { if (event.key === "Escape" && state.chosen) choose(null); });
element("tile-load").addEventListener("click", () => map.tiles(element("tile-url").value));
element("tile-off").addEventListener("click", () => map.tiles(""));
setInterval(() => { if (state.version) tell(); }, 10_000);
