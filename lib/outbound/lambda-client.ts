import type { LambdaClient } from "@aws-sdk/client-lambda";
import { CLIENT_DEFAULTS, lean } from "../aws.ts";

let shared: LambdaClient | undefined;

/** Lambda's client and its invoke command. Imported when first used: most containers never need it. */
export async function lambda() {
  const { LambdaClient: Client, InvokeCommand } = await import("@aws-sdk/client-lambda");
  // One try, for a second could run the function twice and the job has its own retries; the attempt's signal is the timer.
  const { connectionTimeout, httpAgent, httpsAgent } = CLIENT_DEFAULTS.requestHandler;
  shared ??= lean(new Client({ maxAttempts: 1, requestHandler: { connectionTimeout, httpAgent, httpsAgent } }));
  return { client: shared, InvokeCommand };
}
