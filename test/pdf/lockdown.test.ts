import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BadDocument } from "../../lib/pdf/request.ts";
import { readPdf, testRenderer } from "../support/pdf.ts";

// Documents that try to reach addresses, files, the environment or another page.

const SECRET = "a-secret-of-this-process";
let connections = 0;
const server = createServer((socket) => {
  connections += 1;
  socket.destroy();
});
const dir = mkdtempSync(join(tmpdir(), "pdf-lockdown-"));
const renderer = testRenderer();
/** The URL for a vector. Each one differs, so that no cache answers. */
let at: (vector: string) => string;
let port: number;

beforeAll(async () => {
  process.env["PDF_TEST_SECRET"] = SECRET;
  await new Promise<void>((listening) => {
    server.listen(0, "127.0.0.1", listening);
  });
  ({ port } = server.address() as AddressInfo);
  at = (vector) => `http://127.0.0.1:${port}/${vector}`;
  for (const name of ["file.txt", "file.html"]) writeFileSync(join(dir, name), "text-of-a-file");
  writeFileSync(
    join(dir, "file.svg"),
    `<svg xmlns="http://www.w3.org/2000/svg" id="a"><text y="20">text-of-a-file</text></svg>`,
  );
});
afterAll(async () => {
  await renderer.end();
  server.close();
  rmSync(dir, { recursive: true });
});

