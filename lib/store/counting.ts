import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import { createBacklogCounts } from "./backlog-counts.ts";
import { createCorrections } from "./corrections.ts";
import { createCounters, type Change } from "./counters.ts";
import { createCounts } from "./counts.ts";
import { createHours } from "./hours.ts";
import { createJobIndex } from "./job-index.ts";
import { createSeries } from "./series.ts";
import { createStats } from "./stats.ts";
import type { Table } from "./table.ts";
import { createTroubles } from "./troubles.ts";

// What is counted of an app's jobs: the jobs of the last hour and day, how many there are now, and what they did by hour.

interface Parts {
  readonly table: Table;
  readonly clock: Clock;
  readonly listShards?: number | undefined;
  readonly log: Log;
}

export function createCounting({ table, clock, listShards, log }: Parts) {
  const counters = createCounters({ table });
  const stats = createStats({ counters, clock });
  const backlogs = createBacklogCounts({ table });
  const hours = createHours({ counters, clock });
  const counts = createCounts({ table, hours, backlogs, clock });
  const troubles = createTroubles({ table });
  const index = createJobIndex({ table, clock, listShards });
  return {
    /** Counts what a batch of the stream says. */
    count: async (changes: readonly Change[]): Promise<void> => {
      await Promise.all([stats.count(changes), counts.count(changes), troubles.count(changes)]);
    },
    stats,
    counts,
    backlogs,
    series: createSeries({ hours, troubles, stats }),
    ...createCorrections({ clock, index, counts, backlogs, hours, stats, log }),
  };
}
