import type { CreateScheduleCommandInput, SchedulerClient } from "@aws-sdk/client-scheduler";
import { CLIENT_DEFAULTS, askOf } from "../aws.ts";
import type { EpochMs } from "../clock.ts";
import { atExpression } from "../job/schedule-expression.ts";

/** ARNs that the deployment knows: of the group, of what a schedule calls and as whom, of its dead-letter queue. */
export interface SchedulerConfig {
  readonly group: string;
  readonly target: string;
  readonly role: string;
  readonly deadLetters: string;
}

/** A schedule in EventBridge that runs once. */
export interface OneOff {
  readonly jobId: string;
  /** The same for the same schedule: a repeat whose first try worked is then a success. */
  readonly token: string;
  readonly at: EpochMs;
  /** The event of `fire-schedule`, as JSON of at most 256 KB. */
  readonly event: string;
}

export type Scheduler = ReturnType<typeof createScheduler>;

const PART = "The scheduler";

export function createScheduler(config: SchedulerConfig, given?: SchedulerClient) {
  const groupName = config.group.split("/").at(-1) ?? "";

  /** Known before the schedule is made: it follows from the job's id. */
  function arnOf(jobId: string): string {
    return `${config.group.replace(":schedule-group/", ":schedule/")}/${jobId}`;
  }

  /** Makes a schedule. "other": one of this name was there already, with other contents. */
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

  /** Gives a schedule that is there these contents. */
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

let shared: SchedulerClient | undefined;

// Imported when first used: few containers ever see a schedule.
async function eventBridge(given: SchedulerClient | undefined) {
  const sdk = await import("@aws-sdk/client-scheduler");
  const client = given ?? (shared ??= new sdk.SchedulerClient(CLIENT_DEFAULTS));
  return { ...sdk, client };
}
