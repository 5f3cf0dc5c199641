import { gzipSync } from 'node:zlib';

/** A request to POST /bulk-actions that costs intake much more than its client. */
export interface WorstInput {
  readonly path: string;
  readonly type: string;
  readonly body: Buffer;
  readonly gzip: boolean;
}

const UPLOAD_PATH = '/bulk-actions?actionType=update&invalidRows=refuse';

/**
 * Returns the worst known bodies: tiny entities, deep nesting, escapes, empty lines, an unclosed quote. The end of each
 * one makes it invalid, so nothing of it may be executed. They take about 60 MB.
 */
export function worstInputs(): readonly WorstInput[] {
  const lines = Array.from(
    { length: 500 },
    (_, i) => `{"id":"${i}","lastName":"${'\u00e4'.repeat(30_000)}"}\n`,
  );
  return [
    json(`{"actionType":"update","entities":[${'{},'.repeat(5_500_000)}`, true),
    json(`{"actionType":"update","entities":[${'[[[]]],'.repeat(1_100_000)}`),
    json(`{"actionType":"update","entities":[${'{"id":"a"},'.repeat(700_000)}7]}`),
    json(`{"config":[${'{},'.repeat(2_700_000)}`),
    json('['.repeat(8_000_000)),
    json(`{"a":"${'\\u00e4'.repeat(1_300_000)}"}`),
    upload('application/x-ndjson', '\n'.repeat(32_000_000), true),
    upload('text/csv', `id\n${'\n'.repeat(32_000_000)}`, true),
    upload('text/csv', `id,lastName\n${`a,"${'x'.repeat(60_000)}"\n`.repeat(400)}"`, true),
    upload('application/x-ndjson', `${lines.join('')}7`),
  ];
}

/** Sends an input for an account. @returns the status, and the code of the refusal; '' if there was none. */
export async function sendWorstInput(
  { path, type, body, gzip }: WorstInput,
  intakeUrl: string,
  accountId: string,
): Promise<{ readonly status: number; readonly code: string }> {
  const response = await fetch(`${intakeUrl}${path}`, {
    method: 'POST',
    headers: {
      'content-type': type,
      'x-account-id': accountId,
      ...(gzip ? { 'content-encoding': 'gzip' } : {}),
    },
    body: new Uint8Array(body),
  });
  const { error } = (await response.json()) as { error?: { code: string } };
  return { status: response.status, code: error?.code ?? '' };
}

function json(text: string, gzip = false): WorstInput {
  return inputOf('/bulk-actions', 'application/json', text, gzip);
}

function upload(type: string, text: string, gzip = false): WorstInput {
  return inputOf(UPLOAD_PATH, type, text, gzip);
}

function inputOf(path: string, type: string, text: string, gzip: boolean): WorstInput {
  return { path, type, body: gzip ? gzipSync(text) : Buffer.from(text), gzip };
}
