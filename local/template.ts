import { join } from "node:path";
import { readYaml } from "./yaml-file.ts";

// The local stack reads serverless.yml and resources.yml, so that it cannot drift from the deployed service.

export interface FunctionTemplate {
  readonly name: string;
  /** `functions/create-job.handler` */
  readonly handler: string;
  readonly timeoutMs: number;
  /** `POST /v1/jobs/create`; `*` is the default route. */
  readonly routes: readonly string[];
  readonly queues: readonly { resource: string; batchSize: number; maximumConcurrency: number }[];
  readonly streams: readonly { table: string; batchSize: number; filters: readonly unknown[] }[];
  /** In service time. */
  readonly everyMs: readonly number[];
}

export interface Resource {
  readonly Type: string;
  readonly Properties: Readonly<Record<string, unknown>>;
}

export interface Template {
  readonly functions: readonly FunctionTemplate[];
  readonly resources: Readonly<Record<string, Resource>>;
  /** The environment of every function, with references not yet resolved. */
  readonly environment: Readonly<Record<string, string | Reference>>;
}

type Reference = { Ref: string } | { "Fn::GetAtt": string } | { "Fn::Sub": string };

interface ServerlessFile {
  service: string;
  params: { default: Template["environment"] };
  provider: { timeout: number };
  functions: Record<string, { handler: string; timeout?: number; events?: ServerlessEvent[] }>;
}

interface ServerlessEvent {
  httpApi?: string;
  schedule?: string;
  sqs?: { arn: { "Fn::GetAtt": string }; batchSize?: number; maximumConcurrency?: number };
  stream?: { arn: { "Fn::GetAtt": string }; batchSize?: number; filterPatterns?: unknown[] };
}

export function readTemplate(root: string): Template {
  const serverless = readYaml(join(root, "serverless.yml")) as ServerlessFile;
  const { Resources } = readYaml(join(root, "resources.yml")) as { Resources: Template["resources"] };
  return {
    functions: Object.entries(serverless.functions).map(([name, definition]) => {
      const events = definition.events ?? [];
      return {
        name,
        handler: definition.handler,
        timeoutMs: (definition.timeout ?? serverless.provider.timeout) * 1_000,
        routes: events.flatMap(({ httpApi }) => httpApi ?? []),
        queues: events
          .flatMap(({ sqs }) => sqs ?? [])
          .map(({ arn, batchSize = 10, maximumConcurrency = 10 }) => ({
            resource: resourceOf(arn),
            batchSize,
            maximumConcurrency,
          })),
        streams: events
          .flatMap(({ stream }) => stream ?? [])
          .map(({ arn, batchSize = 100, filterPatterns: filters = [] }) => ({
            table: resourceOf(arn),
            batchSize,
            filters,
          })),
        everyMs: events.flatMap(({ schedule }) => schedule ?? []).map(rateMs),
      };
    }),
    resources: Resources,
    environment: substitute(serverless.params.default, serverless.service) as Template["environment"],
  };
}

function resourceOf(arn: { "Fn::GetAtt": string }): string {
  return arn["Fn::GetAtt"].split(".")[0] ?? "";
}

/** Resolves `${env:NAME, 'unset'}` from the stack's own environment, and the other variables that params use. */
function substitute(value: unknown, service: string): unknown {
  if (typeof value === "string") {
    return value
      .replace("${self:service}", service)
      .replace("${sls:stage}", "local")
      .replace(/\$\{env:(\w+), '([^']*)'\}/g, (_, name: string, unset: string) => process.env[name] ?? unset)
      .replace(/\$\{file\(deploy\/secrets\.cjs\):(\w+)\}/g, (_, name: string) => process.env[name] ?? "");
  }
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, substitute(inner, service)]));
}

const UNITS: Record<string, number> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };

function rateMs(expression: string): number {
  const [, count, unit = ""] = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(expression) ?? [];
  const ms = Number(count) * (UNITS[unit] ?? NaN);
  if (Number.isNaN(ms))
    throw new Error(`serverless.yml has schedule "${expression}": the local stack knows rate(n minutes|hours|days)`);
  return ms;
}
