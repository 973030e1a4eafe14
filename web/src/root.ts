// Where the service is. Nothing is built in: the page may lie under any path.

// The bundler would take a URL that it sees as a whole for a file of its own.
const here = import.meta.url;

/** The root of the API: this file lies in `<root>/dashboard/assets/`. */
export const API = new URL("../../", here);

/** The path of the dashboard, without a slash at its end. */
export const BASE = `${API.pathname}dashboard`;

/** The path of a page, such as `/jobs?q=status:dead`. */
export function pathOf(page: string): string {
  return page === "/" ? BASE : BASE + page;
}
