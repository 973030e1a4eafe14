import type { SESv2Client } from "@aws-sdk/client-sesv2";
import { CLIENT_DEFAULTS, FRESH_CONNECTIONS } from "../aws.ts";
import { SECOND } from "../clock.ts";
import { Unavailable } from "../errors.ts";

export interface Email {
  readonly to: readonly string[];
  readonly subject: string;
  readonly text?: string | undefined;
  readonly html?: string | undefined;
}

export type Mailed =
  | { readonly kind: "sent"; readonly messageId: string }
  /** The e-mail, the address or the account is at fault, and a retry would not help. */
  | { readonly kind: "refused"; readonly problem: string };

export interface Mail {
  /** Sends once. After `Unavailable` the e-mail may still have been sent, since SES has no idempotency key. */
  send(email: Email, signal?: AbortSignal): Promise<Mailed>;
}

/** What SES says of an e-mail, an address or an account. Anything else, as a denied access, may end without a new e-mail. */
const REFUSALS = [
  "AccountSuspendedException",
  "BadRequestException",
  "MailFromDomainNotVerifiedException",
  "MessageRejected",
  "NotFoundException",
  "SendingPausedException",
];

const NO_SENDER =
  "no e-mail can be sent: EMAIL_SENDER is not set; expected an address that SES has verified, set it and deploy again";

export function createMail(sender: string | undefined, given?: SESv2Client): Mail {
  return {
    send: async ({ to, subject, text, html }, signal) => {
      if (sender === undefined) return { kind: "refused", problem: NO_SENDER };
      const { client, SendEmailCommand } = await ses(given);
      const content = (Data: string) => ({ Data, Charset: "UTF-8" });
      const Body = {
        ...(text !== undefined && { Text: content(text) }),
        ...(html !== undefined && { Html: content(html) }),
      };
      const command = new SendEmailCommand({
        FromEmailAddress: sender,
        Destination: { ToAddresses: [...to] },
        Content: { Simple: { Subject: content(subject), Body } },
      });
      try {
        const { MessageId = "" } = await client.send(command, signal ? { abortSignal: signal } : {});
        return { kind: "sent", messageId: MessageId };
      } catch (error) {
        const { name } = error as Error;
        if (!REFUSALS.includes(name)) throw new Unavailable("SES", error);
        // The message of AWS may name accounts and identities.
        return { kind: "refused", problem: `SES refused the e-mail: ${name}` };
      }
    },
  };
}

let shared: SESv2Client | undefined;

// Imported at the first e-mail. One try: after a time-out the SDK would send a second e-mail.
async function ses(given: SESv2Client | undefined) {
  const { SESv2Client, SendEmailCommand } = await import("@aws-sdk/client-sesv2");
  const { requestHandler: defaults } = CLIENT_DEFAULTS;
  const requestHandler = {
    ...defaults,
    ...FRESH_CONNECTIONS,
    requestTimeout: 10 * SECOND,
    socketTimeout: 10 * SECOND,
  };
  const client = given ?? (shared ??= new SESv2Client({ ...CLIENT_DEFAULTS, maxAttempts: 1, requestHandler }));
  return { client, SendEmailCommand };
}
