import { useLocation } from "preact-iso/router";
import { api } from "../api/http.ts";
import { client, useQuery } from "../api/query.ts";
import type { Answer } from "../api/shapes.ts";
import { appId, chooseApp, me } from "../me.ts";
import { Refreshing, Skeleton } from "../parts/notices.tsx";
import { Ago } from "../parts/time.tsx";
import { BASE } from "../root.ts";

export default function Apps() {
  const { route } = useLocation();
  const list = useQuery({
    key: ["apps"],
    ask: async (signal) => api<Answer<"listApps">>("v1/admin/apps?limit=100", { signal }),
    every: () => "seldom",
  });
  if (list.isPending) return <Skeleton title="Apps" />;
  const choose = (id: string) => {
    chooseApp(id === me.value?.appId ? undefined : id);
    client.clear();
    route(BASE);
  };
  return (
    <div class="stack">
      <div class="title">
        <h1 tabIndex={-1}>Apps</h1>
      </div>
      <Refreshing query={list} />
      <div class="panel" hidden={!list.data}>
        <table class="table cards-on-phone lines-on-phone">
          <caption class="hidden-text">Apps of this deployment</caption>
          <thead>
            <tr>
              <th>App</th>
              <th class="fit">Id</th>
              <th class="fit">Known since</th>
              <td class="fit" />
            </tr>
          </thead>
          <tbody>
            {(list.data?.items ?? []).map((app) => (
              <tr key={app.appId} aria-selected={app.appId === appId.value}>
                <td class="cut first-on-phone">
                  {app.name ?? <span class="muted">without a name</span>}{" "}
                  {app.paused && (
                    <span class="badge" data-tone="waiting">
                      paused
                    </span>
                  )}
                </td>
                <td class="fit mono wide-on-phone">{app.appId}</td>
                <td class="fit wide-on-phone">
                  <span class="on-phone muted">known since </span>
                  <Ago at={app.since} />
                </td>
                <td class="fit end-on-phone">
                  <button type="button" class="button small" onClick={() => choose(app.appId)}>
                    Look at it
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}
