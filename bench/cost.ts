import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { SERVICES, idleOf, priceOf, type Assumptions, type Figures, type Priced } from "./cost-bill.ts";
import { driveAgain } from "./cost-again.ts";
import { readDeployment } from "./cost-deployment.ts";
import type { Counts } from "./cost-meter.ts";
import { AGAIN, PATHS, drive, webhookPath } from "./cost-paths.ts";
import ASSUMED from "./cost-assumptions.json" with { type: "json" };
import PRICES from "./prices.json" with { type: "json" };

// `npm run bench:cost`: what a million jobs cost on AWS, by the way they go, and a deployment without any. It drives
// each path, counts what AWS bills, holds that to the committed cost-figures.json (5 % more fails), and prints a bill.
// `-- --renew` writes the counts into that file, and `--measure` the processor time too. `--no-drive` prints the bill of
// the committed counts. `--jobs-per-second 500`, `--target-ms 50` and `--apps 100` are other assumptions.

const ROOT = join(import.meta.dirname, "..");
const FIGURES = join(import.meta.dirname, "cost-figures.json");
/** Its bill is the printed one. */
const DOCUMENT = join(ROOT, "docs/scaling.md");
/** Of each path, in all passes. */
const MEASURED_ROUNDS = 40;
const MOST_MORE = 1.05;

/** What has grown by more than 5 %, or is new. */
export function grown(counted: ReadonlyMap<string, { readonly counts: Counts }>, committed: Figures): string[] {
  return [...counted].flatMap(([path, { counts }]) => {
    const before = committed[path]?.counts;
    if (!before) return [`${path}: not in cost-figures.json`];
    return Object.entries(counts).flatMap(([name, now]) => {
      // How often a path meets something that is no longer remembered depends on how fast the machine is.
      if (name.startsWith("cached.") && path !== AGAIN) return [];
      const was = before[name] ?? 0;
      return now > was * MOST_MORE ? [`${path}: ${name} was ${was}, is ${now}`] : [];
    });
  });
}

export function readFigures(): Figures {
  return (JSON.parse(readFileSync(FIGURES, "utf8")) as { paths: Figures }).paths;
}

/** The bill, as Markdown: what the documentation has. */
export function billOf(figures: Figures, assumed: Assumptions = ASSUMED): string {
  const parts = { figures, assumed, deployment: readDeployment(ROOT) };
  const head = ["a million jobs", ...SERVICES, "**total**", `kept ${assumed.keptDays} days`];
  const rows = PATHS.map(({ name }) => rowOf(name, priceOf(name, parts)));
  const beside = Object.entries(PRICES.beside).map(([name, dollars]) => [
    `*${name}*`,
    ...SERVICES.map(() => ""),
    `**${dollars.toFixed(2)}**`,
    "",
  ]);
  const idle = idleOf(parts);
  const idleTotal = sum(Object.values(idle));
  return [
    `US dollars, ${PRICES.region}, list prices of ${PRICES.date} without free tier.`,
    "",
    ...table(
      ["webhooks a month", "spread evenly", `in bursts of ${assumed.jobsPerSecond} a second`, "of it for storage"],
      MONTHS.map((millions) => monthOf(millions, parts)),
    ),
    "",
    ...table(["webhooks a second", ...RATES.map(String)], [ratesOf(parts)]),
    "",
    ...table(head, [...rows, ...beside]),
    "",
    ...unitsOf(figures),
    "",
    ...table(
      ["a month without jobs", "dollars"],
      [...Object.entries(idle).map(([name, n]) => [name, n.toFixed(2)]), ["**total**", `**${idleTotal.toFixed(2)}**`]],
    ),
  ].join("\n");
}

const UNITS = "units.";

/** The write units of a job of each path, in the table and in each of its indexes. */
function unitsOf(figures: Figures): string[] {
  const countsOf = (path: string): Counts => figures[path]?.counts ?? {};
  const found = PATHS.flatMap(({ name }) => Object.keys(countsOf(name)).filter((key) => key.startsWith(UNITS)));
  const [own, ...indexes] = [...new Set(["units.table", ...found])];
  const columns = [own ?? "", ...indexes.toSorted()];
  const rows = PATHS.map(({ name }) => {
    const counts = countsOf(name);
    const all = columns.map((column) => counts[column] ?? 0);
    return [name, ...all.map(shortly), `**${shortly(sum(all))}**`];
  });
  return table(["write units of a job", ...columns.map((column) => column.slice(UNITS.length)), "**all**"], rows);
}

