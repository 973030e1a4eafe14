import { randomBytes } from "node:crypto";
import { DAY, type Clock } from "../clock.ts";
import { ClientError } from "../errors.ts";
import { appKey, type Audit } from "./audit.ts";
import { remember } from "../job/remember.ts";
import { cached } from "./cached.ts";
import type { Sealer } from "./sealer.ts";
import type { Table } from "./table.ts";

/** A key with which receivers verify an app's requests. The secret itself is sealed. Times are real time. */
export interface SigningSecret {
  readonly id: string;
  readonly createdAt: number;
  /** Set once a newer secret exists. Both sign until this time. */
  readonly expiresAt?: number;
}

interface SealedSecret extends SigningSecret {
  readonly sealed: Uint8Array;
}

interface Secrets {
  readonly version: number;
  readonly list: readonly SealedSecret[];
}

/** The next list, or `undefined` to leave it as it is. */
type Change = (list: readonly SealedSecret[]) => readonly SealedSecret[] | undefined;

/** The time for which an older secret still signs beside the newer one. */
const OVERLAP = DAY;
const SECRET_BYTES = 32;
/** Bounds the number of signatures in a receiver's header. */
const MOST_SECRETS = 5;
const MOST_TRIES = 5;

export type SigningSecrets = ReturnType<typeof createSigningSecrets>;

export function createSigningSecrets(parts: { table: Table; clock: Clock; sealer: Sealer; audit: Audit }) {
  const { table, clock, sealer, audit } = parts;
  const keysOf = cached(clock, readKeys);
  const open = opening(sealer);

  /**
   * Makes a new signing secret. Older ones still sign for 24 hours. The secret can't be read again.
   * Throws CONFLICT when there are five already.
   */
  async function rotate(appId: string, by: string): Promise<SigningSecret & { secret: string }> {
    const bytes = randomBytes(SECRET_BYTES);
    const made = await newSecret(appId, bytes);
    await change(appId, by, { to: made.id }, (list) => overlapping(made, list));
    return { id: made.id, createdAt: made.createdAt, secret: `whsec_${bytes.toString("base64")}` };
  }

  async function newSecret(appId: string, bytes: Uint8Array): Promise<SealedSecret> {
    return { id: clock.uuid(), createdAt: clock.realNow(), sealed: await sealer.seal(appId, bytes) };
  }

  /** Removes a secret at once. False if there is none of this id. */
  async function remove(appId: string, id: string, by: string): Promise<boolean> {
    return change(appId, by, { from: id }, (list) =>
      list.some((secret) => secret.id === id) ? list.filter((secret) => secret.id !== id) : undefined,
    );
  }

  /** The secrets that sign now, the newest first. */
  async function list(appId: string): Promise<readonly SigningSecret[]> {
    return (await read(appId)).list;
  }

  /** An app's current signing keys, the newest first. The app's first send makes one. */
  async function readKeys(appId: string): Promise<Uint8Array[]> {
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const { list: sealed } = await read(appId);
      if (sealed.length > 0) return Promise.all(sealed.map(async (each) => open(appId, each.sealed)));
      const made = await newSecret(appId, randomBytes(SECRET_BYTES));
      // Another send may have made the first secret meanwhile: the next round reads that one.
      await change(appId, "first send", { to: made.id }, (there) => (there.length > 0 ? undefined : [made]));
    }
    throw table.unavailable("the signing secret is changing too fast");
  }

  /** Without those that have expired. */
  async function read(appId: string): Promise<Secrets> {
    const { version = 0, list: all = [] } = ((await table.get(appKey(appId, "SECRETS"))) ?? {}) as Partial<Secrets>;
    const now = clock.realNow();
    return { version, list: all.filter(({ expiresAt = Infinity }) => expiresAt > now) };
  }

  /** Reads again when another change came first. False if there is nothing to change. */
  async function change(
    appId: string,
    by: string,
    { from = null, to = null }: { from?: string | null; to?: string | null },
    make: Change,
  ): Promise<boolean> {
    const action = to === null ? "signing-secret.deleted" : "signing-secret.created";
    const entry = { by, action, object: `secret:${to ?? from}`, changes: [{ field: "signingSecrets", from, to }] };
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const { version, list: before } = await read(appId);
      const changed = make(before);
      if (!changed) return false;
      if (await audit.replace(appId, { sk: "SECRETS", version, fields: { list: changed } }, entry)) {
        keysOf.forget(appId);
        return true;
      }
    }
    throw new ClientError("CONFLICT", "The signing secrets are changing too fast; try again");
  }

  return { rotate, remove, list, keysOf };
}

/** KMS bills each call, and what was sealed never opens as anything else: it is opened once in a process. */
function opening(sealer: Sealer) {
  const opened = new Map<string, Promise<Uint8Array>>();
  return async function open(appId: string, sealed: Uint8Array): Promise<Uint8Array> {
    const name = `${appId} ${Buffer.from(sealed).toString("base64")}`;
    const bytes = opened.get(name) ?? sealer.open(appId, sealed);
    remember(opened, name, bytes);
    bytes.catch(() => opened.delete(name));
    return bytes;
  };
}

function overlapping(made: SealedSecret, list: readonly SealedSecret[]): readonly SealedSecret[] {
  if (list.length === MOST_SECRETS) {
    const message = `${MOST_SECRETS} secrets sign already, the older ones for 24 hours after the next; delete one first`;
    throw new ClientError("CONFLICT", message);
  }
  const until = made.createdAt + OVERLAP;
  return [made, ...list.map((older) => ({ ...older, expiresAt: Math.min(older.expiresAt ?? until, until) }))];
}
