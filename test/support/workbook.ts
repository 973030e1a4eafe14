import { expect } from "vitest";
import type { SourceCell } from "../../lib/datasets/source-row.ts";
import { readXlsx } from "../../lib/datasets/xlsx.ts";
import { zipOf, type ZipOptions } from "./zip.ts";

export interface WorkbookParts {
  /** The XML within `sheetData`, by the sheets' names. A name that begins with a dot is hidden. */
  readonly sheets: Readonly<Record<string, string>>;
  readonly sharedStrings?: string;
  /** Codes of number formats: style 1 and on. */
  readonly formats?: readonly string[];
  readonly is1904?: boolean;
  /** Instead of what Excel writes: the prefix of all names, paths of relations from the root, the strict format. */
  readonly prefix?: string;
  readonly isRooted?: boolean;
  readonly isStrict?: boolean;
  readonly more?: Readonly<Record<string, string>>;
  readonly zip?: ZipOptions;
}

/** A workbook by hand, as other programs than Excel write it. */
export function workbookOf(asked: WorkbookParts): Buffer {
  const { sheets, sharedStrings, formats = [], is1904, prefix = "", isRooted, isStrict, more = {}, zip } = asked;
  const main = isStrict
    ? "http://purl.oclc.org/ooxml/spreadsheetml/main"
    : "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
  const types = isStrict
    ? "http://purl.oclc.org/ooxml/officeDocument/relationships"
    : "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
  const p = prefix === "" ? "" : `${prefix}:`;
  const root = (name: string, content: string, space = main) =>
    `<?xml version="1.0" encoding="UTF-8"?>\n<${p}${name} xmlns${prefix === "" ? "" : `:${prefix}`}="${space}" xmlns:r="${types}">${content}</${p}${name}>`;
  const relation = (id: string, type: string, target: string) =>
    `<${p}Relationship Id="${id}" Type="${types}/${type}" Target="${isRooted ? `/xl/${target}` : target}"/>`;
  const relations = "http://schemas.openxmlformats.org/package/2006/relationships";
  const names = Object.keys(sheets);
  const listed = names.map(
    (name, n) =>
      `<${p}sheet name="${name.replace(/^\./, "")}" sheetId="${n + 1}" r:id="rId${n + 1}"${name.startsWith(".") ? ' state="hidden"' : ""}/>`,
  );
  const custom = formats.map(
    (code, n) =>
      `<${p}numFmt numFmtId="${164 + n}" formatCode="${code.replaceAll("&", "&amp;").replaceAll('"', "&quot;")}"/>`,
  );
  const styles = formats.map((_, n) => `<${p}xf numFmtId="${164 + n}"/>`);
  return zipOf(
    {
      "[Content_Types].xml": "<Types/>",
      "_rels/.rels": root(
        "Relationships",
        `<${p}Relationship Id="rId1" Type="${types}/officeDocument" Target="${isRooted ? "/" : ""}xl/workbook.xml"/>`,
        relations,
      ),
      "xl/workbook.xml": root(
        "workbook",
        `<${p}workbookPr${is1904 ? ' date1904="1"' : ""}/><${p}sheets>${listed.join("")}</${p}sheets>`,
      ),
      "xl/_rels/workbook.xml.rels": root(
        "Relationships",
        [
          ...names.map((_, n) => relation(`rId${n + 1}`, "worksheet", `worksheets/sheet${n + 1}.xml`)),
          relation("rId98", "styles", "styles.xml"),
          ...(sharedStrings === undefined ? [] : [relation("rId99", "sharedStrings", "sharedStrings.xml")]),
        ].join(""),
        relations,
      ),
      ...Object.fromEntries(
        names.map((name, n) => [
          `xl/worksheets/sheet${n + 1}.xml`,
          root("worksheet", `<${p}sheetData>${sheets[name]}</${p}sheetData>`),
        ]),
      ),
      "xl/styles.xml": root(
        "styleSheet",
        `<${p}numFmts>${custom.join("")}</${p}numFmts><${p}cellStyleXfs><${p}xf numFmtId="14"/></${p}cellStyleXfs><${p}cellXfs><${p}xf numFmtId="0"/>${styles.join("")}</${p}cellXfs>`,
      ),
      ...(sharedStrings === undefined ? {} : { "xl/sharedStrings.xml": root("sst", sharedStrings) }),
      ...more,
    },
    zip,
  );
}

/** The rows of a workbook by their numbers: their cells, or what is wrong with them. */
export async function read(file: Buffer, sheet?: string) {
  async function* part(from: number, to: number) {
    expect(to).toBeGreaterThan(from);
    // In pieces, as they come over the wire.
    for (let at = from; at < Math.min(to, file.length); at += 1_000) yield file.subarray(at, Math.min(to, at + 1_000));
  }
  const { taken, rows } = await readXlsx(part, file.length, sheet);
  const read: [number, readonly (SourceCell | string)[]][] = [];
  for await (const batch of rows)
    for (const { number, cells, problem } of batch) read.push([number, problem === undefined ? cells : [problem]]);
  return { taken, rows: read };
}
