import * as fc from "fast-check";
import { expect, test } from "vitest";
import { changingNumber, compareNumbers, numberOf, parseExactly } from "../../lib/job/exact-json.ts";

/** The value as sign, whole number and power of ten, by another way than the code's. */
function valueOf(text: string): [bigint, bigint] {
  const [, mantissa = "", exponent = "0"] = /^(.*?)(?:e(.*))?$/i.exec(text) ?? [];
  const [whole = "", fraction = ""] = mantissa.split(".");
  let [digits, power] = [BigInt(whole + fraction), BigInt(exponent) - BigInt(fraction.length)];
  while (digits !== 0n && digits % 10n === 0n) [digits, power] = [digits / 10n, power + 1n];
  return digits === 0n ? [0n, 0n] : [digits, power];
}

const digits = (most: number) => fc.stringMatching(new RegExp(`^\\d{1,${most}}$`));
const numberText = fc
  .tuple(fc.constantFrom("", "-"), digits(22), fc.option(digits(22)), fc.option(fc.integer({ min: -420, max: 420 })))
  .map(([minus, whole, fraction, exponent]) =>
    [
      minus,
      whole.replace(/^0+(?=\d)/, ""),
      fraction === null ? "" : `.${fraction}`,
      exponent === null ? "" : `e${exponent}`,
    ].join(""),
  );

test("a number that was parsed and written again has the value that it had, and minus zero its sign", () => {
  fc.assert(
    fc.property(numberText, (text) => {
      const written = JSON.stringify(parseExactly(`{"a":[${text}]}`)).slice('{"a":['.length, -2);
      expect(valueOf(written)).toEqual(valueOf(text));
      expect(written.startsWith("-")).toBe(text.startsWith("-"));
    }),
    { numRuns: 500 },
  );
});

test("numbers are compared by their decimal values", () => {
  const ascending = [
    "-1e400",
    "-1234567890123456789",
    "-5",
    "0",
    "1e-400",
    "0.1",
    "0.1000000000000000055",
    "0.2",
    "12345678901234567889",
    "12345678901234567890",
    "1e400",
  ];
  for (const [at, one] of ascending.entries()) {
    for (const [other, two] of ascending.entries()) {
      expect(Math.sign(compareNumbers(numberOf(one), numberOf(two))) + 0).toBe(Math.sign(at - other));
    }
  }
  expect(compareNumbers(numberOf("-0"), 0)).toBe(0);
  expect(compareNumbers(numberOf("1234567890123456789"), numberOf("1234567890123456789.00"))).toBe(0);
});

test("only what would change is kept as its text, and is found with its place", () => {
  const plain = '{"a":[1,-2.5,1e3,100000000000000000000,9007199254740992],"b":"-0, 1e400","c":"2026-01-01"}';
  expect(changingNumber(parseExactly(plain))).toBeUndefined();
  expect(parseExactly(plain)).toEqual(JSON.parse(plain));
  expect(changingNumber(parseExactly('{"a":{"b":[1,{"c": -0}]}}'))).toEqual({ path: ["a", "b", "1", "c"], text: "-0" });
  for (const text of ["1234567890123456789", "1e400", "0.1000000000000000055", "-0", "-0.0e5", "1e-400"]) {
    expect(changingNumber(parseExactly(text))).toEqual({ path: [], text });
  }
});
