/**
 * The machine said no: a socket, file, driver, router. Thrown, and handled at the component's edge.
 * The message is one line that says what to do; bytes from outside never end up here (they are a `Result`).
 */
export class HeadgateError extends Error {
  override readonly name = 'HeadgateError';
  readonly code: string;
  /** Whether the same call may work later without anybody changing anything. */
  readonly retryable: boolean;

  constructor(
    code: string,
    message: string,
    options: { readonly cause?: unknown; readonly retryable?: boolean } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? false;
  }
}
