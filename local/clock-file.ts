import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { serviceTime, type ClockAnchor } from "../lib/clock.ts";

/**
 * The service clock's origin, kept in DATA_DIR: service time never goes back, whatever SPEED the
 * stack is started with. A stopped stack's clock goes on at normal speed, a killed one's at its own.
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
