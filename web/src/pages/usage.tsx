import { api } from "../api/http.ts";
import { useQuery } from "../api/query.ts";
import { appId } from "../me.ts";
import { Refreshing, Skeleton } from "../parts/notices.tsx";

/** What the app has used today, and what holds for it. */
export default function Usage() {
  const usage = useQuery({
    key: ["usage", appId.value],
    ask: async (signal) => api<Record<string, unknown>>(`v1/admin/apps/${appId.value}/usage`, { signal }),
    enabled: appId.value !== undefined,
    every: () => "seldom",
  });
  const app = useQuery({
    key: ["app", appId.value],
    ask: async (signal) => api<{ inForce: Record<string, unknown> }>(`v1/admin/apps/${appId.value}`, { signal }),
    enabled: appId.value !== undefined,
  });
  if (usage.isPending) return <Skeleton title="Usage" />;
  return (
    <div class="stack">
      <div class="title">
        <h1 tabIndex={-1}>Usage</h1>
      </div>
      <Refreshing query={usage} />
      <div class="cards">
        <section class="panel">
          <header>
            <h2>Used</h2>
          </header>
          <Facts values={usage.data ?? {}} />
        </section>
        <section class="panel">
          <header>
            <h2>What holds</h2>
          </header>
          <Facts values={app.data?.inForce ?? {}} />
        </section>
      </div>
    </div>
  );
}

function Facts({ values }: { readonly values: Readonly<Record<string, unknown>> }) {
  return (
    <dl class="facts inside">
      {Object.entries(values).map(([name, value]) => (
        <>
          <dt>{name.replaceAll(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`)}</dt>
          <dd>{shown(value)}</dd>
        </>
      ))}
    </dl>
  );
}

function shown(value: unknown): string {
  if (value === null) return "no limit";
  if (typeof value === "number") return value.toLocaleString("en");
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "string" ? value : JSON.stringify(value);
}
