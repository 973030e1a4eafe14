import { readEntry, zipEntries, type ReadRange, type ZipEntry } from "../files/zip.ts";
import { kindOfBuiltIn, kindOfFormat, styleOf, type NumberStyle } from "./excel-dates.ts";
import { SharedTexts } from "./shared-texts.ts";
import { BadFile, type SourceRow } from "./source-row.ts";
import { parseXml, prefixed } from "./xml.ts";
import { sheetRows } from "./xlsx-rows.ts";

// Rows of a workbook's sheet. The sheet is unpacked and read as a stream; the texts that its cells share, the styles and
// the names of the sheets are read before.

export interface XlsxTaken {
  readonly sheet: string;
  /** Of all sheets. */
  readonly sheets: readonly string[];
}

interface Sheet {
  readonly name: string;
  readonly id: string;
  readonly isHidden: boolean;
}

interface Relation {
  readonly id: string;
  /** The end of its type, which is the same in the strict format. */
  readonly type: string;
  readonly path: string;
}

const MIB = 1_024 * 1_024;
/** Unpacked, which takes some minutes to read: about 60 million cells. */
const LARGEST_SHEET = 2_048 * MIB;
/** Bounds the memory. */
const LARGEST_TEXTS = 200 * MIB;
const LARGEST_PART = 32 * MIB;
/** An archive that unpacks to more than so many times its size is made for that; sheets come to about 50. */
const LARGEST_RATIO = 250;
/** Excel takes 31 characters. */
const LONGEST_NAME = 100;
/** Smaller parts may unpack by any ratio. */
const SMALL_PART = 10 * MIB;

/** Throws `BadFile` or `BadZip`, also while the rows are read. `bytes`: how many of them are read, about. */
export async function readXlsx(
  read: ReadRange,
  size: number,
  sheetName: string | undefined,
): Promise<{ readonly taken: XlsxTaken; readonly rows: AsyncIterable<readonly SourceRow[]>; readonly bytes: number }> {
  const parts = partsOf(await zipEntries(read, size), read, size);
  const path = workbookPath(await relationsOf(parts, ""), parts);
  const { sheets, is1904 } = await workbookOf(parts, path);
  const relations = await relationsOf(parts, path);
  const sheet = sheetOf(sheets, relations, sheetName);
  const texts = new SharedTexts();
  const shared = relations.find(({ type }) => type === "sharedStrings");
  // Some writers name texts that they have not written.
  if (shared && parts.has(shared.path)) await texts.read(parts.open(shared.path, LARGEST_TEXTS));
  const styled = relations.find(({ type }) => type === "styles");
  const styles = styled && parts.has(styled.path) ? await stylesOf(parts.open(styled.path, LARGEST_PART)) : [];
  const rows = sheetRows(parts.open(sheet.path, LARGEST_SHEET), {
    texts,
    styles,
    is1904,
    mostCharacters: LARGEST_SHEET,
  });
  return {
    taken: { sheet: sheet.name, sheets: sheets.map(({ name }) => name) },
    rows,
    bytes: parts.packedBytes(sheet.path) + (shared ? parts.packedBytes(shared.path) : 0),
  };
}

type Parts = ReturnType<typeof partsOf>;

/** The parts of the archive by their paths; their case does not matter. */
function partsOf(entries: ReadonlyMap<string, ZipEntry>, read: ReadRange, size: number) {
  const byPath = new Map([...entries].map(([name, entry]) => [keyOf(name), entry]));
  const has = (path: string) => byPath.has(keyOf(path));
  return {
    has,
    packedBytes: (path: string) => byPath.get(keyOf(path))?.packedBytes ?? 0,
    open: (path: string, most: number): AsyncGenerator<Uint8Array> => {
      const entry = byPath.get(keyOf(path));
      if (!entry)
        throw new BadFile(
          `The workbook lacks its part ${path.slice(0, LONGEST_NAME)}: save it anew in Excel and upload that`,
        );
      if (entry.bytes > most || (entry.bytes > SMALL_PART && entry.bytes > LARGEST_RATIO * entry.packedBytes))
        throw new BadFile(
          `The workbook is packed too densely: its part ${path.slice(0, LONGEST_NAME)} would unpack from ${entry.packedBytes} to ${entry.bytes} bytes; export it as CSV and upload that`,
        );
      return readEntry(read, size, entry);
    },
  };
}

/** Some writers begin a path with a slash, or separate its folders by backslashes. */
function keyOf(path: string): string {
  return path.replaceAll("\\", "/").replace(/^\/+/, "").toLowerCase();
}

