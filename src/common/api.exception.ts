import { HttpException } from '@nestjs/common';

export interface ApiFailure {
  readonly status: number;
  /** Stable, machine-readable, snake_case: OpenAI's `code`, the last part of a problem's `type`. */
  readonly code: string;
  /** A sentence that says what to do. It must not hold secrets, ids, or (for final refusals, but in names of models) digits. */
  readonly message: string;
  /** The field at fault. */
  readonly param?: string;
  /** OpenAI's `type` where it is not the usual one of the status. */
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** A failure that is part of the contract; the global filter shapes it for the route it happened on. */
export class ApiException extends HttpException {
  readonly code: string;
  readonly param: string | null;
  readonly type: string | null;
  readonly headers: Readonly<Record<string, string>>;

  constructor(failure: ApiFailure) {
    super(failure.message, failure.status, { errorCode: failure.code, cause: failure.cause });
    this.code = failure.code;
    this.param = failure.param ?? null;
    this.type = failure.type ?? null;
    this.headers = failure.headers ?? {};
  }
}
