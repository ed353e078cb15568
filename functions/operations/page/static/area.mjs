// The rectangle that filters: dragged over the map, or what of the map is in view.
const LEAST_PIXELS = 4; // a shorter drag is a click

export class Area {
  constructor(map, { draw, view }, change) {
    this.map = map;
    this.button = draw;
    this.change = change;
    draw.addEventListener("click", () => this.toggle(draw.getAttribute("aria-pressed") !== "true"));
    view.addEventListener("click", () => change(this.around(map.getBounds().getSouthWest(), map.getBounds().getNorthEast())));
    const canvas = map.getCanvasContainer();
    canvas.addEventListener("pointerdown", (event) => this.begin(event), { capture: true });
    document.addEventListener("keydown", (event) => { if (event.key === "Escape") this.toggle(false); });
  }

  toggle(on) {
    this.button.setAttribute("aria-pressed", String(on));
    this.map.getContainer().classList.toggle("drawing", on);
    for (const handler of [this.map.dragPan, this.map.boxZoom, this.map.touchZoomRotate]) handler[on ? "disable" : "enable"]();
    if (!on) this.map.touchZoomRotate.disableRotation();
  }

  begin(event) {
    if (this.button.getAttribute("aria-pressed") !== "true" || event.button !== 0) return;
    const frame = this.map.getContainer().getBoundingClientRect();
    const point = ({ clientX, clientY }) => [clientX - frame.left, clientY - frame.top];
    const from = point(event);
    const stop = new AbortController();
    const corners = (to) => this.around(this.map.unproject(from), this.map.unproject(to));
    addEventListener("pointermove", (moved) => this.outline(corners(point(moved))), { signal: stop.signal });
    addEventListener("pointercancel", () => stop.abort(), { signal: stop.signal });
    addEventListener("pointerup", (last) => {
      stop.abort();
      const to = point(last);
      if (Math.abs(to[0] - from[0]) < LEAST_PIXELS || Math.abs(to[1] - from[1]) < LEAST_PIXELS) return;
      this.toggle(false);
      this.change(corners(to));
    }, { signal: stop.signal });
  }

  // Gives [west, south, east, north]; the map goes round the world and on, longitudes do not.
  around(one, other) {
    const [west, east] = [Math.min(one.lng, other.lng), Math.max(one.lng, other.lng)];
    const [south, north] = [Math.min(one.lat, other.lat), Math.max(one.lat, other.lat)];
    if (east - west >= 360) return [-180, south, 180, north];
    const wrap = (longitude) => ((((longitude + 180) % 360) + 360) % 360) - 180;
    return [wrap(west), south, wrap(east), north];
  }

  // Draws the outline of an area; null takes it away.
  outline(area) {
    const features = [];
    if (area) {
      const [west, south, , north] = area;
      const east = area[2] < west ? area[2] + 360 : area[2];
      const ring = [[west, south], [east, south], [east, north], [west, north], [west, south]];
      features.push({ type: "Feature", geometry: { type: "Polygon", coordinates: [ring] }, properties: {} });
    }
    this.map.getSource("area").setData({ type: "FeatureCollection", features });
  }
}
