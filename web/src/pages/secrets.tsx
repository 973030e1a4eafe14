import { useState } from "preact/hooks";
import { api } from "../api/http.ts";
import { useQuery } from "../api/query.ts";
import type { Answer, AppSettings } from "../api/shapes.ts";
import { refresh, told } from "../actions.ts";
import { appId, mayChange } from "../me.ts";
import { CopyButton } from "../parts/copy.tsx";
import { Confirm, Dialog } from "../parts/dialog.tsx";
import { Refreshing, Skeleton } from "../parts/notices.tsx";
import { Ago } from "../parts/time.tsx";
import { pathOf } from "../root.ts";

type Secret = AppSettings["signingSecrets"][number];

export default function Secrets() {
  const path = `v1/admin/apps/${appId.value}`;
  const [made, setMade] = useState<string | undefined>(undefined);
  // The id of one that is to be taken back; empty for a new one.
  const [asking, setAsking] = useState<string | undefined>(undefined);
  const app = useQuery({
    key: ["app", appId.value],
    ask: async (signal) => api<AppSettings>(path, { signal }),
    enabled: appId.value !== undefined,
  });
  if (app.isPending) return <Skeleton title="Signing secrets" />;
  const act = async () => {
    if (asking === "") {
      const url = `${path}/signing-secrets`;
      const secret = await told(async () => api<Answer<"rotateSigningSecret">>(url, { method: "POST" }));
      setMade(secret?.secret);
    } else await told(async () => api(`${path}/signing-secrets/${asking}`, { method: "DELETE" }));
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
      {app.data && <Table secrets={app.data.signingSecrets} onTakeBack={setAsking} />}
      <Confirm
        title={asking === "" ? "Make a new secret?" : "Take this secret back?"}
        yes={asking === "" ? "Make it" : "Take it back"}
        no="Keep as it is"
        isDangerous={asking !== ""}
        isOpen={asking !== undefined}
        onClose={() => setAsking(undefined)}
        act={act}
      >
        <p>
          {asking === ""
            ? "Those before it sign beside it for 24 more hours. The new one is shown once."
            : "It signs no more, at once: receivers that know no other refuse what comes. This cannot be undone."}
        </p>
      </Confirm>
      <Made secret={made} onClose={() => setMade(undefined)} />
    </div>
  );
}

interface TableProps {
  readonly secrets: readonly Secret[];
  readonly onTakeBack: (id: string) => void;
}

function Table({ secrets, onTakeBack }: TableProps) {
  if (secrets.length === 0) return <div class="empty panel">None yet: webhooks go out unsigned.</div>;
  return (
    <div class="panel">
      <table class="table cards-on-phone lines-on-phone">
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
          {secrets.map(({ id, createdAt, expiresAt }) => (
            <tr key={id}>
              <td class="cut mono first-on-phone">
                <a href={pathOf(`/app/audit?object=secret:${id}`)}>{id}</a>
              </td>
              <td class="fit wide-on-phone">
                <span class="on-phone muted">made </span>
                <Ago at={createdAt} />
              </td>
              <td class="fit wide-on-phone">
                <span class="on-phone muted">signs until </span>
                {expiresAt === null ? "for good" : <Ago at={expiresAt} />}
              </td>
              <td class="fit end-on-phone">
                {mayChange.value && (
                  <button type="button" class="button small danger" onClick={() => onTakeBack(id)}>
                    Take back
                  </button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Made({ secret, onClose }: { readonly secret: string | undefined; readonly onClose: () => void }) {
  return (
    <Dialog title="The new secret" isOpen={secret !== undefined} onClose={onClose}>
      <p>It is shown this once. Give it to your receivers.</p>
      <p class="row">
        <code class="grow long">{secret}</code>
        <CopyButton text={secret ?? ""} what="the secret" />
      </p>
      <div class="actions">
        <button type="button" class="button primary" onClick={onClose}>
          I have it
        </button>
      </div>
    </Dialog>
  );
}
