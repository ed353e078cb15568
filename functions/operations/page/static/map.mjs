// The map: every photo with a position as a point, coloured by altitude, with an arrow where the heading is known.
import { LngLatBounds, Map as MapLibre, NavigationControl, ScaleControl } from "./vendor/maplibre-gl.mjs";

const RAMP = ["#3b6fb6", "#37a37a", "#e0a526", "#cf3f3f"];
// Above so many photos, those that would lie on one another are left out until one is near enough to tell them apart.
const THINNED_FROM = 20_000;
const CELL_LEVEL = 7; // at zoom z the world is cut into 2^(z + 7) cells a side, of 4 pixels each
const DEEPEST_LEVEL = 24;
const dark = matchMedia("(prefers-color-scheme: dark)");

export const hasPosition = (row) => row.gps_latitude_deg !== undefined && row.gps_longitude_deg !== undefined;
export const heading = (row) => row.gps_image_direction_deg ?? row.gimbal_yaw_deg ?? row.camera_yaw_deg ?? row.flight_yaw_deg;
export const altitude = (row) => row.relative_altitude_m ?? row.gps_altitude_m ?? row.absolute_altitude_m;

export class PhotoMap {
  constructor(container, legend, choose) {
    this.legend = legend;
    this.rows = [];
    this.fitted = false;
    this.map = new MapLibre({ container, style: style(), center: [10, 30], zoom: 1, attributionControl: false, maxPitch: 0 });
    this.map.addControl(new NavigationControl({ showCompass: false }), "top-right");
    this.map.addControl(new ScaleControl(), "bottom-right");
    this.ready = new Promise((done) => this.map.once("load", done));
    this.map.on("click", "points", (event) => choose(this.rows[event.features[0].properties.index]));
    this.map.on("mouseenter", "points", () => { this.map.getCanvas().style.cursor = "pointer"; });
    this.map.on("mouseleave", "points", () => { this.map.getCanvas().style.cursor = ""; });
    dark.addEventListener("change", () => this.map.setPaintProperty("back", "background-color", back()));
    this.ready.then(() => this.map.addImage("arrow", arrow(), { sdf: true, pixelRatio: 2 }));
  }

  async show(rows) {
    await this.ready;
    this.rows = rows.filter(hasPosition);
    const known = this.rows.map(altitude).filter((value) => value !== undefined);
    const low = known.reduce((least, value) => Math.min(least, value), Infinity);
    const high = known.reduce((most, value) => Math.max(most, value), -Infinity);
    const zooms = this.rows.length < THINNED_FROM ? [] : firstZooms(this.rows);
    const features = this.rows.map((row, index) => ({
      type: "Feature",
      geometry: { type: "Point", coordinates: [row.gps_longitude_deg, row.gps_latitude_deg] },
      properties: { index, heading: heading(row), altitude: altitude(row), zoom: zooms[index] ?? 0 },
    }));
    this.map.getSource("photos").setData({ type: "FeatureCollection", features });
    this.map.setPaintProperty("points", "circle-color", colour(low, high));
    this.legend.innerHTML = known.length ? `${low.toFixed(0)} m<i></i>${high.toFixed(0)} m` : "";
    if (!this.fitted && this.rows.length) this.fit();
  }

  fit() {
    this.map.resize();
    const bounds = new LngLatBounds();
    this.rows.forEach((row) => bounds.extend([row.gps_longitude_deg, row.gps_latitude_deg]));
    this.map.fitBounds(bounds, { padding: 40, maxZoom: 18, animate: false });
    this.fitted = true;
  }

  async choose(row) {
    await this.ready;
    const at = row && hasPosition(row) ? [row.gps_longitude_deg, row.gps_latitude_deg] : null;
    const features = at ? [{ type: "Feature", geometry: { type: "Point", coordinates: at }, properties: {} }] : [];
    this.map.getSource("chosen").setData({ type: "FeatureCollection", features });
    if (at && !this.map.getBounds().contains(at)) this.map.easeTo({ center: at });
  }

  // Tiles come from the server that the reader names, and only after the reader asked for them.
  async tiles(url) {
    await this.ready;
    if (this.map.getLayer("tiles")) this.map.removeLayer("tiles");
    if (this.map.getSource("tiles")) this.map.removeSource("tiles");
    if (!url) return;
    this.map.addSource("tiles", { type: "raster", tiles: [url], tileSize: 256 });
    this.map.addLayer({ id: "tiles", type: "raster", source: "tiles" }, "points");
  }
}