/** HTML for every way to make a browser load `url(name)`. */
function vectorsOf(url: (name: string) => string): string[] {
  return [
    `<img src="${url("img")}">`,
    `<img srcset="${url("srcset")} 2x" src="${url("srcset-src")}">`,
    `<picture><source srcset="${url("picture")}"><img src="${url("picture-img")}"></picture>`,
    `<img lowsrc="${url("lowsrc")}" dynsrc="${url("dynsrc")}" longdesc="${url("longdesc")}" src="${url("lazy")}" loading="lazy">`,
    `<input type="image" src="${url("input")}">`,
    `<iframe src="${url("iframe")}" width="300" height="50"></iframe>`,
    `<iframe srcdoc="<img src='${url("srcdoc")}'><iframe src='${url("srcdoc-frame")}'></iframe><script>parent.location='${url("srcdoc-script")}'</script>"></iframe>`,
    `<iframe src="data:text/html,<img src='${url("data-frame")}'><script>fetch('${url("data-frame-script")}')</script>"></iframe>`,
    `<iframe src="javascript:location='${url("iframe-javascript")}'"></iframe>`,
    `<object data="${url("object")}" width="300" height="50"><param name="src" value="${url("param")}"></object>`,
    `<object type="application/pdf" data="${url("object-pdf")}"></object>`,
    `<embed src="${url("embed")}" width="300" height="50">`,
    `<applet codebase="${url("codebase")}" code="${url("applet")}" archive="${url("archive")}"></applet>`,
    `<video src="${url("video")}" poster="${url("poster")}" autoplay><track src="${url("track")}" default></video>`,
    `<audio src="${url("audio")}" autoplay preload="auto"><source src="${url("source")}"></audio>`,
    ...["stylesheet", "icon", "manifest", "prefetch", "preload", "prerender", "modulepreload", "preconnect"].map(
      (rel) => `<link rel="${rel}" as="style" crossorigin href="${url(`link-${rel}`)}">`,
    ),
    `<link rel="dns-prefetch" href="${url("dns")}"><link rel="import" href="${url("import")}">`,
    `<link rel="preload" as="font" crossorigin href="${url("preload-font")}"><link rel="preload" as="image" imagesrcset="${url("preload-image")} 1x">`,
    `<script type="speculationrules">{"prefetch":[{"source":"list","urls":["${url("speculation")}"]}],"prerender":[{"source":"list","urls":["${url("prerender")}"]}]}</script>`,
    `<script src="${url("script")}"></script><script type="module">import "${url("module")}"</script>`,
    `<script>fetch("${url("fetch")}"); new Image().src="${url("image")}"; navigator.sendBeacon("${url("beacon")}"); new WebSocket("${url("websocket").replace("http", "ws")}"); new EventSource("${url("events")}"); open("${url("open")}"); new Worker("${url("worker")}"); new RTCPeerConnection({iceServers:[{urls:"stun:127.0.0.1:${port}"}]}).createOffer(); location="${url("location")}"</script>`,
    `<style>@import "${url("css-import")}"; @import url(${url("css-import-url")}) print;
      @font-face { font-family: Far; src: local("x"), url(${url("font")}) } .far { font-family: Far }
      body { background: url(${url("background")}); cursor: url(${url("cursor")}), auto }
      li { list-style: url(${url("list-style")}) } .mask { mask: url(${url("mask")}); -webkit-mask-image: url(${url("webkit-mask")}) }
      .filter { filter: url(${url("filter")}#f); clip-path: url(${url("clip-path")}#c); shape-outside: url(${url("shape")}); float: left }
      .set { background: image-set("${url("image-set")}" 1x); border-image: url(${url("border-image")}) 1 }
      .content::before { content: url(${url("content")}) } @page { background: url(${url("page")}); @top-left { content: url(${url("page-margin")}) } }
      :root { --url: url(${url("variable")}) } .variable { background: var(--url) }
      @media print { .print { background: url(${url("print")}) } }</style>
      <p class="far">far<p class="mask">m<p class="filter">f<p class="set">s<p class="content">c<p class="variable">v<p class="print">p<ul><li>l</ul>`,
    `<table background="${url("table")}"><tr><td background="${url("td")}">t</td></tr></table>`,
    `<svg width="300" height="90"><image href="${url("svg-image")}" width="10" height="10"/><image xlink:href="${url("xlink")}" width="10" height="10"/>
      <use href="${url("use")}#a"/><feImage href="${url("fe-image")}"/><foreignObject width="300" height="60"><iframe xmlns="http://www.w3.org/1999/xhtml" src="${url("foreign")}"></iframe></foreignObject>
      <style>@import "${url("svg-css")}"; rect { fill: url(${url("fill")}#g) }</style><rect width="9" height="9"/><script href="${url("svg-script")}"/><a href="${url("svg-a")}"><animate attributeName="href" to="${url("animate")}" begin="0s"/></a>
      <filter id="f"><feImage href="${url("fe-image-used")}"/></filter><rect filter="url(#f)" width="9" height="9"/></svg>`,
    `<img src="data:image/svg+xml,${encodeURIComponent(`<?xml version="1.0"?><?xml-stylesheet href="${url("xml-stylesheet")}"?><!DOCTYPE svg [<!ENTITY x SYSTEM "${url("entity")}">]><svg xmlns="http://www.w3.org/2000/svg"><image href="${url("svg-in-img")}"/><text y="20">&x;</text></svg>`)}">`,
    `<object data="data:image/svg+xml,${encodeURIComponent(`<svg xmlns="http://www.w3.org/2000/svg"><image href="${url("svg-in-object")}"/><script>fetch("${url("svg-object-script")}")</script></svg>`)}"></object>`,
    `<form action="${url("form")}"><input autofocus onfocus="this.form.submit()"><button formaction="${url("formaction")}">b</button></form>`,
    `<a href="${url("a")}" ping="${url("ping")}" id="a">a</a><details open ontoggle="location='${url("toggle")}'"><summary>s</summary></details>`,
    `<img src="x:" onerror="location='${url("onerror")}'"><body onload="location='${url("onload")}'"><marquee onstart="location='${url("marquee")}'">m</marquee>`,
    `<meta http-equiv="refresh" content="0; url=${url("refresh")}"><meta http-equiv="refresh" content="1; url=${url("refresh-later")}">`,
    `<meta http-equiv="content-security-policy" content="default-src * 'unsafe-inline'; report-uri ${url("report")}; img-src 'none'">`,
    `<meta property="og:image" content="${url("og")}"><math href="${url("math")}" xlink:href="${url("math-xlink")}"><mtext>m</mtext></math>`,
    `<portal src="${url("portal")}"></portal><fencedframe src="${url("fenced")}"></fencedframe><frameset><frame src="${url("frame")}"></frameset>`,
    `<blockquote cite="${url("cite")}">q</blockquote><base href="${url("base")}/"><img src="relative.png">`,
  ];
}

