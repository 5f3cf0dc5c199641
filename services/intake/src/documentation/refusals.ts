import { STATUS_CODES } from 'node:http';
import {
  answerHeadersSchema,
  failureWith,
  quotaHeadersSchema,
  rateLimitHeadersSchema,
  restErrorOf,
  retryAfterSchema,
  type OperationError,
  type RestErrorCode,
} from '@bulk/contracts';
import { z } from 'zod';
import type { ZodOpenApiResponseObject } from 'zod-openapi';

const WITH_RETRY_AFTER: ReadonlySet<number> = new Set([409, 429, 503]);

/** Builds the refusals of one document. Operations with the same refusals share them. */
export class Refusals {
  /** Status and codes → answer. */
  readonly #answers = new Map<string, ZodOpenApiResponseObject>();
  /** Status → number of answers. */
  readonly #perStatus = new Map<number, number>();

  /** Builds an answer for each status among the errors, with an example for every code. */
  of(errors: readonly OperationError[]): Record<string, ZodOpenApiResponseObject> {
    const byStatus = new Map<number, RestErrorCode[]>();
    for (const error of errors) {
      const { code, status } =
        typeof error === 'string' ? { code: error, status: restErrorOf(error).status } : error;
      byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
    }
    const sorted = [...byStatus].sort(([a], [b]) => a - b);
    return Object.fromEntries(sorted.map(([status, codes]) => [status, this.#answer(status, codes)]));
  }

  #answer(status: number, codes: readonly RestErrorCode[]): ZodOpenApiResponseObject {
    const key = `${status} ${[...codes].sort().join(' ')}`;
    const known = this.#answers.get(key);
    if (known !== undefined) return known;
    const serial = (this.#perStatus.get(status) ?? 0) + 1;
    this.#perStatus.set(status, serial);
    const name = (STATUS_CODES[status] ?? '').replaceAll(' ', '');
    const answer = { id: serial === 1 ? name : `${name}${serial}`, ...refusal(status, codes) };
    this.#answers.set(key, answer);
    return answer;
  }
}

function refusal(status: number, codes: readonly RestErrorCode[]): ZodOpenApiResponseObject {
  const examples = codes.map((code) => {
    const { when, message, details } = restErrorOf(code);
    const error = details === undefined ? { code, message } : { code, message, details };
    return [code, { summary: `${code}: ${when}`, value: { success: false, error } }] as const;
  });
  const lines = codes.map((code) => `- \`${code}\`: ${restErrorOf(code).when}`);
  return {
    description: `${STATUS_CODES[status] ?? ''}\n\n${lines.join('\n')}`,
    headers: z.object({
      // Absent if the request was never understood as one.
      ...answerHeadersSchema.partial().shape,
      ...(WITH_RETRY_AFTER.has(status) ? retryAfterSchema.shape : {}),
      ...(status === 429 ? rateLimitHeadersSchema.shape : {}),
      ...(codes.includes('QUOTA_EXCEEDED') ? quotaHeadersSchema.shape : {}),
    }),
    content: {
      'application/json': { schema: failureWith(codes, status), examples: Object.fromEntries(examples) },
    },
  };
}
