import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * A target to send jobs to. `?failures=2` answers 500 to the first two attempts, `?status=503` always answers
 * 503, `?seconds=5` answers after 5 s. Prints a line for each request.
 */
export async function echo(request: IncomingMessage, url: URL, body: Buffer, response: ServerResponse): Promise<void> {
  const { headers, method } = request;
  const attempt = Number(headers["x-job-attempt"] ?? 0);
  const failing = attempt <= Number(url.searchParams.get("failures") ?? 0) && attempt > 0;
  const asked = Number(url.searchParams.get("status") ?? 200);
  const status = failing ? 500 : asked >= 200 && asked <= 599 ? asked : 400;
  await sleep(Math.min(Number(url.searchParams.get("seconds")) || 0, 120) * 1_000);
  const by = headers["x-job-id"] ? `  job ${String(headers["x-job-id"])}  attempt ${attempt}` : "";
  process.stdout.write(`echo   ${method} ${url.pathname}  ${status}${by}\n`);
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify({ method, path: `${url.pathname}${url.search}`, headers, body: body.toString() }));
}
