import { SignJWT, UnsecuredJWT } from "jose";
import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { LOCAL_JWT_SECRET } from "../../local/token.ts";
import { jobIn, startStack, tokenFor, webhook, type Stack } from "../support/stack.ts";
import type { Plan, Wire } from "./requests.ts";
import type { Received } from "./send.ts";

// Two apps of the stack: the one that asks, and another one whose things must neither show nor change.

/** A text in everything that the other app owns. */
export const CANARY = "canary-of-another-app";
export const OPERATOR = "an-internal-token-of-32-characters-or-more";
/** Few enough that requests meet in the same job. */
const MOST_KEPT = 50;

/** The app that asks, and another one that it must not see. */
export async function createWorld(stack: Stack) {
  const [self, other] = [randomUUID(), randomUUID()];
  const tokens = await tokensOf(self);
  const foreign = await ownedBy(other, stack);
  const token = tokens["admin"] ?? "";
  const own = await ownThings(stack, token);
  const none = { job: [], kept: [], task: [], bulk: [], fileJob: [], secret: [], schedule: [], cursor: [], group: [] };
  const kept: Record<string, unknown[]> = { ...own, foreign: foreign.ids, foreignFile: [foreign.fileKey], ...none };
  let version = 0;

  const keep = (kind: string, value: unknown) => {
    kept[kind]?.unshift(value);
    kept[kind]?.splice(MOST_KEPT);
  };

  return {
    known: (name: string): unknown => {
      const [kind = "", at] = name.split(":");
      if (at !== undefined) return kept[kind]?.[Number(at) % kept[kind].length] ?? randomUUID();
      return { self, other, version, stack: stack.url }[kind];
    },

    authorized: (plan: Plan, asked: Wire): Wire => {
      const token = tokens[callerOf(plan)];
      if (token === undefined || (plan.twist.kind === "header" && plan.twist.name === "authorization")) return asked;
      return { ...asked, headers: { ...asked.headers, authorization: `Bearer ${token}` } };
    },

    /** Makes what every route needs to act on. */
    provideJobs: async (): Promise<void> => {
      await provideSettings(stack, `/v1/admin/apps/${self}`, tokens, version);
      await provideJobs(stack, token, (id, ...kinds) => kinds.forEach((kind) => keep(kind, id)));
      for (const id of await providedSchedules(stack, token)) keep("schedule", id);
    },

    /** Keeps what later requests can ask for. */
    learn: ({ key }: Plan, { status, text }: Received): void => {
      // The answer of a target is no JSON of ours.
      if (status >= 300 || key.endsWith("/response")) return;
      if (/^POST \/(v1|api)\/jobs$/.test(key)) {
        const { jobId, id = jobId } = JSON.parse(text) as { jobId?: string; id?: string };
        for (const kind of ["job", "task"]) keep(kind, id);
        if (key.includes("/api/")) keep("fileJob", id);
      }
      if (key === "POST /api/jobs/uploads") keep("upload", (JSON.parse(text) as { fileKey: string }).fileKey);
      if (key === "POST /longjob") {
        const { job_id: id } = JSON.parse(text) as { job_id: string };
        for (const kind of ["job", "task", "pdf"]) keep(kind, id);
      }
      if (!key.includes(" /v1/")) return;
      const { data } = (JSON.parse(text) ?? {}) as { data?: Record<string, unknown> };
      if (typeof data?.["executionType"] === "string" && status === 201) {
        keep("job", data["id"]);
        if (data["executionType"] === "schedule") keep("schedule", data["id"]);
      }
      if (key === "PUT /v1/schedules/{key}") keep("schedule", data?.["id"]);
      if (status === 202 && data) keep("bulk", data["id"]);
      if (typeof data?.["sealBy"] === "string" && status === 201) keep("group", data["id"]);
      if (typeof data?.["secret"] === "string") keep("secret", data["id"]);
      if (typeof data?.["nextCursor"] === "string") keep("cursor", data["nextCursor"]);
      if (typeof data?.["version"] === "number" && !/\/(limits|schedules)/.test(key)) version = data["version"];
    },

    /** The changes of the other app's things; undefined if there are none. */
    foreignChanges: async (): Promise<string | undefined> => {
      const now = await foreign.look();
      const changed = now.filter((part, at) => !isDeepStrictEqual(part, foreign.before[at]));
      return changed.length === 0 ? undefined : `Another app's things have changed: ${JSON.stringify(changed)}`;
    },
  };
}

/** What the app has from the first: a file, an upload and a PDF. */
async function ownThings(stack: Stack, token: string) {
  const file = [await uploadedFile(stack, token, "a.csv")];
  const begun = await stack.call("POST", "/api/jobs/uploads", { token, body: announced("b.csv") });
  const page = { input_type: "html", html: "<p>a page" };
  const pdf = await stack.call("POST", "/longjob", { token, body: page });
  return { file, upload: [begun.body.fileKey], pdf: [pdf.body.job_id] };
}

/** Settings and limits under which there is room for all that follows: those that were set by chance would refuse it. */
async function provideSettings(
  stack: Stack,
  app: string,
  tokens: Readonly<Record<string, string | undefined>>,
  version: number,
): Promise<void> {
  const { admin = "", platform = "" } = tokens;
  const destinations = [{ destination: "https://a.example", maxConcurrency: 5 }];
  await stack.call("PUT", app, { token: admin, body: { version, destinations } });
  await stack.call("PUT", `${app}/limits`, { token: platform, body: { changesPerSecond: 1_000 } });
}

