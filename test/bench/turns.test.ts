import { expect, test } from "vitest";
import { inPieces } from "../../bench/turns.ts";

test("entrants take turns, each at both ends of the order, until all have done the same number of jobs", async () => {
  const turns: string[] = [];
  const done: Record<string, number> = { service: 0, floor: 0 };
  await inPieces(Object.keys(done), 600, async (name, count) => {
    turns.push(name);
    done[name] = (done[name] ?? 0) + count;
  });
  expect(turns).toEqual(["service", "floor", "floor", "service", "service", "floor"]);
  expect(done).toEqual({ service: 600, floor: 600 });
});
