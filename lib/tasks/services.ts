import type { AppStore } from "../store/app-store.ts";
import type { Clock, EpochMs } from "../clock.ts";
import type { DatasetStore } from "../datasets/dataset-store.ts";
import { ClientError } from "../errors.ts";
import { safeFileName, filesPrefix, type FileInfo, type FileStore, type Range } from "../files/file-store.ts";
import type { Upload } from "../files/multipart.ts";
import type { Uploads } from "../files/uploads.ts";
import type { JobFilter } from "../job/job-filter.ts";
import { listJobs, type JobPage } from "../store/job-list.ts";
import type { Position } from "../store/merge.ts";
import type { JobStore } from "../store/job-store.ts";
import type { Waits } from "../flow/waits.ts";
import type { GroupPass } from "../job/group.ts";
import { TASK, SCHEDULE, isFinished, type Job } from "../job/job.ts";
import type { Mail } from "../outbound/mail.ts";
import type { PageQuota } from "../pdf/page-quota.ts";
import type { Pdfs } from "../pdf/pdfs.ts";
import type { PdfRequest } from "../pdf/request.ts";
import type { KeptPdf } from "../pdf/view.ts";
import type { Status, StopStatus } from "../job/status.ts";
import type { Message } from "../job/message.ts";
import type { AppDatasets } from "../datasets/dataset.ts";
import type { DeploymentRules } from "../outbound/rules.ts";
import { httpOf, type AppHttp } from "./app-http.ts";

// The services of a task, bound to its own app: the app comes from the job, never from the payload.

export interface TaskServices {
  readonly files: AppFiles;
  readonly datasets: AppDatasets;
  readonly jobs: AppJobs;
  readonly mail: Mail;
  readonly http: AppHttp;
  readonly pdfs: AppPdfs;
  readonly groups: AppGroups;
}

/** The app's files. Their keys begin with `files/` and the app's id; any other key is an error. */
export interface AppFiles {
  head(key: string): Promise<FileInfo | undefined>;
  /** All of it, or a part. */
  read(key: string, range?: Range): AsyncIterable<Uint8Array>;
  /** Creates a file of this job and attempt. The name is shown to people. */
  create(name: string, contentType: string): Upload & { readonly key: string };
  /** All files, a page at a time. */
  list(): AsyncIterable<readonly FileInfo[]>;
  remove(keys: readonly string[]): Promise<void>;
  /** A URL that is valid for an hour. */
  link(key: string, fileName: string): Promise<string>;
}

/** PDFs, which are kept for a day. Only in the function that may call the one with the browser. */
export interface AppPdfs {
  /**
   * Throws `BadDocument` for a document that can't be printed, FORBIDDEN when the app's daily quota is used up, and
   * `Throttled`, which puts the job off, when there is no room for another browser.
   */
  make(request: PdfRequest): Promise<KeptPdf>;
}

/** The members of the app's groups, walked over page by page. */
export interface AppGroups {
  /** Undefined if there is nothing to do. */
  begin(asked: WantedWalk): Promise<GroupPass | undefined>;
  step(pass: GroupPass): Promise<GroupPass>;
  /** Ends the group, if all its members have ended. */
  conclude(pass: GroupPass): Promise<unknown>;
}

interface WantedWalk {
  readonly id: string;
  readonly work: GroupPass["work"];
  readonly tries: number;
}

/** The app's jobs, this one included. */
export interface AppJobs {
  /** Newest first, a page at a time. `from`: the `next` of an earlier page. */
  pages(wanted: WantedJobs, from?: Position): AsyncIterable<JobPage>;
  get(id: string): Promise<Job | undefined>;
  /** The keys of the uploaded files that a job names, for itself or for the jobs that it will submit. */
  fileKeys(job: Job): Promise<string[]>;
  /** Deletes a finished job with its history, log and payloads. False if it still owes a follow-up. */
  remove(job: Job): Promise<boolean>;
  /**
   * An administrator's actions: a redrive with fresh retries, or of a job that waits for its time at once, and a
   * cancellation. False if the job is no longer in the status in which it was seen, or if it is too late. `isHeld`: its
   * group does not end meanwhile.
   */
  redrive(job: Job, isHeld?: boolean): Promise<boolean>;
  cancel(job: Job): Promise<boolean>;
}

export type WantedJobs = Omit<JobFilter, "appId">;

/** One attempt of a job. */
export interface TaskRun {
  readonly appId: string;
  readonly jobId: string;
  readonly createdAt: EpochMs;
  readonly attempt: number;
  readonly signal: AbortSignal;
}