const shortly = (units: number) => String(Math.round(10 * units) / 10);

/** Millions of webhooks in a month. */
const MONTHS = [0.1, 1, 10, 100];
/** The share of them that takes two retries. */
const RETRIED = 0.05;
/** Metrics of one type of job: five for all types together, the same for this one, and the latency. */
const METRICS_OF_A_TYPE = 11;
const MONTH_SECONDS = 730 * 3_600;

/** Webhooks of 1 KB, spread evenly or in bursts: the fewer of them a function finds at a time, the more they cost. */
function monthOf(millions: number, { assumed, ...parts }: Parameters<typeof priceOf>[1]): string[] {
  const fixed = sum(Object.values(idleOf({ ...parts, assumed }))) + METRICS_OF_A_TYPE * PRICES.perMonth.metric;
  const at = (jobsPerSecond: number) => {
    const [once, again] = [0, 2].map((retries) =>
      priceOf(webhookPath("both", "1 KB", retries), { ...parts, assumed: { ...assumed, jobsPerSecond } }),
    );
    const of = (field: "total" | "kept") =>
      millions * ((once?.[field] ?? NaN) * (1 - RETRIED) + (again?.[field] ?? NaN) * RETRIED);
    return { storage: of("kept"), total: fixed + of("total") + of("kept") };
  };
  const burst = at(assumed.jobsPerSecond);
  const dollars = [at((millions * 1_000_000) / MONTH_SECONDS).total, burst.total, burst.storage];
  return [(millions * 1_000_000).toLocaleString("en"), ...dollars.map((n) => n.toFixed(n < 1 ? 2 : 0))];
}

const RATES = [1, 5, 10, 20, 50, 100];

/** A million webhooks of 1 KB, delivered at once, at each rate. */
function ratesOf({ assumed, ...parts }: Parameters<typeof priceOf>[1]): string[] {
  const at = (jobsPerSecond: number) =>
    priceOf(webhookPath("both", "1 KB", 0), { ...parts, assumed: { ...assumed, jobsPerSecond } }).total;
  return ["a million of 1 KB", ...RATES.map((rate) => at(rate).toFixed(2))];
}

/** What the documentation has not: what is wanted, and how many messages an invocation finds. */
function insidesOf(figures: Figures, assumed: Assumptions): string {
  const parts = { figures, assumed, deployment: readDeployment(ROOT) };
  const batches = PATHS.map(({ name }) => [name, priceOf(name, parts).batch?.toFixed(1) ?? ""]);
  return [
    ...table(["wanted", "is", "ok"], goalsOf(figures, assumed)),
    "",
    ...table(["messages at a time", "batch"], batches),
  ].join("\n");
}

function goalsOf(figures: Figures, assumed: Assumptions): string[][] {
  const parts = { figures, assumed, deployment: readDeployment(ROOT) };
  const total = (path: string) => priceOf(path, parts).total;
  const [one, ten] = [total(webhookPath("both", "1 KB", 0)), total(webhookPath("both", "10 KB", 0))];
  const goal = (what: string, is: number, most: number) => [what, is.toFixed(2), is <= most ? "yes" : "NO"];
  return [
    goal("`both`, 1 KB, delivered at once: at most 6.00", one, 6),
    goal("`sqs`, 1 KB, delivered at once: at most 2.50", total(webhookPath("sqs", "1 KB", 0)), 2.5),
    goal("10 KB of JSON: at most 1.60 times 1 KB", ten / one, 1.6),
    goal("idle: at most 15.00 a month, alarms included", sum(Object.values(idleOf(parts))), 15),
  ];
}

function rowOf(name: string, { bill, total, kept }: Priced): string[] {
  const cells = SERVICES.map((service) => bill[service].toFixed(2));
  return [name, ...cells, `**${total.toFixed(2)}**`, kept.toFixed(2)];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), `|${head.map((_, at) => (at === 0 ? "---" : "---:")).join("|")}|`, ...rows.map(line)];
}

const sum = (all: readonly number[]) => all.reduce((before, one) => before + one, 0);

