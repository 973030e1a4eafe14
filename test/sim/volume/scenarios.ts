import type { Scenario } from "./scenario.ts";
import { concurrency } from "./scenarios/concurrency.ts";
import { fairness } from "./scenarios/fairness.ts";
import { handOver } from "./scenarios/hand-over.ts";
import { lane } from "./scenarios/lane.ts";
import { lines } from "./scenarios/lines.ts";
import { members } from "./scenarios/members.ts";
import { messages } from "./scenarios/messages.ts";
import { neighbour } from "./scenarios/neighbour.ts";
import { pauseOfAWeek, pauseOfHours } from "./scenarios/pause.ts";
import { plain } from "./scenarios/plain.ts";
import { rates } from "./scenarios/rates.ts";
import { retention } from "./scenarios/retention.ts";
import { day, hours, week } from "./scenarios/waiting.ts";

/** In the order of their time, the longest first. */
export const SCENARIOS: readonly Scenario[] = [
  pauseOfAWeek,
  week,
  fairness,
  handOver,
  rates,
  concurrency,
  day,
  lane,
  messages,
  members,
  neighbour,
  retention,
  plain,
  lines,
  pauseOfHours,
  hours,
];
