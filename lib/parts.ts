import { atFirstUse, lateObject } from "./job/at-first-use.ts";
import { createBucket } from "./store/bucket.ts";
import { createTable } from "./store/table.ts";
import { createAppStores } from "./store/app-store.ts";
import { SECOND, createClock, iso, type TimeLeft } from "./clock.ts";
import { reasonOf } from "./errors.ts";
import { createMetrics } from "./metrics.ts";
import { emitMeasured, measuresOf, sweepMetrics, type SweepFigures } from "./store/measures.ts";
import { jobsConfig, type JobsConfig } from "./config.ts";
import { createDestinationStore } from "./flow/destination-store.ts";
import { createEngine } from "./engine/engine.ts";
import { countMembers } from "./engine/group-counts.ts";
import type { SweepPart } from "./engine/sweep.ts";
import { changesOf, createCounters, type Images } from "./store/counters.ts";
import { executor } from "./executors/by-type.ts";
import type { Runner } from "./executors/executor.ts";
import { createFileStore } from "./files/file-store.ts";
import { createJobStore } from "./store/job-store.ts";
import { createLog } from "./log.ts";
import { createQueue } from "./queue/queue.ts";
import { createScheduler } from "./queue/scheduler.ts";
import { createSealer } from "./store/sealer.ts";
import { TASK } from "./job/job.ts";
import { runFunction, startFunction } from "./outbound/lambda-client.ts";
import type { NewJob } from "./job/accept.ts";

export type ServiceParts = ReturnType<typeof assemble>;

/** The time that a sweep keeps to end the correction of an app's counts. */
const RESERVE_MS = 10 * SECOND;

let assembled: ServiceParts | undefined;

/** The parts of the service, put together from the environment once per container. */
export function parts(): ServiceParts {
  return (assembled ??= assemble());
}

function assemble() {
  const config = jobsConfig(process.env);
  const stored = stores(config);
  const { clock, log, store, apps, fileStore, bucket, datasets, taskLog } = stored;
  const { rules, retention } = config;
  const pdfs = atFirstUse(async () => {
    const { createPdfs } = await import("./pdf/pdfs.ts");
    return createPdfs({
      files: fileStore,
      render: async (call, signal) => runFunction(`${rules.ownFunctions}renderPdf`, call, signal),
    });
  });
  const pages = lateObject(async () =>
    (await import("./pdf/page-quota.ts")).createPageQuota({ table: stored.table, clock, log, apps }),
  );
  const submit = async (request: NewJob, id: string) => engine.submit(request, id);
  /** Says why jobs wait. */
  const waits = atFirstUse(async () => (await import("./flow/waits.ts")).createWaits(stored));
  const quickPdf = atFirstUse(async () => {
    const { createQuickPdf } = await import("./executors/quick-pdf.ts");
    return createQuickPdf({ clock, pdfs: await pdfs(), pages });
  });
  // What runs tasks is loaded with the first.
  const taskExecutor = atFirstUse(async (): Promise<Runner> => {
    const { executors, definitionOf, createTaskExecutor, createTaskServices, createMail } = await taskModules();
    const services = createTaskServices({
      clock,
      store,
      apps,
      files: fileStore,
      uploads: stored.uploads,
      datasets: await datasets(),
      mail: createMail(config.emailSender),
      pdfs: await pdfs(),
      pages,
      rules,
      // The engine is made below: a task can retry and stop jobs as a person can.
      people: {
        retryJob: async (id, how) => engine.retryJob(id, how),
        stopJob: async (id, as) => engine.stopJob(id, as),
      },
      walks: {
        begin: async (appId, asked) => engine.walks.begin(appId, asked),
        step: async (pass) => engine.walks.step(pass),
        conclude: async (pass) => engine.walks.conclude(pass),
      },
      executionTypes: executors.EXECUTION_TYPES,
      waits,
    });
    return createTaskExecutor({ clock, taskLog, log, submit, services, definitionOf });
  });
  // Most functions execute no job.
  const [tasks, quickPdfs] = [laterBy(taskExecutor), laterBy(quickPdf)];
  const engine = createEngine({
    ...stored,
    noteSweep: async (figures) => noteSweep(figures, stored, config.metrics.areKept),
    scheduler: createScheduler(config.scheduler),
    sweepMore: async (part) => startFunction(`${rules.ownFunctions}sweepJobs`, part),
    files: bucket,
    executorOf: (job) => {
      if (job.quick) return quickPdfs;
      return job.executionType === TASK ? tasks : executor;
    },
    rules,
    callbackBodies: {
      pdf: async (job) => (await import("./pdf/view.ts")).pdfWebhook(job, { clock, link: fileStore.link }),
    },
    retention,
  });
  const requestSlots = lateObject(async () => (await import("./flow/request-slots.ts")).createRequestSlots(stored));
  /** Sweeps, and corrects counts in the time that is left. */
  const sweep = async (timeLeft: TimeLeft, part: SweepPart) => {
    const swept = await engine.sweep(timeLeft, part);
    if (part.shards === undefined) await (await stored.counting()).correctDue(() => timeLeft() >= RESERVE_MS);
    return swept;
  };
  return { ...stored, pages, rules, engine, sweep, requestSlots, waits };
}

