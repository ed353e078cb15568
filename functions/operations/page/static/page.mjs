// The page: joins the rows that the worker keeps current with filters, map, table and the chosen photo.
import { readAddress, writeAddress } from "./address.mjs";
import { Area } from "./area.mjs";
import { Legend, colouring, numericColumns } from "./colour.mjs";
import { TYPED, camerasOf, filtered, located } from "./filters.mjs";
import { PhotoMap } from "./map.mjs";
import { PhotoPanel, unitOf } from "./panel.mjs";
import { sorted } from "./slices.mjs";
import { PhotoTable, byColumn } from "./table.mjs";
import { Background } from "./tiles.mjs";

const element = (id) => document.getElementById(id);
const said = (number) => number.toLocaleString("en");
const HIDDEN = new Set(["exif", "xmp"]);
const TYPING_MS = 150;

const shards = new Map(); // hash -> rows
const view = readAddress();
const state = { rows: [], shown: [], columns: [], described: {}, total: 0, version: null, newest: "", lost: "", markers: 0, filtering: true, chosen: null, view };
window.skyledger = state; // for whoever looks with the browser's tools

const map = new PhotoMap(element("map"), view.map, { choose, move: remember, margins });
const table = new PhotoTable(element("table"), element("column-list"), { choose, sort, message: () => (state.version === null ? "" : state.rows.length ? "No photo matches." : "There are no photos yet.") });
const legend = new Legend(element("legend"), (column) => { view.colour = column; show(); });
const area = new Area(map.map, { draw: element("draw"), view: element("area-view") }, (found) => { view.area = found; show(); });
const background = new Background(map.map, element);
const panel = new PhotoPanel({});
Object.assign(state, { map, table, background });
writeFilters();

const worker = new Worker(new URL("rows.js", import.meta.url));
const heard = {
  columns({ columns, described }) {
    Object.assign(state, { columns, described });
    table.setColumns(columns.filter((name) => !HIDDEN.has(name)), described);
    view.colour = legend.setColumns(numericColumns(columns, described), view.colour);
  },
  rows({ shard, rows, first, progress }) {
    if (first) shards.set(shard, []);
    shards.get(shard).push(...rows);
    if (progress < 1 && state.version === null) status(`Loading… ${Math.round(progress * 100)} %`);
  },
  order: take,
  current() {
    state.lost = "";
    tell();
  },
  lost({ error }) {
    state.lost = error;
    tell();
  },
  saved({ parts, error }) {
    element("save").disabled = false;
    element("save-state").textContent = error ? `Not saved: ${error}` : "";
    if (!error) download(new Blob(parts, { type: "text/csv" }), "selection.csv");
  },
};
worker.onmessage = ({ data }) => heard[data.what](data);

async function take({ order, version, newest, total }) {
  const named = new Set(order);
  for (const hash of shards.keys()) if (!named.has(hash)) shards.delete(hash);
  Object.assign(state, { rows: order.flatMap((hash) => shards.get(hash)), version, newest, total, lost: "" });
  tell();
  await show({ renewed: true });
}

let running = new AbortController();

// Brings map and table to what the view says. Only the last call goes on to its end.
async function show({ renewed = false, fits = false } = {}) {
  running.abort();
  const { signal } = (running = new AbortController());
  state.filtering = true;
  remember();
  try {
    if (renewed || state.stale) await cameras(signal);
    const shown = await filtered(state.rows, view, signal);
    const ordered = view.sort ? await sorted(shown, byColumn(view.sort), signal) : shown;
    const colours = await colouring(shown, view.colour, signal);
    const placed = await located(shown, signal);
    Object.assign(state, { shown, markers: placed.length });
    count();
    table.show(ordered, view.sort);
    legend.show(colours, unitOf(state.described, colours.column));
    await map.show(placed, colours, signal);
    area.outline(view.area);
    if (fits) map.fit();
    if (renewed) await choose(again(), { moves: false });
  } catch (error) {
    if (signal.aborted) return;
    throw error;
  }
  state.filtering = false;
}

async function cameras(signal) {
  state.stale = true; // until this went to its end
  const names = await camerasOf(state.rows, signal);
  state.stale = false;
  if (view.camera && !names.includes(view.camera)) names.push(view.camera); // of a link, or not loaded yet
  element("camera").replaceChildren(new Option("all", ""), ...names.map((name) => new Option(name, name)));
  element("camera").value = view.camera;
}

// Gives the chosen photo as it is now; null if it was removed. Before the first one was chosen the address says which.
function again() {
  const id = state.chosen?.id ?? view.photo;
  return (id && state.rows.find((row) => row.id === id)) || null;
}

