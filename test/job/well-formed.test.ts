import * as fc from "fast-check";
import { expect, test } from "vitest";
import { halfPairIn, mayHaveHalfPair } from "../../lib/job/well-formed.ts";

const text = fc.string({ unit: fc.constantFrom("a", "\ud800", "\udc00", "\u{1F600}", "\\", '"', "u", "d8") });
const value = fc.object({ key: text, values: [text, fc.integer()] });

test("half a surrogate pair is found wherever it is, and nowhere else", () => {
  expect(halfPairIn({ a: [1, { b: "x\ud800" }] })).toEqual(["a", "1", "b"]);
  expect(halfPairIn({ a: { "\udc00": 1 } })).toEqual(["a", "\udc00"]);
  expect(halfPairIn("\ud800")).toEqual([]);
  fc.assert(
    fc.property(value, (given) => {
      // Half a pair comes back from UTF-8 as another character.
      const isWhole = Buffer.from(raw(given)).toString() === raw(given);
      expect(halfPairIn(given) === undefined).toBe(isWhole);
      if (!mayHaveHalfPair(JSON.stringify(given))) expect(halfPairIn(given)).toBeUndefined();
    }),
  );
});

/** All texts and names of a value, one behind the other. */
function raw(given: unknown): string {
  if (typeof given !== "object" || given === null) return `${String(given)} `;
  return Object.entries(given)
    .map(([name, each]) => `${name} ${raw(each)}`)
    .join("");
}
