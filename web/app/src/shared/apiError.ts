/** How a request fails: apart from the API itself, for code that runs without a page. */

/** The server refused or failed, in its own words; `code` is from its closed set, `offline` if it was not reached. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    readonly code: string,
    message: string,
    readonly details: { readonly [name: string]: unknown },
  ) {
    super(message);
  }
}
