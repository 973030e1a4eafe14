import { api } from "../api/http.ts";
import { useQuery } from "../api/query.ts";
import type { AppSettings } from "../api/shapes.ts";
import { refresh, told } from "../actions.ts";
import { appId, mayChange } from "../me.ts";
import { ActButton } from "../parts/act-button.tsx";
import { Refreshing, Skeleton } from "../parts/notices.tsx";
import { toast } from "../parts/toasts.tsx";
import { pathOf } from "../root.ts";
import { SettingsForm } from "./settings/form.tsx";

export default function Settings() {
  const path = `v1/admin/apps/${appId.value}`;
  const app = useQuery({
    key: ["app", appId.value],
    ask: async (signal) => api<AppSettings>(path, { signal }),
    enabled: appId.value !== undefined,
  });
  if (app.isPending) return <Skeleton title="Settings" rows={8} />;
  const setPaused = async (paused: boolean) => {
    const done = await told(async () => api(path, { method: "PATCH", body: { paused } }));
    const undo = { action: { word: "Undo", act: () => void setPaused(false) } };
    if (done !== undefined)
      toast(paused ? "Paused. Jobs are kept, none starts." : "Jobs start again.", paused ? undo : {});
    await refresh();
  };
  return (
    <div class="stack">
      <div class="title">
        <h1 tabIndex={-1}>Settings</h1>
        <div class="actions">
          <a class="button" href={pathOf("/app/audit?object=settings")}>
            Who changed them
          </a>
          {app.data && mayChange.value && (
            <ActButton act={async () => setPaused(!app.data.paused)}>
              {app.data.paused ? "Let jobs start" : "Pause all jobs"}
            </ActButton>
          )}
        </div>
      </div>
      <Refreshing query={app} />
      {app.data?.limits.paused && (
        <div class="notice" data-tone="waiting">
          The operator has paused this app: none of its jobs starts.
        </div>
      )}
      {app.data && <SettingsForm key={app.data.appId} app={app.data} path={path} />}
    </div>
  );
}
