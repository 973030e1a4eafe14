import type { Count } from "./count.ts";
import { AT_THE_SAME_TIME, type KeysReport } from "./keys.ts";
import { shown, type Comparison } from "./latency.ts";
import type { Neighbour } from "./neighbour.ts";

// The outcome of a run, and its table.

export interface Report {
  readonly faults: ReadonlyMap<string, number>;
  /** Requests that got no answer and were made again. */
  readonly repeated: number;
  readonly fallen: readonly string[];
  readonly count: Count | undefined;
  /** Jobs that ended well without the result that they were to have. */
  readonly wrong: readonly string[];
  readonly latencies: readonly Comparison[];
  readonly neighbour: Pick<Neighbour, "answers" | "broken">;
  readonly keys: KeysReport | undefined;
  readonly passed: boolean;
}

/** What fails a run, each with its job. */
export function problemsOf({ count, wrong, latencies, neighbour, keys }: Omit<Report, "passed">): string[] {
  return [
    ...(count?.lost ?? []),
    ...(count?.endedTwice ?? []),
    ...wrong,
    ...latencies.flatMap(({ beyond }) => beyond),
    ...neighbour.broken,
    ...(keys?.wrong ?? []),
  ];
}

const MOST_SHOWN = 20;

export function table(report: Report): string {
  const { faults, repeated, fallen, count: counted, wrong, latencies, neighbour, keys } = report;
  const rows: [string, string | number][] = [];
  if (counted) {
    const { accepted, stored, callbacks, finished, lost, endedTwice, attempts } = counted;
    const statuses = Object.entries(finished).filter(([, times]) => times > 0);
    rows.push(
      ["faults", [...faults.values()].reduce((sum, times) => sum + times, 0)],
      ...sorted(faults),
      ["requests repeated by clients", repeated],
      ["parts that ended by themselves", fallen.length],
      ["accepted (modes both and db)", accepted],
      ...sorted(counted.kinds),
      ["stored", stored],
      ["finished", statuses.reduce((sum, [, times]) => sum + times, 0)],
      ...statuses.map(([status, times]): [string, number] => [`  ${status}`, times]),
      ["callbacks", callbacks],
      ["attempts", attempts],
      ["  lost", counted.attemptsLost],
      ["deliveries of an attempt that had come already", counted.sameAttempt],
      ["deliveries of a job that had been answered 200", counted.afterSuccess],
      ["lost", lost.length],
      ["double terminal", endedTwice.length],
      ["without the result that they were to have", wrong.length],
      [
        "requests of the hostile app, by answer",
        [...neighbour.answers.values()].reduce((sum, times) => sum + times, 0),
      ],
      ...sorted(neighbour.answers),
    );
  }
  if (keys) {
    rows.push(
      [`rounds of ${AT_THE_SAME_TIME} creates with one key`, keys.rounds],
      ["  in which a client had to ask again", keys.uncertain],
      ["  wrong", keys.wrong.length],
    );
  }
  const lines = rows.map(([label, value]) => `${label.padEnd(50)}${String(value).padStart(8)}`);
  const found = [...problemsOf(report), ...fallen].slice(0, MOST_SHOWN);
  return [...lines, ...(latencies.length > 0 ? shown(latencies) : []), ...found].join("\n");
}

function sorted(counts: ReadonlyMap<string | number, number>): [string, number][] {
  return [...counts]
    .toSorted(([a], [b]) => String(a).localeCompare(String(b)))
    .map(([name, times]) => [`  ${name === 0 ? "none" : name}`, times]);
}
