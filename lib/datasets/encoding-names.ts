/** Names that people use and the WHATWG does not know. It takes Latin-1 for Windows-1252, as browsers do. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  ansi: "windows-1252",
  "latin-1": "windows-1252",
  "latin-9": "iso-8859-15",
  utf16: "utf-16le",
  utf16le: "utf-16le",
  utf16be: "utf-16be",
  "utf-8-sig": "utf-8",
};

/** The encoding of a name such as `UTF-8`, `Windows-1252` or `latin1`; `undefined` if there is none. */
export function encodingOf(name: string): string | undefined {
  const known = name.trim().toLowerCase().replaceAll("_", "-");
  try {
    return new TextDecoder(OTHER_NAMES[known] ?? known).encoding;
  } catch {
    return undefined;
  }
}
