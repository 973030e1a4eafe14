import * as z from "../zod.ts";
import { wholeUrl } from "../outbound/target-url.ts";
import { defineTask } from "./task.ts";
import { smallHeaders } from "../outbound/headers.ts";

const email = () =>
  z
    .strictObject({
      to: z.array(z.email().check(z.maxLength(254))).check(z.minLength(1), z.maxLength(50)),
      subject: z.string().check(z.minLength(1), z.maxLength(998)),
      text: z.optional(z.string().check(z.maxLength(100_000))),
      html: z.optional(z.string().check(z.maxLength(100_000))),
    })
    .check(z.refine(({ text, html }) => text !== undefined || html !== undefined, "expected text, html or both"));

const webhook = () =>
  z.strictObject({
    url: wholeUrl,
    headers: smallHeaders,
    body: z
      ._default(z.record(z.string(), z.json()), {})
      .check(z.describe("Sent as JSON; `{{name}}` in its texts is filled in.")),
  });

const payload = z.lazy(() =>
  z
    .strictObject({
      email: z.optional(email()),
      webhook: z.optional(webhook()),
      variables: z
        ._default(
          z.record(
            z.string().check(z.regex(/^[\w.-]{1,100}$/)),
            z.union([z.string().check(z.maxLength(10_000)), z.number(), z.boolean()]),
          ),
          {},
        )
        .check(
          z.describe("What stands for `{{name}}` in subject, text, html and the webhook's body; escaped in html."),
        ),
    })
    .check(
      z.refine((asked) => asked.email !== undefined || asked.webhook !== undefined, "expected email, webhook or both"),
    ),
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
