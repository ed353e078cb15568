// The map: every photo with a position as a point, with an arrow where the heading is known, on the coasts of the world.
import { Map as MapLibre, NavigationControl, ScaleControl } from "./vendor/maplibre-gl.mjs";
import { paint } from "./colour.mjs";
import { hasPosition } from "./filters.mjs";
import { inSlices } from "./slices.mjs";
import { firstZooms } from "./thinning.mjs";

// Above so many photos, those that would lie on one another are left out until one is near enough to tell them apart.
const THINNED_FROM = 20_000;
const BESIDE_PX = 14; // between the outermost photos and what lies on the map
const NEAR_ZOOM = 13; // to which the map comes for one photo that was out of sight
const NOTHING = { type: "FeatureCollection", features: [] };
const dark = matchMedia("(prefers-color-scheme: dark)");
const COLOURS = { back: ["#e4ebf1", "#141c24"], land: ["#f6f5f0", "#222d36"], coast: ["#a7b4bf", "#4d5d6a"] };
const now = (name) => COLOURS[name][dark.matches ? 1 : 0];

export const heading = (row) => row.gps_image_direction_deg ?? row.gimbal_yaw_deg ?? row.camera_yaw_deg ?? row.flight_yaw_deg;
const at = (row) => [row.gps_longitude_deg, row.gps_latitude_deg];

export class PhotoMap {
  // `place` is [longitude, latitude, zoom] to begin with; null: the first photos say it.
  // `margins` gives how many pixels of the map, from above and from below, buttons and legend lie on.
  constructor(container, place, { choose, move, margins }) {
    this.rows = [];
    this.bounds = null; // [west, south, east, north] of all photos
    this.margins = margins;
    this.zooms = null; // of few photos all are drawn
    this.drawing = new AbortController();
    this.fitted = Boolean(place);
    this.held = false; // by the reader's finger or mouse
    this.map = new MapLibre({
      container, style: style(), center: place ? place.slice(0, 2) : [10, 30], zoom: place ? place[2] : 1,
      attributionControl: false, maxPitch: 0, dragRotate: false, fadeDuration: 0 });
    this.map.touchZoomRotate.disableRotation();
    this.map.addControl(new NavigationControl({ showCompass: false }), "top-right");
    this.map.addControl(new ScaleControl(), "bottom-right");
    this.ready = new Promise((done) => this.map.once("load", done));
    this.map.on("click", "points", (event) => choose(this.rows[event.features[0].properties.index]));
    this.map.on("mouseenter", "points", () => { this.map.getCanvas().style.cursor = "pointer"; });
    this.map.on("mouseleave", "points", () => { this.map.getCanvas().style.cursor = ""; });
    this.map.on("moveend", () => {
      move();
      this.moved();
    });
    this.map.getCanvasContainer().addEventListener("pointerdown", () => { this.held = true; });
    for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => { this.held = false; });
    dark.addEventListener("change", () => recolour(this.map));
    this.ready.then(() => this.map.addImage("arrow", arrow(), { sdf: true, pixelRatio: 2 }));
  }

  // Shows these rows, which all have a position.
  async show(rows, colours, signal) {
    await this.ready;
    const zooms = rows.length < THINNED_FROM ? null : await firstZooms(rows, signal);
    Object.assign(this, { rows, zooms, colours, bounds: await boundsOf(rows, signal) });
    if (!this.fitted) this.fit();
    this.map.setPaintProperty("points", "circle-color", paint(colours));
    this.drawing.abort();
    this.drawn = this.draw(signal);
    await this.drawn;
  }

  // Hands over to the map's worker what can be told apart in and around the part that is in view: everything is copied
  // on the page's own thread (mapbox/mapbox-gl-js#1956).
  async draw(signal) {
    const { rows, zooms, colours } = this;
    const [deepest, isAround] = this.zooms ? this.around() : [0, () => true];
    const features = [];
    await inSlices(rows, (row, index) => {
      if (zooms && (zooms[index] > deepest || !isAround(row))) return;
      const properties = { index, heading: heading(row), value: colours.value(row), zoom: zooms ? zooms[index] : 0 };
      features.push({ type: "Feature", geometry: { type: "Point", coordinates: at(row) }, properties });
    }, signal);
    await this.map.getSource("photos").setData({ type: "FeatureCollection", features });
  }

  // Gives the deepest zoom that one step from here leads to, and what says whether a photo is within half a screen.
  around() {
    const bounds = this.map.getBounds();
    const [width, height] = [bounds.getEast() - bounds.getWest(), bounds.getNorth() - bounds.getSouth()];
    const [west, east] = [bounds.getWest() - width / 2, bounds.getEast() + width / 2];
    const [south, north] = [bounds.getSouth() - height / 2, bounds.getNorth() + height / 2];
    const all = west < -180 || east > 180; // the map goes on round the world
    return [this.map.getZoom() + 1, ({ gps_latitude_deg: latitude, gps_longitude_deg: longitude }) =>
      latitude >= south && latitude <= north && (all || (longitude >= west && longitude <= east))];
  }

  async moved() {
    this.drawing.abort();
    const { signal } = (this.drawing = new AbortController());
    if (!this.zooms) return;
    await this.drawn?.catch(() => {}); // so that what is drawn last is of this view
    if (!signal.aborted) await this.draw(signal).catch(() => {}); // moved again, or other photos came
  }

  // Shows all photos, unless the reader is moving the map.
  fit() {
    if (!this.rows.length || this.held || this.map.isMoving()) return;
    this.map.resize();
    const { clientWidth, clientHeight } = this.map.getContainer();
    const beside = Math.min(60, clientWidth / 4);
    const { above, below } = this.margins();
    const room = Math.min(1, clientHeight / 2 / (above + below + 2 * BESIDE_PX)); // half of the map is the photos'
    const padding = { left: beside, right: beside, top: (above + BESIDE_PX) * room, bottom: (below + BESIDE_PX) * room };
    this.map.fitBounds(this.bounds, { padding, maxZoom: 18, animate: false });
    this.fitted = true;
  }

  // Marks a photo, and brings it into sight if asked to, nearer only if it was not in sight: not into the part, so many pixels from below, on which a panel
  // lies.
  async choose(row, { moves, covered }) {
    await this.ready;
    const place = row && hasPosition(row) ? at(row) : null;
    const features = place ? [{ type: "Feature", geometry: { type: "Point", coordinates: place }, properties: {} }] : [];
    this.map.getSource("chosen").setData({ type: "FeatureCollection", features });
    const was = place && this.sees(place, 0);
    this.map.resize(); // the panel beside it came or went
    if (!place || !moves || this.sees(place, covered)) return;
    const zoom = was ? this.map.getZoom() : Math.max(this.map.getZoom(), NEAR_ZOOM);
    this.map.easeTo({ center: place, zoom, offset: [0, -covered / 2], animate: false });
  }

  sees(place, covered) {
    const { x, y } = this.map.project(place);
    const { clientWidth, clientHeight } = this.map.getCanvas();
    return x > 0 && x < clientWidth && y > 0 && y < clientHeight - covered;
  }

  // Gives where it stands: [longitude, latitude, zoom].
  get place() {
    const { lng, lat } = this.map.getCenter().wrap();
    return [lng, lat, this.map.getZoom()];
  }
}

