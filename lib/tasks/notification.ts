import * as z from "zod";
import { wholeUrl } from "../outbound/target-url.ts";
import { defineTask } from "./task.ts";
import { smallHeaders } from "../outbound/headers.ts";

const email = () =>
  z
    .strictObject({
      to: z.array(z.email().max(254)).min(1).max(50),
      subject: z.string().min(1).max(998),
      text: z.string().max(100_000).optional(),
      html: z.string().max(100_000).optional(),
    })
    .refine(({ text, html }) => text !== undefined || html !== undefined, "expected text, html or both");

const webhook = () =>
  z.strictObject({
    url: wholeUrl,
    headers: smallHeaders,
    body: z.record(z.string(), z.json()).default({}).describe("Sent as JSON; `{{name}}` in its texts is filled in."),
  });

const payload = z.lazy(() =>
  z
    .strictObject({
      email: email().optional(),
      webhook: webhook().optional(),
      variables: z
        .record(z.string().regex(/^[\w.-]{1,100}$/), z.union([z.string().max(10_000), z.number(), z.boolean()]))
        .default({})
        .describe("What stands for `{{name}}` in subject, text, html and the webhook's body; escaped in html."),
    })
    .refine((asked) => asked.email !== undefined || asked.webhook !== undefined, "expected email, webhook or both"),
);

export type Notification = z.infer<typeof payload>;

/** Sends an e-mail, a signed webhook, or both. */
export const notification = defineTask({
  jobType: "notification",
  summary: "Sends an e-mail, a signed webhook, or both",
  payload,
  // The notification carries the name and the signature of the app.
  permission: "jobs.send_notifications",

  run: async (asked, context) => (await import("./notify.ts")).notify(asked, context),
});
