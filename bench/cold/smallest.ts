import { createRequire } from "node:module";
import type { BuildOptions } from "esbuild";
import type { Call } from "./cloud.ts";

// The smallest function that makes the same calls as another: the clients, bundled as esbuild does by itself, and no
// line of ours.

const esbuild = createRequire(import.meta.url)("esbuild") as typeof import("esbuild");

const CLIENTS = {
  dynamodb: { from: "@aws-sdk/client-dynamodb", client: "DynamoDBClient", options: "" },
  sqs: { from: "@aws-sdk/client-sqs", client: "SQSClient", options: "useQueueUrlAsEndpoint: false" },
} as const;

/** Writes it to `outfile`. Its event: the calls, step by step. */
export async function buildSmallest(calls: readonly Call[], options: BuildOptions, outfile: string): Promise<void> {
  const { outdir: _, ...rest } = options;
  const stdin = { contents: sourceOf(calls), resolveDir: import.meta.dirname, sourcefile: "smallest.ts" };
  await esbuild.build({ ...rest, stdin, outfile });
}

function sourceOf(calls: readonly Call[]): string {
  const lines: string[] = [];
  for (const service of ["dynamodb", "sqs"] as const) {
    const names = new Set(calls.filter((call) => call.service === service).map(({ name }) => name));
    if (names.size === 0) continue;
    const { from, client, options } = CLIENTS[service];
    const commands = [...names].map((name) => `${name}Command`);
    lines.push(`import { ${client}, ${commands.join(", ")} } from "${from}";`);
    lines.push(`const ${service} = new ${client}({ ${options} });`);
    lines.push(
      `const ${service}Call = { ${[...names].map((name) => `${name}: (input) => ${service}.send(new ${name}Command(input))`).join(", ")} };`,
    );
  }
  if (calls.some(({ service }) => service === "http")) {
    lines.push(`import { request } from "undici";`);
    lines.push(`const httpCall = async (url, body) => (await request(url, { method: "POST", body })).body.text();`);
  }
  const run = calls.some(({ service }) => service === "http") ? " : httpCall(call.url, call.body)" : " : undefined";
  const ofSqs = calls.some(({ service }) => service === "sqs")
    ? ' : call.service === "sqs" ? sqsCall[call.name](input(call))'
    : "";
  lines.push(
    `const input = ({ body }) => JSON.parse(body, (key, value) => (key === "B" ? Buffer.from(value, "base64") : value));`,
    `const run = (call) => call.service === "dynamodb" ? dynamodbCall[call.name](input(call))${ofSqs}${run};`,
    `export const handler = async (steps) => { for (const step of steps) await Promise.all(step.map(run)); };`,
  );
  return lines.join("\n");
}

/** The calls in steps: those of a step were on their way at the same time. */
export function stepsOf(calls: readonly Call[], url: string): readonly object[][] {
  const steps: Call[][] = [];
  let until = -Infinity;
  for (const call of calls.toSorted((a, b) => a.startedAt - b.startedAt)) {
    if (call.startedAt >= until) steps.push([]);
    until = Math.max(until, call.endedAt);
    steps.at(-1)?.push(call);
  }
  return steps.map((step) => step.map(({ service, name, body }) => ({ service, name, body, url: url + name })));
}
