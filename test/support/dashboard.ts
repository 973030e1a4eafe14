import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { Page, Request } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { isBuilt } from "../../local/dashboard.ts";
import { startBrowser, type Driven, type Look } from "./browser.ts";
import { ROOT } from "./root.ts";
import { endStacks, newApp, sharedStack, startStack, until, type Stack } from "./stack.ts";
import { startTarget, type Target } from "./target.ts";

// The dashboard in a real browser, on a real stack. What breaks its policy, and any error of a page, fails the test.

export interface Dashboard {
  readonly stack: Stack;
  readonly driven: Driven;
  readonly target: Target;
  /** Opens a page with a token handed over in the address, and waits for its heading. */
  open(path: string, token: string, look?: Look): Promise<Page>;
  /** A page with an app of its own. */
  openNew(): Promise<OpenedPage>;
  /** Sends jobs and returns their ids. */
  send(token: string, ...jobs: readonly object[]): Promise<string[]>;
  /** What the API answers, as its `data`. */
  // oxlint-disable-next-line typescript/no-explicit-any -- what came over HTTP is asserted on, not trusted
  ask(token: string, method: string, path: string, body?: object): Promise<any>;
}

export interface OpenedPage {
  readonly page: Page;
  readonly appId: string;
  readonly token: string;
  /** Calls the API as the app's administrator, and gives the data. */
  readonly call: (method: string, path: string, body?: object) => Promise<{ readonly id: string }>;
}

/** The files of the dashboard as its source is now; built if they are older. */
export function builtDashboard(): void {
  if (!isBuilt(ROOT)) execFileSync(process.execPath, [join(ROOT, "web/build.ts")], { stdio: "pipe" });
}

interface Options {
  readonly env?: Record<string, string>;
  /** A stack that no other file uses. */
  readonly isOwn?: boolean;
}

/** For the tests of a file. Each makes an app of its own. */
export function onDashboard({ env = {}, isOwn = false }: Options = {}): Dashboard {
  let world: Pick<Dashboard, "stack" | "driven" | "target"> | undefined;
  const there = () => {
    if (world) return world;
    throw new Error("The dashboard is there from the first test on");
  };
  beforeAll(async () => {
    builtDashboard();
    const [stack, driven, target] = await Promise.all([
      isOwn ? startStack({ env }) : sharedStack(env),
      startBrowser(),
      startTarget(),
    ]);
    world = { stack, driven, target };
  });
  afterEach(async () => {
    there().target.answer((_, response) => void response.end());
    expect(await there().driven.endPages()).toEqual([]);
  });
  afterAll(async () => {
    await Promise.all([world?.driven.close(), world?.target.close()]);
    await endStacks();
  });
  const ask: Dashboard["ask"] = async (token, method, path, body) => {
    const { status, body: answer } = await there().stack.call(method, path, { token, ...(body && { body }) });
    if (status >= 300) throw new Error(`${method} ${path} was answered ${status}: ${JSON.stringify(answer)}`);
    return answer.data;
  };
  const open: Dashboard["open"] = async (path, token, look) => {
    const { page } = await there().driven.open(`${there().stack.url}/dashboard${path}#token=${token}`, look);
    await page.locator("main h1").waitFor();
    return page;
  };
  return {
    get stack() {
      return there().stack;
    },
    get driven() {
      return there().driven;
    },
    get target() {
      return there().target;
    },
    open,
    openNew: async () => {
      const { appId, token } = await newApp();
      const page = await open("/bulk", token);
      return { page, appId, token, call: async (method, path, body) => ask(token, method, path, body) };
    },
    send: async (token, ...jobs) => {
      const { results } = await ask(token, "POST", "/v1/send", jobs);
      return results.map(({ data, error }: { data?: { id: string }; error?: object }) => {
        if (data) return data.id;
        throw new Error(`A job was refused: ${JSON.stringify(error)}`);
      });
    },
    ask,
  };
}

/** A token of a new app. */
export async function tokenOfNewApp(): Promise<string> {
  return (await newApp()).token;
}

/** A string that runs in the page, since this program knows no types of a browser. */
export async function inPage<T>(page: Page, script: string): Promise<T> {
  return page.evaluate<T>(script);
}

/** Goes to a page of the dashboard as a link does, without loading it anew. */
export async function go(page: Page, path: string): Promise<void> {
  await page.evaluate(`history.pushState(null, "", "/dashboard${path}"); dispatchEvent(new PopStateEvent("popstate"))`);
  // Bars where nothing is there yet, and rows of the search before.
  await page.locator(".skeleton, .dim").first().waitFor({ state: "detached" });
  await page.locator("main h1").waitFor();
}

export interface Traffic {
  /** The requests to the API since it is watched, as `GET v1/me`. */
  readonly sent: string[];
  /** Lets so much time pass, in a page that `still` opened. Each answer comes in the second of its request. */
  readonly pass: (seconds: number) => Promise<void>;
}

/** For pages whose time is that of the test. */
export const still: Look = { before: async (page) => page.clock.install() };

/** Watches what a page sends. */
export function trafficOf(page: Page): Traffic {
  const sent: string[] = [];
  const open = new Set<Request>();
  let isStill = false;
  page.on("request", (request) => {
    open.add(request);
    const { pathname, search } = new URL(request.url());
    if (pathname.includes("/v1/")) sent.push(`${request.method()} ${pathname.replace(/^.*?\/v1/, "v1")}${search}`);
  });
  page.on("requestfinished", (request) => open.delete(request));
  page.on("requestfailed", (request) => open.delete(request));
  return {
    sent,
    pass: async (seconds) => {
      if (!isStill) await page.clock.pauseAt(Date.now() + 1_000);
      isStill = true;
      for (let second = 0; second < seconds; second += 1) {
        await page.clock.runFor(900);
        await until(() => open.size === 0);
        // What came is shown by timers, too.
        await page.clock.runFor(100);
      }
    },
  };
}
