import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { serviceTime, type ClockAnchor } from "../lib/clock.ts";

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
