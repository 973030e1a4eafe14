import { MINUTE } from "../clock.ts";
import { ClientError } from "../errors.ts";
import { GENERATE_PDF } from "../job/job.ts";
import { BadDocument, pdfRequest } from "../pdf/request.ts";
import { defineTask, done, failed } from "./task.ts";

export const generatePdf = defineTask({
  jobType: GENERATE_PDF,
  summary: "Makes a PDF of HTML or Markdown, which is kept for 24 hours",
  payload: pdfRequest,
  needsBrowser: true,
  timeout: 4 * MINUTE,

  async run(request, { pdfs, log }) {
    try {
      const { fileKey, ...made } = await pdfs.make(request);
      await log.info(`Made a PDF of ${made.pages} pages`, { meta: { ...made } });
      return done({ fileKey, ...made });
    } catch (error) {
      if (error instanceof BadDocument || error instanceof ClientError) return failed(error.message);
      throw error;
    }
  },
});
