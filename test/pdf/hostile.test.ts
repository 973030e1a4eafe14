import { afterAll, expect, test } from "vitest";
import { createClock } from "../../lib/clock.ts";
import { BadDocument } from "../../lib/pdf/request.ts";
import { blackPng, readPdf, testRenderer } from "../support/pdf.ts";

// Documents that break browsers. Each ends as a PDF, a refusal or a timeout, and the next document is printed.

const PRINTABLE_MS = 1_200;
const ENDLESS_MS = 500;
const clock = createClock();
const renderer = testRenderer({ memoryMb: 1_000 });
afterAll(() => renderer.end());

const times = (count: number, each: (index: number) => string) =>
  Array.from({ length: count }, (_, n) => each(n)).join("");

const doublings = times(40, (n) => `--v${n + 1}: var(--v${n}) var(--v${n});`);
const groups = times(12, (n) => `<g id="g${n + 1}">${`<use href="#g${n}"/>`.repeat(10)}</g>`);

const PRINTABLE = {
  "tags that don't match": "<div><p <b></i>&#xFFFFFFFF;<table><tr><td><table></style></svg><select><math><script>",
  "variables that double": `<style>:root { --v0: x x; ${doublings} } p::before { content: var(--v40) }</style><p>x`,
  "5,000 nested calc()": `<p style="width: ${"calc(".repeat(5_000)}1px${" + 1px)".repeat(5_000)}">x`,
  "selectors that look everywhere": `<style>${times(3_000, (n) => `:has(:not(.a${n} *) ~ *) div div > * ~ * ~ *:nth-child(${n}n + 1) { color: red }`)}</style>${"<div>".repeat(300)}${"<p>x</p>".repeat(300)}`,
  "pages of a kilometre": "<style>@page { size: 1000m 1000m; margin: 0 } @page { size: 100000000px }</style><p>x",
  "margins larger than the page": `<style>@page { margin: 50cm }</style><p>x`,
};

/** Documents that are not done for long after any deadline here. */
const ENDLESS = {
  "10,000 nested elements": `${"<div>".repeat(10_000)}deep`,
  "20,000 nested inline elements": `${"<b><i>".repeat(10_000)}deep`,
  "2,000 nested tables": `${"<table><tr><td>".repeat(2_000)}deep`,
  "a page without end": `<div style="height: 10000000px">x</div>`,
  "letters of two metres": `<p style="font-size: 8000px; word-break: break-all">${"x".repeat(100_000)}`,
  "an image of 20,000 by 20,000": `<img src="${blackPng(20_000, 20_000)}">`,
  "an SVG of 20,000 by 20,000 with filters": `<img src="data:image/svg+xml,${encodeURIComponent("<svg xmlns='http://www.w3.org/2000/svg' width='20000' height='20000'><filter id='f'><feTurbulence baseFrequency='0.01' numOctaves='100'/></filter><rect filter='url(#f)' width='20000' height='20000'/></svg>")}">`,
  "SVG uses of uses": `<svg><g id="g0"><rect width="1" height="1"/></g>${groups}<use href="#g12"/></svg>`,
  "filters upon filters": `<style>div { filter: ${"blur(100px) ".repeat(50)}; width: 3000px; height: 3000px; background: red }</style>${"<div>".repeat(30)}x`,
  "200 MB of generated text": `<style>p::before { content: "${"y".repeat(100_000)}" }</style>${"<p>".repeat(2_000)}`,
  "a grid of a million by a million": `<style>div { display: grid; grid-template: repeat(1000000, 1px) / repeat(1000000, 1px) }</style><div><p style="grid-area: 999999 / 999999">x</div>`,
  "cells over 65,534 rows": `<table>${"<tr><td colspan=1000 rowspan=65534>x</td></tr>".repeat(2_000)}</table>`,
  "4 MB of table rows": `<table>${"<tr><td>Item number something</td><td>12.00</td><td>EUR 123.00</td></tr>".repeat(55_000)}</table>`,
  "pages of a pixel": `<style>@page { size: 1px 1px }</style>${"<p>x".repeat(500)}`,
};

test.each([
  ...Object.entries(PRINTABLE).map(([name, html]) => [name, html, PRINTABLE_MS] as const),
  ...Object.entries(ENDLESS).map(([name, html]) => [name, html, ENDLESS_MS] as const),
])("%s", async (_, html, deadlineMs) => {
  const deadline = clock.timeout(deadlineMs);
  const outcome: unknown = await renderer
    .render({ input_type: "html", html }, deadline)
    .catch((error: unknown) => error);
  if (outcome instanceof Error) expect(outcome instanceof BadDocument || outcome === deadline.reason).toBe(true);
  else expect(outcome).toMatchObject({ pages: expect.any(Number) });
  const next = await renderer.html("<p>after that");
  expect((await readPdf(next)).text).toBe("after that");
});