/** What the bill takes for granted, in words. */
export function assumptionsIn(assumed: Assumptions): string[] {
  const waits = Object.entries(assumed.waitMs).map(([what, ms]) => `${what} ${ms} ms`);
  return [
    `${assumed.jobsPerSecond} jobs a second of each path, of ${assumed.appsAtOnce} apps; targets answer after ${assumed.targetMs} ms, a browser makes a PDF in ${assumed.renderMs} ms`,
    `Lambda takes messages by ${assumed.pollers} pollers and starts more only when full batches do not suffice: "batch" is how many it then finds at a time`,
    `a function gets a processor for each ${assumed.fullCpuMb} MB; its processor time is that of cost-figures.json; calls take: ${waits.join(", ")}`,
    `the stream has ${assumed.streamShards} shards; a container reads an app's settings every ${assumed.cacheSeconds} s; containers are warm`,
    `a log is kept for ${assumed.keptDays} days; Lambda's own lines are ${assumed.platformLineBytes} bytes an invocation; traces are sampled by X-Ray's default rule`,
    `idle: each queue is polled by ${assumed.pollers} pollers every ${assumed.idlePollSeconds} s; alarms by each metric that they read, and dashboards of the template; ${assumed.metricsWhenIdle} metrics of the service's own (with jobs ${assumed.metricsWhenBusy}, $${((assumed.metricsWhenBusy - assumed.metricsWhenIdle) * PRICES.perMonth.metric).toFixed(2)} more), ${assumed.secrets} secret`,
    "not in it: data sent to targets ($0.09 per GB), cold starts, the answers of lists and reads",
  ];
}

function existing(): Figures {
  try {
    return readFigures();
  } catch {
    return {};
  }
}

/** Writes what was counted, and keeps the processor time unless it was measured. */
function renewed(driven: Awaited<ReturnType<typeof drive>>, before: Figures, isMeasured: boolean): Figures {
  const paths = Object.fromEntries(
    [...driven].map(([name, { counts, cpuMs }]) => {
      const kept = before[name];
      return [name, isMeasured ? { counts: kept?.counts ?? counts, cpuMs } : { counts, cpuMs: kept?.cpuMs ?? cpuMs }];
    }),
  );
  writeFileSync(FIGURES, `${JSON.stringify({ paths }, undefined, 2)}\n`);
  return paths;
}

const TABLES = /(?<=<!-- npm run bench:cost -->\n)[^]*?(?=\n<!-- end -->)/;

/** The bill in the documentation. */
export function billIn(document: string): string | undefined {
  return TABLES.exec(document)?.[0];
}

function renewDocument(figures: Figures): void {
  writeFileSync(
    DOCUMENT,
    readFileSync(DOCUMENT, "utf8").replace(TABLES, () => billOf(figures)),
  );
}

/** Of what is more than before, what is so in another drive, too. On a busy machine a call may come twice by chance. */
function inBoth(some: readonly string[], others: readonly string[]): readonly string[] {
  const whatOf = (line: string) => line.split(" was ")[0];
  const again = new Set(others.map(whatOf));
  return some.filter((line) => again.has(whatOf(line)));
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      renew: { type: "boolean", default: false },
      measure: { type: "boolean", default: false },
      check: { type: "boolean", default: false },
      "no-drive": { type: "boolean", default: false },
      "jobs-per-second": { type: "string" },
      "target-ms": { type: "string" },
      apps: { type: "string" },
    },
  });
  const number = (text: string | undefined, or: number) => (text === undefined ? or : Number(text));
  const assumed = {
    ...ASSUMED,
    jobsPerSecond: number(values["jobs-per-second"], ASSUMED.jobsPerSecond),
    targetMs: number(values["target-ms"], ASSUMED.targetMs),
    appsAtOnce: number(values.apps, ASSUMED.appsAtOnce),
  };
  let figures = existing();
  if (!values["no-drive"]) {
    const driven = await drive(values.measure ? MEASURED_ROUNDS : 1);
    if (values.renew || values.measure) figures = renewed(driven, figures, values.measure);
    let more: readonly string[] = grown(driven, figures);
    for (let left = 2; left > 0 && more.length > 0; left -= 1) more = inBoth(more, grown(await driveAgain(), figures));
    for (const line of more) process.stderr.write(`${line}\n`);
    if (more.length > 0) {
      process.stderr.write(`More than 5 % above bench/cost-figures.json; npm run bench:cost -- --renew accepts it\n`);
      process.exitCode = 1;
    }
  }
  if (values.renew || values.measure) renewDocument(figures);
  if (values.check) return;
  process.stdout.write(`${billOf(figures, assumed)}\n\n${insidesOf(figures, assumed)}\n\n`);
  for (const line of assumptionsIn(assumed)) process.stdout.write(`- ${line}\n`);
}

if (import.meta.main) await main();
