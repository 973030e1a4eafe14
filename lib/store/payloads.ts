import type { Bucket } from "./bucket.ts";

/** The files that belong to jobs and messages. */
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

export function createFiles({ bucket }: { bucket: Bucket }): Files {
  return {
    put: async (key, bytes) => bucket.put(key, bytes),
    get: async (key) => bucket.get(key),
    remove: async (key) => bucket.remove(key),
  };
}
