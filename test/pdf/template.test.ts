import { rmSync } from "node:fs";
import type { CDPSession } from "puppeteer-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createClock } from "../../lib/clock.ts";
import { launch } from "../../lib/pdf/browser.ts";
import { findChromium } from "../../lib/pdf/chromium.ts";
import { BadDocument } from "../../lib/pdf/request.ts";
import { sanitizeTemplates } from "../../lib/pdf/template.ts";
import { readPdf } from "../support/pdf.ts";

// Headers and footers that try to run a script, and those that people print.

const clock = createClock();
let session: CDPSession;
let end: () => void;

beforeAll(async () => {
  const chromium = await findChromium({ clock, log: () => {} });
  const home = await chromium.createHome();
  const { browser, child, pid } = await launch(chromium, home, clock.timeout(60_000));
  end = () => {
    child.once("exit", () => rmSync(home, { recursive: true, force: true, maxRetries: 3 }));
    process.kill(-pid, "SIGKILL");
  };
  const whole = await browser.target().createCDPSession();
  const { targetId } = await whole.send("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await whole.send("Target.attachToTarget", { targetId, flatten: true });
  session = whole.connection()!.session(sessionId)!;
});
afterAll(() => end());

async function sanitized(headerTemplate: string): Promise<string> {
  return (await sanitizeTemplates(session, { headerTemplate }, { tell: () => {} })).headerTemplate ?? "";
}

// A handler may run before its element is in the document.
const RUN = "[document,this.getRootNode?.()].forEach(d=>d?.querySelectorAll('i').forEach(e=>e.textContent='RA'+'N!'))";
const CODED = RUN.replaceAll(/[^\w]/g, (char) => `&#${char.charCodeAt(0)};`);
const IMAGE = "data:image/gif;base64,R0lGODlhAQABAAAAACw=";

const VECTORS = [
  // Quotes and tags that a pattern reads in another way than a browser.
  `<svg><svg class='>' onload="${RUN}">`,
  `<svg><svg class=">" onload="${RUN}">`,
  `<b title='<' onmouseover="${RUN}" style="font: 9px a">x</b>`,
  `<img alt=">" src="x:" onerror="${RUN}">`,
  `<img alt='">' src=x: onerror=${CODED}>`,
  `<b a="<b" onanimationstart="${RUN}" style="animation: a 1s">x</b><style>@keyframes a { to { top: 0 } }</style>`,
  // Separators of attributes.
  `<img src="x:"/onerror="${RUN}">`,
  `<img/src="x:"/onerror="${RUN}">`,
  `<img src="x:"onerror="${RUN}">`,
  `<img src=x:\nonerror="${RUN}">`,
  `<img src=x:\ronerror="${RUN}">`,
  `<img src=x:\tonerror\t=\t"${RUN}">`,
  `<img src=x:\fonerror="${RUN}">`,
  `<img src=x: OnErRoR\n=\n'${RUN.replaceAll("'", "&#39;")}'>`,
  `<img src=x: a=\`"\` onerror="${RUN}">`,
  `<img =" onerror="${RUN}" src=x:>`,
  `<img src="x:" onerror\u0000="${RUN}" onerror="${RUN}">`,
  // Handlers of what may come by itself.
  `<body onload="${RUN}" onpageshow="${RUN}">`,
  `<video src="x:" onerror="${RUN}"></video><audio src="x:" onerror="${RUN}"></audio>`,
  `<video><source onerror="${RUN}" src="x:"></video>`,
  `<input autofocus onfocus="${RUN}"><select autofocus onfocus="${RUN}"></select>`,
  `<b tabindex=1 autofocus contenteditable onfocus="${RUN}">x</b>`,
  `<details open ontoggle="${RUN}"><summary>s</summary></details>`,
  `<marquee onstart="${RUN}">m</marquee>`,
  `<iframe onload="${RUN}"></iframe>`,
  `<object data="data:text/html,x" onload="${RUN}"></object><embed src="data:text/html,x" onload="${RUN}">`,
  `<style onload="${RUN}">b { color: red }</style>`,
  `<link rel="stylesheet" href="data:text/css,a" onload="${RUN}">`,
  `<b popover id=p onbeforetoggle="${RUN}">x</b><button popovertarget=p autofocus>b</button>`,
  `<b oncontentvisibilityautostatechange="${RUN}" style="display: block; content-visibility: auto">x</b>`,
  // Scripts.
  `<script>${RUN}</script>`,
  `<script/x>${RUN}</script>`,
  `<scr<script>ipt>${RUN}</script>`,
  `<SCRIPT SRC="data:text/javascript,${RUN}"></SCRIPT>`,
  `<svg><script>${RUN}</script></svg>`,
  `<svg><script href="data:text/javascript,${RUN}"/></svg>`,
  `<iframe srcdoc="<script>parent.eval(&quot;${RUN}&quot;)</script>"></iframe>`,
  `<math><mtext><script>${RUN}</script></mtext></math>`,
  // Links, coded and cut in pieces.
  `<a href="javascript:${RUN}">x</a>`,
  `<a href="  JaVaScRiPt:${CODED}">x</a>`,
  `<a href="java\nscript:${RUN}">x</a>`,
  `<a href="java&Tab;script&colon;${RUN}">x</a>`,
  `<a href="&#1;javascript:${RUN}">x</a>`,
  `<a href="vbscript:msgbox(1)">x</a>`,
  `<a href="data:text/html,<script>${RUN}</script>">x</a>`,
  `<iframe src="javascript:${RUN}"></iframe>`,
  `<form action="javascript:${RUN}"><button autofocus>b</button></form>`,
  `<base href="javascript:/a/"><a href="#x">x</a>`,
  `<svg><a xlink:href="javascript:${RUN}"><text y="9">x</text></a></svg>`,
  `<svg><animate onbegin="${RUN}" attributeName="x" dur="1s"/></svg>`,
  `<svg><a><animate attributeName="href" values="javascript:${RUN}"/><text y="9">x</text></a></svg>`,
  `<svg><use href="data:image/svg+xml,<svg id='x' xmlns='http://www.w3.org/2000/svg' onload='${CODED}'/>#x"/></svg>`,
  `<meta http-equiv="refresh" content="0;url=javascript:${RUN}">`,
  // Text that becomes markup when it is written out and read again.
  `<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=x: onerror=${CODED}&gt;">`,
  `<math><mi><mglyph><style></math><img src="x:" onerror="${RUN}"></style>`,
  `<form><math><mtext></form><form><mglyph><style></math><img src="x:" onerror="${RUN}">`,
  `<svg></p><style><a id="</style><img src='x:' onerror='${CODED}'>">`,
  `<svg><desc><noscript><style></noscript><img src="x:" onerror="${RUN}"></style></desc></svg>`,
  `<svg><foreignObject><b onclick=x><img src="x:" onerror="${RUN}"></b></foreignObject></svg>`,
  `<noscript><p title="</noscript><img src=x: onerror=${CODED}>">`,
  `<template><img src="x:" onerror="${RUN}"></template>`,
  `<template shadowrootmode="open"><img src="x:" onerror="${RUN}"></template>`,
  `<xmp><p title="</xmp><img src=x: onerror=${CODED}>"></xmp>`,
  `<textarea><p title="</textarea><img src=x: onerror=${CODED}>"></textarea>`,
  `<noembed><p title="</noembed><img src=x: onerror=${CODED}>"></noembed><plaintext><p>`,
  `<title><p title="</title><img src=x: onerror=${CODED}>"></title>`,
  `<select><template><style></select></template><img src="x:" onerror="${RUN}"></style>`,
  `<table><td><style></td></table><img src="x:" onerror="${RUN}"></style></td></table>`,
  // Comments, declarations, entities.
  `<!--><img src="x:" onerror="${RUN}">-->`,
  `<!-- --!><img src="x:" onerror="${RUN}">`,
  `<!-- a="--><img src='x:' onerror='${CODED}'>" -->`,
  `<![CDATA[><img src="x:" onerror="${RUN}">]]>`,
  `<svg><![CDATA[<b title="]]><img src='x:' onerror='${CODED}'>">]]></svg>`,
  `<?xml version="1.0"?><img src="x:" onerror="${RUN}"><!DOCTYPE a [<!ENTITY b "c">]>`,
  `<//x><img src="x:" onerror="${RUN}">`,
  `&lt;img src="x:" onerror="${RUN}"&gt;`,
  // Styles that end too early, or load.
  `<style>b::after { content: "</style><img src='x:' onerror='${CODED}'>" }</style>`,
  `<style></style/><img src="x:" onerror="${RUN}"></style>`,
  `<b style="background: u\\72l(javascript:${CODED})">x</b>`,
  `<b style="width: expression(${CODED}); behavior: ur/**/l(x.htc); -moz-binding: url(&quot;x:&quot;)">x</b>`,
  `<style>@\\69mport "data:text/css,b{}"; b { color: red }</style>`,
  `<style>@/**/import "x:"; b { background: ur\\6c("javascript:${RUN}") }</style>`,
];

/** Reads HTML again as Chromium does for a header; what could run or load in it. */
async function dangersIn(html: string): Promise<string[]> {
  const expression = `(() => {
    const { body } = document.implementation.createHTMLDocument("");
    body.innerHTML = ${JSON.stringify(html)};
    return [...body.querySelectorAll("*")].flatMap((each) => [
      ...(/^(script|svg|math|template|iframe|object|embed|link|meta|base|form|input)$/.test(each.localName) ? [each.localName] : []),
      ...[...each.attributes].filter(({ name, value }) =>
        /^on/i.test(name) || (name === "href" && !/^(https?|mailto):|^#/.test(value)) || (name === "src" && !value.startsWith("data:image/"))).map(({ name }) => name),
    ]);
  })()`;
  const { result } = await session.send("Runtime.evaluate", { expression, returnByValue: true });
  return result.value as string[];
}

async function textWith(headerTemplate: string): Promise<string> {
  const print = { headerTemplate, footerTemplate: "<b></b>", displayHeaderFooter: true, marginTop: 9, paperHeight: 20 };
  const { data } = await session.send("Page.printToPDF", print);
  return (await readPdf({ file: Buffer.from(data, "base64") })).text;
}

const marked = (html: string) => `<i style="font-size: 9px">quiet</i>${html}`;

test("no script runs in a header, whatever it is wrapped in", async () => {
  expect(VECTORS.length).toBeGreaterThanOrEqual(60);
  // The attack works, so that its silence below means something.
  expect(await textWith(marked(VECTORS[0]!))).toContain("RAN!");
  const left: string[] = [];
  for (const vector of VECTORS) {
    const outcome = await sanitized(vector).catch((error: unknown) => error);
    if (outcome instanceof BadDocument) continue;
    const html = String(outcome);
    expect([vector, await dangersIn(html)]).toEqual([vector, []]);
    expect(await sanitized(html)).toBe(html);
    left.push(html);
  }
  expect(left.length).toBeGreaterThan(20);
  const text = await textWith(marked(left.join("")));
  expect(text).toContain("quiet");
  expect(text).not.toContain("RAN!");
});

test.each([
  `<span></span>`,
  `Page <span class="pageNumber"></span> of <span class="totalPages"></span>`,
  `<div style="font-size: 10px; width: 100%; text-align: center"><span class="title"></span>, <span class="date"></span></div>`,
  `<style>.logo { height: 12px; background: url("${IMAGE}") no-repeat } @media print { b { color: #333 } }</style><div class="logo"></div>`,
  `<style>@font-face { font-family: Own; src: url(data:font/woff2;base64,AAAA) }</style><b style="font-family: Own">x</b>`,
  `<div style="display: flex"><img src="${IMAGE}" width="20" height="20" alt="Logo" style="float: left"><br><hr></div>`,
  `<img src="data:image/svg+xml;utf8,%3Csvg xmlns='http://www.w3.org/2000/svg'%3E%3C/svg%3E">`,
  `<table style="width: 100%"><tbody><tr><td colspan="2" align="right">ACME &amp; Sons &lt;Ltd&gt;</td></tr></tbody></table>`,
  `<a href="https://example.com/a?b=1&amp;c=2">example.com</a> <a href="mailto:a@example.com">mail</a> <a href="#top">top</a>`,
  `<p id="x" data-kind="footer" lang="de" dir="ltr">Übersicht — 概要 😀</p>`,
  `<header><h1>Report</h1></header><footer><small>© 2026, once on = twice</small></footer>`,
])("an ordinary header is printed as it is: %s", async (template) => {
  expect(await sanitized(template)).toBe(template);
});

test("a whole page as a header is taken for what is in it, and a foreign image is left out", async () => {
  const page = `<!doctype html><html><head><title>t</title><style>b { color: red }</style></head><body class="x"><!-- c --><b>x</b></body></html>`;
  expect(await sanitized(page)).toBe(`<title>t</title><style>b { color: red }</style><b>x</b>`);
  expect(await sanitized(`<img src="https://a.example/logo.png" alt="Logo">`)).toBe(`<img alt="Logo">`);
});

test("the address of a document, which has none, is not printed", async () => {
  expect(await sanitized(`<style>.url { color: red }</style><b class="url small">x</b>`)).toBe(
    `<style>.written-url { color: red }</style><b class="written-url small"></b>`,
  );
});

test("what is not allowed is named", async () => {
  const expected = "expected text, style attributes and style elements, and images as <img> with a data: URI";
  await expect(sanitized(VECTORS[0]!)).rejects.toThrow(`options.headerTemplate holds <svg>: ${expected}`);
  const footer = sanitizeTemplates(
    session,
    { footerTemplate: `<b style="background: u\\72l(x.png)">x</b>` },
    { tell: () => {} },
  );
  await expect(footer).rejects.toThrow(`options.footerTemplate holds a style that loads something: ${expected}`);
});

test("the title of a document is no markup in a header", async () => {
  await session.send("Runtime.evaluate", {
    expression: `document.title = ${JSON.stringify(`<img src="x:" onerror="${RUN}">`)}`,
  });
  const text = await textWith(await sanitized(marked(`<span class="title" style="font-size: 9px"></span>`)));
  expect(text).toContain("onerror");
  expect(text).toContain("quiet");
});
