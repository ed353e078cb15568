// The map: every photo with a position as a point, coloured by altitude, with an arrow where the heading is known.
import { LngLatBounds, Map as MapLibre, NavigationControl, ScaleControl } from "./vendor/maplibre-gl.mjs";

const RAMP = ["#3b6fb6", "#37a37a", "#e0a526", "#cf3f3f"];
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
    const features = this.rows.map((row, index) => ({
      type: "Feature",
      geometry: { type: "Point", coordinates: [row.gps_longitude_deg, row.gps_latitude_deg] },
      properties: { index, heading: heading(row), altitude: altitude(row) },
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
      { id: "chosen", type: "circle", source: "chosen", paint: { "circle-radius": 13, "circle-color": "#0b62c4", "circle-opacity": 0.35 } },
      { id: "points", type: "circle", source: "photos", paint: {
        "circle-radius": ["interpolate", ["linear"], ["zoom"], 2, 2.5, 16, 6],
        "circle-color": RAMP[1], "circle-stroke-width": 1, "circle-stroke-color": "#ffffff" } },
      { id: "headings", type: "symbol", source: "photos", minzoom: 13, filter: ["==", ["typeof", ["get", "heading"]], "number"], layout: {
        "icon-image": "arrow", "icon-rotate": ["get", "heading"], "icon-rotation-alignment": "map", "icon-allow-overlap": true,
        "icon-ignore-placement": true, "icon-offset": [0, -11] }, paint: { "icon-color": "#0b62c4" } },
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
