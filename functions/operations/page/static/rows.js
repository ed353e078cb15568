// Keeps the rows current, off the page's thread: reads manifest.json, then only pages and shards that are new.
importScripts("vendor/papaparse.js");

const POLL_MS = 5000;
const PARALLEL = 8;
// More than a browser shows at ease: of a larger CSV the newest rows are shown. They stand last.
const MOST_ROWS = 300_000;
// The whole documents are not shown in the table; without them a hundred thousand rows fit in memory.
const LEFT_OUT = new Set(["exif", "xmp"]);
const NUMERIC = new Set(["integer", "decimal"]);

let base = "";
let etag = "";
let types = {};
let pages = new Map(); // hash -> list of its shards
let known = new Set(); // hashes of shards that the page has

self.onmessage = async ({ data }) => {
  base = data.base;
  types = await columnTypes();
  for (;;) {
    try {
      await refresh();
    } catch (error) {
      self.postMessage({ error: String(error.message || error) });
    }
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
};

async function columnTypes() {
  const answer = await fetch(base + "image-data.csv-metadata.json", { cache: "no-cache" });
  if (!answer.ok) return {};
  const description = await answer.json();
  return Object.fromEntries(description.tableSchema.columns.map((column) => [column.name, column.datatype]));
}

async function refresh() {
  const answer = await fetch(base + "manifest.json", { cache: "no-cache" });
  if (!answer.ok) throw new Error(`manifest.json: ${answer.status}`);
  const tag = answer.headers.get("etag") || "";
  if (tag && tag === etag) return;
  const root = await answer.json();
  const current = await newestShards(root.rows.pages);
  const order = [...current.values()].flat().map((shard) => shard.sha256);
  const added = order.filter((hash) => !known.has(hash));
  self.postMessage({ columns: root.columns });
  let done = 0;
  await each(added, async (hash) => {
    const lines = await linesOf(`${base}shards/${hash}.csv`);
    self.postMessage({ shard: hash, rows: parse(lines, root.columns), progress: ++done / added.length });
  });
  known = new Set(order);
  pages = current;
  etag = tag;
  self.postMessage({ order, version: root.version, newest: root.checkpoint.newest_event, total: root.rows.rows });
}

// A shard is a gzip file, which the browser is not told to unpack; one that an older version wrote is plain.
async function linesOf(plain) {
  const packed = await fetch(`${plain}.gz`);
  if (packed.ok) return new Response(packed.body.pipeThrough(new DecompressionStream("gzip"))).text();
  const shard = await fetch(plain);
  if (!shard.ok) throw new Error(`${plain.slice(base.length)}.gz: ${packed.status}`);
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

function parse(text, columns) {
  const { data } = Papa.parse(text, { delimiter: ",", newline: "\n", skipEmptyLines: true });
  return data.map((cells) => {
    const row = { id: `${cells[0]},${cells[1]}` }; // the row's key: ingested_at and etag
    cells.forEach((cell, index) => {
      const name = columns[index];
      if (cell === "" || LEFT_OUT.has(name)) return;
      row[name] = NUMERIC.has(types[name]) ? Number(cell) : unguard(cell);
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

async function json(path) {
  const answer = await fetch(base + path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

async function each(items, work) {
  const queue = items.slice();
  await Promise.all(Array.from({ length: PARALLEL }, async () => {
    while (queue.length) await work(queue.shift());
  }));
}
