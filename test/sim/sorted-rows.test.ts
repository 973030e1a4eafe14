import { expect, test } from "vitest";
import { SortedRows } from "./models/sorted-rows.ts";
import { createRandom } from "./random.ts";

test("a list in pieces is the list that an array would be", () => {
  const random = createRandom("sorted rows");
  const [rows, array] = [new SortedRows<number>(), [] as number[]];
  const draw = () => Math.floor(random.between(0, 5_000));
  for (let n = 0; n < 20_000; n += 1) {
    const value = draw();
    const at = rows.firstAt((one) => one >= value);
    const there = array.findIndex((one) => one >= value);
    expect(at).toBe(there < 0 ? array.length : there);
    if (array[at] !== value) {
      rows.splice(at, 0, value);
      array.splice(at, 0, value);
    } else if (random.between(0, 3) < 1) {
      rows.splice(at, 1);
      array.splice(at, 1);
    }
    if (n % 500 !== 0) continue;
    expect([...rows]).toEqual(array);
    expect(rows.length).toBe(array.length);
    expect(array.map((_, position) => rows.at(position))).toEqual(array);
  }
  expect([rows.at(-1), rows.at(rows.length)]).toEqual([undefined, undefined]);
  expect([...new SortedRows(rows)]).toEqual(array);
  while (rows.length > 0) rows.splice(0, 1);
  expect([rows.length, rows.at(0), rows.firstAt(() => true)]).toEqual([0, undefined, 0]);
});
