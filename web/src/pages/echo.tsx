import { api } from "../api/http.ts";
import { useQuery } from "../api/query.ts";
import { me } from "../me.ts";
import { CopyButton } from "../parts/copy.tsx";
import { Code } from "../parts/json.tsx";
import { Refreshing, Skeleton } from "../parts/notices.tsx";
import { Safe } from "../parts/text.tsx";
import { Ago } from "../parts/time.tsx";

interface Echoed {
  readonly at: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What has come to the echo target, which answers 200 to everything. */
export default function EchoPage() {
  const list = useQuery({
    key: ["echo"],
    ask: async (signal) => api<{ items: readonly Echoed[] }>("local/echo.json", { signal }),
    every: () => "seldom",
  });
  if (list.isPending) return <Skeleton title="Echo" />;
  const url = me.value?.local?.echoUrl ?? "";
  return (
    <div class="stack">
      <div class="title">
        <h1 tabIndex={-1}>Echo</h1>
      </div>
      <p class="row">
        Send jobs to <code>{url}</code>
        <CopyButton text={url} what="the address" />
        <span class="muted">It answers 200, and shows here what came.</span>
      </p>
      <Refreshing query={list} />
      {(list.data?.items ?? []).length === 0 && <div class="empty panel">Nothing has come yet.</div>}
      {(list.data?.items ?? []).map((one) => (
        <details class="panel" key={one.at + one.path}>
          <summary class="inside">
            <b>{one.method}</b> <Safe text={one.path} /> <Ago at={one.at} />
          </summary>
          <div class="inside stack">
            <Code text={JSON.stringify(one.headers)} label="Headers" />
            {one.body !== "" && <Code text={one.body} label="Body" />}
          </div>
        </details>
      ))}
    </div>
  );
}
