import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import { parentPort } from "node:worker_threads";
import { listenLocally } from "../local/listen.ts";

// Receivers of webhooks, the function with the browser, KMS and EventBridge Scheduler for `npm run bench:cost`, on a
// thread of their own, so that the processor time of the service is its own.

/** A PDF of one page, as large as an invoice. */
const PDF_BYTES = 30_000;
const MADE = JSON.stringify({
  kind: "made",
  pages: 1,
  truncated: false,
  bytes: PDF_BYTES,
  file: Buffer.alloc(PDF_BYTES, "%PDF-1.7 ").toString("base64"),
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = (await buffer(request)).toString();
  const path = request.url ?? "/";
  const reply = (of: object | string, status = 200) =>
    response
      .writeHead(status, { "content-type": "application/json" })
      .end(typeof of === "string" ? of : JSON.stringify(of));
  const operation = request.headers["x-amz-target"];
  if (operation === "TrentService.Encrypt") {
    const { Plaintext, KeyId } = JSON.parse(body) as Record<string, string>;
    return void reply({ CiphertextBlob: Plaintext, KeyId });
  }
  if (operation === "TrentService.Decrypt") {
    const { CiphertextBlob, KeyId } = JSON.parse(body) as Record<string, string>;
    return void reply({ Plaintext: CiphertextBlob, KeyId });
  }
  if (path.endsWith("/invocations")) return void reply(MADE);
  if (path.startsWith("/schedules/")) return void reply({ ScheduleArn: `arn:aws:scheduler:local:0:schedule${path}` });
  // A receiver of webhooks: `/failures/2/…` refuses the first two attempts.
  const failures = Number(/^\/failures\/(\d+)/.exec(path)?.[1] ?? 0);
  reply({ received: true }, Number(request.headers["x-job-attempt"]) <= failures ? 500 : 200);
}

const server = createServer((request, response) => void answer(request, response));
parentPort?.postMessage(await listenLocally(server));
