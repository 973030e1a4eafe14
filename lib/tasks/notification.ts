import * as z from "zod";
import { wholeUrl } from "../outbound/target-url.ts";
import { again, defineTask, done, failed, type TaskContext, type TaskOutcome } from "./task.ts";
import { smallHeaders } from "../outbound/headers.ts";

const email = z
  .strictObject({
    to: z.array(z.email().max(254)).min(1).max(50),
    subject: z.string().min(1).max(998),
    text: z.string().max(100_000).optional(),
    html: z.string().max(100_000).optional(),
  })
  .refine(({ text, html }) => text !== undefined || html !== undefined, "expected text, html or both");

const webhook = z.strictObject({
  url: wholeUrl,
  headers: smallHeaders,
  body: z.record(z.string(), z.json()).default({}).describe("Sent as JSON; `{{name}}` in its texts is filled in."),
});

const payload = z
  .strictObject({
    email: email.optional(),
    webhook: webhook.optional(),
    variables: z
      .record(z.string().regex(/^[\w.-]{1,100}$/), z.union([z.string().max(10_000), z.number(), z.boolean()]))
      .default({})
      .describe("What stands for `{{name}}` in subject, text, html and the webhook's body; escaped in html."),
  })
  .refine((asked) => asked.email !== undefined || asked.webhook !== undefined, "expected email, webhook or both");

type Asked = z.infer<typeof payload>;

/** The checkpoint between attempts, so that none sends the same message twice. */
interface Sent {
  readonly messageId?: string;
}

/** Sends an e-mail, a signed webhook, or both. */
export const notification = defineTask({
  jobType: "notification",
  summary: "Sends an e-mail, a signed webhook, or both",
  payload,
  // The notification carries the name and the signature of the app.
  permission: "jobs.send_notifications",

  async run(asked, context) {
    const filled = fill(asked);
    if ("problem" in filled) return failed(filled.problem);
    const steps = Number(filled.email !== undefined) + Number(filled.webhook !== undefined);
    const sent = (context.saved ?? {}) as Sent;
    let { messageId } = sent;
    if (filled.email && messageId === undefined) {
      const mailed = await context.mail.send(filled.email);
      if (mailed.kind === "refused") return failed(`The e-mail was not sent: ${mailed.problem}`);
      ({ messageId } = mailed);
      await context.checkpoint({ messageId } satisfies Sent);
      await context.progress(1, steps, { label: "e-mail sent" });
    }
    const refused = filled.webhook && (await callWebhook(filled.webhook, context));
    if (refused) return refused;
    await context.progress(steps, steps);
    const to = filled.email?.to.length;
    return done({
      ...(messageId !== undefined && { emailMessageId: messageId, recipients: to }),
      ...(filled.webhook && { webhook: "delivered" }),
    });
  },
});

/** `undefined` when the receiver accepted the webhook. */
async function callWebhook(
  { url, headers, body }: NonNullable<Asked["webhook"]>,
  { http }: TaskContext,
): Promise<TaskOutcome | undefined> {
  const answer = await http.send({
    method: "POST",
    url: new URL(url),
    headers: { ...headers, "content-type": "application/json" },
    body: Buffer.from(JSON.stringify(body)),
  });
  if (answer.kind === "refused") return failed(`The webhook was not called: ${answer.problem}`);
  if (answer.kind === "failed") return again(`The webhook was not delivered: ${answer.problem}`);
  return answer.status >= 200 && answer.status < 300 ? undefined : again(`The webhook answered HTTP ${answer.status}`);
}

type Variables = Asked["variables"];

class UnknownVariable extends Error {}

/** Replaces the variables. A name without a variable is an error, so that no mail greets `{{name}}`. */
function fill({ email, webhook, variables }: Asked): Pick<Asked, "email" | "webhook"> | { problem: string } {
  try {
    const subject = email && filled(email.subject, variables);
    // A line break in a header would start another header.
    if (subject !== undefined && /\p{Cc}/u.test(subject)) {
      return { problem: "The subject holds a line break or another control character: expected one line of text" };
    }
    return {
      ...(email && {
        email: {
          to: email.to,
          subject: subject ?? "",
          ...(email.text !== undefined && { text: filled(email.text, variables) }),
          ...(email.html !== undefined && { html: filled(email.html, variables, escapeHtml) }),
        },
      }),
      ...(webhook && { webhook: { ...webhook, body: filledBody(webhook.body, variables) } }),
    };
  } catch (error) {
    if (error instanceof UnknownVariable) return { problem: error.message };
    throw error;
  }
}

function filled(template: string, variables: Variables, escape = (text: string) => text): string {
  // The pattern has no spaces: backtracking over a long run of spaces would take minutes.
  return template.replace(/\{\{([^{}]*)\}\}/g, (_, inner: string) => {
    const name = inner.trim();
    if (Object.hasOwn(variables, name)) return escape(String(variables[name]));
    const known = Object.keys(variables).join(", ") || "none";
    throw new UnknownVariable(
      `There is no variable for {{${name.slice(0, 100)}}}: expected one of variables (${known})`,
    );
  });
}

function filledBody(body: Record<string, unknown>, variables: Variables): NonNullable<Asked["webhook"]>["body"] {
  const replaced = JSON.stringify(body, (_, value: unknown) =>
    typeof value === "string" ? filled(value, variables) : value,
  );
  return JSON.parse(replaced) as NonNullable<Asked["webhook"]>["body"];
}

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => ENTITIES[char] ?? char);
}
