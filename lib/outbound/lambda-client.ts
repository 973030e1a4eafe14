import type { LambdaClient } from "@aws-sdk/client-lambda";
import { CLIENT_DEFAULTS, lean } from "../aws.ts";

let shared: LambdaClient | undefined;

/** Lambda's client and its invoke command, imported at the first use, since most containers never need them. */
export async function lambda() {
  const { LambdaClient: Client, InvokeCommand } = await import("@aws-sdk/client-lambda");
  // One try: a second could run the function twice, and the job has its own retries. The attempt's signal is the timer.
  const { connectionTimeout, httpAgent, httpsAgent } = CLIENT_DEFAULTS.requestHandler;
  shared ??= lean(new Client({ maxAttempts: 1, requestHandler: { connectionTimeout, httpAgent, httpsAgent } }));
  return { client: shared, InvokeCommand };
}

/** Starts a function without waiting for its end. Throws when Lambda did not take the event. */
export async function startFunction(FunctionName: string, event: object): Promise<void> {
  const { client, InvokeCommand } = await lambda();
  await client.send(
    new InvokeCommand({ FunctionName, InvocationType: "Event", Payload: Buffer.from(JSON.stringify(event)) }),
  );
}
