import { createHmac, randomBytes, randomInt, randomUUID } from "node:crypto";
import { Webhook } from "standardwebhooks";
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

test("ten thousand random bodies verify, by the standardwebhooks package and byte by byte", () => {
  for (let n = 0; n < 10_000; n += 1) {
    const [key, older] = [randomBytes(24 + randomInt(41)), randomBytes(32)];
    const [id, timestamp] = [randomUUID(), now()];
    const isBinary = n % 2 === 1;
    const text = JSON.stringify({ text: randomText() });
    const body = isBinary ? randomBytes(randomInt(300)) : Buffer.from(text);
    const signature = webhookSignature([key, older], { id, timestamp, body });
    const headers = { "webhook-id": id, "webhook-timestamp": String(timestamp), "webhook-signature": signature };
    const expected = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest("base64");
    expect(signature.split(" ")[0]).toBe(`v1,${expected}`);
    if (isBinary) continue;
    for (const secret of [key, older]) {
      expect(new Webhook(`whsec_${secret.toString("base64")}`).verify(text, headers)).toEqual(JSON.parse(text));
    }
    const other = new Webhook(randomBytes(32).toString("base64"));
    expect(() => other.verify(text, headers)).toThrow();
    expect(() => new Webhook(key.toString("base64")).verify(`${text} `, headers)).toThrow();
  }
});
