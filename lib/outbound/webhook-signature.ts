import { createHmac } from "node:crypto";

export interface Signable {
  /** The `webhook-id`: the job's id, the same at every attempt. */
  readonly id: string;
  /** The time of this attempt in real seconds since 1970. */
  readonly timestamp: number;
  /** The exact bytes that are sent. */
  readonly body: Uint8Array;
}

/** The header `webhook-signature` of Standard Webhooks: one signature for each key, the newest first. */
export function webhookSignature(keys: readonly Uint8Array[], { id, timestamp, body }: Signable): string {
  const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]);
  return keys.map((key) => `v1,${createHmac("sha256", key).update(signed).digest("base64")}`).join(" ");
}
