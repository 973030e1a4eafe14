import { expect, test } from "vitest";
import { nextLink } from "../../lib/outbound/next-link.ts";
import { expectLinear } from "../support/growth.ts";

const LINKS: readonly [header: string | string[] | undefined, next: string | undefined][] = [
  ['<https://a.example/?p=2>; rel="next"', "https://a.example/?p=2"],
  ["</?p=2>; rel=next", "/?p=2"],
  ['<?p=1>; rel="prev", <?p=3>; rel="next", <?p=9>; rel="last"', "?p=3"],
  [['<?p=1>; rel="self"', '<?p=2>; rel="next"'], "?p=2"],
  // A comma or semicolon in a URL, and in a quoted value.
  ['<?f=a,b;c&p=2>; rel="next"', "?f=a,b;c&p=2"],
  ['<?p=0>; rel="prev"; title="a, <?p=7>; rel=next", <?p=2>; rel="next"', "?p=2"],
  ['<?p=0>; title="say \\"hi\\", ok"; rel=prev, <?p=2>; rel="next"', "?p=2"],
  // Parameters in any order and case, without a value, with spaces, and several relations.
  ['<?p=2>; type="application/json"; REL="Next"', "?p=2"],
  ["<?p=1>;rel=stylesheet;title, <?p=2>;rel=next", "?p=2"],
  ['<?p=2> ;\t rel = "last next"', "?p=2"],
  ["<?p=2>; rel=next last", "?p=2"],
  // In single quotes, as GitHub has written it.
  ["<?p=1>; rel='prev', <?p=2>; rel='next last'", "?p=2"],
  // The first of two relations counts, a link of another page does not.
  ['<?p=2>; rel="prev"; rel="next"', undefined],
  ['<?p=2>; rel="next"; anchor="/other"', undefined],
  ['<?p=2>; rel="nextish"', undefined],
  ['<?p=2; rel="next"', undefined],
  ["?p=2; rel=next", undefined],
  ["", undefined],
  [undefined, undefined],
];

test.each(LINKS)("the next page of the link header %j is %j", (header, next) => {
  expect(nextLink(header)).toBe(next);
});

test.each(['<a>; rel="', "<a>;", "<a>; x ", ', "', '\\"'])(
  "a header of many %j takes as long as it is",
  async (part) => {
    await expectLinear((length) => expect(nextLink(part.repeat(length / part.length))).toBeUndefined(), 16_000);
  },
);
