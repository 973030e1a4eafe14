import { useState } from "preact/hooks";
import type { JobDetail } from "../../api/shapes.ts";
import { Code } from "../../parts/json.tsx";
import { Ago } from "../../parts/time.tsx";
import { pathOf } from "../../root.ts";
import { Whole } from "./whole.tsx";

/** What the job was made of. */
export function Message({ job }: { readonly job: JobDetail }) {
  // It may have megabytes.
  const [isOpen, setOpen] = useState(false);
  return (
    <details class="panel">
      <summary class="inside" onClick={() => setOpen(true)}>
        Message
      </summary>
      <div class="inside">
        {isOpen && <Whole job={job}>{(whole) => <Code text={messageOf(whole)} label="Message" />}</Whole>}
      </div>
    </details>
  );
}

function messageOf({ executionConfig, lambdaProxyMessage, onComplete, onSuccess, onFailure }: JobDetail): string {
  return JSON.stringify({
    ...(lambdaProxyMessage && { lambdaProxyMessage }),
    ...(executionConfig && { execution: executionConfig }),
    ...(onComplete && { onComplete }),
    ...(onSuccess && { onSuccess }),
    ...(onFailure && { onFailure }),
  });
}

export function Facts({ job }: { readonly job: JobDetail }) {
  const { id, createdAt, createdBy, updatedAt, notBefore, notAfter, retryCount, maxRetries, messageGroupId } = job;
  return (
    <dl class="facts small">
      <dt>Created</dt>
      <dd>
        <Ago at={createdAt} /> {createdBy !== null && <>by {createdBy}</>}
      </dd>
      <dt>Changed</dt>
      <dd>
        <Ago at={updatedAt} />,{" "}
        <a href={pathOf(`/app/audit?object=${job.executionType === "schedule" ? "schedule" : "job"}:${id}`)}>by whom</a>
      </dd>
      {notBefore !== undefined && (
        <>
          <dt>Not before</dt>
          <dd>
            <Ago at={notBefore} />
          </dd>
        </>
      )}
      {notAfter !== undefined && (
        <>
          <dt>Not after</dt>
          <dd>
            <Ago at={notAfter} />
          </dd>
        </>
      )}
      {job.executionType !== "schedule" && job.executionType !== "group" && (
        <>
          <dt>Retries</dt>
          <dd>
            {retryCount} of {maxRetries}
          </dd>
        </>
      )}
      {messageGroupId !== job.executionType && (
        <>
          <dt>Order</dt>
          <dd class="mono">{messageGroupId}</dd>
        </>
      )}
      <dt>Id</dt>
      <dd class="mono">{id}</dd>
    </dl>
  );
}
