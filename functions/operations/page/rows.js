// Keeps the rows current, off the page's thread: reads manifest.json, then only pages and shards that are new.
importScripts("vendor/papaparse.js");

const POLL_MS = 5000;
const PARALLEL = 8;
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
  const current = new Map();
  await each(root.rows.pages, async ({ sha256 }) => {
    current.set(sha256, pages.get(sha256) || (await json(`manifest/${sha256}.json`)).shards);
  });
  const order = root.rows.pages.flatMap(({ sha256 }) => current.get(sha256).map((shard) => shard.sha256));
  const added = order.filter((hash) => !known.has(hash));
  self.postMessage({ columns: root.columns });
  let done = 0;
  await each(added, async (hash) => {
    const shard = await fetch(`${base}shards/${hash}.csv`);
    if (!shard.ok) throw new Error(`shards/${hash}.csv: ${shard.status}`);
    self.postMessage({ shard: hash, rows: parse(await shard.text(), root.columns), progress: ++done / added.length });
  });
  known = new Set(order);
  pages = current;
  etag = tag;
  self.postMessage({ order, version: root.version, newest: root.checkpoint.newest_event, total: root.rows.rows });
}

function parse(text, columns) {
  const { data } = Papa.parse(text, { delimiter: ",", newline: "\n", skipEmptyLines: true });
  return data.map((cells) => {
    const row = {};
    cells.forEach((cell, index) => {
      const name = columns[index];
      if (cell === "" || LEFT_OUT.has(name)) return;
      row[name] = NUMERIC.has(types[name]) ? Number(cell) : unguard(cell);
    });
    return row;
  });
}

// Takes off the quote that keeps a spreadsheet from running a text cell.
function unguard(text) {
  return /^'+[=+\-@\t\r]/.test(text) ? text.slice(1) : text;
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
