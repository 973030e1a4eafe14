import { expect, test } from "vitest";
import { HOUR, MINUTE, SECOND } from "../../../lib/clock.ts";
import type { Circuit } from "../../../lib/flow/circuit.ts";
import type { Attempt } from "../../../lib/job/attempt.ts";
import { rankOf, type Job } from "../../../lib/job/job.ts";
import { WAIT_REASONS, type WaitReason } from "../../../lib/job/waiting.ts";
import { go, inPage, onDashboard } from "../../support/dashboard.ts";
import { newApp } from "../../support/stack.ts";
import { standing, storeOf, type Given as StandingJob } from "../../support/stored-jobs.ts";

// What is said of a job that waits, and how its life is drawn. No worker runs, so that each stays as it is.

const at = onDashboard({ env: { ROLE: "gateway" } });

const ORIGIN = "https://a.example";

type Given = Pick<StandingJob, "status"> & { readonly [field: string]: unknown };

interface World {
  readonly appId: string;
  readonly token: string;
  readonly put: (job: Given, attempts?: readonly Attempt[], createdAt?: number) => Promise<Job>;
}

async function world(): Promise<World> {
  const { appId, token } = await newApp();
  return {
    appId,
    token,
    put: async (given, attempts = [], createdAt = Date.now() - HOUR) => {
      const job = standing({ appId, ...given }, createdAt);
      await storeOf(at.stack).put(job, attempts);
      return job;
    },
  };
}

const settle = async ({ appId, token }: World, settings: object) =>
  at.ask(token, "PATCH", `/v1/admin/apps/${appId}`, settings);

async function shut({ appId }: World, state: Circuit["state"]): Promise<void> {
  const now = Date.now();
  const circuit: Circuit = {
    state,
    since: now - MINUTE,
    failures: [now],
    probeAt: now + 20_000,
    lastError: "HTTP 503",
  };
  await storeOf(at.stack).destinations.change({ appId, destination: ORIGIN }, () => circuit);
}

const waiting = (more: object = {}): Given => ({ status: "PENDING", startAt: Date.now() - MINUTE, ...more });

interface Case {
  /** Brings a job about that waits for this reason. */
  readonly make: (world: World) => Promise<string>;
  readonly says: RegExp;
  /** In the list. */
  readonly row: RegExp;
}

const CASES: Readonly<Record<WaitReason, Case>> = {
  delayed: {
    make: async ({ token }) => (await at.send(token, { url: ORIGIN, delaySeconds: 7_200 }))[0] ?? "",
    says: /It starts in .+, as asked for/,
    row: /for its start/,
  },
  backoff: {
    make: async ({ put }) =>
      (
        await put(
          {
            status: "RETRYING",
            attempts: 1,
            retryCount: 1,
            startAt: Date.now() + 192 * SECOND,
            lastError: "HTTP 503",
            httpStatus: 503,
          },
          [
            {
              number: 1,
              startedAt: Date.now() - 50_000,
              durationMs: 212,
              outcome: "retry",
              httpStatus: 503,
              error: "HTTP 503",
            },
          ],
        )
      ).id,
    says: /HTTP 503.*3:\d\d/,
    row: /try 2 in 3:\d\d/,
  },
  queued: {
    make: async ({ token }) => (await at.send(token, { url: ORIGIN }))[0] ?? "",
    says: /It is in its queue, and starts once a worker takes it/,
    row: /for a worker/,
  },
  order: {
    make: async ({ token }) => (await at.send(token, { url: ORIGIN, order: "customer-7" }))[0] ?? "",
    says: /Jobs of messageGroupId "customer-7" run one after another/,
    row: /for the jobs before it/,
  },
  rate: {
    make: async (world) => {
      await settle(world, { destinations: [{ destination: ORIGIN, rateLimitPerSecond: 5 }] });
      return (await world.put(waiting({ backlog: `to ${ORIGIN}`, waitsFor: "r" }))).id;
    },
    says: /The destination https:\/\/a\.example takes 5 a second/,
    row: /a rate limit/,
  },
  concurrency: {
    make: async (world) => {
      await settle(world, { destinations: [{ destination: ORIGIN, maxConcurrency: 3 }] });
      return (await world.put(waiting({ backlog: `to ${ORIGIN}`, waitsFor: "c" }))).id;
    },
    says: /The destination https:\/\/a\.example takes 3 at once/,
    row: /for others to end/,
  },
  outage: {
    make: async (world) => {
      await shut(world, "open");
      return (await world.put(waiting())).id;
    },
    says: /The destination https:\/\/a\.example fails since .+ and one job a minute tries it/,
    row: /circuit open/,
  },
  held: {
    make: async (world) => {
      await shut(world, "held");
      return (await world.put(waiting())).id;
    },
    says: /The destination https:\/\/a\.example is held since .+ until a person resumes it/,
    row: /destination held/,
  },
  paused: {
    make: async (world) => {
      await settle(world, { paused: true });
      return (await at.send(world.token, { url: ORIGIN }))[0] ?? "";
    },
    says: /The app is paused: its jobs are kept, and none starts until it is resumed/,
    row: /app paused/,
  },
  slot: {
    make: async (world) => {
      await settle(world, { maxConcurrentTasks: 1 });
      const task = { executionType: "task", jobType: "example", destination: undefined, backlog: "slot" };
      const job = await world.put(waiting(task));
      await storeOf(at.stack).slots.enter(world.appId, rankOf(job));
      return job.id;
    },
    says: /The app runs 1 task at once/,
    row: /for a task slot/,
  },
};

