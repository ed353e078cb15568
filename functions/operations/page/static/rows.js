// Keeps the rows current, off the page's thread: reads manifest.json, then only pages and shards that are new.
importScripts("vendor/papaparse.js");

const POLL_MS = 5000;
const PARALLEL = 8;
// More than a browser shows at ease: of a larger CSV the newest rows are shown. They stand last.
const MOST_ROWS = 300_000;
const ROWS_AT_A_TIME = 500; // as many as the page's thread takes over in a few milliseconds
// The whole documents are not shown in the table; without them a hundred thousand rows fit in memory.
const LEFT_OUT = new Set(["exif", "xmp"]);
const NUMERIC = new Set(["integer", "decimal"]);

let base = "";
let etag = "";
let columns = [];
let described = {}; // column -> { type, unit, meaning }
let pages = new Map(); // hash -> list of its shards
let order = []; // hashes of the shards that the page has

self.onmessage = ({ data }) => (data.save ? save(data.save) : follow(data.base));

async function follow(address) {
  base = address;
  for (;;) {
    try {
      await refresh();
      self.postMessage({ what: "current" });
    } catch (error) {
      self.postMessage({ what: "lost", error: String(error.message || error) });
    }
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
}

async function get(path, options) {
  try {
    return await fetch(base + path, options);
  } catch {
    throw new Error("the server does not answer"); // the browser does not tell a page why
  }
}

async function describe() {
  const answer = await get("image-data.csv-metadata.json", { cache: "no-cache" });
  if (!answer.ok) return {};
  const { tableSchema } = await answer.json();
  return Object.fromEntries(tableSchema.columns.map((column) => [
    column.name, { type: column.datatype, unit: column["schema:unitText"] || "", meaning: column["dc:description"] || "" }]));
}

async function refresh() {
  const answer = await get("manifest.json", { cache: "no-cache" });
  if (!answer.ok) throw refusal("manifest.json", answer);
  const tag = answer.headers.get("etag") || "";
  if (tag && tag === etag) return;
  const root = await answer.json();
  if (root.columns.join() !== columns.join()) {
    described = await describe();
    columns = root.columns;
    self.postMessage({ what: "columns", columns, described });
  }
  const current = await newestShards(root.rows.pages);
  const hashes = [...current.values()].flat().map((shard) => shard.sha256);
  const known = new Set(order);
  const added = hashes.filter((hash) => !known.has(hash));
  let done = 0;
  await each(added, async (shard) => {
    const rows = parse(await linesOf(shard));
    done += 1;
    for (let start = 0; start === 0 || start < rows.length; start += ROWS_AT_A_TIME) {
      self.postMessage({ what: "rows", shard, rows: rows.slice(start, start + ROWS_AT_A_TIME), first: start === 0, progress: done / added.length });
    }
  });
  order = hashes;
  pages = current;
  etag = tag;
  self.postMessage({ what: "order", order, version: root.version, newest: root.checkpoint.newest_event, total: root.rows.rows });
}

// A shard is a gzip file, which the browser is not told to unpack; one that an older version wrote is plain.
async function linesOf(hash) {
  const plain = `shards/${hash}.csv`;
  const packed = await get(`${plain}.gz`);
  if (packed.ok) return new Response(packed.body.pipeThrough(new DecompressionStream("gzip"))).text();
  const shard = await get(plain);
  if (!shard.ok) throw new Error(`${plain}.gz: ${packed.status}`);
  return shard.text();
}

// Gives the last pages and shards that hold MOST_ROWS between them: page hash -> its shards that are shown.
async function newestShards(all) {
  let rows = 0;
  const last = all.filter((_, index) => all.slice(index + 1).reduce((sum, page) => sum + page.rows, 0) < MOST_ROWS);
  const found = new Map(last.map(({ sha256 }) => [sha256, []]));
  await each(last, async ({ sha256 }) => {
    found.set(sha256, pages.get(sha256) || (await json(`manifest/${sha256}.json`)).shards);
  });
  for (const [hash, shards] of [...found].reverse()) {
    const kept = shards.toReversed().filter((shard) => rows < MOST_ROWS && (rows += shard.rows));
    found.set(hash, kept.reverse());
  }
  return found;
}

// Gives the CSV of these rows, byte for byte the lines of image-data.csv, in its order. A row is one line, and its key,
// the first two cells, is never quoted.
async function save(wanted) {
  const shards = order; // a refresh puts another list in its place
  const lines = new Map();
  let count = 0;
  try {
    await each(shards, async (hash) => {
      const kept = (await linesOf(hash)).split("\n").filter((line) => wanted.has(line.split(",", 2).join()));
      count += kept.length;
      lines.set(hash, kept.map((line) => `${line}\n`).join(""));
    });
    if (count !== wanted.size) throw new Error("the photos changed meanwhile");
    const header = `${columns.map((name) => `"${name.replaceAll('"', '""')}"`).join()}\n`;
    self.postMessage({ what: "saved", parts: [header, ...shards.map((hash) => lines.get(hash))] });
  } catch (error) {
    self.postMessage({ what: "saved", error: String(error.message || error) });
  }
}

function parse(text) {
  const { data } = Papa.parse(text, { delimiter: ",", newline: "\n", skipEmptyLines: true });
  return data.map((cells) => {
    const row = { id: `${cells[0]},${cells[1]}` }; // the row's key: ingested_at and etag
    cells.forEach((cell, index) => {
      const name = columns[index];
      if (cell === "" || LEFT_OUT.has(name)) return;
      row[name] = NUMERIC.has(described[name]?.type) ? Number(cell) : unguard(cell);
      if (name === "key") row[name] = withBreaks(row[name]);
    });
    return row;
  });
}

// Takes off the quotes that keep a spreadsheet from running a text, or a part of it, as a formula: the rule of
// functions/ledger/guard.py, to which a test holds these two.
const GUARDED_TAB = /^()'('*\t)/;
const GUARDED_SIGN =
  /(^|[;|\t])'('*["\x01-\x08\x0a- \x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb]*[=+\-@\uff1d\uff0b\uff0d\uff20])/g;

function unguard(text) {
  return text.replace(GUARDED_TAB, "$1$2").replace(GUARDED_SIGN, "$1$2");
}

// What is written for a line break in a key, in the order in which it is undone: also of guard.py, by the same test.
const ESCAPES = [["\u241bn", "\n"], ["\u241br", "\r"], ["\u241b0", "\0"], ["\u241be", "\u241b"]];

function withBreaks(text) {
  return ESCAPES.reduce((rest, [written, meant]) => rest.replaceAll(written, meant), text);
}

function refusal(path, { status }) {
  return new Error(`${path}: ${status}${status === 403 ? " (a server that was started anew has a new address)" : ""}`);
}

async function json(path) {
  const answer = await get(path);
  if (!answer.ok) throw refusal(path, answer);
  return answer.json();
}

async function each(items, work) {
  const queue = items.slice();
  await Promise.all(Array.from({ length: PARALLEL }, async () => {
    while (queue.length) await work(queue.shift());
  }));
}
