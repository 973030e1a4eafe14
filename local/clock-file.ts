import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DAY, HOUR, MINUTE, SECOND, iso, serviceTime, type ClockAnchor } from "../lib/clock.ts";

/**
 * Writes the service clock's origin to DATA_DIR. Service time never goes back, even if SPEED changes between
 * starts. While a stack is down, its clock runs at normal speed after a stop and at SPEED after a kill.
 */
export function setClock(dir: string, speed: number): ClockAnchor {
  const real = Date.now();
  const before = readClock(dir);
  const anchor = { real, service: before ? Math.max(serviceTime(before, real), before.service) : real, speed };
  const file = join(dir, "clock.json");
  writeFileSync(`${file}.new`, JSON.stringify(anchor));
  renameSync(`${file}.new`, file);
  return anchor;
}

export function readClock(dir: string): ClockAnchor | undefined {
  try {
    return JSON.parse(readFileSync(join(dir, "clock.json"), "utf8")) as ClockAnchor;
  } catch {
    return undefined;
  }
}

/** The folder of a stack that names none. A clock that ran fast is ahead for good, so its stack has another folder. */
export function usualFolder(speed: number): string {
  return speed === 1 ? ".local" : ".local-fast";
}

/** What a start says of a service clock that is not the machine's. Undefined where they agree to a second. */
export function clockNotice({ real, service, speed }: ClockAnchor, dir: string): string | undefined {
  const offset = service - real;
  if (Math.abs(offset) < SECOND) return undefined;
  const where = `${lengthOf(Math.abs(offset))} ${offset > 0 ? "ahead of" : "behind"} this machine's: it is ${iso(service)}`;
  const start = `The service's clock is ${where}.`;
  if (speed !== 1) return start;
  return (
    `${start} Earlier starts with a SPEED have moved the clock of ${dir}, and it never goes back: jobs and ` +
    `schedules go by it. For this machine's time, move the folder away, for instance by: mv ${dir} ${dir}.old; ` +
    `or set DATA_DIR to another folder.`
  );
}

const UNITS = [
  [DAY, "d"],
  [HOUR, "h"],
  [MINUTE, "min"],
  [SECOND, "s"],
] as const;

/** The two largest units: `1 h 23 min`. */
function lengthOf(ms: number): string {
  const first = UNITS.findIndex(([unit]) => ms >= unit);
  const parts = UNITS.slice(first, first + 2).map(([unit, name], at) => {
    const [larger] = UNITS[first + at - 1] ?? [Infinity];
    return [Math.floor((at === 0 ? ms : ms % larger) / unit), name] as const;
  });
  return parts.flatMap(([count, name]) => (count > 0 ? `${count} ${name}` : [])).join(" ");
}
