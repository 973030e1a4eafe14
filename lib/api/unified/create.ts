import * as z from "../../zod.ts";
import { acceptJob, accepted } from "./accept-job.ts";
import { MOST_JOBS_IN_A_BATCH, acceptEach } from "./batch.ts";
import { requireRole } from "../http/auth.ts";
import { parse, refuseChanging } from "../http/body.ts";
import { route, type Answer } from "../http/http.ts";
import { createJobBody } from "./job-request.ts";

// The doors of the unified dialect by which jobs come in: spec/unified-job-api.md.

/** The endpoint that takes the same jobs on one level. */
export const SUCCESSOR = "/v1/send";

// ---- POST /v1/jobs/create ----

export const createJob = route({
  key: "POST /v1/jobs/create",
  id: "createJob",
  summary: "Accepts a job",
  answers: async () => {
    const { enveloped, jobEntity } = await import("../http/answers.ts");
    return {
      200: enveloped(jobEntity).check(z.describe("The idempotency key was there already: the job that has it.")),
      201: enveloped(jobEntity).check(z.describe("The job, PENDING.")),
      202: z.null().check(z.describe("Mode sqs: sent, and stored only if its first attempt fails.")),
    };
  },
  refusals: ["UNPROCESSABLE_ENTITY", "CONFLICT"],
  successor: SUCCESSOR,
  idempotent: true,
  examples: (baseUrl) => {
    const lambdaProxyMessage = { path: "/webhooks/payment", httpMethod: "POST", body: '{"orderId":"123"}' };
    const webhook = { lambdaProxyMessage, execution: { type: "rest-api", baseUrl } };
    const every5Minutes = { type: "schedule", scheduleExpression: "rate(5 minutes)", maxRuns: 3, targetJob: webhook };
    return {
      webhook: { message: webhook },
      "webhook with a callback": { message: webhook, onComplete: { url: `${baseUrl}/job-ended` } },
      "webhook whose answer goes to another": {
        message: { ...webhook, metadata: { keepResponse: true } },
        onSuccess: {
          bodyFrom: "parent.response",
          message: { ...webhook, lambdaProxyMessage: { ...lambdaProxyMessage, body: null } },
        },
      },
      schedule: { message: { execution: every5Minutes } },
    };
  },
  access: (caller) => requireRole(caller, "APP_ADMIN"),
  body: createJobBody,

  async handle({ body, caller, headers }, service): Promise<Answer> {
    const { "idempotency-key": key, traceparent } = headers;
    return accepted(await acceptJob(body, caller, { key, traceparent }, service));
  },
});

// ---- POST /v1/jobs/batch ----

// Each job is parsed on its own, so that one can be refused and the others accepted.
const unparsedJob = z.unknown().check(z.meta({ $ref: "#/components/schemas/CreateJob" }));
const batchBody = z.strictObject({
  jobs: z.array(unparsedJob).check(z.minLength(1), z.maxLength(MOST_JOBS_IN_A_BATCH)),
});

/** Each job has the form of `POST /v1/jobs/create` and is accepted or refused on its own. */
export const createJobs = route({
  key: "POST /v1/jobs/batch",
  id: "createJobs",
  summary: "Accepts up to 100 jobs, each by itself",
  answers: async () => {
    const { enveloped, results } = await import("../http/answers.ts");
    return {
      207: enveloped(results).check(z.describe("What `POST /v1/jobs/create` would have answered, job by job.")),
    };
  },
  successor: SUCCESSOR,
  access: (caller) => requireRole(caller, "APP_ADMIN"),
  body: batchBody,
  checksValues: true,

  async handle({ body, caller, headers: { traceparent } }, service): Promise<Answer> {
    const asked = { traceparent, groups: new Map() };
    const accept = async (job: unknown) => {
      refuseChanging(job, "job");
      return acceptJob(parse(createJobBody, job, "job"), caller, asked, service);
    };
    return acceptEach(body.jobs, accept, { caller, route: "POST /v1/jobs/batch" }, service);
  },
});
