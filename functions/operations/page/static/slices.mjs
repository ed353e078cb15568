// Long work in slices: in between the page's own thread is the reader's.
const SLICE_MS = 10;
const RUN = 2048; // items that are sorted in one go
let end = 0; // of the slice, which one piece of work hands on to the next: many short ones are as long as one

export const pause = () => (globalThis.scheduler?.yield ? scheduler.yield() : new Promise((done) => setTimeout(done)));

// Calls `work` with each item and its index. A signal that says stop ends it with an AbortError, as all here. To look at
// the clock costs more than light work: only each `often`th time it is done.
export async function inSlices(items, work, signal, often = 128) {
  for (let index = 0; index < items.length; index++) {
    work(items[index], index);
    if ((index + 1) % often || performance.now() < end) continue;
    await pause();
    end = performance.now() + SLICE_MS;
    signal.throwIfAborted();
  }
}

// Gives the items in order; those that compare as equal stay as they stood.
export async function sorted(items, compare, signal) {
  let runs = Array.from({ length: Math.ceil(items.length / RUN) }, (_, number) => items.slice(number * RUN, (number + 1) * RUN));
  await inSlices(runs, (run) => run.sort(compare), signal, 1);
  while (runs.length > 1) {
    const merged = [];
    for (let number = 0; number < runs.length; number += 2) {
      merged.push(number + 1 < runs.length ? await merge(runs[number], runs[number + 1], compare, signal) : runs[number]);
    }
    runs = merged;
  }
  return runs[0] || [];
}

async function merge(left, right, compare, signal) {
  let taken = 0;
  const merged = [];
  await inSlices(right, (item) => {
    while (taken < left.length && compare(left[taken], item) <= 0) merged.push(left[taken++]);
    merged.push(item);
  }, signal);
  await inSlices(left.slice(taken), (item) => merged.push(item), signal);
  return merged;
}
