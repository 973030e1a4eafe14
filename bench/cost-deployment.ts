import { join } from "node:path";
import { readTemplate, type Resource } from "../local/template.ts";
import { readYaml } from "../local/yaml-file.ts";

// What of the deployment has a price.

interface Deployed {
  readonly memoryMb: number;
  readonly architecture: "arm64" | "x86_64";
  readonly isTraced: boolean;
  /** Whether Lambda logs the start and the end of each invocation. */
  readonly hasPlatformLines: boolean;
  readonly batchSize: number;
}

export interface Deployment {
  readonly functions: Readonly<Record<string, Deployed>>;
  /** Queues that a function reads. */
  readonly polled: { readonly standard: number; readonly fifo: number };
  /** An alarm costs as much for each metric that it reads. */
  readonly alarms: number;
  readonly dashboards: number;
  readonly keys: number;
  /** Changes of the table that come to one call of the function that counts them. */
  readonly streamBatch: number;
}

interface FunctionDefinition {
  readonly memorySize?: number | string;
  readonly architecture?: string;
  readonly tracing?: string;
  readonly logs?: { readonly logFormat?: string; readonly systemLogLevel?: string };
}

interface ServerlessFile {
  readonly params: { readonly default: Readonly<Record<string, unknown>> };
  readonly resources: readonly string[];
  readonly provider: FunctionDefinition & {
    readonly tracing?: { readonly lambda?: unknown };
    readonly logs?: { readonly lambda?: FunctionDefinition["logs"] };
  };
  readonly functions: Readonly<Record<string, FunctionDefinition>>;
}

/** What serverless.yml and the files of its resources deploy, by the defaults of their parameters. */
export function readDeployment(root: string): Deployment {
  const {
    functions: definitions,
    provider,
    params,
    resources,
  } = readYaml(join(root, "serverless.yml")) as ServerlessFile;
  const template = readTemplate(root);
  const byDefault = (value: unknown): string =>
    String(value)
      .replace(/\$\{param:(\w+)\}/g, (_, name: string) => byDefault(params.default[name]))
      .replace(/\$\{env:\w+, '([^']*)'\}/g, "$1");
  const functions = template.functions.map(({ name, queues }): [string, Deployed] => {
    const { memorySize, architecture, tracing, logs = provider.logs?.lambda } = definitions[name] ?? {};
    const isTraced = ["true", "Active"].includes(byDefault(tracing ?? provider.tracing?.lambda));
    return [
      name,
      {
        memoryMb: Number(byDefault(memorySize ?? provider.memorySize)),
        architecture: (architecture ?? provider.architecture) === "arm64" ? "arm64" : "x86_64",
        isTraced,
        hasPlatformLines: logs?.logFormat !== "JSON" || (logs.systemLogLevel ?? "INFO") !== "WARN",
        batchSize: queues[0]?.batchSize ?? 1,
      },
    ];
  });
  const files = resources.flatMap((text) => /^\$\{file\(([\w./-]+\.yml)\)/.exec(text)?.[1] ?? []);
  const resourcesOf = files.flatMap((file) => {
    const { Resources = {} } = readYaml(join(root, file)) as { Resources?: Record<string, Resource> };
    return Object.values(Resources);
  });
  const ofType = (type: string) => resourcesOf.filter(({ Type }) => Type === type);
  const polled = template.functions.flatMap(({ queues }) => queues.map(({ resource }) => resource));
  const fifo = polled.filter((name) => template.resources[name]?.Properties["FifoQueue"] === true).length;
  return {
    functions: Object.fromEntries(functions),
    polled: { standard: polled.length - fifo, fifo },
    alarms: ofType("AWS::CloudWatch::Alarm").reduce((sum, alarm) => sum + metricsOf(alarm), 0),
    dashboards: ofType("AWS::CloudWatch::Dashboard").length,
    keys: ofType("AWS::KMS::Key").length,
    streamBatch: template.functions.flatMap(({ streams }) => streams)[0]?.batchSize ?? 100,
  };
}

function metricsOf({ Properties }: Resource): number {
  const { Metrics = [] } = Properties as { readonly Metrics?: readonly { readonly MetricStat?: object }[] };
  return Math.max(1, Metrics.filter(({ MetricStat }) => MetricStat !== undefined).length);
}
