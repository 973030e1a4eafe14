import { expect, test } from "vitest";
import { jsonBytes } from "../../lib/api/http/json-bytes.ts";

test.each([
  ["", "nothing"],
  ['{"a":"\\"b\\\\"}', "quotes and backslashes"],
  [String.fromCharCode(...Array.from({ length: 160 }, (_, code) => code)), "control characters and those around them"],
  ["é߿ࠀ€퟿\uFFFD", "two and three bytes"],
  ["😀 a 😀", "pairs of surrogates"],
  ["\uD83D \uDE00\uD83D", "halves of them"],
])("the bytes of %j as JSON are counted: %s", (text) => {
  expect(jsonBytes(text)).toBe(Buffer.byteLength(JSON.stringify(text)));
});
