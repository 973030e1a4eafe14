import { api } from "../api/http.ts";
import { useQuery } from "../api/query.ts";
import type { AppSettings, Answer } from "../api/shapes.ts";
import { appId } from "../me.ts";
import { Chart } from "../parts/chart.tsx";
import { Refreshing, Skeleton } from "../parts/notices.tsx";

type Usage = Answer<"getUsage">;

/** What the app has used, and what holds for it. */
export default function UsagePage() {
  const usage = useQuery({
    key: ["usage", appId.value],
    ask: async (signal) => api<Usage>(`v1/admin/apps/${appId.value}/usage`, { signal }),
    enabled: appId.value !== undefined,
    every: () => "rarely",
  });
  const app = useQuery({
    key: ["app", appId.value],
    ask: async (signal) => api<AppSettings>(`v1/admin/apps/${appId.value}`, { signal }),
    enabled: appId.value !== undefined,
  });
  if (usage.isPending) return <Skeleton title="Usage" />;
  return (
    <div class="stack">
      <div class="title">
        <h1 tabIndex={-1}>Usage</h1>
      </div>
      <Refreshing query={usage} />
      <Refreshing query={app} />
      {usage.data && <Pdfs usage={usage.data} />}
      {app.data && <Limits app={app.data} />}
    </div>
  );
}

function Pdfs({ usage: { days, from, to } }: { readonly usage: Usage }) {
  const sum = (name: "jobs" | "pages" | "failed" | "bytes") => days.reduce((all, day) => all + day[name], 0);
  return (
    <section class="panel" aria-label="PDFs">
      <header>
        <h2 class="grow">PDFs</h2>
        <span class="muted small">
          {from} to {to}
        </span>
      </header>
      {days.length === 0 ? (
        <p class="inside muted">None was made.</p>
      ) : (
        <div class="inside stack">
          <div class="numbers">
            <span class="number">
              <b>{sum("jobs").toLocaleString("en")}</b> {sum("jobs") === 1 ? "document" : "documents"}
            </span>
            <span class="number">
              <b>{sum("pages").toLocaleString("en")}</b> {sum("pages") === 1 ? "page" : "pages"}
            </span>
            <span class="number">
              <b>{(sum("bytes") / 1e6).toLocaleString("en", { maximumFractionDigits: 1 })}</b> MB
            </span>
            <span class="number">
              <b>{sum("failed").toLocaleString("en")}</b> failed
            </span>
          </div>
          <Chart
            title="PDFs by day"
            series={[
              { name: "failed", tone: "dead" },
              { name: "made", tone: "succeeded" },
            ]}
            points={datesOf(from, to).map((date) => {
              const day = days.find((each) => each.date === date);
              return { at: date, values: [day?.failed ?? 0, day?.completed ?? 0] };
            })}
            timeText={(at) => at}
          />
        </div>
      )}
    </section>
  );
}

const DAY = 86_400_000;

/** The days from one to another: the service tells only of those on which there was something. */
function datesOf(from: string, to: string): readonly string[] {
  const [first, last] = [Date.parse(from), Date.parse(to)];
  return Array.from({ length: Math.round((last - first) / DAY) + 1 }, (_, at) =>
    new Date(first + at * DAY).toISOString().slice(0, 10),
  );
}

const GB = 2 ** 30;

const LIMITS: Readonly<Record<Exclude<keyof AppSettings["inForce"], "paused">, string>> = {
  requestsPerSecond: "Requests a second",
  readsPerSecond: "Reads of administrators a second",
  changesPerSecond: "Changes of settings a second",
  maxConcurrentTasks: "Tasks at once",
  concurrencyPerApp: "Long attempts at once",
  quickPdfsPerApp: "Quick PDFs at once",
  waitersPerApp: "Long polls at once",
  recurringSchedules: "Recurring schedules",
  datasets: "Datasets",
  datasetBytes: "Size of datasets",
  uploadBytes: "Size of uploads",
  pdfPagesPerDay: "PDF pages a day",
};

function Limits({ app: { inForce, limits } }: { readonly app: AppSettings }) {
  const shown = (name: keyof typeof LIMITS, value: number | null) => {
    if (value === null) return "no limit";
    if (!name.endsWith("Bytes")) return value.toLocaleString("en");
    return `${(value / GB).toLocaleString("en", { maximumFractionDigits: 2 })} GB`;
  };
  return (
    <section class="panel" aria-label="Limits">
      <header>
        <h2>Limits that hold</h2>
      </header>
      <table class="table">
        <caption class="hidden-text">Limits: the tighter of the app's and the operator's</caption>
        <thead>
          <tr>
            <th>Limit</th>
            <th class="fit right">Holds</th>
            <th class="fit right">The operator's</th>
          </tr>
        </thead>
        <tbody>
          {(Object.keys(LIMITS) as (keyof typeof LIMITS)[]).map((name) => (
            <tr key={name}>
              <td>{LIMITS[name]}</td>
              <td class="fit right">{shown(name, inForce[name])}</td>
              <td class="fit right muted">{shown(name, limits[name])}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
