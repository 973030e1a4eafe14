import { useState } from "preact/hooks";
import { api } from "../api/http.ts";
import { useQuery } from "../api/query.ts";
import { refresh, told } from "../actions.ts";
import { appId, mayChange } from "../me.ts";
import { CopyButton } from "../parts/copy.tsx";
import { Confirm, Dialog } from "../parts/dialog.tsx";
import { Refreshing, Skeleton } from "../parts/notices.tsx";
import { Ago } from "../parts/time.tsx";
import type { AppSettings } from "./settings.tsx";

export default function Secrets() {
  const path = `v1/admin/apps/${appId.value}`;
  const [made, setMade] = useState<string | undefined>(undefined);
  const [asking, setAsking] = useState<string | undefined>(undefined);
  const app = useQuery({
    key: ["app", appId.value],
    ask: async (signal) => api<AppSettings>(path, { signal }),
    enabled: appId.value !== undefined,
  });
  if (app.isPending) return <Skeleton title="Signing secrets" />;
  const rotate = async () => {
    const secret = await told(async () => api<{ secret: string }>(`${path}/signing-secrets`, { method: "POST" }));
    setMade(secret?.secret);
    await refresh();
  };
  return (
    <div class="stack">
      <div class="title">
        <h1 tabIndex={-1}>Signing secrets</h1>
        <div class="actions">
          {mayChange.value && (
            <button type="button" class="button primary" onClick={() => setAsking("")}>
              New secret
            </button>
          )}
        </div>
      </div>
      <p class="muted">Webhooks are signed with each of them, so that receivers can change over without a gap.</p>
      <Refreshing query={app} />
      <div class="panel">
        <table class="table">
          <caption class="hidden-text">Signing secrets</caption>
          <thead>
            <tr>
              <th>Id</th>
              <th class="fit">Made</th>
              <th class="fit">Signs until</th>
              <td class="fit" />
            </tr>
          </thead>
          <tbody>
            {(app.data?.signingSecrets ?? []).map(({ id, createdAt, expiresAt }) => (
              <tr key={id}>
                <td class="cut mono">{id}</td>
                <td class="fit">
                  <Ago at={createdAt} />
                </td>
                <td class="fit">{expiresAt === null ? "for good" : <Ago at={expiresAt} />}</td>
                <td class="fit">
                  {mayChange.value && (
                    <button type="button" class="button small danger" onClick={() => setAsking(id)}>
                      Take back
                    </button>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <Confirm
        title={asking === "" ? "Make a new secret?" : "Take this secret back?"}
        yes={asking === "" ? "Make it" : "Take it back"}
        no="Keep as it is"
        isDangerous={asking !== ""}
        isOpen={asking !== undefined}
        onClose={() => setAsking(undefined)}
        act={async () => {
          if (asking === "") return rotate();
          await told(async () => api(`${path}/signing-secrets/${asking}`, { method: "DELETE" }));
          await refresh();
        }}
      >
        <p>
          {asking === ""
            ? "Those before it sign beside it for 24 more hours. The new one is shown once."
            : "It signs no more, at once: receivers that know no other refuse what comes. This cannot be undone."}
        </p>
      </Confirm>
      <Dialog title="The new secret" isOpen={made !== undefined} onClose={() => setMade(undefined)}>
        <p>It is shown this once. Give it to your receivers.</p>
        <p class="row">
          <code class="grow cut">{made}</code>
          <CopyButton text={made ?? ""} what="the secret" />
        </p>
        <div class="actions">
          <button type="button" class="button primary" onClick={() => setMade(undefined)}>
            I have it
          </button>
        </div>
      </Dialog>
    </div>
  );
}
