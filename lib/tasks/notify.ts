import type { Notification } from "./notification.ts";
import { again, done, failed, type TaskContext, type TaskOutcome } from "./task.ts";

// The run of the task `notification`, which functions that only accept jobs don't load.

/** The checkpoint between attempts, so that none sends the same message twice. */
interface Sent {
  readonly messageId?: string;
}

export async function notify(asked: Notification, context: TaskContext): Promise<TaskOutcome> {
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
}

/** `undefined` when the receiver accepted the webhook. */
async function callWebhook(
  { url, headers, body }: NonNullable<Notification["webhook"]>,
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

type Variables = Notification["variables"];

/** Why a template can't be filled in. */
class BadTemplate extends Error {}

/** In bytes, of an e-mail and of a webhook's body: a variable may stand in a template thousands of times. */
const LARGEST_FILLED = 256 * 1_024;

/** Replaces the variables. A name without a variable is an error, so that no mail greets `{{name}}`. */
function fill({
  email,
  webhook,
  variables,
}: Notification): Pick<Notification, "email" | "webhook"> | { problem: string } {
  try {
    return {
      ...(email && { email: filledEmail(email, filler(variables, "The e-mail")) }),
      ...(webhook && { webhook: { ...webhook, body: filledBody(webhook.body, variables) } }),
    };
  } catch (error) {
    if (error instanceof BadTemplate) return { problem: error.message };
    throw error;
  }
}

type Fill = (template: string, escape?: (text: string) => string) => string;

/** Fills in the texts of one message, and stops before they are too large together. */
function filler(variables: Variables, what: string): Fill {
  let bytes = 0;
  return (template, escape = (text) => text) => {
    let grownBy = 0;
    // The pattern has no spaces: backtracking over a long run of spaces would take minutes.
    const text = template.replace(/\{\{([^{}]*)\}\}/g, (match, inner: string, at: number) => {
      const value = escape(valueOf(inner.trim(), variables));
      grownBy += value.length - match.length;
      if (at + grownBy > LARGEST_FILLED) throw tooLarge(what);
      return value;
    });
    bytes += Buffer.byteLength(text);
    if (bytes > LARGEST_FILLED) throw tooLarge(what);
    return text;
  };
}

function valueOf(name: string, variables: Variables): string {
  if (Object.hasOwn(variables, name)) return String(variables[name]);
  const known = Object.keys(variables).join(", ") || "none";
  throw new BadTemplate(`There is no variable for {{${name.slice(0, 100)}}}: expected one of variables (${known})`);
}

function tooLarge(what: string): BadTemplate {
  const most = `${LARGEST_FILLED / 1_024} KB`;
  return new BadTemplate(
    `${what} has more than ${most} with its variables filled in: expected less; leave some out, or send a link`,
  );
}

function filledEmail(
  { to, subject, text, html }: NonNullable<Notification["email"]>,
  filled: Fill,
): Notification["email"] {
  const line = filled(subject);
  // A line break in a header would start another header.
  if (/\p{Cc}/u.test(line)) {
    throw new BadTemplate("The subject holds a line break or another control character: expected one line of text");
  }
  return {
    to,
    subject: line,
    ...(text !== undefined && { text: filled(text) }),
    ...(html !== undefined && { html: filled(html, escapeHtml) }),
  };
}

type Body = NonNullable<Notification["webhook"]>["body"];

function filledBody(body: Body, variables: Variables): Body {
  const what = "The webhook's body";
  const filled = filler(variables, what);
  const replaced = JSON.stringify(body, (_, value: unknown) => (typeof value === "string" ? filled(value) : value));
  if (Buffer.byteLength(replaced) > LARGEST_FILLED) throw tooLarge(what);
  return JSON.parse(replaced) as Body;
}

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => ENTITIES[char] ?? char);
}
