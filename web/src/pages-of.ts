/** Whether a list goes on after this page of it. */
export function hasMore(page: { readonly nextCursor: string | null } | undefined): boolean {
  return page !== undefined && page.nextCursor !== null;
}
