import { afterEach, expect, test, vi } from "vitest";
import { createClock } from "../../lib/clock.ts";
import { answerCall } from "../../lib/pdf/answer-call.ts";
import { findChromium, unpackChromium } from "../../lib/pdf/chromium.ts";
import { whichChromium } from "../../lib/pdf/which-chromium.ts";
import { readPdf, testRenderer } from "../support/pdf.ts";

// The Chromium that makes PDFs on each kind of machine.

afterEach(() => void vi.unstubAllEnvs());

const MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";
const none = () => false;
const only = (there: string) => (path: string) => path === there;

test.each([
  ["linux", "x64", "/usr/bin/chromium", {}, undefined],
  ["linux", "x64", "/opt/chrome", { CHROMIUM: "/opt/chrome" }, "/opt/chrome"],
  ["linux", "arm64", "/usr/bin/chromium", {}, "/usr/bin/chromium"],
  ["linux", "arm64", "/usr/bin/google-chrome", { CHROMIUM: "" }, "/usr/bin/google-chrome"],
  ["darwin", "arm64", MAC, {}, MAC],
  ["darwin", "x64", `/Users/ann${MAC}`, { HOME: "/Users/ann" }, `/Users/ann${MAC}`],
  ["win32", "x64", "C:\\chrome.exe", { CHROMIUM: "C:\\chrome.exe" }, "C:\\chrome.exe"],
])("on %s %s with %s", (platform, arch, there, env, executable) => {
  const which = whichChromium({ platform, arch, env, exists: only(there) });
  expect(which).toEqual(executable === undefined ? { kind: "packaged" } : { kind: "installed", executable });
});

test.each([
  ["linux", "arm64"],
  ["darwin", "arm64"],
  ["win32", "x64"],
])("a PDF on %s %s without a Chrome is refused in words", (platform, arch) => {
  expect(() => whichChromium({ platform, arch, env: {}, exists: none })).toThrow(
    `Expected Chrome or Chromium on this machine (${platform}-${arch}) to make PDFs, and found none; install one, or name it in CHROMIUM`,
  );
});

test("whoever asks for a PDF where CHROMIUM names nothing reads so in the answer", async () => {
  vi.stubEnv("CHROMIUM", "/nowhere/chrome");
  const renderer = testRenderer();
  const call = { request: { input_type: "html", html: "x" }, timeLeftMs: 60_000, putUrl: "http://127.0.0.1:9/" };
  expect(await answerCall(call, { clock: createClock(), renderer })).toEqual({
    kind: "refused",
    error: "Expected a Chrome or Chromium at CHROMIUM, /nowhere/chrome, and found none; name another one",
  });
});

test("an installed Chromium, of several processes, makes a PDF and ends with all of them", async () => {
  const { executable } = await unpackChromium({ clock: createClock(), log: () => {} });
  vi.stubEnv("CHROMIUM", executable);
  expect((await findChromium({ clock: createClock(), log: () => {} })).kind).toBe("installed");
  const renderer = testRenderer();
  expect((await readPdf(await renderer.html("<p>made here"))).text).toBe("made here");
  await renderer.end();
  const [last] = renderer.logged.slice(-1);
  expect([last?.event, last?.fields.outcome]).toEqual(["pdf.browser-ended", "ended"]);

  const small = testRenderer({ memoryMb: 1 });
  await expect(small.html(`<div style="height: 10000000px">x</div>`)).rejects.toThrow("1 MB of memory");
  await small.end();
});
