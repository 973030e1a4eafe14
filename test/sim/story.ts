import type { Violation } from "./invariants.ts";
import type { Plan } from "./plan.ts";

// The story of a failing run, for a reader: its faults, and the life of the job that broke the rule.

const LONGEST_STORY = 80;

export function story(plan: Plan, violation: Violation, lines: readonly string[]): string {
  const ids = violation.what.match(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}/g) ?? [];
  const isAbout = (line: string) =>
    /happens|dies|†|stands still|forgets|VIOLATION|lost\)|throttled|failed/.test(line) ||
    ids.some((id) => line.includes(id));
  const about = lines.filter(isAbout);
  const left = about.length - LONGEST_STORY;
  return [
    `Broken: ${violation.rule}`,
    `        ${violation.what}`,
    `What it takes: ${plan.actions.length} actions, ${plan.faultRate * 100} % of calls go wrong`,
    ...(left > 0 ? [`(${left} earlier lines left out; --trace shows all)`] : []),
    ...about.slice(-LONGEST_STORY).map(readable),
  ].join("\n");
}

function readable(line: string): string {
  const [at = "", ...words] = line.split(" ");
  const seconds = Number(at) / 1_000;
  const time = `${String(Math.floor(seconds / 60)).padStart(3)}:${(seconds % 60).toFixed(3).padStart(6, "0")}`;
  return `  ${time}  ${words.join(" ")}`;
}
