import type { CreateScheduleCommandInput, SchedulerClient } from "@aws-sdk/client-scheduler";
import { CLIENT_DEFAULTS, adapted, askOf } from "../aws.ts";
import { SECOND, type EpochMs } from "../clock.ts";

/** ARNs of the deployment: the group, the target and the role of its calls, the dead-letter queue. */
export interface SchedulerConfig {
  readonly group: string;
  readonly target: string;
  readonly role: string;
  readonly deadLetters: string;
}

/** A schedule in EventBridge that runs once. */
export interface OneOff {
  readonly jobId: string;
  /** Equal for the same schedule, so that a repeat of a call that worked succeeds. */
  readonly token: string;
  readonly at: EpochMs;
  /** The event of `fire-schedule`, as JSON of at most 256 KB. */
  readonly event: string;
}

export type Scheduler = ReturnType<typeof createScheduler>;

const PART = "The scheduler";

export function createScheduler(config: SchedulerConfig, given?: SchedulerClient) {
  const groupName = config.group.split("/").at(-1) ?? "";

  /** The ARN follows from the job's id, so that it is known before the schedule is made. */
  function arnOf(jobId: string): string {
    return `${config.group.replace(":schedule-group/", ":schedule/")}/${jobId}`;
  }

  /** Makes a schedule. "other": a schedule of this name with other contents exists. */
  async function create(wanted: OneOff): Promise<"created" | "other"> {
    const { client, CreateScheduleCommand, ConflictException, GetScheduleCommand } = await eventBridge(given);
    const request = requestOf(wanted);
    try {
      await askOf(PART, client.send(new CreateScheduleCommand(request)));
      return "created";
    } catch (error) {
      if (!(error instanceof ConflictException)) throw error;
      const name = { Name: request.Name, GroupName: request.GroupName };
      const there = await askOf(PART, client.send(new GetScheduleCommand(name)));
      const isOurs =
        there.ScheduleExpression === request.ScheduleExpression && there.Target?.Input === request.Target?.Input;
      return isOurs ? "created" : "other";
    }
  }

  /** Replaces the contents of an existing schedule. */
  async function replace(wanted: OneOff): Promise<void> {
    const { client, UpdateScheduleCommand } = await eventBridge(given);
    const { ClientToken: _, ...request } = requestOf(wanted);
    await askOf(PART, client.send(new UpdateScheduleCommand(request)));
  }

  /** Deletes the schedule of a job, if there is one. */
  async function remove(jobId: string): Promise<void> {
    const { client, DeleteScheduleCommand, ResourceNotFoundException } = await eventBridge(given);
    try {
      await askOf(PART, client.send(new DeleteScheduleCommand({ Name: jobId, GroupName: groupName })));
    } catch (error) {
      if (!(error instanceof ResourceNotFoundException)) throw error;
    }
  }

  function requestOf({ jobId, token, at, event }: OneOff): CreateScheduleCommandInput {
    return {
      Name: jobId,
      GroupName: groupName,
      ClientToken: token,
      ScheduleExpression: atExpression(at),
      ScheduleExpressionTimezone: "UTC",
      FlexibleTimeWindow: { Mode: "OFF" },
      ActionAfterCompletion: "DELETE",
      Target: {
        Arn: config.target,
        RoleArn: config.role,
        Input: event,
        DeadLetterConfig: { Arn: config.deadLetters },
      },
    };
  }

  return { arnOf, create, replace, remove };
}

/** A time as `at(...)` in UTC, to the second: never earlier. */
function atExpression(time: EpochMs): string {
  return `at(${new Date(Math.ceil(time / SECOND) * SECOND).toISOString().slice(0, 19)})`;
}

let shared: SchedulerClient | undefined;

// Imported at first use: few containers ever see a schedule.
async function eventBridge(given: SchedulerClient | undefined) {
  const sdk = await import("@aws-sdk/client-scheduler");
  const client = given ?? (shared ??= adapted(new sdk.SchedulerClient(CLIENT_DEFAULTS)));
  return { ...sdk, client };
}
