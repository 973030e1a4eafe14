import { SignatureV4 } from "@smithy/signature-v4";
import { expect, test } from "vitest";
import { CLIENT_DEFAULTS } from "../../lib/aws.ts";

// The embedded parts take any signature.

test("requests to AWS get the signature of AWS's own example", async () => {
  // get-vanilla of AWS's test suite for Signature Version 4.
  const signer = new SignatureV4({
    service: "service",
    region: "us-east-1",
    credentials: { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" },
    sha256: CLIENT_DEFAULTS.sha256,
    applyChecksum: false,
  });
  const request = {
    method: "GET",
    protocol: "https:",
    hostname: "example.amazonaws.com",
    path: "/",
    headers: { host: "example.amazonaws.com" },
  };
  const { headers } = await signer.sign(request, { signingDate: new Date("2015-08-30T12:36:00Z") });
  expect(headers["authorization"]).toMatch(
    /Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31$/,
  );
});

test("a hash with a key of any kind is that of the key's bytes, again after a reset", async () => {
  const bytes = new TextEncoder().encode("key");
  const within = new Uint8Array([0, ...bytes, 0]).subarray(1, 4);
  const digests = ["key", bytes, within, bytes.buffer].map(async (key) => {
    const hash = new CLIENT_DEFAULTS.sha256(key);
    hash.update(new TextEncoder().encode("forgotten"));
    hash.reset();
    hash.update(new TextEncoder().encode("The quick brown fox jumps over the lazy dog"));
    return Buffer.from(await hash.digest()).toString("hex");
  });
  const expected = "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8";
  expect(new Set(await Promise.all(digests))).toEqual(new Set([expected]));
});
