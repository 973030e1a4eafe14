import type { S3Client } from "@aws-sdk/client-s3";
import { CLIENT_DEFAULTS, askOf } from "../aws.ts";

/** The private bucket. */
export interface Files {
  put(key: string, bytes: Uint8Array): Promise<void>;
  get(key: string): Promise<Uint8Array>;
  remove(key: string): Promise<void>;
}

/** The key of a payload too large for the table. */
export function payloadKey(jobId: string, hash: string): string {
  return `payloads/${jobId}/${hash}`;
}

/** The key of a message that nothing here can read. */
export function unreadableKey(messageId: string): string {
  return `unreadable/${messageId}`;
}

export function createFiles(bucket: string, given?: S3Client): Files {
  const part = "The bucket";
  return {
    put: async (key, bytes) => {
      const { client, PutObjectCommand } = await s3(given);
      await askOf(part, client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: bytes })));
    },
    get: async (key) => {
      const { client, GetObjectCommand } = await s3(given);
      const object = await askOf(part, client.send(new GetObjectCommand({ Bucket: bucket, Key: key })));
      if (!object.Body) throw new Error(`The bucket answered without the content of ${key}`);
      return object.Body.transformToByteArray();
    },
    remove: async (key) => {
      const { client, DeleteObjectCommand } = await s3(given);
      await askOf(part, client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key })));
    },
  };
}

let shared: S3Client | undefined;

// Imported when first used: few jobs need S3, and its client costs every cold start 60 ms.
async function s3(given: S3Client | undefined) {
  const { S3Client, DeleteObjectCommand, GetObjectCommand, PutObjectCommand } = await import("@aws-sdk/client-s3");
  const forcePathStyle = Boolean(process.env.AWS_ENDPOINT_URL_S3 ?? process.env.AWS_ENDPOINT_URL);
  const client = given ?? (shared ??= new S3Client({ ...CLIENT_DEFAULTS, forcePathStyle }));
  return { client, DeleteObjectCommand, GetObjectCommand, PutObjectCommand };
}
