import * as z from "zod";

// The schema of an attempt in answers.

const time = z.iso.datetime();
const named = z.record(z.string(), z.string());

export const attempt = z
  .strictObject({
    number: z.int(),
    startedAt: time.nullable().describe("Null if the attempt was lost: its worker left no record."),
    durationMs: z.int().nullable(),
    outcome: z.enum(["running", "succeeded", "retry", "rejected", "lost"]),
    httpStatus: z.int().nullable(),
    error: z.string().nullable(),
    responseExcerpt: z
      .string()
      .nullable()
      .describe(
        "The first 1 KB of what the target answered, decompressed; of a success as much as its job has room for.",
      )
      .meta({ examples: ['{"error":"no such order"}'] }),
    responseHeaders: named
      .nullable()
      .describe("As many as there is room for; credentials are masked by ***.")
      .meta({ examples: [{ "content-type": "application/json", "retry-after": "30" }] }),
    timings: z
      .strictObject({
        dnsMs: z.int().nullable(),
        connectMs: z.int().nullable(),
        tlsMs: z.int().nullable(),
        answerMs: z.int().nullable().describe("From the open connection to the headers of the answer."),
      })
      .nullable()
      .describe(
        "Of a call by HTTP, in real time; null where a stage did not happen, as with a connection that was open.",
      ),
    request: z
      .strictObject({
        method: z.string(),
        url: z.string(),
        headers: named,
        bodyBytes: z.int(),
      })
      .nullable()
      .describe("As it was sent, with its `webhook-timestamp`; null if none was sent by HTTP.")
      .meta({
        examples: [
          {
            method: "POST",
            url: "https://hooks.partner.com/orders?token=***",
            headers: { "content-type": "application/json", "webhook-signature": "***" },
            bodyBytes: 17,
          },
        ],
      }),
  })
  .meta({ id: "Attempt" });
