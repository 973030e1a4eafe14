import type { KMSClient } from "@aws-sdk/client-kms";
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { CLIENT_DEFAULTS, askOf } from "../aws.ts";

/** Encrypts secrets for the table. Bytes sealed for one app open for no other. */
export interface Sealer {
  seal(appId: string, bytes: Uint8Array): Promise<Uint8Array>;
  open(appId: string, sealed: Uint8Array): Promise<Uint8Array>;
}

/** A key in KMS; for the local stack, 32 bytes. */
export type SealingKey =
  | { readonly kind: "kms"; readonly keyId: string }
  | { readonly kind: "local"; readonly key: Uint8Array };

export function createSealer(key: SealingKey): Sealer {
  return key.kind === "kms" ? kmsSealer(key.keyId) : localSealer(key.key);
}

const PART = "The key service";

function kmsSealer(KeyId: string): Sealer {
  return {
    seal: async (appId, Plaintext) => {
      const { client, EncryptCommand } = await kms();
      const command = new EncryptCommand({ KeyId, Plaintext, EncryptionContext: { appId } });
      return bytesOf((await askOf(PART, client.send(command))).CiphertextBlob);
    },
    open: async (appId, CiphertextBlob) => {
      const { client, DecryptCommand } = await kms();
      const command = new DecryptCommand({ KeyId, CiphertextBlob, EncryptionContext: { appId } });
      return bytesOf((await askOf(PART, client.send(command))).Plaintext);
    },
  };
}

function bytesOf(answer: Uint8Array | undefined): Uint8Array {
  if (!answer) throw new Error("The key service answered without bytes");
  return answer;
}

let shared: KMSClient | undefined;

async function kms() {
  const { KMSClient: Client, EncryptCommand, DecryptCommand } = await import("@aws-sdk/client-kms");
  return { client: (shared ??= new Client(CLIENT_DEFAULTS)), EncryptCommand, DecryptCommand };
}

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** AES-256-GCM: nonce, tag, ciphertext. */
function localSealer(key: Uint8Array): Sealer {
  return {
    seal: async (appId, bytes) => {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(appId));
      const ciphertext = Buffer.concat([cipher.update(bytes), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), ciphertext]);
    },
    open: async (appId, sealed) => {
      const [nonce, tag] = [sealed.subarray(0, NONCE_BYTES), sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES)];
      const decipher = createDecipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(appId)).setAuthTag(tag);
      return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]);
    },
  };
}
