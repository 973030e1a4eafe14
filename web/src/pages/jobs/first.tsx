import { quoted } from "../../curl.ts";
import { me } from "../../me.ts";
import { Code } from "../../parts/json.tsx";
import { API, pathOf } from "../../root.ts";

/** In place of an empty list: how the first job is sent. */
export function First() {
  const job = { url: me.value?.local?.echoUrl ?? "https://hooks.example.com/orders", body: { hello: "world" } };
  const command = [
    `curl -X POST ${quoted(new URL("v1/send", API).href)}`,
    `  -H "Authorization: Bearer $TOKEN"`,
    `  -H 'content-type: application/json'`,
    `  -d ${quoted(JSON.stringify(job))}`,
  ].join(" \\\n");
  return (
    <div class="empty panel">
      <h2>No jobs yet</h2>
      <p>Send the first one by a form, or so:</p>
      <div class="from-left">
        <Code text={command} isJson={false} isCommand label="curl" />
      </div>
      <a class="button primary" href={pathOf("/new")}>
        Send a job
      </a>
    </div>
  );
}