// Gives for each row the zoom from which on it is the first of its cell. In Morton order rows of one cell stand side by
// side at every level, so comparing each with the one before is enough.
function firstZooms(rows) {
  const cells = 2 ** DEEPEST_LEVEL;
  const columns = rows.map((row) => Math.floor(clamp((row.gps_longitude_deg + 180) / 360) * cells));
  const lines = rows.map((row) => Math.floor(clamp(mercator(row.gps_latitude_deg)) * cells));
  const keys = rows.map((_, index) => 2 * spread(columns[index]) + spread(lines[index]));
  const order = Uint32Array.from(keys.keys()).sort((one, other) => keys[one] - keys[other]);
  const zooms = new Uint8Array(rows.length);
  for (let place = 1; place < order.length; place++) {
    const [one, before] = [order[place], order[place - 1]];
    const differs = (columns[one] ^ columns[before]) | (lines[one] ^ lines[before]);
    const common = Math.clz32(differs) - (32 - DEEPEST_LEVEL);
    zooms[one] = Math.max(0, common + 1 - CELL_LEVEL);
  }
  return zooms;
}

const clamp = (share) => Math.min(Math.max(share, 0), 1 - Number.EPSILON);
const mercator = (latitude) => 0.5 - Math.asinh(Math.tan((latitude * Math.PI) / 180)) / (2 * Math.PI);

// Puts a zero between the bits of a number of 24 bits.
function spread(number) {
  return spread12(number >>> 12) * 2 ** 24 + spread12(number & 0xfff);
}

function spread12(number) {
  let bits = (number | (number << 8)) & 0x00ff00ff;
  bits = (bits | (bits << 4)) & 0x0f0f0f0f;
  bits = (bits | (bits << 2)) & 0x33333333;
  return (bits | (bits << 1)) & 0x55555555;
}

const back = () => (dark.matches ? "#1c262f" : "#e9eef2");

function colour(low, high) {
  if (!(high > low)) return RAMP[1];
  const stops = RAMP.flatMap((value, index) => [low + ((high - low) * index) / (RAMP.length - 1), value]);
  return ["case", ["==", ["typeof", ["get", "altitude"]], "number"],
    ["interpolate", ["linear"], ["to-number", ["get", "altitude"], 0], ...stops], "#7d8b97"];
}

function style() {
  const empty = { type: "geojson", data: { type: "FeatureCollection", features: [] } };
  return {
    version: 8,
    sources: { photos: { ...empty, buffer: 16 }, chosen: empty },
    layers: [
      { id: "back", type: "background", paint: { "background-color": back() } },
      { id: "points", type: "circle", source: "photos", filter: ["<=", ["get", "zoom"], ["zoom"]], paint: {
        "circle-radius": ["interpolate", ["linear"], ["zoom"], 2, 2.5, 16, 5, 18, 7],
        "circle-stroke-width": ["interpolate", ["linear"], ["zoom"], 14.5, 0, 15.5, 1],
        "circle-color": RAMP[1], "circle-stroke-color": "#ffffff" } },
      { id: "headings", type: "symbol", source: "photos", minzoom: 15, filter: ["==", ["typeof", ["get", "heading"]], "number"], layout: {
        "icon-image": "arrow", "icon-rotate": ["get", "heading"], "icon-rotation-alignment": "map", "icon-allow-overlap": true,
        "icon-ignore-placement": true, "icon-offset": [0, -14], "icon-size": ["interpolate", ["linear"], ["zoom"], 15, 0.5, 18, 1] },
        paint: { "icon-color": "#0b62c4", "icon-halo-color": "#ffffff", "icon-halo-width": 1 } },
      { id: "chosen", type: "circle", source: "chosen", paint: {
        "circle-radius": 12, "circle-opacity": 0, "circle-stroke-width": 4, "circle-stroke-color": "#0b62c4" } },
    ],
  };
}

function arrow() {
  const size = 24;
  const context = Object.assign(document.createElement("canvas"), { width: size, height: size }).getContext("2d");
  context.beginPath();
  context.moveTo(size / 2, 1);
  context.lineTo(size - 4, size - 4);
  context.lineTo(size / 2, size - 9);
  context.lineTo(4, size - 4);
  context.fill();
  return context.getImageData(0, 0, size, size);
}