/** Tasks that wait, tasks that have failed, a destination that does, and a job that has kept its answer. */
async function provideJobs(stack: Stack, token: string, keep: (id: string, ...kinds: string[]) => void): Promise<void> {
  const post = async (words: string[]): Promise<string> => {
    const { body } = await stack.call("POST", "/v1/jobs", { token, body: { jobType: "example", payload: { words } } });
    keep(body.jobId, "job", "task");
    return body.jobId;
  };
  const failing = await Promise.all(Array.from({ length: MOST_KEPT / 2 }, async () => post([" "])));
  const nowhere = webhook({ url: "http://127.0.0.1:9" });
  const unheard = await stack.call("POST", "/v1/jobs/create", { token, body: nowhere });
  const keeping = webhook({ url: stack.url, path: "/echo", metadata: { keepResponse: true } });
  const kept = await stack.call("POST", "/v1/jobs/create", { token, body: keeping });
  const worker = await startStack({ dir: stack.dir, env: { ROLE: "worker" } });
  for (const id of failing) await jobIn(stack, token, id, "FAILED");
  await jobIn(stack, token, unheard.body.data.id, "RETRYING");
  await jobIn(stack, token, kept.body.data.id, "SUCCEEDED");
  keep(kept.body.data.id, "kept");
  await worker.end();
  for (let n = 0; n < MOST_KEPT / 2; n += 1) await post(["a"]);
  // Nobody runs it any more, so that it can be aborted.
  const redrive = await stack.call("POST", "/v1/admin/jobs/redrive", { token, body: { status: ["FAILED"] } });
  keep(redrive.body.data.id, "bulk");
}

/** More than the one that a DELETE takes away. */
const SCHEDULES = 5;

/** The ids of schedules whose next run is far off, so that none of them ends. */
async function providedSchedules(stack: Stack, token: string): Promise<string[]> {
  const body = { expression: "at(2098-01-01T00:00:00)", job: { url: `${stack.url}/echo/called` } };
  const put = async (_: unknown, n: number) => stack.call("PUT", `/v1/schedules/provided-${n}`, { token, body });
  const answers = await Promise.all(Array.from({ length: SCHEDULES }, put));
  return answers.map((answer) => answer.body.data.id);
}

/** Whoever runs the platform may change the other app too, and so asks for the first alone, and for the list of apps. */
function callerOf({ caller, key, path }: Plan): string {
  return caller === "platform" && path["appId"] !== "@self" && key !== "GET /v1/admin/apps" ? "admin" : caller;
}

async function tokensOf(appId: string): Promise<Record<string, string | undefined>> {
  const sign = async (secret: string, expires: string) =>
    new SignJWT({ appId, roles: ["APP_ADMIN"] })
      .setProtectedHeader({ alg: "HS256" })
      .setSubject("fuzzer")
      .setExpirationTime(expires)
      .sign(new TextEncoder().encode(secret));
  return {
    admin: await sign(LOCAL_JWT_SECRET, "7d"),
    expired: await sign(LOCAL_JWT_SECRET, "-1h"),
    forged: await sign("another-secret-of-32-characters-or-more", "1h"),
    unsigned: new UnsecuredJWT({ appId, roles: ["PLATFORM_ADMIN"], sub: "x" }).setExpirationTime("1h").encode(),
    user: await tokenFor({ appId, roles: ["USER"] }),
    viewer: await tokenFor({ appId, roles: ["APP_VIEWER"] }),
    platform: await tokenFor({ appId, roles: ["PLATFORM_ADMIN"] }),
    appless: await tokenFor({}),
    garbage: "a.b.c",
    operator: OPERATOR,
  };
}

/** An app whose jobs, settings, secrets and audit log hold the canary. It is paused, so nothing of it runs. */
async function ownedBy(appId: string, stack: Stack) {
  const token = await tokenFor({ appId });
  const url = `${stack.url}/echo/${CANARY}`;
  const message = {
    lambdaProxyMessage: { path: `/${CANARY}`, httpMethod: "POST", body: CANARY },
    execution: { type: "rest-api", baseUrl: url },
  };
  const execution = { type: "schedule", scheduledAt: "2098-01-01T00:00:00Z", targetJob: message };
  const ids: string[] = [];
  for (let n = 0; n < 10; n += 1) {
    const metadata = { idempotencyKey: n === 0 ? "key-0" : `${CANARY}-${n}` };
    const { body } = await stack.call("POST", "/v1/jobs/create", { token, body: { message: { execution, metadata } } });
    ids.push(body.data.id);
  }
  const fileKey = await uploadedFile(stack, token, `${CANARY}.csv`);
  const about = { jobType: "example", payload: { words: [CANARY] }, fileKey, meta: { CANARY } };
  ids.push((await stack.call("POST", "/api/jobs", { token, body: about })).body.id);
  const app = `/v1/admin/apps/${appId}`;
  await stack.call("PUT", app, { token, body: { version: 0, name: CANARY, onComplete: { url }, paused: true } });
  await stack.call("POST", `${app}/signing-secrets`, { token });
  const look = async (): Promise<unknown[]> => {
    const asked = ["/v1/admin/jobs", app, `${app}/audit`].map(async (path) => stack.call("GET", path, { token }));
    return (await Promise.all(asked)).map(({ body }) => body.data);
  };
  return { ids, fileKey, look, before: await look() };
}

const announced = (fileName: string) => ({ fileName, size: 1, contentType: "text/csv" });

/** The key of a file of one byte. */
async function uploadedFile(stack: Stack, token: string, fileName: string): Promise<string> {
  const body = announced(fileName);
  const { fileKey, parts } = (await stack.call("POST", "/api/jobs/uploads", { token, body })).body;
  const { headers } = await fetch(parts[0].url, { method: "PUT", body: "a" });
  const complete = { fileKey, parts: [{ partNumber: 1, etag: headers.get("etag") }] };
  await stack.call("POST", "/api/jobs/uploads/complete", { token, body: complete });
  return fileKey;
}
