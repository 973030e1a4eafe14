import { randomBytes } from "node:crypto";
import { Webhook } from "standardwebhooks";

// Requests as the service sends them, signed by another implementation of Standard Webhooks.

export const newSecret = (): string => `whsec_${randomBytes(24).toString("base64")}`;

export interface Sent {
  readonly headers: Record<string, string>;
  readonly body: string;
}

export interface SentOptions {
  readonly body?: string;
  readonly type?: string;
  readonly secrets: readonly string[];
  /** Seconds before now. */
  readonly age?: number;
}

export const JOB_ID = "0194fdc2-fa2f-7cc0-81d3-ff1211111111";

export function sent({ body = '{"order":1}', type = "application/json", secrets, age = 0 }: SentOptions): Sent {
  const at = new Date(Date.now() - age * 1_000);
  const signatures = secrets.map((secret) => new Webhook(secret).sign(JOB_ID, at, body));
  return {
    body,
    headers: {
      "content-type": type,
      "x-job-attempt": "2",
      "webhook-id": JOB_ID,
      "webhook-timestamp": String(Math.floor(at.getTime() / 1_000)),
      "webhook-signature": signatures.join(" "),
    },
  };
}