test("a document reaches no address, in whatever way it tries", async () => {
  const vectors = [
    ...vectorsOf((name) => at(name)),
    ...vectorsOf((name) => `//localhost:${port}/${name}`),
    ...vectorsOf((name) => `http://[::ffff:127.0.0.1]:${port}/${name}`),
    ...vectorsOf((name) => `http://document.invalid/${name}`),
    `<iframe src="http://169.254.169.254/latest/meta-data/"></iframe>`,
  ];
  const pdf = await renderer.html(`<p>still here${vectors.join("")}`);
  expect((await readPdf(pdf)).text).toContain("still here");
  expect(connections).toBe(0);
  // Each vector gets its own document, since one may keep another from being tried.
  for (const vector of vectorsOf((name) => at(`alone-${name}`))) await renderer.html(`<p>alone</p>${vector}`);
  expect(connections).toBe(0);
});

test("headers and footers reach no address, whether they can be printed or not", async () => {
  for (const vector of vectorsOf((name) => at(`header-${name}`))) {
    const options = { margin: { top: "3cm", bottom: "3cm" }, headerTemplate: vector, footerTemplate: `${vector}</a>` };
    // Most of these are refused.
    await renderer.html("<p>x", options).catch((error: unknown) => expect(error).toBeInstanceOf(BadDocument));
  }
  expect(connections).toBe(0);
});

test("a header with a script is refused, and one with a link to a script is printed without it", async () => {
  const margin = { top: "3cm" };
  const runs = `this.getRootNode().querySelector('i').textContent='RA'+'N!'`;
  const script = `<i style="font-size: 9px">quiet</i><svg><svg class='>' onload="${runs}">`;
  await expect(renderer.html("<p>x", { margin, headerTemplate: script })).rejects.toThrow(
    "options.headerTemplate holds <svg>",
  );
  const link = `<a style="font-size: 9px" href="javascript:alert(1)">linked</a>`;
  const { file } = await renderer.html("<p>x", { margin, headerTemplate: link });
  expect((await readPdf({ file })).text).toContain("linked");
  expect(Buffer.from(file).toString("latin1")).not.toContain("javascript:");
});

test("a document reads no file and nothing of the environment", async () => {
  const files = [
    ...["file.html", "file.txt", "file.svg"].map((name) => `file://${join(dir, name)}`),
    "file:///proc/self/environ",
    "file:///etc/passwd",
    "chrome://version",
    "view-source:file:///etc/passwd",
    "filesystem:file:///",
  ];
  for (const file of files) {
    const vectors = vectorsOf(() => file).join("");
    const pdf = await renderer.html(`<p>still here${vectors}`, {
      margin: { top: "5cm" },
      headerTemplate: `<div style="font-size: 10px"><img src="${file}"><a href="${file}">x</a></div>`,
    });
    const { text } = await readPdf(pdf);
    expect(text).toContain("still here");
    expect(text).not.toMatch(/text-of-a-file|root:|PATH=/);
    expect(text).not.toContain(SECRET);
  }
});

test("a meta refresh leads nowhere", async () => {
  for (const target of ["about:blank", "data:text/html,elsewhere", "", at("refresh")]) {
    const pdf = await renderer.html(`<meta http-equiv="refresh" content="0;url=${target}"><p>stays`);
    expect((await readPdf(pdf)).text).toBe("stays");
  }
});
