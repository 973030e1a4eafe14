import * as fc from "fast-check";
import type { Command, Send } from "../sim/models/client.ts";

/** Less than the test's time-out, so that a failure prints its seed however far it has been shrunk. */
const LONGEST_MS = 150_000;

/** The same operations every time, so that it fails by a change and not by chance; SEED draws others. */
export function runs(numRuns: number) {
  return { numRuns, seed: Number(process.env["SEED"] ?? 1), interruptAfterTimeLimit: LONGEST_MS };
}

/** A client that does not retry: a late answer must not cause a second call. */
export const PATIENT = { maxAttempts: 1 };

/** A hundred operations. One that shrinks to nothing is left out. */
export function hundredOf<One extends { readonly kind: string }>(operation: fc.Arbitrary<One>) {
  return fc
    .array(operation, { minLength: 100, maxLength: 100 })
    .map((drawn) => drawn.filter((one): one is Exclude<One, { readonly kind: "nothing" }> => one.kind !== "nothing"));
}

/** The result of a call: its answer, or the name of its error with its details. */
export async function outcome(send: Send, command: Command): Promise<Record<string, unknown>> {
  try {
    const { $metadata: _, ...answer } = (await send(command)) as { $metadata?: object };
    return answer;
  } catch (error) {
    const { name, Item, CancellationReasons } = error as Error & { Item?: object; CancellationReasons?: object[] };
    if (!("$metadata" in (error as object))) throw error;
    // An error of SQS has another name in its older protocol.
    return { error: name.replace("AWS.SimpleQueueService.", ""), Item, CancellationReasons };
  }
}
