/** A file of its own keeps the rest of the package out of the bundle. */
export { writeXlsxStream } from "hucre/xlsx";
