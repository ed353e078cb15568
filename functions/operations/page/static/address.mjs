// The view in the address, behind the #: no server is ever sent it, and who opens the link sees the same. Whoever wrote
// the link may be a stranger: what is in it is checked, and a tile server, which would learn what one looks at, is none
// of it.
const NAMES = ["search", "camera", "from", "to"];
const WAIT_MS = 300; // browsers refuse a page that changes its address all the time
const COLUMN = /^[a-z0-9_]{1,64}$/;
let waiting = 0;

// Gives { search, camera, from, to, warned, area, sort, colour, photo, map } as far as the address has them.
export function readAddress() {
  const told = new URLSearchParams(location.hash.slice(1));
  const view = { warned: told.has("warned") };
  for (const name of NAMES) view[name] = told.get(name) || "";
  view.area = area(numbers(told.get("area"), 4));
  view.map = place(numbers(told.get("map"), 3));
  view.colour = column(told.get("colour"));
  const sort = told.get("sort") || "";
  view.sort = column(sort.replace(/^-/, "")) && { column: sort.replace(/^-/, ""), descending: sort.startsWith("-") };
  view.photo = told.get("photo") || "";
  return view;
}

export function writeAddress(view) {
  clearTimeout(waiting);
  waiting = setTimeout(() => history.replaceState(null, "", location.pathname + location.search + hash(view)), WAIT_MS);
}

function hash(view) {
  const told = new URLSearchParams();
  for (const name of NAMES) if (view[name]) told.set(name, view[name]);
  if (view.warned) told.set("warned", "1");
  if (view.area) told.set("area", view.area.map((degrees) => degrees.toFixed(6)).join());
  if (view.sort) told.set("sort", (view.sort.descending ? "-" : "") + view.sort.column);
  if (view.colour) told.set("colour", view.colour);
  if (view.photo) told.set("photo", view.photo);
  if (view.map) told.set("map", [view.map[0].toFixed(6), view.map[1].toFixed(6), view.map[2].toFixed(2)].join());
  const text = told.toString();
  return text && `#${text}`;
}

function numbers(text, count) {
  const found = (text || "").split(",").map((part) => (part.trim() ? Number(part) : NaN));
  return found.length === count && found.every(Number.isFinite) ? found : null;
}

const column = (name) => (name && COLUMN.test(name) ? name : "");
const isPlace = (longitude, latitude) => Math.abs(longitude) <= 180 && Math.abs(latitude) <= 90;
const area = (found) => (found && isPlace(found[0], found[1]) && isPlace(found[2], found[3]) && found[1] <= found[3] ? found : null);
const place = (found) => (found && isPlace(found[0], found[1]) && found[2] >= 0 && found[2] <= 22 ? found : null);
