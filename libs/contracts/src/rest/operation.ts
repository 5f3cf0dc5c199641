import type { z } from 'zod';
import type { RestErrorCode } from './errors.ts';

/** The groups in which the documentation shows operations. */
export const TAGS = {
  Actions: 'Start a bulk action and look at those there are.',
  Progress: 'Follow one action: its state, its figures, the outcome of each position.',
  Control: 'Cancel, pause, resume and retry.',
  Webhooks: 'Be told instead of asking.',
} as const;
export type Tag = keyof typeof TAGS;

export interface Example {
  readonly summary?: string;
  readonly value: unknown;
}

/** A body, of a request or an answer. */
export interface Body {
  readonly schema: z.ZodType;
  readonly examples: Readonly<Record<string, Example>>;
}

/** An operation that can be asked for with something from an answer. */
export interface OperationLink {
  readonly operationId: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** An answer to a request that was carried out. */
export interface Success {
  readonly status: 200 | 202;
  readonly description: string;
  /** By media type. */
  readonly content: Readonly<Record<string, Body>>;
  /** Beside those of every answer. */
  readonly headers?: z.ZodObject;
  /** Operations that the answer leads to, by their ids, with their parameters as runtime expressions of OpenAPI. */
  readonly links?: Readonly<Record<string, OperationLink>>;
}

/** An error that an operation answers with; with a status where it is another than usual. */
export type OperationError = RestErrorCode | { readonly code: RestErrorCode; readonly status: number };

/**
 * One endpoint, declared once: intake binds a handler to it, and the OpenAPI document, the admission of requests and the
 * references derive from it.
 */
export interface Operation {
  readonly method: 'get' | 'post';
  /** With parameters in braces: `/bulk-actions/{id}`. */
  readonly path: string;
  readonly operationId: string;
  readonly tag: Tag;
  /** One line, also for the table in docs/reference/rest-api.md. */
  readonly summary: string;
  readonly description: string;
  readonly pathParameters?: z.ZodObject;
  /** The schema that validates the query. */
  readonly query?: z.ZodObject;
  /**
   * Who finds the account and validates the query: the binding before the handler runs, or the handler, because the body
   * decides. @default 'binding'
   */
  readonly admittedBy?: 'binding' | 'handler';
  readonly headers?: z.ZodObject;
  /** By media type. */
  readonly body?: Readonly<Record<string, Body>>;
  readonly success: Success;
  readonly errors: readonly OperationError[];
}
