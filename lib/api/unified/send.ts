import * as z from "../../zod.ts";
import { badRequest } from "../../errors.ts";
import { WRONG_REQUEST } from "../../job/status-policy.ts";
import type { ServiceParts } from "../../parts.ts";
import { requireRole, type Caller } from "../http/auth.ts";
import { parse, refuseChanging } from "../http/body.ts";
import { route, type Answer } from "../http/http.ts";
import { acceptJob, accepted, type Accepted, type AskedBy } from "./accept-job.ts";
import { MOST_JOBS_IN_A_BATCH, acceptEach, renamed } from "./batch.ts";
import { keptBodies, withoutBodies } from "./flat-bodies.ts";
import { flatDetail, postedOf, sentJob } from "./flat-job.ts";
import { createJobBody } from "./job-request.ts";

// POST /v1/send: jobs on one level.

const KEY = "POST /v1/send";

// Each job of a list is parsed on its own, so that one can be refused and the others accepted.
const listed = z.unknown().check(z.meta({ $ref: "#/components/schemas/SendJob" }));
const sendBody = z.union([sentJob, z.array(listed).check(z.minLength(1), z.maxLength(MOST_JOBS_IN_A_BATCH))]);

export const sendJobs = route({
  key: KEY,
  id: "sendJobs",
  summary: "Accepts a job on one level, or up to 100 of them",
  answers: async () => {
    const { enveloped, jobEntity, results } = await import("../http/answers.ts");
    return {
      200: enveloped(jobEntity).check(z.describe("The key was there already: the job that has it.")),
      201: enveloped(jobEntity).check(z.describe("The job, PENDING.")),
      202: z.null().check(z.describe("Mode sqs: sent, and stored only if its first attempt fails.")),
      207: enveloped(results).check(z.describe("Of a list: what each job alone would have been answered.")),
    };
  },
  refusals: ["UNPROCESSABLE_ENTITY", "CONFLICT"],
  idempotent: true,
  examples: (url) => ({
    webhook: { url: `${url}/hook`, body: { orderId: "123" }, key: "paid-123" },
    "in two hours, or not after a day": {
      url: `${url}/hook`,
      body: { orderId: "123" },
      delaySeconds: 7_200,
      notAfter: "2099-01-02T00:00:00Z",
      labels: ["import"],
    },
    "what is final, and what is tried again": {
      url: `${url}/hook`,
      method: "PUT",
      headers: { "X-Order": "123" },
      body: "as text",
      maxRetries: 5,
      retry: { baseDelaySeconds: 10, maxDelaySeconds: 600, jitter: 0.2, final: ["4xx"], retryOn: [409] },
      timeoutSeconds: 20,
      order: "customer-7",
    },
    "a task, and a job after it": {
      task: "example",
      payload: { words: ["job", "attempt"] },
      priority: 5,
      onSuccess: { url: `${url}/done`, body: { done: true } },
      onComplete: `${url}/job-ended`,
    },
    "a repeat that may carry another nonce": {
      url: `${url}/hook`,
      body: { orderId: "124", nonce: "a" },
      key: "paid-124",
      idempotencyIgnore: ["/body/nonce"],
    },
    list: [
      { url: `${url}/one`, body: { n: 1 } },
      { url: `${url}/two`, bodyBase64: "AAEC", mode: "db" },
    ],
  }),
  access: (caller) => requireRole(caller, "APP_ADMIN"),
  body: sendBody,
  asWritten: keptBodies,
  checksValues: true,

  async handle({ body, caller, headers }, service): Promise<Answer> {
    const { "idempotency-key": key, traceparent } = headers;
    if (!Array.isArray(body)) return accepted(await acceptFlat(body, caller, { key, traceparent }, service));
    if (key !== undefined) {
      const message = "names one job, and the body is a list: give each job a key of its own";
      throw badRequest([{ field: "Idempotency-Key", message }]);
    }
    const asked = { traceparent, groups: new Map() };
    return acceptEach(body, async (job) => acceptFlat(job, caller, asked, service), { caller, route: KEY }, service);
  },
});

const FLAT = { shape: "flat", policy: WRONG_REQUEST } as const;

async function acceptFlat(given: unknown, caller: Caller, asked: AskedBy, service: ServiceParts): Promise<Accepted> {
  refuseChanging(withoutBodies(given), "body");
  const { appId, mode, ...job } = parse(sentJob, given, "body");
  const posted = { ...postedOf(job), ...(appId !== undefined && { appId }), ...(mode !== undefined && { mode }) };
  try {
    return await acceptJob(parse(createJobBody, posted, "body"), caller, { ...asked, ...FLAT }, service);
  } catch (error) {
    throw renamed(error, flatDetail);
  }
}
