import { createAppStore } from "./app-store.ts";
import { createClock, iso } from "./clock.ts";
import { jobsConfig } from "./config.ts";
import { createDestinationStore } from "./destination-store.ts";
import { createEngine } from "./engine.ts";
import { executorOf } from "./executors/index.ts";
import { createFiles } from "./files.ts";
import { createJobStore } from "./job-store.ts";
import { createLog } from "./log.ts";
import { createQueue } from "./queue.ts";
import { createScheduler } from "./scheduler.ts";
import { createSealer } from "./sealer.ts";
import { createStats } from "./stats.ts";
import { TASK } from "./job.ts";
import { createTaskExecutor } from "./task-executor.ts";
import { createTaskLog } from "./task-log.ts";
import { createTaskSlots } from "./task-slots.ts";

export type ServiceParts = ReturnType<typeof assemble>;

let assembled: ServiceParts | undefined;

/** The parts of the service, put together from the environment once per container. */
export function parts(): ServiceParts {
  return (assembled ??= assemble());
}

function assemble() {
  const config = jobsConfig(process.env);
  const clock = createClock(config.clock);
  const log = createLog(() => iso(clock.now()));
  const files = createFiles(config.bucket);
  const store = createJobStore({ table: config.table, files, clock });
  const queue = createQueue({ urls: config.queueUrls, files, clock });
  const scheduler = createScheduler(config.scheduler);
  const apps = createAppStore({ table: config.table, clock, sealer: createSealer(config.sealing) });
  const destinations = createDestinationStore({ table: config.table, clock });
  const slots = createTaskSlots({ table: config.table, clock });
  const taskLog = createTaskLog({ table: config.table, clock });
  const tasks = createTaskExecutor({ clock, taskLog, log, submit: async (request, id) => engine.submit(request, id) });
  const { rules, retention } = config;
  const engine = createEngine({
    clock,
    store,
    apps,
    destinations,
    queue,
    scheduler,
    files,
    executorOf: (type) => (type === TASK ? tasks : executorOf(type)),
    slots,
    rules,
    log,
    retention,
  });
  const stats = createStats({ table: config.table, clock });
  return { clock, log, store, apps, destinations, taskLog, rules, stats, engine };
}