export interface TaskServiceParts {
  readonly clock: Clock;
  readonly store: JobStore;
  readonly apps: Pick<AppStore, "settingsOf" | "keysOf">;
  readonly files: FileStore;
  readonly uploads: Pick<Uploads, "forget">;
  readonly datasets: DatasetStore;
  readonly mail: Mail;
  readonly pdfs: Pdfs;
  readonly pages: PageQuota;
  readonly rules: Pick<DeploymentRules, "allowPrivateTargets">;
  /** The actions of people on jobs. */
  readonly people: {
    retryJob(id: string, how: { readonly isHeld?: boolean; readonly seen?: Status }): Promise<Job | undefined>;
    stopJob(id: string, as: StopStatus): Promise<Job | undefined>;
  };
  readonly walks: Omit<AppGroups, "begin"> & {
    begin(appId: string, asked: WantedWalk): Promise<GroupPass | undefined>;
  };
  /** Loaded with the first filter that asks for it. */
  readonly waits: () => Promise<Pick<Waits, "backlogsFor">>;
  /** The execution types whose indexes a listing reads. */
  readonly executionTypes: readonly string[];
}

const JOBS_A_PAGE = 100;

export function createTaskServices(parts: TaskServiceParts): (run: TaskRun) => TaskServices {
  return (run) => ({
    files: filesOf(parts, run),
    datasets: parts.datasets.of(run),
    jobs: jobsOf(parts, run),
    mail: { send: async (email) => parts.mail.send(email, run.signal) },
    http: httpOf(parts, run),
    pdfs: pdfsOf(parts, run),
    groups: { ...parts.walks, begin: async (asked) => parts.walks.begin(run.appId, asked) },
  });
}

function filesOf({ files, uploads }: TaskServiceParts, { appId, jobId, attempt, signal }: TaskRun): AppFiles {
  const prefix = filesPrefix(appId);
  const own = (key: string): string => {
    if (!key.startsWith(prefix)) throw new Error(`Expected a key of app ${appId}: it must begin with ${prefix}`);
    return key;
  };
  return {
    head: async (key) => files.head(own(key), signal),
    read: (key, range) => files.read(own(key), signal, range),
    create: (name, contentType) => {
      // The attempt is in the key, since one that has lost its lease must not replace the file of another.
      const key = `${prefix}${jobId}/${attempt}/${safeFileName(name)}`;
      return { key, ...files.upload(key, contentType, signal) };
    },
    list: () => files.list(prefix, signal),
    remove: async (keys) => {
      const all = keys.map(own);
      await uploads.forget(appId, all);
      await files.remove(all, signal);
    },
    link: async (key, fileName) => files.link(own(key), fileName),
  };
}

function pdfsOf({ pdfs, pages }: TaskServiceParts, run: TaskRun): AppPdfs {
  return {
    make: async (request) => {
      // The quota was not checked at the submission of a scheduled job, and a queued one may start on another day.
      await pages.admit(run.appId);
      const kept = await pdfs.makeAndKeep(run, request);
      await pages.count(run.appId, kept);
      return kept;
    },
  };
}

function jobsOf({ store, people, waits, executionTypes }: TaskServiceParts, { appId, signal }: TaskRun): AppJobs {
  return {
    async *pages(wanted, from) {
      let position: Position | undefined = from;
      const { waiting } = wanted;
      const backlogs = waiting && (await (await waits()).backlogsFor(appId, waiting));
      do {
        signal.throwIfAborted();
        const page: JobPage = await listJobs(
          store,
          { appId, ...wanted, backlogs },
          executionTypes,
          JOBS_A_PAGE,
          position,
        );
        yield page;
        position = page.next;
      } while (position);
    },
    get: async (id) => {
      const job = await store.get(id);
      return job?.appId === appId ? job : undefined;
    },
    fileKeys: async (job) => {
      const mayName = job.executionType === TASK || job.executionType === SCHEDULE || job.owes !== undefined;
      return job.appId === appId && mayName ? filesIn(await store.message(job)) : [];
    },
    remove: async (job) => job.appId === appId && isFinished(job) && store.remove(job),
    redrive: async (job, isHeld = false) =>
      job.appId === appId && wasDone(people.retryJob(job.id, { isHeld, seen: job.status })),
    cancel: async (job) => job.appId === appId && wasDone(people.stopJob(job.id, "CANCELLED")),
  };
}

/** The files that a message names: for itself, for the target of a schedule, and for its follow-ups. */
function filesIn({ execution, onSuccess, onFailure }: Message): string[] {
  const { file, targetJob } = execution as { file?: { key: string }; targetJob?: Message };
  const next = [onSuccess, onFailure].flatMap((followUp) => {
    if (!followUp) return [];
    const { message, ...further } = followUp;
    return filesIn({ ...message, ...further });
  });
  return [...(file ? [file.key] : []), ...(targetJob ? filesIn(targetJob) : []), ...next];
}

/** False if the state of the job no longer allowed the action. */
async function wasDone(action: Promise<Job | undefined>): Promise<boolean> {
  try {
    return (await action) !== undefined;
  } catch (error) {
    if (error instanceof ClientError) return false;
    throw error;
  }
}
