/** In a file of its own: bundled, only this function of the package comes along with it. */
export { writeXlsxStream } from "hucre/xlsx";