function count() {
  const without = state.shown.length - state.markers;
  const older = state.total > state.rows.length ? " (older ones are not loaded)" : "";
  element("shown").value = `${said(state.shown.length)} of ${said(state.rows.length)} photos${older}` + (without ? `, ${said(without)} without position` : "");
  element("save").disabled = !state.shown.length;
  element("area-off").hidden = !view.area;
}

function tell() {
  const rows = said(state.rows.length);
  const photos = state.total > state.rows.length ? `the newest ${rows} of ${said(state.total)} photos` : state.rows.length ? `${rows} photos` : "no photos yet";
  const shown = state.version === null ? "" : `ersion ${state.version}, ${photos}`;
  status(state.lost ? `Not current: ${state.lost}.${shown && ` Shown is v${shown}.`}` : shown ? `V${shown}` : "Loading…");
  element("status").classList.toggle("lost", Boolean(state.lost));
  age();
}

function status(text) {
  if (element("status").textContent !== text) element("status").textContent = text; // else it would be read out again
}

function age() {
  const seconds = state.newest ? Math.max(0, (Date.now() - Date.parse(state.newest)) / 1000) : null;
  element("age").textContent = state.version === null ? "" : seconds === null ? "no event yet" : `newest event ${duration(seconds)} ago`;
}

function duration(seconds) {
  for (const [size, name] of [[86400, "d"], [3600, "h"], [60, "min"]]) if (seconds >= size) return `${Math.floor(seconds / size)} ${name}`;
  return `${Math.floor(seconds)} s`;
}

async function choose(row, { moves = true } = {}) {
  const before = state.chosen;
  state.chosen = row;
  view.photo = row ? row.id : "";
  element("photo").hidden = !row;
  document.querySelector("main").classList.toggle("with-photo", Boolean(row));
  if (row && row !== before) panel.show(row, state.columns, state.described);
  if (!row) panel.hide();
  table.choose(row);
  remember();
  await map.choose(row, { moves, covered: covered() });
}

// Gives how many pixels of the map, from below, the sheet of a narrow screen lies on.
function covered() {
  const [sheet, below] = [element("photo").getBoundingClientRect(), element("map").getBoundingClientRect()];
  return sheet.height && sheet.left < below.right - 1 ? Math.max(0, below.bottom - sheet.top) : 0;
}

// Gives how many pixels of the map buttons and legend lie on, from above and from below.
function margins() {
  const frame = (selector) => document.querySelector(selector).getBoundingClientRect();
  const { top, bottom } = frame("#map");
  return { above: Math.max(frame("#map-tools").bottom, frame("#tiles summary").bottom) - top, below: bottom - frame("#legend").top };
}

function close() {
  choose(null);
  table.focus(); // on the row that it was
}

function sort(by) {
  view.sort = by;
  show();
}

function remember() {
  if (state.map) writeAddress({ ...view, map: map.fitted ? map.place : view.map });
}

function readFilters() {
  for (const name of TYPED) view[name] = element(name).value;
  view.warned = element("warned").checked;
}

function writeFilters() {
  for (const name of TYPED) element(name).value = view[name];
  element("warned").checked = view.warned;
}

function save() {
  const wanted = new Set(state.shown.map((row) => row.id));
  element("save").disabled = true;
  element("save-state").textContent = "Saving…";
  worker.postMessage({ save: wanted });
}

function download(blob, name) {
  const url = URL.createObjectURL(blob);
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

let typing = 0;
element("filters").addEventListener("input", () => {
  clearTimeout(typing);
  readFilters();
  typing = setTimeout(() => show({ fits: true }), TYPING_MS);
});
element("filters").addEventListener("reset", () => setTimeout(() => {
  readFilters();
  view.area = null;
  show({ fits: true });
}));
element("filters").addEventListener("submit", (event) => event.preventDefault());
element("filters-fold").addEventListener("click", () => {
  const open = element("filters").classList.toggle("open");
  element("filters-fold").setAttribute("aria-expanded", String(open));
});
element("area-off").addEventListener("click", () => { view.area = null; show(); });
element("save").addEventListener("click", save);
element("fit").addEventListener("click", () => map.fit());
element("photo-close").addEventListener("click", close);
document.addEventListener("keydown", (event) => { if (event.key === "Escape" && state.chosen) close(); });
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); table.focus(); });
addEventListener("hashchange", () => {
  Object.assign(view, readAddress());
  writeFilters();
  legend.setColumns(numericColumns(state.columns, state.described), view.colour);
  if (view.map) map.map.jumpTo({ center: view.map.slice(0, 2), zoom: view.map[2] });
  state.chosen = null;
  show({ renewed: true });
});
setInterval(age, 10_000);

fetch("page/config.json").then((answer) => (answer.ok ? answer.json() : {})).catch(() => ({})).then((config) => {
  panel.links = { photos: config.photos || "", previews: config.previews || "" };
  worker.postMessage({ base: new URL(".", document.baseURI).href.split("#")[0] });
});
