import type { Job } from "../job/job.ts";
import type { Message } from "../job/message.ts";
import { after, type Move } from "../job/move.ts";
import { encodeMessage } from "../job/payload.ts";
import { giveUpPayload, messageOf, placePayload, removePayload } from "./payloads.ts";

// A job whose message is replaced. The earlier payload stays where it is for as long as somebody may be about to read
// it: its intent, or the table's stream, removes it later.

type Parts = Parameters<typeof placePayload>[1];

interface Result {
  readonly won: boolean;
  /** As it stands. */
  readonly job?: Job | undefined;
}

/** Makes a move that gives a job another message. */
export async function replaceMessage<R extends Result>(
  of: Job,
  { move, message }: { readonly move: Move; readonly message: Message },
  apply: (move: Move) => Promise<R>,
  parts: Parts,
): Promise<R> {
  const payload = { at: "inline", bytes: encodeMessage(message) } as const;
  const placed = await placePayload({ ...after(of, move), payload }, parts);
  await giveUpPayload(of, parts);
  const applied = await apply({ ...move, set: { ...move.set, payload: placed } });
  if (applied.won || placed.at === "inline") return applied;
  const standing = applied.job?.payload;
  // The write was made, and its reply was lost.
  if (standing && standing.at !== "inline" && standing.hash === placed.hash) return applied;
  await removePayload(of.id, placed, parts);
  return applied;
}

/** A job with its message; `undefined` if there is none. */
export async function wholeJob(
  id: string,
  get: (id: string) => Promise<Job | undefined>,
  parts: Pick<Parts, "table" | "files">,
): Promise<{ readonly job: Job; readonly message: Message } | undefined> {
  let job = await get(id);
  for (;;) {
    if (!job) return undefined;
    try {
      return { job, message: await messageOf(job, parts) };
    } catch (error) {
      const now = await get(id);
      // Between the two reads, an edit may have replaced the message.
      if (now && nameOf(now) === nameOf(job)) throw error;
      job = now;
    }
  }
}

function nameOf({ payload }: Job): string {
  return payload.at === "inline" ? "" : payload.hash;
}
