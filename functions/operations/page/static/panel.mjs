// The chosen photo: its preview, if whoever looks may read it, a link, warnings, and its values in groups with units.
const element = (id) => document.getElementById(id);
const HIDDEN = new Set(["exif", "xmp", "id", "warnings"]);
// Each group begins with a column of the CSV and goes on to the next one's; a test holds that they are columns.
const GROUPS = [
  ["Object", "ingested_at"], ["Picture", "width_px"], ["Camera", "make"], ["Exposure", "captured_at"],
  ["Position", "gps_latitude_deg"], ["Aircraft", "relative_altitude_m"], ["Words", "title"], ["Other", "projection_type"],
];
const SIGNS = { degrees: "°", pixels: "px" };
const WAIT_MS = 150; // who walks through the rows by arrow keys asks for no preview on the way
// How the EXIF orientations 1 to 8 turn a picture as it is stored (Exif 3.0, Orientation); those from 5 on lie down.
const TURNS = ["", "none", "scaleX(-1)", "rotate(180deg)", "scaleY(-1)", "rotate(90deg) scaleY(-1)", "rotate(90deg)", "rotate(-90deg) scaleY(-1)", "rotate(-90deg)"];

export const unitOf = (described, name) => SIGNS[described[name]?.unit] ?? described[name]?.unit ?? "";

export class PhotoPanel {
  // `links` says where photos and previews are: { photos, previews }, each may be empty.
  constructor(links) {
    this.links = links;
    this.asked = new AbortController();
  }

  show(row, columns, described) {
    element("photo-name").textContent = row.key;
    element("photo-link").replaceChildren(this.link(row));
    element("photo-warnings").replaceChildren(...warnings(row).map((text) => tag("li", text)));
    element("photo-values").replaceChildren(...groups(row, columns).flatMap(([title, names]) => [
      tag("h3", title), list(row, names, described)]));
    this.preview(row);
  }

  link(row) {
    if (!this.links.photos) return tag("code", `s3://${row.bucket}/${row.key}`);
    return Object.assign(tag("a", "Open the photo"), { href: filled(this.links.photos, row), target: "_blank", rel: "noopener" });
  }

  // Asks for the picture that is embedded in the photo; what there is instead is said in words.
  async preview(row) {
    this.hide();
    if (!this.links.previews) return;
    const { signal } = (this.asked = new AbortController());
    try {
      await new Promise((done) => setTimeout(done, WAIT_MS));
      signal.throwIfAborted();
      const answer = await fetch(filled(this.links.previews, row), { signal });
      if (answer.headers.get("content-type") === "image/jpeg") await this.picture(await answer.blob(), row, signal);
      else this.say(answer.ok ? await answer.text() : `No preview: ${whyNot(await answer.text())}`, signal);
    } catch (error) {
      // Another photo was chosen, or the server is gone, which the status says; else these bytes are no picture.
      if (error.name === "EncodingError") this.say("No preview: the embedded picture is damaged", signal);
    }
  }

  async picture(blob, row, signal) {
    const image = element("photo-preview").querySelector("img");
    image.src = URL.createObjectURL(blob);
    await image.decode();
    signal.throwIfAborted();
    image.alt = `Preview of ${row.key}`;
    image.style.transform = TURNS[row.orientation] || "none";
    element("photo-preview").classList.toggle("lying", row.orientation >= 5);
    element("photo-preview").hidden = false;
  }

  say(text, signal) {
    signal.throwIfAborted();
    element("photo-without").textContent = text;
  }

  hide() {
    this.asked.abort();
    const image = element("photo-preview").querySelector("img");
    element("photo-preview").hidden = true;
    element("photo-without").textContent = "";
    if (image.src) URL.revokeObjectURL(image.src);
    image.removeAttribute("src");
  }
}

// Gives a refusal's words without the number and name that they begin with.
const whyNot = (text) => text.trim().replace(/^\d{3} [^:]*: /, "");

function filled(link, row) {
  return link.replace("{id}", encodeURIComponent(row.id)).replace("{bucket}", encodeURIComponent(row.bucket))
    .replace("{key}", row.key.split("/").map(encodeURIComponent).join("/"));
}

function warnings(row) {
  try {
    return JSON.parse(row.warnings || "[]").map(String);
  } catch {
    return [row.warnings];
  }
}

// Gives [title, names] for each group of which the row has something, in the order of the CSV.
function groups(row, columns) {
  const found = [];
  let title = GROUPS[0][0];
  for (const name of columns) {
    title = GROUPS.find(([, first]) => first === name)?.[0] ?? title;
    if (row[name] === undefined || HIDDEN.has(name)) continue;
    if (found.at(-1)?.[0] !== title) found.push([title, []]);
    found.at(-1)[1].push(name);
  }
  return found;
}

function list(row, names, described) {
  const values = document.createElement("dl");
  for (const name of names) {
    const unit = unitOf(described, name);
    const value = String(row[name]) + (unit && described[name].type !== "string" ? (unit === "°" ? unit : ` ${unit}`) : "");
    values.append(Object.assign(tag("dt", name), { title: described[name]?.meaning || "" }), tag("dd", value));
  }
  return values;
}

function tag(name, text) {
  return Object.assign(document.createElement(name), { textContent: text });
}
