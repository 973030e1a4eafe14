import * as z from "../../zod.ts";

// The schema of an attempt in answers.

const time = z.iso.datetime();
const named = z.record(z.string(), z.string());

export const attempt = z
  .strictObject({
    number: z.int(),
    startedAt: z.nullable(time).check(z.describe("Null if the attempt was lost: its worker left no record.")),
    durationMs: z.nullable(z.int()),
    outcome: z.enum(["running", "succeeded", "retry", "rejected", "lost"]),
    httpStatus: z.nullable(z.int()),
    error: z.nullable(z.string()),
    responseExcerpt: z
      .nullable(z.string())
      .check(
        z.describe(
          "The first 1 KB of what the target answered, decompressed; of a success as much as its job has room for.",
        ),
        z.meta({ examples: ['{"error":"no such order"}'] }),
      ),
    responseHeaders: z
      .nullable(named)
      .check(
        z.describe("As many as there is room for; credentials are masked by ***."),
        z.meta({ examples: [{ "content-type": "application/json", "retry-after": "30" }] }),
      ),
    timings: z
      .nullable(
        z.strictObject({
          dnsMs: z.nullable(z.int()),
          connectMs: z.nullable(z.int()),
          tlsMs: z.nullable(z.int()),
          answerMs: z.nullable(z.int()).check(z.describe("From the open connection to the headers of the answer.")),
        }),
      )
      .check(
        z.describe(
          "Of a call by HTTP, in real time; null where a stage did not happen, as with a connection that was open.",
        ),
      ),
    request: z
      .nullable(
        z.strictObject({
          method: z.string(),
          url: z.string(),
          headers: named,
          bodyBytes: z.int(),
        }),
      )
      .check(
        z.describe("As it was sent, with its `webhook-timestamp`; null if none was sent by HTTP."),
        z.meta({
          examples: [
            {
              method: "POST",
              url: "https://hooks.partner.com/orders?token=***",
              headers: { "content-type": "application/json", "webhook-signature": "***" },
              bodyBytes: 17,
            },
          ],
        }),
      ),
  })
  .register(z.globalRegistry, { id: "Attempt" });
