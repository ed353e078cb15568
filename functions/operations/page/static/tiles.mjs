// The background map: tiles come from the server that the reader names, and only after the reader asked for them.
const ADDRESS = "skyledger-tiles"; // kept in this browser: { url, credit }
const LOADED = "skyledger-tiles-loaded"; // kept in this tab: a reload shows them again
const LOCAL = ["localhost", "127.0.0.1"];
// Whom the tiles must name on the map, by the end of their server's name (OSM Foundation, "Attribution Guidelines").
const CREDITS = { "openstreetmap.org": "© OpenStreetMap contributors, openstreetmap.org/copyright" };
const COASTS = "Coasts: Natural Earth";

export class Background {
  constructor(map, part) {
    Object.assign(this, { map, part, failed: 0, loaded: 0 });
    const kept = JSON.parse(localStorage.getItem(ADDRESS) || "{}");
    part("tile-url").value = kept.url || "";
    part("tile-credit").value = kept.credit || "";
    part("tile-load").addEventListener("click", () => this.load());
    part("tile-off").addEventListener("click", () => this.off());
    map.on("error", (event) => { if (event.sourceId === "tiles") this.count("failed"); });
    map.on("sourcedata", (event) => { if (event.sourceId === "tiles" && event.tile && event.dataType === "source" && event.tile.state === "loaded") this.count("loaded"); });
    this.say("Off.");
    this.credit(COASTS);
    if (sessionStorage.getItem(LOADED)) map.once("load", () => this.load());
  }

  load() {
    const url = this.part("tile-url").value.trim();
    this.remove();
    const fault = faultOf(url);
    if (fault) return this.say(fault);
    const { hostname, host } = new URL(url);
    const known = Object.keys(CREDITS).find((name) => hostname === name || hostname.endsWith(`.${name}`));
    const credit = this.part("tile-credit").value.trim() || (known ? CREDITS[known] : `Map: ${host}`);
    localStorage.setItem(ADDRESS, JSON.stringify({ url, credit: this.part("tile-credit").value.trim() }));
    sessionStorage.setItem(LOADED, "1");
    Object.assign(this, { host, failed: 0, loaded: 0 });
    this.map.addSource("tiles", { type: "raster", tiles: [url], tileSize: 256 });
    this.map.addLayer({ id: "tiles", type: "raster", source: "tiles" }, "area");
    this.credit(credit);
    this.say(`Asking ${host}…`);
  }

  off() {
    this.remove();
    sessionStorage.removeItem(LOADED);
    this.say("Off.");
  }

  remove() {
    if (this.map.getLayer("tiles")) this.map.removeLayer("tiles");
    if (this.map.getSource("tiles")) this.map.removeSource("tiles");
    this.credit(COASTS);
  }

  count(what) {
    if (!this.map.getSource("tiles")) return;
    this[what] += 1;
    if (!this.loaded) this.say(`${this.host} gives no tiles: it does not answer, refuses, or does not let pages of other servers have them (CORS).`);
    else this.say(this.failed ? `From ${this.host}; some tiles did not come.` : `From ${this.host}.`);
  }

  say(text) {
    if (this.part("tile-state").textContent !== text) this.part("tile-state").textContent = text;
  }

  credit(text) {
    this.part("credit").textContent = text;
  }
}

// Says what is wrong with a tile address; nothing if it can be asked.
function faultOf(text) {
  if (!text) return "Which server? Its address goes above.";
  const url = URL.canParse(text) && new URL(text);
  if (!url || !["https:", "http:"].includes(url.protocol)) return "This is no address: it begins with https.";
  if (url.protocol === "http:" && !LOCAL.includes(url.hostname)) return "Without https only a server on this machine can be asked (localhost).";
  if (!["{z}", "{x}", "{y}"].every((part) => text.includes(part))) return "The address needs {z}, {x} and {y}, where zoom, column and line of a tile go.";
  return "";
}
