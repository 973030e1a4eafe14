import { parentPort, isMainThread, workerData, Worker } from "node:worker_threads";
import { createClock } from "../lib/clock.ts";

import { readClock } from "./clock-file.ts";
import { startMapping, startSchedule, type Runner } from "./event-sources.ts";
import { createFunctions, mostAtOnce } from "./lambda.ts";
import { collectOutput } from "./output.ts";
import { waitPatiently } from "./patience.ts";
import { queueArn, queueName, type References } from "./provision.ts";
import type { Template } from "./template.ts";

// The workers run jobs: they are the event source mappings and schedules of serverless.yml.

export interface WorkerSettings {
  readonly root: string;
  readonly template: Template;
  readonly dir: string;
  readonly references: References;
}

export async function startWorkers({ root, template, dir, references }: WorkerSettings): Promise<Runner> {
  waitPatiently();
  const own = template.functions.filter(({ queues, everyMs }) => queues.length > 0 || everyMs.length > 0);
  const functions = createFunctions(root, own);
  const clock = createClock(readClock(dir));
  const runners = functions.flatMap(({ definition, invoke }) => [
    ...definition.queues.map(({ resource, batchSize, maximumConcurrency }) => {
      const arn = queueArn(queueName(template.resources[resource]?.Properties ?? {}));
      const queueUrl = references[resource] ?? "";
      const atOnce = Math.min(maximumConcurrency, mostAtOnce(definition));
      return startMapping({ queueUrl, arn, batchSize, maximumConcurrency: atOnce }, invoke);
    }),
    ...definition.everyMs.map((everyMs) => startSchedule(everyMs, clock, invoke)),
  ]);
  return { stop: async () => void (await Promise.all(runners.map((runner) => runner.stop()))) };
}

/** Starts the workers on a thread of their own, so that running jobs does not slow down accepting them, as on AWS. */
export async function startWorkersInThread(settings: WorkerSettings): Promise<Runner> {
  const thread = new Worker(new URL(import.meta.url), { workerData: settings });
  const said = (word: string) =>
    new Promise<void>((resolve, reject) => {
      thread.on("message", (message) => message === word && resolve());
      thread.once("error", reject);
    });
  await said("started");
  // The error ends the process: a stack without workers would accept jobs and run none.
  thread.on("error", (error) => {
    throw error;
  });
  return {
    stop: async () => {
      const stopped = said("stopped");
      thread.postMessage("stop");
      await stopped;
    },
  };
}

if (!isMainThread) {
  const writeRest = collectOutput();
  const workers = await startWorkers(workerData as WorkerSettings);
  const stop = async () => {
    await workers.stop();
    writeRest();
    parentPort?.postMessage("stopped");
  };
  parentPort?.once("message", () => void stop());
  parentPort?.postMessage("started");
}
