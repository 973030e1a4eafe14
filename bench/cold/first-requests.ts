import { randomUUID } from "node:crypto";
import { HOUR, MINUTE } from "../../lib/clock.ts";
import { signToken } from "../../local/token.ts";
import type { Cloud } from "./cloud.ts";

// The first request of those functions whose start somebody waits for. What it needs to be stored is stored anew each
// time, by a `createJob` in this process.

export interface Asked {
  readonly event: object;
  /** Beside the environment of the cloud. */
  readonly env?: Readonly<Record<string, string>>;
}

export type FirstRequest = () => Promise<Asked>;

const APP = randomUUID();

export async function firstRequests({ environment, url }: Cloud): Promise<Readonly<Record<string, FirstRequest>>> {
  Object.assign(process.env, environment);
  const { handler } = await import("../../functions/create-job.ts");
  const token = await signToken({ appId: APP, sub: "bench", roles: ["APP_ADMIN"], permissions: [], expires: "1h" });
  const webhook = {
    lambdaProxyMessage: { path: "/webhook", httpMethod: "POST", body: JSON.stringify({ order: "x".repeat(1_000) }) },
    execution: { type: "rest-api", baseUrl: url },
  };
  const creating = (message: object) => httpEvent("POST /v1/jobs/create", token, { message });
  const accept = async (message: object): Promise<string> => {
    const answer = (await handler(creating(message) as never, {})) as { statusCode: number; body: string };
    if (answer.statusCode !== 201) throw new Error(`createJob answered ${answer.statusCode}: ${answer.body}`);
    return (JSON.parse(answer.body) as { data: { id: string } }).data.id;
  };
  return {
    createJob: async () => ({ event: creating(webhook) }),
    processJobs: async () => ({ event: messageOf(await accept(webhook), url) }),
    sweepJobs: async () => ({ event: {} }),
    fireSchedule: async () => {
      const scheduledAt = new Date(Date.now() + HOUR).toISOString();
      const id = await accept({ execution: { type: "schedule", scheduledAt, targetJob: webhook } });
      const [real, service] = [Date.now(), Date.now() + HOUR + MINUTE];
      return { event: { fire: { id, run: 1 } }, env: { SERVICE_CLOCK: `${real},${service},1` } };
    },
  };
}

function httpEvent(routeKey: string, token: string, body: object): object {
  const [method = "", path = ""] = routeKey.split(" ");
  return {
    version: "2.0",
    routeKey,
    rawPath: path,
    rawQueryString: "",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    requestContext: { http: { method, path, sourceIp: "127.0.0.1" }, requestId: randomUUID(), routeKey },
    body: JSON.stringify(body),
    isBase64Encoded: false,
  };
}

function messageOf(id: string, destination: string): object {
  const attempt = { id, appId: APP, destination, timeoutMs: 30_000, attempt: 1 };
  const record = {
    messageId: randomUUID(),
    receiptHandle: "first",
    body: JSON.stringify({ attempt }),
    attributes: { ApproximateReceiveCount: "1", MessageGroupId: APP },
    eventSourceARN: "arn:aws:sqs:eu-west-1:123456789012:jobs-fair",
  };
  return { Records: [record] };
}
