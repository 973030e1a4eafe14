import * as z from "../../zod.ts";
import { ClientError } from "../../errors.ts";
import { requireRole } from "../http/auth.ts";
import { route, type Answer } from "../http/http.ts";
import { ownJob } from "./own-job.ts";

// The answer that a job has kept.

const MISSING = {
  "too large": "The answer had over 256 KB and was not kept; the job shows an excerpt",
  incomplete: "The answer broke off and was not kept; the job shows an excerpt",
} as const;

/** What targets answer may be a page: a browser is to save it, to run nothing in it, and to keep no copy. */
const HARMLESS = {
  "cache-control": "no-store",
  "content-disposition": "attachment",
  "content-security-policy": "sandbox; default-src 'none'",
  "x-content-type-options": "nosniff",
};

export const getJobResponse = route({
  key: "GET /v1/admin/jobs/{id}/response",
  id: "getJobResponse",
  summary: "Gives the answer that a job with keepResponse has kept, as it came",
  contentTypes: ["*/*"],
  answers: {
    200: z
      .string()
      .check(z.meta({ format: "binary" }), z.describe("The body, with the content type that the target named.")),
  },
  access: (caller) => requireRole(caller, "APP_ADMIN"),

  async handle({ path, caller }, { store }): Promise<Answer> {
    const job = await ownJob(path["id"], caller, { store });
    const { missing, contentType, contentEncoding } = job.success?.response ?? {};
    const body = await store.response(job);
    if (!body) {
      const unkept = `The job keeps no answer${job.keepsResponse ? " before it has succeeded" : ": it has no keepResponse"}`;
      throw new ClientError("NOT_FOUND", missing ? MISSING[missing] : unkept, [], { reason: "no_response" });
    }
    const headers = {
      "content-type": contentType ?? "application/octet-stream",
      ...(contentEncoding !== undefined && { "content-encoding": contentEncoding }),
    };
    return { status: 200, body, headers: { ...headers, ...HARMLESS } };
  },
});