test.each(WAIT_REASONS)("a job that waits by reason of “%s” says so in its sentence and in its row", async (reason) => {
  const { make, says, row } = CASES[reason];
  const made = await world();
  const id = await make(made);
  const page = await at.open(`/jobs/${id}`, made.token);
  await page.locator(".why").waitFor();
  expect(await page.locator(".why").textContent()).toMatch(says);
  // A sentence, with one full stop at its end.
  expect(await page.locator(".why").textContent()).toMatch(/[^.]\.$/);
  await go(page, "/jobs");
  await page.locator("tbody tr").first().waitFor();
  expect(await page.locator("tbody tr").first().textContent()).toMatch(row);
});

const failed = (number: number, startedAt: number, durationMs = 200): Attempt => ({
  number,
  startedAt,
  durationMs,
  outcome: "retry",
  httpStatus: 503,
  error: "HTTP 503",
});

/** Two hours and a half ago, and half a minute, so that the labels of waits don't change while a test runs. */
const begun = () => Date.now() - 2.5 * HOUR - 30 * SECOND;

const LIVES: Readonly<Record<string, (world: World) => Promise<Job>>> = {
  "lost attempts": async ({ put }) => {
    const from = begun();
    const now = {
      status: "RETRYING",
      attempts: 4,
      retryCount: 4,
      startAt: Date.now() + 3.5 * HOUR + 30 * SECOND,
      lastError: "HTTP 503",
    };
    return put(now as Given, [failed(1, from), failed(4, from + HOUR, 900)], from);
  },
  "50 retries": async ({ put }) => {
    const from = begun();
    const attempts = Array.from({ length: 51 }, (_, n) => failed(n + 1, from + n * 2 * MINUTE, 100 + n * 10));
    const ended = {
      status: "DEAD",
      attempts: 51,
      retryCount: 50,
      maxRetries: 50,
      lastError: "HTTP 503",
      dueAt: undefined,
    };
    return put({ ...ended, updatedAt: from + 101 * MINUTE } as Given, attempts, from);
  },
  running: async ({ put }) => {
    const from = begun();
    const startedAt = from + 2 * HOUR;
    const now = { status: "RUNNING", attempts: 2, retryCount: 1, startedAt, leaseUntil: Date.now() + HOUR };
    return put(now as Given, [failed(1, from)], from);
  },
  "never started": async ({ put }) => {
    const startAt = Date.now() + 3.5 * HOUR + 30 * SECOND;
    return put(waiting({ startAt, scheduledAt: startAt }), [], begun());
  },
  "succeeded at once": async ({ put }) => {
    const from = begun();
    const ended = {
      status: "SUCCEEDED",
      attempts: 1,
      startedAt: from + 20,
      success: { durationMs: 80, httpStatus: 200 },
    };
    return put({ ...ended, updatedAt: from + 100, dueAt: undefined } as Given, [], from);
  },
};

test.each(Object.keys(LIVES))("the life of a job with %s is drawn as it was", async (name) => {
  const made = await world();
  const job = await LIVES[name]?.(made);
  const page = await at.open(`/jobs/${job?.id}`, made.token, { settings: { locale: "en-GB", timezoneId: "UTC" } });
  await page.locator(".timeline svg").waitFor({ state: "attached" });
  const drawn = await inPage<string>(page, `document.querySelector(".timeline svg").outerHTML`);
  const told = await inPage<string>(
    page,
    `[document.querySelector(".timeline figcaption"), ...document.querySelectorAll(".timeline li")].map((each) => each.textContent).join("\\n")`,
  );
  expect(normal(`${told}\n${drawn}`)).toMatchSnapshot();
  // All attempts can be reached, each on its own row.
  expect(await page.locator("tbody tr").count()).toBe(job?.attempts ?? 0);
  for (const width of await inPage<number[]>(
    page,
    `[...document.querySelectorAll(".timeline .attempt rect")].map((rect) => Number(rect.getAttribute("width")))`,
  ))
    expect(width).toBeGreaterThanOrEqual(6);
});

/** An attempt or a wait a line, without times of day and places. */
function normal(drawn: string): string {
  return drawn
    .replaceAll(/\d{1,2} \w{3,4} \d{4}, \d\d:\d\d:\d\d|\d\d:\d\d:\d\d/g, "<time>")
    .replaceAll(/ (?:[xy][12]?|c[xy]|r|rx|width|height|viewBox|preserveAspectRatio|text-anchor)="[^"]*"/g, "")
    .replaceAll(/>(?=<(?:svg|g)\b)/g, ">\n");
}
