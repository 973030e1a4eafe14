import type { Scenario } from "./scenario.ts";
import { both } from "./scenarios/both.ts";
import { burst } from "./scenarios/burst.ts";
import { carried } from "./scenarios/carried.ts";
import { audit } from "./scenarios/audit.ts";
import { concurrency } from "./scenarios/concurrency.ts";
import { fairness } from "./scenarios/fairness.ts";
import { handOver } from "./scenarios/hand-over.ts";
import { lane } from "./scenarios/lane.ts";
import { lines } from "./scenarios/lines.ts";
import { lists } from "./scenarios/lists.ts";
import { members } from "./scenarios/members.ts";
import { messages } from "./scenarios/messages.ts";
import { neighbour } from "./scenarios/neighbour.ts";
import { outage } from "./scenarios/outage.ts";
import { pauseOfAWeek, pauseOfHours } from "./scenarios/pause.ts";
import { plain } from "./scenarios/plain.ts";
import { rates } from "./scenarios/rates.ts";
import { refusals } from "./scenarios/refusals.ts";
import { retention } from "./scenarios/retention.ts";
import { day, hours, week } from "./scenarios/waiting.ts";
import { watchers } from "./scenarios/watchers.ts";

/** In the order of their time, the longest first. */
export const SCENARIOS: readonly Scenario[] = [
  pauseOfAWeek,
  week,
  fairness,
  handOver,
  rates,
  concurrency,
  both,
  day,
  lane,
  messages,
  lists,
  members,
  neighbour,
  burst,
  carried,
  refusals,
  watchers,
  outage,
  audit,
  retention,
  plain,
  lines,
  pauseOfHours,
  hours,
];