function workbookPath(relations: readonly Relation[], parts: Parts): string {
  const path = relations.find(({ type }) => type === "officeDocument")?.path;
  if (path !== undefined && parts.has(path) && !/\.bin$/i.test(path) && !/^word\/|^ppt\//i.test(path)) return path;
  const found = [
    ["xl/workbook.bin", "an Excel workbook in the binary format (.xlsb)"],
    ["word/document.xml", "a Word document"],
    ["ppt/presentation.xml", "a PowerPoint presentation"],
    ["content.xml", "an OpenDocument spreadsheet (.ods)"],
    ["index/document.iwa", "a Numbers spreadsheet"],
  ].find(([name = ""]) => parts.has(name))?.[1];
  throw new BadFile(
    `The file is ${found ?? "a zip archive without a workbook"}: expected CSV or XLSX; save it as one of them and upload that`,
  );
}

/** Of the archive (`""`) or of one of its parts. */
async function relationsOf(parts: Parts, path: string): Promise<readonly Relation[]> {
  const folder = path.slice(0, path.lastIndexOf("/") + 1);
  const file = `${folder}_rels/${path.slice(folder.length)}.rels`;
  const relations: Relation[] = [];
  if (!parts.has(file)) return relations;
  await parseXml(parts.open(file, LARGEST_PART), {
    open: (name, { Id: id = "", Type = "", Target = "" }) => {
      if (name !== "Relationship") return;
      relations.push({ id, type: Type.slice(Type.lastIndexOf("/") + 1), path: resolved(folder, Target) });
    },
  });
  return relations;
}

/** The path of a target, from the root. One that is an address elsewhere leads to no part. */
function resolved(folder: string, target: string): string {
  try {
    const { pathname } = new URL(target.replaceAll("\\", "/"), `file:///${folder}`);
    return decodeURIComponent(pathname).slice(1);
  } catch {
    return target;
  }
}

async function workbookOf(
  parts: Parts,
  path: string,
): Promise<{ readonly sheets: readonly Sheet[]; readonly is1904: boolean }> {
  const sheets: Sheet[] = [];
  let is1904 = false;
  await parseXml(parts.open(path, LARGEST_PART), {
    open: (name, attributes) => {
      if (name === "workbookPr") is1904 = /^(1|true|on)$/i.test(attributes["date1904"] ?? "");
      if (name !== "sheet") return;
      const isHidden = /hidden$/i.test(attributes["state"] ?? "");
      sheets.push({
        name: (attributes["name"] ?? "").slice(0, LONGEST_NAME),
        id: prefixed(attributes, "id") ?? "",
        isHidden,
      });
    },
  });
  return { sheets, is1904 };
}

/** The sheet of this name, else the first one that is shown. Charts are no sheets of cells. */
function sheetOf(
  sheets: readonly Sheet[],
  relations: readonly Relation[],
  asked: string | undefined,
): { readonly name: string; readonly path: string } {
  const paths = new Map(relations.flatMap(({ id, type, path }) => (type === "worksheet" ? [[id, path] as const] : [])));
  const tables = sheets.flatMap((sheet) => {
    const path = paths.get(sheet.id);
    return path === undefined ? [] : [{ ...sheet, path }];
  });
  const same = (name: string) => name.trim().toLowerCase() === asked?.trim().toLowerCase();
  const found =
    asked === undefined
      ? (tables.find(({ isHidden }) => !isHidden) ?? tables[0])
      : (tables.find(({ name }) => name === asked) ?? tables.find(({ name }) => same(name)));
  if (found) return found;
  const names = tables.slice(0, 20).map(({ name }) => JSON.stringify(name));
  throw new BadFile(
    asked === undefined || tables.length === 0
      ? "The workbook has no sheet of cells: expected a header and rows below it"
      : `The workbook has no sheet ${JSON.stringify(asked)}: expected one of ${names.join(", ")}`,
  );
}

/** By the index of a cell's style. */
async function stylesOf(chunks: AsyncIterable<Uint8Array>): Promise<readonly NumberStyle[]> {
  const own = new Map<number, NumberStyle>();
  const styles: NumberStyle[] = [];
  let isOfCells = false;
  await parseXml(chunks, {
    open: (name, { numFmtId = "0", formatCode = "" }) => {
      const id = Number(numFmtId);
      if (name === "numFmt") own.set(id, styleOf(kindOfFormat(formatCode), formatCode));
      if (name === "cellXfs") isOfCells = true;
      if (name === "xf" && isOfCells) styles.push(own.get(id) ?? styleOf(kindOfBuiltIn(id)));
    },
    close: (name) => {
      if (name === "cellXfs") isOfCells = false;
    },
  });
  return styles;
}
