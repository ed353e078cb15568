// Leaves out, at each zoom, photos that would lie on one another.
import { inSlices, sorted } from "./slices.mjs";

const CELL_LEVEL = 7; // at zoom z the world is cut into 2^(z + 7) cells a side, of 4 pixels each
const DEEPEST_LEVEL = 24;

// Gives for each row the zoom from which on it is the first of its cell. In Morton order rows of one cell stand side by
// side at every level, so comparing each with the one before is enough.
export async function firstZooms(rows, signal) {
  const cells = 2 ** DEEPEST_LEVEL;
  const [columns, lines, keys] = [new Uint32Array(rows.length), new Uint32Array(rows.length), new Float64Array(rows.length)];
  await inSlices(rows, (row, index) => {
    columns[index] = Math.floor(clamp((row.gps_longitude_deg + 180) / 360) * cells);
    lines[index] = Math.floor(clamp(mercator(row.gps_latitude_deg)) * cells);
    keys[index] = 2 * spread(columns[index]) + spread(lines[index]);
  }, signal);
  const order = await sorted(Array.from(keys.keys()), (one, other) => keys[one] - keys[other], signal);
  const zooms = new Uint8Array(rows.length);
  await inSlices(order, (one, place) => {
    if (!place) return;
    const before = order[place - 1];
    const differs = (columns[one] ^ columns[before]) | (lines[one] ^ lines[before]);
    const common = Math.clz32(differs) - (32 - DEEPEST_LEVEL);
    zooms[one] = Math.max(0, common + 1 - CELL_LEVEL);
  }, signal);
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
