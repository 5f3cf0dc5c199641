import type { z } from 'zod';
import type { RestErrorCode } from './errors.ts';

/** The groups in which the documentation shows operations. */
export const TAGS = {
  Actions: 'Start a bulk action, and list actions.',
  Progress: 'Follow one action: its state, its progress, and the outcome of each position.',
  Control: 'Cancel, pause, resume and retry.',
  'Column mappings': 'Save how the columns of CSV files map to fields.',
  Records: 'Read, list and export the records that actions change.',
  Webhooks: 'Get a notification at the end of an action.',
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

/** An operation that a client can call with a value from an answer. */
export interface OperationLink {
  readonly operationId: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** The answer to a successful request. */
export interface Success {
  readonly status: 200 | 202;
  readonly description: string;
  /** By media type. */
  readonly content: Readonly<Record<string, Body>>;
  /** Headers in addition to those of every answer. */
  readonly headers?: z.ZodObject;
  /** Operations that follow from the answer, by their ids, with their parameters as runtime expressions of OpenAPI. */
  readonly links?: Readonly<Record<string, OperationLink>>;
}

/** An error that an operation returns; with a status if it differs from the usual one. */
export type OperationError = RestErrorCode | { readonly code: RestErrorCode; readonly status: number };

/**
 * Declares one endpoint, once. intake binds a handler to it. The OpenAPI document, the admission of requests and the
 * references are derived from it.
 */
export interface Operation {
  readonly method: 'get' | 'post' | 'put' | 'delete';
  /** The path, with parameters in braces: `/bulk-actions/{id}`. */
  readonly path: string;
  readonly operationId: string;
  readonly tag: Tag;
  /** One line; it also appears in the table in docs/reference/rest-api.md. */
  readonly summary: string;
  readonly description: string;
  readonly pathParameters?: z.ZodObject;
  /** The schema that validates the query. */
  readonly query?: z.ZodObject;
  /**
   * Which part finds the account and validates the query: the binding before the handler runs, or the handler if both
   * depend on the body. @default 'binding'
   */
  readonly admittedBy?: 'binding' | 'handler';
  readonly headers?: z.ZodObject;
  /** By media type. */
  readonly body?: Readonly<Record<string, Body>>;
  /** Whether the body may be absent. @default false */
  readonly bodyOptional?: boolean;
  readonly success: Success;
  readonly errors: readonly OperationError[];
}
