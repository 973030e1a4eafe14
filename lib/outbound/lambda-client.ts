import type { LambdaClient } from "@aws-sdk/client-lambda";
import { CLIENT_DEFAULTS, FRESH_CONNECTIONS, lean } from "../aws.ts";
import { SECOND } from "../clock.ts";
import { Unavailable } from "../errors.ts";

let once: LambdaClient | undefined;
let repeated: LambdaClient | undefined;

/** Lambda's client and its invoke command, imported at the first use, since most containers never need them. */
export async function lambda() {
  const { LambdaClient: Client, InvokeCommand } = await import("@aws-sdk/client-lambda");
  // One try: a second could run the function twice, and the job has its own retries. The attempt's signal is the timer.
  const { connectionTimeout, httpAgent, httpsAgent } = CLIENT_DEFAULTS.requestHandler;
  const make = (agents: object) =>
    lean(new Client({ maxAttempts: 1, requestHandler: { connectionTimeout, ...agents } }));
  return {
    InvokeCommand,
    client: (once ??= make(FRESH_CONNECTIONS)),
    /** Keeps its connections: only for calls that are repeated, by the other client, when one is dead. */
    keeping: () => (repeated ??= make({ httpAgent, httpsAgent })),
  };
}

/** Starts a function without waiting for its end. Throws when Lambda did not take the event. */
export async function startFunction(FunctionName: string, event: object): Promise<void> {
  const { client, InvokeCommand } = await lambda();
  await client.send(
    new InvokeCommand({ FunctionName, InvocationType: "Event", Payload: Buffer.from(JSON.stringify(event)) }),
  );
}

/** Lambda has no room for a further run of a function. */
export class Throttled extends Error {
  override readonly name = "Throttled";
}

/** How soon a dead connection is noticed. */
const DEAD_WITHIN_MS = SECOND;

const NO_ROOM = ["TooManyRequestsException", "ThrottlingException", "EC2ThrottledException"];

/**
 * Runs a function that does no harm when it runs twice, and waits for its result. Throws `Throttled`, `Unavailable`, or
 * the reason of the signal.
 */
export async function runFunction(FunctionName: string, event: object, signal: AbortSignal): Promise<unknown> {
  const { client, keeping, InvokeCommand } = await lambda();
  const command = new InvokeCommand({ FunctionName, Payload: Buffer.from(JSON.stringify(event)) });
  const call = async (by: LambdaClient) => by.send(command, { abortSignal: signal });
  const began = performance.now();
  // A connection that was kept open may be dead, after a container was frozen for one. One that breaks later may have run
  // the function, and what the event says of the time that is left is no longer true.
  const mayRepeat = (error: unknown) =>
    !signal.aborted && !isAnswer(error) && performance.now() - began < DEAD_WITHIN_MS;
  const answer = await call(keeping())
    .catch(async (error: unknown) => (mayRepeat(error) ? call(client) : Promise.reject(error)))
    .catch((error: unknown) => {
      signal.throwIfAborted();
      if (NO_ROOM.includes((error as Error).name)) throw new Throttled(FunctionName, { cause: error });
      throw new Unavailable(`The function ${FunctionName}`, error);
    });
  // What the function says about its failure is in its own log.
  if (answer.FunctionError !== undefined) throw new Unavailable(`The function ${FunctionName}`, "it failed");
  return JSON.parse(Buffer.from(answer.Payload ?? []).toString()) as unknown;
}

/** Whether an error is what Lambda has answered. */
function isAnswer(error: unknown): boolean {
  return (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode !== undefined;
}
