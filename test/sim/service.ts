import type { ExecutorOf } from "../../lib/executors/executor.ts";
import type { Clock } from "../../lib/clock.ts";
import { createCapacityStore } from "../../lib/flow/capacity-store.ts";
import { createDestinationStore } from "../../lib/flow/destination-store.ts";
import { createTaskSlots } from "../../lib/flow/line-store.ts";
import type { Log } from "../../lib/log.ts";
import { createQueue } from "../../lib/queue/queue.ts";
import { createScheduler } from "../../lib/queue/scheduler.ts";
import { createAppStores } from "../../lib/store/app-store.ts";
import { createBacklogs } from "../../lib/store/backlogs.ts";
import { createBucket } from "../../lib/store/bucket.ts";
import { createGroupStore } from "../../lib/store/group-store.ts";
import { createJobStore } from "../../lib/store/job-store.ts";
import { createTable } from "../../lib/store/table.ts";
import { createTaskLog } from "../../lib/tasks/log.ts";
import { BUCKET, TABLE } from "./cloud.ts";
import type { clientOf } from "./models/client.ts";
import type { Service } from "./models/faults.ts";
import type { Parts } from "./process.ts";

// The service's own parts, on the models of the services that it calls.

interface Given extends Pick<Parts, "retention"> {
  readonly clock: Clock;
  readonly client: (service: Service) => ReturnType<typeof clientOf>;
  /** The URL of a queue, by its name among the resources. */
  readonly urlOf: (queue: string) => string;
  readonly executorOf: ExecutorOf;
  readonly log: Log;
  /** Default: none, where no invocation of the sweep has more due jobs than it takes. */
  readonly sweepMore?: Parts["sweepMore"];
  /** How long entries of audit logs are kept. Default: for good. */
  readonly auditKeptFor?: number;
  /** The most members of a group that a message walks over. Default: as deployed. */
  readonly mostInline?: number;
}

const GROUP = "arn:aws:scheduler:sim:0:schedule-group/jobs";
const SCHEDULER = { group: GROUP, target: "arn:fire", role: "arn:role", deadLetters: "SchedulesDeadLetters" };
// Nothing here is signed, so nothing is sealed.
const SEALER = { seal: async () => new Uint8Array(1), open: async () => new Uint8Array(1) };

/** `plain`: the engine's parts, without a planted bug. */
export function serviceOn({
  clock,
  client,
  urlOf,
  executorOf,
  log,
  retention,
  sweepMore = async () => {},
  auditKeptFor = 0,
  ...given
}: Given) {
  const table = createTable({ name: TABLE, clock, client: client("dynamodb") });
  const files = createBucket({ name: BUCKET, client: client("s3") });
  const urls = {
    fair: urlOf("JobsFairQueue"),
    main: urlOf("JobsMainQueue"),
    tasks: urlOf("JobsTasksQueue"),
    pdf: urlOf("JobsPdfQueue"),
  };
  const { apps, audit } = createAppStores({ table, clock, sealer: SEALER, auditKeptFor });
  const groups = createGroupStore({ table, clock, retention });
  const plain: Parts = {
    clock,
    store: createJobStore({ table, files, clock, apps }),
    apps,
    destinations: createDestinationStore({ table, clock }),
    capacity: createCapacityStore({ table, clock }),
    queue: createQueue({ urls, table, files, clock, client: client("sqs") }),
    scheduler: createScheduler(SCHEDULER, client("scheduler")),
    files,
    executorOf,
    slots: createTaskSlots({ table, clock }),
    backlogs: createBacklogs({ table, clock }),
    groups,
    sweepMore,
    rules: {
      allowPrivateTargets: true,
      invokableFunctions: [],
      home: undefined,
      ownFunctions: "",
      localFunctionUrls: "",
    },
    log,
    callbackBodies: {},
    retention,
    ...given,
  };
  return { plain, apps, audit, taskLog: createTaskLog({ table, clock }) };
}
