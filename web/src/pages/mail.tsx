import { useState } from "preact/hooks";
import { api } from "../api/http.ts";
import { useQuery } from "../api/query.ts";
import { Code } from "../parts/json.tsx";
import { Refreshing, Skeleton } from "../parts/notices.tsx";
import { Safe } from "../parts/text.tsx";
import { Ago } from "../parts/time.tsx";

interface Mail {
  readonly id: string;
  readonly at: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly text?: string;
  readonly html?: string;
}

/** The e-mails that the local stack would have sent. HTML is shown as its source. */
export default function MailPage() {
  const [open, setOpen] = useState<string | undefined>(undefined);
  const list = useQuery({
    key: ["mail"],
    ask: async (signal) => api<{ items: readonly Mail[] }>("local/mail.json", { signal }),
    every: () => "seldom",
  });
  if (list.isPending) return <Skeleton title="Mailbox" />;
  const all = list.data?.items ?? [];
  return (
    <div class="stack">
      <div class="title">
        <h1 tabIndex={-1}>Mailbox</h1>
      </div>
      <p class="muted">What tasks would have sent by e-mail, newest first. Nothing left this machine.</p>
      <Refreshing query={list} />
      {all.length === 0 && <div class="empty panel">No e-mail yet.</div>}
      {all.map((mail) => (
        <section class="panel" key={mail.id} aria-label={mail.subject}>
          <header>
            <button
              type="button"
              class="button plain"
              aria-expanded={open === mail.id}
              onClick={() => setOpen(open === mail.id ? undefined : mail.id)}
            >
              <Safe text={mail.subject} />
            </button>
            <span class="muted grow cut">
              to <Safe text={mail.to.join(", ")} />
            </span>
            <Ago at={mail.at} />
          </header>
          {open === mail.id && (
            <div class="inside stack">
              <p class="muted small">
                from <Safe text={mail.from} />
              </p>
              {mail.text !== undefined && <Code text={mail.text} isJson={false} label="Text" />}
              {mail.html !== undefined && <Code text={mail.html} isJson={false} label="HTML, as its source" />}
            </div>
          )}
        </section>
      ))}
    </div>
  );
}
