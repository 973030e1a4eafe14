// The executions that are reserved for functions, which are also the most that each may have at once. Read by
// serverless.yml, and compared with the account by deploy/checks.cjs.

/** For an account of 1,000: 430 here, 520 for the queues' other functions, and the rest for all others. */
const DEFAULTS = {
  // Up to eight parts of a large sweep, the sweep that starts them, and the next one.
  sweepJobs: 10,
  createJob: 200,
  // Two for each of five queues.
  recoverDeadLetters: 10,
  // These wait, for news, targets or PDFs, and would take the account's executions from all others.
  taskApi: 100,
  internalApi: 10,
  pdfApi: 40,
  // As many as call it: pdfApi, and 20 of runPdfs.
  renderPdf: 60,
};

const EXPECTED = `expected "none", or changes such as createJob=400,taskApi=none of ${Object.keys(DEFAULTS).join(", ")}`;

/** The executions by function, from `none` or `createJob=400,taskApi=none`. */
function concurrencyOf(text = "") {
  if (text === "none") return {};
  const reserved = { ...DEFAULTS };
  for (const change of text.split(",").flatMap((each) => each.trim() || [])) {
    const [, name = "", number = ""] = /^(\w+)=(none|\d{1,5})$/.exec(change) ?? [];
    if (!Object.hasOwn(DEFAULTS, name)) throw new Error(`RESERVED_CONCURRENCY has "${change}": ${EXPECTED}`);
    if (number === "none") delete reserved[name];
    else reserved[name] = Number(number);
  }
  return reserved;
}

module.exports = {
  concurrencyOf,
  get reserved() {
    return concurrencyOf(process.env.RESERVED_CONCURRENCY);
  },
};
