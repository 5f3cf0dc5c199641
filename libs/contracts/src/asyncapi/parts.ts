/** A JSON object of the document. */
export type Json = Readonly<Record<string, unknown>>;

/** The parts of the document that describe one protocol. */
export interface DocumentParts {
  readonly servers: Record<string, Json>;
  readonly channels: Record<string, Json>;
  readonly operations: Record<string, Json>;
  readonly messages: Record<string, Json>;
}

export function ref(...path: readonly string[]): Json {
  return { $ref: `#/${path.map((part) => part.replaceAll('~', '~0').replaceAll('/', '~1')).join('/')}` };
}
