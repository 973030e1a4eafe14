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
              <b>{sum("jobs").toLocaleString("en")}</b> documents
            </span>
            <span class="number">
              <b>{sum("pages").toLocaleString("en")}</b> pages
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
            points={days.map((day) => ({ at: day.date, values: [day.failed, day.completed] }))}
            timeText={(at) => at}
          />
        </div>
      )}
    </section>
  );
}

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
  datasetBytes: "Bytes of datasets",
  uploadBytes: "Bytes of uploads",
  pdfPagesPerDay: "PDF pages a day",
};

function Limits({ app: { inForce, limits } }: { readonly app: AppSettings }) {
  const shown = (value: number | null) => (value === null ? "no limit" : value.toLocaleString("en"));
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
          {Object.entries(LIMITS).map(([name, word]) => (
            <tr key={name}>
              <td>{word}</td>
              <td class="fit right">{shown(inForce[name as keyof typeof LIMITS])}</td>
              <td class="fit right muted">{shown(limits[name as keyof typeof LIMITS])}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