async function taskModules() {
  const [executors, { definitionOf }, { createTaskExecutor }, { createTaskServices }, { createMail }] =
    await Promise.all([
      import("./executors/index.ts"),
      import("./tasks/index.ts"),
      import("./executors/task-executor.ts"),
      import("./tasks/services.ts"),
      import("./outbound/mail.ts"),
    ]);
  return { executors, definitionOf, createTaskExecutor, createTaskServices, createMail };
}

/** A runner that is loaded with the first job that it runs. */
function laterBy(runner: () => Promise<Runner>): Runner {
  return { execute: async (attempt, allowed) => (await runner()).execute(attempt, allowed) };
}

/** Emits what a sweep has found, and keeps it where it is asked for. What can't be kept fails no sweep. */
async function noteSweep(figures: SweepFigures, stored: ReturnType<typeof stores>, areKept: boolean): Promise<void> {
  const { metrics, totals, log } = stored;
  metrics(sweepMetrics(figures));
  if (!areKept) return;
  await totals
    .noteSweep(figures)
    .catch((error: unknown) => log("warn", "metrics.not-kept", { error: reasonOf(error) }));
}

/** The clock, the log, and the stores and queues of the service. */
function stores(config: JobsConfig) {
  const clock = createClock(config.clock);
  const table = createTable({ name: config.table, clock });
  const bucket = createBucket({ name: config.bucket });
  const taskLog = lateObject(async () => (await import("./tasks/log.ts")).createTaskLog({ table, clock }));
  const fileStore = createFileStore({ bucket, clock });
  const counters = createCounters({ table });
  const usage = atFirstUse(async () => (await import("./pdf/usage.ts")).createUsage({ counters, clock }));
  const appStores = createAppStores({
    table,
    clock,
    sealer: createSealer(config.sealing),
    auditKeptFor: config.auditKeptFor,
    limits: { waitersPerApp: config.waitersPerApp },
  });
  const { apps, register } = appStores;
  const log = createLog(() => iso(clock.now()), config.logLevel);
  const counting = atFirstUse(async () => {
    const { createCounting } = await import("./store/counting.ts");
    return createCounting({ table, clock, listShards: config.listShards, log });
  });
  const totals = lateObject(async () => (await import("./store/totals.ts")).createTotals({ table, clock }));
  const groups = lateObject(async () =>
    (await import("./store/group-store.ts")).createGroupStore({ table, clock, retention: config.retention }),
  );
  const queue = createQueue({ urls: config.queueUrls, table, files: bucket, clock });
  const { namespace, areKept } = config.metrics;
  // Real time: CloudWatch takes no metrics of the future.
  const metrics = namespace === undefined ? () => {} : createMetrics(namespace, () => clock.realNow());
  return {
    clock,
    log,
    table,
    bucket,
    store: createJobStore({
      table,
      files: bucket,
      clock,
      listShards: config.listShards,
      removeLog: taskLog.remove,
      apps,
    }),
    queue,
    ...appStores,
    destinations: createDestinationStore({ table, clock }),
    capacity: lateObject(async () => (await import("./flow/capacity-store.ts")).createCapacityStore({ table, clock })),
    slots: lateObject(async () => (await import("./flow/line-store.ts")).createTaskSlots({ table, clock })),
    backlogs: lateObject(async () => (await import("./store/backlogs.ts")).createBacklogs({ table, clock })),
    groups,
    taskLog,
    fileStore,
    uploads: lateObject(async () => (await import("./files/uploads.ts")).createUploads({ table, bucket, clock, apps })),
    datasets: atFirstUse(async () => {
      const { createDatasetStore } = await import("./datasets/dataset-store.ts");
      return createDatasetStore({ table, clock, files: fileStore, apps });
    }),
    usage,
    counting,
    metrics,
    totals,
    /** Counts the jobs in records of the table's stream. */
    count: async (records: readonly Images[]) => {
      const changes = await changesOf(records);
      const measured = measuresOf(changes);
      const counted = Promise.all([counting(), usage()]).then(async (both) =>
        Promise.all(both.map(async ({ count }) => count(changes))),
      );
      const appIds = changes.flatMap(({ before, after }) => (before ?? after)?.appId ?? []);
      await Promise.all([areKept && totals.add(measured), counted, register.note(appIds)]);
      await countMembers(changes, { groups, queue, log });
      emitMeasured(measured, metrics);
    },
  };
}
