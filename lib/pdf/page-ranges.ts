import { rangesIn } from "./options.ts";

/** Pages as Chromium reads them, in order and without repetition. Of more than `most`, the first ones. */
export function rangesText(asked: string, most = Infinity): string {
  const merged: [from: number, to: number][] = [];
  for (const [from, to] of rangesIn(asked).toSorted(([one], [other]) => one - other)) {
    const before = merged.at(-1);
    if (before && from <= before[1] + 1) before[1] = Math.max(before[1], to);
    else merged.push([from, to]);
  }
  const kept: string[] = [];
  let left = most;
  for (const [from, to] of merged) {
    if (left <= 0) break;
    const last = Math.min(to, from + left - 1);
    kept.push(last === Infinity ? `${from}-` : `${from}-${last}`);
    left -= last - from + 1;
  }
  return kept.join(",");
}
