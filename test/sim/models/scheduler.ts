import {
  ConflictException,
  ResourceNotFoundException,
  ValidationException,
  type CreateScheduleCommandInput,
  type DeleteScheduleCommandInput,
  type GetScheduleCommandInput,
  type UpdateScheduleCommandInput,
} from "@aws-sdk/client-scheduler";
import { isDeepStrictEqual } from "node:util";
import type { EpochMs } from "../../../lib/clock.ts";
import { parseExpression } from "../../../lib/job/schedule-expression.ts";
import { checkParameters, type Command } from "./client.ts";

// EventBridge Scheduler with schedules that run once, as its clients see it. It fires nothing itself: the world
// asks for the due schedules, calls the target late, twice or never, and then ends the schedule.

export interface Schedule {
  readonly name: string;
  readonly group: string;
  /** The time at which it fires. */
  readonly at: EpochMs;
  readonly targetArn: string;
  /** The event, as JSON. */
  readonly input: string;
  /** The ARN of the dead-letter queue. */
  readonly deadLetters: string | undefined;
  readonly isDeletedAfterwards: boolean;
  /** It has fired, and is not to be deleted afterwards. */
  readonly isOver: boolean;
}

interface Stored extends Schedule {
  readonly definition: Definition;
  readonly token: string | undefined;
}

type Definition = Omit<CreateScheduleCommandInput, "ClientToken">;

const NAMED = ["Name", "GroupName"];
const DEFINITION = [
  ...NAMED,
  "ScheduleExpression",
  "ScheduleExpressionTimezone",
  "FlexibleTimeWindow",
  "ActionAfterCompletion",
  "Target",
  "ClientToken",
];
const TARGET = new Set(["Arn", "RoleArn", "Input", "DeadLetterConfig"]);
const NAME = /^[\w.-]{1,64}$/;
const LARGEST_INPUT = 256 * 1_024;
const REFUSED = { $fault: "client" } as const;

interface Parts {
  readonly schedules: Schedules;
  readonly now: () => EpochMs;
}

type Schedules = Map<string, Stored>;

/** The name of a schedule in a request. */
interface Name {
  readonly Name: string | undefined;
  readonly GroupName?: string | undefined;
}

export function createSchedules({ now }: { now: () => EpochMs }) {
  const schedules: Schedules = new Map();
  const parts = { schedules, now };

  async function send(command: Command): Promise<object> {
    return { ...answerTo(command), $metadata: { httpStatusCode: 200 } };
  }

  function answerTo({ constructor: { name }, input }: Command): object {
    switch (name) {
      case "CreateScheduleCommand":
        return create(parts, input as CreateScheduleCommandInput);
      case "UpdateScheduleCommand":
        return update(parts, input as UpdateScheduleCommandInput);
      case "GetScheduleCommand":
        return get(schedules, input as GetScheduleCommandInput);
      case "DeleteScheduleCommand":
        return remove(schedules, input as DeleteScheduleCommandInput);
      default:
        throw new Error(`The model of EventBridge Scheduler knows no ${name}`);
    }
  }

  return {
    send,
    /** Every schedule there is. */
    schedules: (): readonly Schedule[] => [...schedules.values()],
    /** The schedules that are due, the oldest first. One stays due until `fired`. */
    due: (): readonly Schedule[] =>
      [...schedules.values()].filter(({ at, isOver }) => at <= now() && !isOver).toSorted((a, b) => a.at - b.at),
    /** Ends a schedule after its target was called or given up. A schedule that replaced it stays. */
    fired: (schedule: Schedule): void => {
      const id = idOf({ Name: schedule.name, GroupName: schedule.group });
      const there = schedules.get(id);
      if (!there || there !== schedule) return;
      if (there.isDeletedAfterwards) schedules.delete(id);
      else schedules.set(id, { ...there, isOver: true });
    },
  };
}

/** A repeat of the request that made the schedule succeeds. */
function create({ schedules, now }: Parts, input: CreateScheduleCommandInput): object {
  const schedule = scheduleOf(input);
  const there = schedules.get(idOf(input));
  if (there) {
    const isRepeated = there.token !== undefined && there.token === schedule.token;
    if (!isRepeated || !isDeepStrictEqual(there.definition, schedule.definition)) {
      const Message = `Schedule ${schedule.name} already exists.`;
      throw new ConflictException({ message: Message, Message, ...REFUSED, $metadata: { httpStatusCode: 409 } });
    }
    return {};
  }
  checkTime(schedule, now());
  schedules.set(idOf(input), schedule);
  return {};
}

function update({ schedules, now }: Parts, input: UpdateScheduleCommandInput): object {
  scheduleAt(schedules, input);
  const schedule = scheduleOf(input);
  checkTime(schedule, now());
  schedules.set(idOf(input), schedule);
  return {};
}

function get(schedules: Schedules, input: GetScheduleCommandInput): object {
  checkParameters(input, new Set(NAMED));
  return { ...scheduleAt(schedules, input).definition };
}

function remove(schedules: Schedules, input: DeleteScheduleCommandInput): object {
  checkParameters(input, new Set([...NAMED, "ClientToken"]));
  scheduleAt(schedules, input);
  schedules.delete(idOf(input));
  return {};
}

function checkTime({ at, definition }: Stored, now: EpochMs): void {
  if (at < now) throw refused(`The schedule expression ${definition.ScheduleExpression} is in the past`);
}

function scheduleAt(schedules: Schedules, named: Name): Stored {
  const schedule = schedules.get(idOf(named));
  if (schedule) return schedule;
  const Message = `Schedule ${named.Name} does not exist.`;
  throw new ResourceNotFoundException({ message: Message, Message, ...REFUSED, $metadata: { httpStatusCode: 404 } });
}

function scheduleOf(input: CreateScheduleCommandInput): Stored {
  checkParameters(input, new Set(DEFINITION));
  checkParameters(input.Target ?? {}, TARGET);
  const { ClientToken: token, ...definition } = input;
  const { Name = "", GroupName = "default", ScheduleExpression = "", ActionAfterCompletion, Target } = input;
  const { Arn = "", Input = "{}", DeadLetterConfig } = Target ?? {};
  if (!NAME.test(Name)) throw refused(`The name ${Name} is not 1 to 64 letters, digits, - _ and .`);
  if (Buffer.byteLength(Input) > LARGEST_INPUT) throw refused(`The input has more than ${LARGEST_INPUT} bytes`);
  const expression = parseExpression(ScheduleExpression, input.ScheduleExpressionTimezone ?? "UTC");
  if (expression.kind === "malformed") throw refused(`Invalid Schedule Expression ${ScheduleExpression}`);
  if (expression.kind !== "at") throw new Error("The model of EventBridge Scheduler knows one-off schedules alone");
  return {
    name: Name,
    group: GroupName,
    at: expression.time,
    targetArn: Arn,
    input: Input,
    deadLetters: DeadLetterConfig?.Arn,
    isDeletedAfterwards: ActionAfterCompletion === "DELETE",
    isOver: false,
    definition,
    token,
  };
}

function idOf({ Name, GroupName = "default" }: Name): string {
  return `${GroupName}/${Name}`;
}

function refused(Message: string): ValidationException {
  return new ValidationException({ message: Message, Message, ...REFUSED, $metadata: { httpStatusCode: 400 } });
}