async function boundsOf(rows, signal) {
  let [west, south, east, north] = [180, 90, -180, -90];
  await inSlices(rows, ({ gps_longitude_deg: longitude, gps_latitude_deg: latitude }) => {
    west = Math.min(west, longitude);
    east = Math.max(east, longitude);
    south = Math.min(south, latitude);
    north = Math.max(north, latitude);
  }, signal);
  return [west, south, east, north];
}

function recolour(map) {
  map.setPaintProperty("back", "background-color", now("back"));
  map.setPaintProperty("land", "fill-color", now("land"));
  map.setPaintProperty("coast", "line-color", now("coast"));
}

function style() {
  const empty = { type: "geojson", data: NOTHING };
  return {
    version: 8,
    sources: {
      land: { type: "geojson", data: new URL("vendor/land.json", import.meta.url).href },
      photos: { ...empty, buffer: 16 }, chosen: empty, area: empty },
    layers: [
      { id: "back", type: "background", paint: { "background-color": now("back") } },
      { id: "land", type: "fill", source: "land", paint: { "fill-color": now("land") } },
      { id: "coast", type: "line", source: "land", paint: { "line-color": now("coast"), "line-width": 1 } },
      { id: "area", type: "fill", source: "area", paint: { "fill-color": "#0b62c4", "fill-opacity": 0.08 } },
      { id: "area-edge", type: "line", source: "area", paint: { "line-color": "#0b62c4", "line-width": 1.5, "line-dasharray": [3, 2] } },
      { id: "points", type: "circle", source: "photos", filter: ["<=", ["get", "zoom"], ["zoom"]], paint: {
        "circle-radius": ["interpolate", ["linear"], ["zoom"], 2, 2.5, 16, 5, 18, 7],
        "circle-stroke-width": ["interpolate", ["linear"], ["zoom"], 14.5, 0, 15.5, 1],
        "circle-color": "#37a37a", "circle-stroke-color": "#ffffff" } },
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
