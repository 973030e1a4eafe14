import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSealer, type SealingKey } from "../../lib/store/sealer.ts";

const KEY_ID = "arn:aws:kms:local:000000000000:key/1";

interface Call {
  readonly KeyId: string;
  readonly EncryptionContext: Record<string, string>;
  readonly Plaintext?: string;
  readonly CiphertextBlob?: string;
}

/** The two calls of KMS that are made: a blob opens with the key and the context that sealed it. */
const kms = createServer((request, response) => {
  void json(request).then((body) => {
    const { KeyId, EncryptionContext, Plaintext, CiphertextBlob = "" } = body as Call;
    const bound = JSON.stringify([KeyId, EncryptionContext]);
    const answer = (status: number, of: object) => response.writeHead(status).end(JSON.stringify(of));
    if (Plaintext !== undefined) {
      const blob = Buffer.from(JSON.stringify([bound, Buffer.from(Plaintext).toString("base64url")])).toString(
        "base64",
      );
      return answer(200, { KeyId, CiphertextBlob: blob });
    }
    const [sealedFor, text] = JSON.parse(Buffer.from(CiphertextBlob, "base64").toString()) as [string, string];
    if (sealedFor !== bound) return answer(400, { __type: "InvalidCiphertextException" });
    return answer(200, { KeyId, Plaintext: Buffer.from(text, "base64url").toString() });
  });
});

beforeAll(async () => {
  await new Promise<void>((listening) => {
    kms.listen(0, "127.0.0.1", listening);
  });
  process.env["AWS_ENDPOINT_URL_KMS"] = `http://127.0.0.1:${(kms.address() as AddressInfo).port}`;
});
afterAll(() => {
  kms.closeAllConnections();
  kms.close();
});

describe.each<SealingKey>([
  { kind: "local", key: randomBytes(32) },
  { kind: "kms", keyId: KEY_ID },
])("a sealer with a key of kind $kind", (key) => {
  const sealer = createSealer(key);

  test("opens what it has sealed, for the same app alone", async () => {
    const secret = randomBytes(32);
    const sealed = await sealer.seal("app-1", secret);
    expect(Buffer.from(sealed).includes(secret)).toBe(false);
    expect(Buffer.from(await sealer.open("app-1", sealed)).equals(secret)).toBe(true);
    await expect(sealer.open("app-2", sealed)).rejects.toThrow();
  });
});

test("what was changed since, or sealed with another key, does not open", async () => {
  const sealer = createSealer({ kind: "local", key: randomBytes(32) });
  const sealed = Buffer.from(await sealer.seal("app", randomBytes(32)));
  for (const at of [0, 12, 28, sealed.length - 1]) {
    const changed = Buffer.from(sealed);
    changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
    await expect(sealer.open("app", changed)).rejects.toThrow();
  }
  await expect(createSealer({ kind: "local", key: randomBytes(32) }).open("app", sealed)).rejects.toThrow();
});
