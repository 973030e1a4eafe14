import { createHmac, randomBytes, randomInt, randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { Webhook, WebhookVerificationError } from "standardwebhooks";
import { expect, test } from "vitest";
import { webhookSignature } from "../../lib/outbound/webhook-signature.ts";

const now = () => Math.floor(Date.now() / 1_000);

test("the vector of the Standard Webhooks specification", () => {
  const key = Buffer.from("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "base64");
  const signable = {
    id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
    timestamp: 1_614_265_330,
    body: Buffer.from('{"test": 2432232314}'),
  };
  expect(webhookSignature([key], signable)).toBe("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
});

const ALPHABET = Array.from("aZ0 \n\t\"'\\{}[]:,.é߀漢字🙂\u0000\u2028");
const randomText = () => Array.from({ length: randomInt(200) }, () => ALPHABET[randomInt(ALPHABET.length)]).join("");

test("two thousand random bodies verify, by the standardwebhooks package and byte by byte", () => {
  // `expect` for each would take longer than the signatures.
  const wrong: object[] = [];
  for (let n = 0; n < 2_000; n += 1) {
    const [key, older] = [randomBytes(24 + randomInt(41)), randomBytes(32)];
    const [id, timestamp] = [randomUUID(), now()];
    const isBinary = n % 2 === 1;
    const text = JSON.stringify({ text: randomText() });
    const body = isBinary ? randomBytes(randomInt(300)) : Buffer.from(text);
    const signature = webhookSignature([key, older], { id, timestamp, body });
    const headers = { "webhook-id": id, "webhook-timestamp": String(timestamp), "webhook-signature": signature };
    const expected = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest("base64");
    const isSame = signature.split(" ")[0] === `v1,${expected}`;
    if (!isSame || (!isBinary && !isOurs({ text, headers, secrets: [key, older] }))) {
      wrong.push({ key: key.toString("hex"), older: older.toString("hex"), headers, body: body.toString("hex") });
    }
  }
  expect(wrong).toEqual([]);
});

interface Signed {
  readonly text: string;
  readonly headers: Record<string, string>;
  readonly secrets: readonly Buffer[];
}

/** The body verifies by each of the secrets, and neither by another one nor if it is changed. */
function isOurs({ text, headers, secrets }: Signed): boolean {
  const verified = (secret: Buffer, body: string): unknown => {
    try {
      return new Webhook(`whsec_${secret.toString("base64")}`).verify(body, headers);
    } catch (error) {
      if (error instanceof WebhookVerificationError) return undefined;
      throw error;
    }
  };
  const content: unknown = JSON.parse(text);
  return (
    secrets.every((secret) => isDeepStrictEqual(verified(secret, text), content)) &&
    verified(randomBytes(32), text) === undefined &&
    verified(secrets[0] ?? Buffer.of(), `${text} `) === undefined
  );
}
