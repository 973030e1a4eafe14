import * as z from "../../zod.ts";
import { wholeUrl } from "../../outbound/target-url.ts";
import { masked, maskedAddress } from "../../job/masking.ts";
import { httpMethod, idempotencyKey } from "../../executors/message-schema.ts";
import { acceptJob, accepted } from "./accept-job.ts";
import { requireRole } from "../http/auth.ts";
import { parse } from "../http/body.ts";
import { route, type Answer } from "../http/http.ts";
import { createJobBody } from "./job-request.ts";
import { headers } from "../../outbound/headers.ts";
import { SUCCESSOR } from "./create.ts";

// The endpoint before the unified API: spec/hybrid-queue-migration.md.

const callbackBody = z.strictObject({
  appId: z.optional(z.guid().check(z.toLowerCase())),
  url: wholeUrl,
  method: z._default(httpMethod, "POST"),
  headers: z._default(headers, {}),
  body: z.optional(z.unknown().check(z.describe("Text goes out as it is, anything else as JSON."))),
  idempotencyKey: z.optional(idempotencyKey),
  maxRetries: z.optional(z.int().check(z.minimum(0), z.maximum(50))),
});

/** A webhook by its URL. It becomes a `rest-api` job, whose view has the two deprecated fields too. */
export const createCallbackJob = route({
  key: "POST /v1/jobs/callback-http",
  id: "createCallbackJob",
  summary: "Accepts a webhook by its URL, as earlier versions did",
  answers: async () => {
    const { callbackJobEntity, enveloped } = await import("../http/answers.ts");
    return {
      200: enveloped(callbackJobEntity).check(
        z.describe("The idempotency key was there already: the job that has it."),
      ),
      201: enveloped(callbackJobEntity).check(z.describe("The job, PENDING.")),
    };
  },
  refusals: ["UNPROCESSABLE_ENTITY", "CONFLICT"],
  successor: SUCCESSOR,
  idempotent: true,
  examples: (url) => ({ webhook: { url, body: { orderId: "123" } } }),
  access: (caller) => requireRole(caller, "APP_ADMIN"),
  body: callbackBody,

  async handle({ body: given, caller, headers: { "idempotency-key": key, traceparent } }, service): Promise<Answer> {
    const { appId, url, method, body } = given;
    const target = new URL(url);
    const isJson = body !== undefined && body !== null && typeof body !== "string";
    const request = {
      ...(appId !== undefined && { appId }),
      message: {
        lambdaProxyMessage: {
          path: target.pathname + target.search,
          httpMethod: method,
          headers: { ...(isJson && { "content-type": "application/json" }), ...given.headers },
          body: isJson ? JSON.stringify(body) : (body ?? null),
        },
        execution: { type: "rest-api", baseUrl: target.origin },
        metadata: { idempotencyKey: given.idempotencyKey, maxRetries: given.maxRetries },
      },
    };
    const asked = { key, traceparent, shape: "flat" } as const;
    const job = await acceptJob(parse(createJobBody, request, "body"), caller, asked, service);
    const payload = { url: maskedAddress(url), method, headers: masked(given.headers), body: body ?? null };
    return accepted(job, { type: "callback-http", payload });
  },
});
