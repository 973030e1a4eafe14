import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import puppeteer, { type Browser } from "puppeteer-core";
import { afterAll, afterEach, expect, test, vi } from "vitest";
import { cpuMs } from "../../bench/measure.ts";
import { MINUTE, createClock } from "../../lib/clock.ts";
import { startBrowser } from "../../lib/pdf/browser.ts";
import { BadDocument } from "../../lib/pdf/request.ts";
import { blackPng, chromiumsOf, readPdf, testRenderer, type TestRenderer } from "../support/pdf.ts";

// The lifecycle of Chromium's processes.

const renderers: TestRenderer[] = [];
const dir = mkdtempSync(join(tmpdir(), "pdf-process-"));
afterEach(async () => {
  vi.unstubAllEnvs();
  await Promise.all(renderers.splice(0).map((each) => each.end()));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function newRenderer(parts: Parameters<typeof testRenderer>[0] = {}): TestRenderer {
  const renderer = testRenderer(parts);
  renderers.push(renderer);
  return renderer;
}

const ENDLESS = `<div style="height: 10000000px">x</div>`;

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(20);
}

function startProcess(state: string, env = process.env) {
  return spawn(process.execPath, ["test/support/pdf-process.ts", state], { env, stdio: ["ignore", "pipe", "inherit"] });
}

const ends = ({ logged }: TestRenderer) =>
  logged.filter(({ event }) => event === "pdf.browser-ended").map(({ fields }) => fields.outcome);
const starts = ({ logged }: TestRenderer) => logged.filter(({ event }) => event === "pdf.browser-started").length;

test("documents that come at once are rendered one after the other, by one browser", async () => {
  const renderer = newRenderer();
  const texts = Array.from({ length: 6 }, (_, index) => `document ${index}`);
  const seen: number[] = [];
  const rendered = await Promise.all(
    texts.map(async (text) => {
      const pdf = await renderer.html(text);
      seen.push(chromiumsOf().length);
      return (await readPdf(pdf)).text;
    }),
  );
  expect(rendered).toEqual(texts);
  expect(new Set(seen)).toEqual(new Set([1]));
  expect(starts(renderer)).toBe(1);
});

test("when a document is there, its page is closed already", async () => {
  const launch = vi.spyOn(puppeteer, "launch");
  const renderer = newRenderer();
  await renderer.html("warm");
  const { value: browser } = launch.mock.settledResults[0] as { value: Browser };
  launch.mockRestore();
  const session = await browser.target().createCDPSession();
  const send = vi.spyOn(Object.getPrototypeOf(session) as typeof session, "send");
  await renderer.html("next");
  const closing = send.mock.calls.findIndex(([method]) => method === "Target.closeTarget");
  expect(send.mock.settledResults[closing]?.type).toBe("fulfilled");
  send.mockRestore();
});

test("a deadline kills the browser, and the next document gets another", async () => {
  const renderer = newRenderer();
  await renderer.html("warm");
  const [pid] = chromiumsOf();
  const reason = new Error("time is up");
  const deadline = new AbortController();
  const late = renderer.render({ input_type: "html", html: ENDLESS }, deadline.signal);
  const waiting = renderer.render({ input_type: "html", html: "behind it" }, deadline.signal);
  const next = renderer.html("next");
  await sleep(50);
  deadline.abort(reason);
  await expect(late).rejects.toBe(reason);
  await expect(waiting).rejects.toBe(reason);
  expect((await readPdf(await next)).text).toBe("next");
  expect(chromiumsOf()).toHaveLength(1);
  expect(chromiumsOf()).not.toContain(pid);
  expect(ends(renderer)).toEqual(["deadline"]);
});

test("what is over before its turn costs no browser", async () => {
  const renderer = newRenderer();
  const reason = new Error("too late");
  await expect(renderer.render({ input_type: "html", html: "x" }, AbortSignal.abort(reason))).rejects.toBe(reason);
  expect(starts(renderer)).toBe(0);
});

test("a deadline after a document is done kills nothing", async () => {
  const renderer = newRenderer();
  const deadline = new AbortController();
  await renderer.render({ input_type: "html", html: "x" }, deadline.signal);
  deadline.abort();
  await renderer.html("y");
  expect([starts(renderer), ends(renderer)]).toEqual([1, []]);
});

test("a browser that was killed between two documents or during one is replaced, and nobody notices", async () => {
  const renderer = newRenderer();
  await renderer.html("one");
  process.kill(chromiumsOf()[0]!, "SIGKILL");
  expect((await readPdf(await renderer.html("two"))).text).toBe("two");
  const during = renderer.html(`${"<p style='break-after: page'>x".repeat(300)}three`);
  process.kill(chromiumsOf()[0]!, "SIGSEGV");
  expect((await during).pages).toBe(300);
  // The loss of a page may be noticed before the loss of its browser.
  const lost = expect.stringMatching(/crashed|failed/);
  expect(ends(renderer)).toEqual([lost, lost]);
});

test("a document that crashes the browser twice is refused", async () => {
  const renderer = newRenderer();
  await renderer.html("warm");
  const crash = renderer.html(ENDLESS);
  crash.catch(() => {});
  for (const browsers of [1, 2]) {
    await until(() => starts(renderer) === browsers && chromiumsOf().length === 1);
    process.kill(chromiumsOf()[0]!, "SIGSEGV");
  }
  await expect(crash).rejects.toThrow(BadDocument);
  await expect(crash).rejects.toThrow("makes Chromium crash");
  expect((await readPdf(await renderer.html("next"))).text).toBe("next");
  // The loss of a page may be noticed before the loss of its browser.
  expect(ends(renderer)).toEqual([expect.stringMatching(/crashed|failed/), "crashed"]);
});

test("a document that takes too much memory is refused", async () => {
  const renderer = newRenderer({ memoryMb: 400 });
  await renderer.html("warm");
  const greedy = renderer.html(`<img src="${blackPng(12_000, 12_000)}">`);
  await expect(greedy).rejects.toThrow("with 400 MB of memory");
  await expect(greedy).rejects.toBeInstanceOf(BadDocument);
  expect((await renderer.html("next")).pages).toBe(1);
  // Two ends, since the first may be due to the memory of earlier documents.
  expect(ends(renderer)).toEqual(["memory", "memory"]);
});

test("after 50 documents the browser is another, and only what all share stays on disk", async () => {
  vi.stubEnv("TMPDIR", dir);
  const renderer = newRenderer();
  await renderer.html("first");
  const pids = new Set(chromiumsOf());
  const files = () => readdirSync(dir, { recursive: true }).length;
  const early = files();
  for (let count = 0; count < 50; count += 1) await renderer.html(`document ${count}`);
  expect(ends(renderer)).toEqual(["recycled"]);
  expect(chromiumsOf().filter((pid) => pids.has(pid))).toEqual([]);
  // Chromium itself writes a few more in time; documents that left some would leave fifty.
  expect(files()).toBeLessThan(early + 25);
  await renderer.end();
  expect(readdirSync(dir)).toEqual([expect.stringMatching(/^pdf-chromium-\d+-\d+$/)]);
});

test("what a killed process has left on disk is removed by the next that starts", async () => {
  const child = startProcess("idle", { ...process.env, TMPDIR: dir });
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  await once(child, "exit");
  const [home = ""] = readdirSync(dir).filter((name) => name.includes(`-of-${child.pid}-`));
  expect(home).not.toBe("");
  vi.stubEnv("TMPDIR", dir);
  const renderer = newRenderer();
  await renderer.html("x");
  expect(readdirSync(dir)).not.toContain(home);
});

test("the end is quick, refuses what was waiting, and leaves no process", async () => {
  const renderer = newRenderer();
  await renderer.html("warm");
  const running = renderer.html(ENDLESS);
  const waiting = renderer.html("x");
  const refused = Promise.all([
    expect(running).rejects.toThrow("The renderer has ended"),
    expect(waiting).rejects.toThrow("The renderer has ended"),
  ]);
  await renderer.end();
  await refused;
  expect(chromiumsOf()).toEqual([]);
  await expect(renderer.html("after")).rejects.toThrow("The renderer has ended");
});

test("Chromium sees nothing of this process's environment, and is in a group of its own", async () => {
  process.env["PDF_TEST_SECRET"] = "not-for-chromium";
  await newRenderer().html("x");
  const [pid = 0] = chromiumsOf();
  const names = readFileSync(`/proc/${pid}/environ`, "latin1")
    .split("\0")
    .map((entry) => entry.split("=")[0]);
  expect(new Set(names)).toEqual(new Set(["HOME", "TMPDIR", "LANG", "TZ", "FONTCONFIG_FILE", "LD_LIBRARY_PATH", ""]));
  const flags = readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0");
  expect(flags).not.toContain("--disable-web-security");
  expect(flags).not.toContain("--allow-running-insecure-content");
  expect(flags).toContain("--host-resolver-rules=MAP * ~NOTFOUND");
  expect(flags).toContain("--proxy-server=http://127.0.0.1:9");
  expect(flags).toContain("--remote-debugging-pipe");
  const [, rest = ""] = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ");
  expect(Number(rest.split(" ")[2])).toBe(pid);
});

test.each([
  ["exits by itself", "exits", undefined],
  ["is stopped while idle", "idle", "SIGTERM"],
  ["is killed while idle", "idle", "SIGKILL"],
  ["is killed in the middle of a document", "busy", "SIGKILL"],
] as const)("no Chromium outlives a process that %s", async (_, state, signal) => {
  const child = startProcess(state);
  const exited = once(child, "exit");
  let pids: number[] = [];
  if (signal) {
    await once(child.stdout, "data");
    pids = chromiumsOf(child.pid);
    expect(pids).toHaveLength(1);
    // While it lays out pages, Chromium does not see that its pipe is closed.
    const [pid = 0] = pids;
    const taken = cpuMs(pid);
    if (state === "busy") await until(() => cpuMs(pid) > taken + 500);
    child.kill(signal);
  }
  await exited;
  const isThere = (pid: number) => {
    try {
      return !readFileSync(`/proc/${pid}/stat`, "latin1").includes(") Z ");
    } catch {
      return false;
    }
  };
  await until(() => !pids.some(isThere));
});

test("no more than the last file is kept in memory, however long signal and browser live", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const renderer = newRenderer();
  const signal = createClock().timeout(MINUTE);
  const render = async (n: number) =>
    new WeakRef((await renderer.render({ input_type: "html", html: `<p>${n}` }, signal)).file);
  const files = [await render(1), await render(2), await render(3)];
  await vi.waitFor(
    () => {
      collect();
      expect(files.slice(0, 2).map((file) => file.deref() === undefined)).toEqual([true, true]);
    },
    { timeout: 60_000 },
  );
});

test("a Chromium that never starts holds up the next document for seconds at most", async () => {
  let starts = 0;
  const start: typeof startBrowser = async (parts, signal) => {
    starts += 1;
    return starts === 1 ? new Promise(() => {}) : startBrowser(parts, signal);
  };
  const clock = createClock();
  const renderer = newRenderer({ start, clock: { ...clock, sleep: async (_, signal) => clock.sleep(100, signal) } });
  const deadline = new AbortController();
  const stuck = renderer.render({ input_type: "html", html: "stuck" }, deadline.signal);
  await until(() => starts === 1);
  const next = renderer.html("next");
  deadline.abort(new Error("late"));
  await expect(stuck).rejects.toThrow("late");
  expect((await readPdf(await next)).text).toBe("next");
});
