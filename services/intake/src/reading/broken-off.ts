import type { ResultFormat } from '@bulk/contracts';
import type { ServerResponse } from 'node:http';
import { delay } from '@bulk/runtime';
import { incompleteText } from './results-export.ts';
import { toErrorResponse } from '../http/error-response.ts';
import type { CutOff } from '../http/stopping.ts';

/** How often it is looked whether the last row of a broken-off download is sent, in ms. */
const LOOK_EVERY_MS = 20;
/** A client that does not read may miss the last row after this time, in ms. */
const LAST_ROW_MS = 10_000;

export interface BrokenOffOptions {
  readonly format: ResultFormat;
  readonly response: ServerResponse;
  /** Ends the download when the service stops. */
  readonly cutOff: CutOff;
}

/**
 * Ends a text of results that fails on its way, or that the service has to cut off, with a row that says so. Then it
 * throws, so that the connection breaks off: whoever reads the text finds the row, whoever reads HTTP finds the missing end.
 *
 * @throws what the text throws; ServiceStoppingError.
 */
export async function* markedIfBrokenOff(
  text: AsyncGenerator<string>,
  { format, response, cutOff }: BrokenOffOptions,
): AsyncGenerator<string> {
  let begun = false;
  try {
    for (;;) {
      const next = await cutOff.orElse(text.next());
      if (next.done === true) return;
      begun = true;
      yield next.value;
    }
  } catch (error) {
    // Before the first piece there is a proper answer.
    if (!begun) throw error;
    const { code, message } = toErrorResponse(error).body.error;
    yield incompleteText({ status: 'incomplete', code, message }, format);
    await sent(response);
    throw error;
  } finally {
    // Not awaited: a piece that is asked for may never come.
    text.return(undefined).catch(() => undefined);
  }
}

/** Waits until the client has taken all that was written, or is gone, or does not read. */
async function sent(response: ServerResponse): Promise<void> {
  const deadline = performance.now() + LAST_ROW_MS;
  do await delay(LOOK_EVERY_MS);
  while (isUnsent(response) && performance.now() < deadline);
}

function isUnsent(response: ServerResponse): boolean {
  return !response.destroyed && (response.writableNeedDrain || response.writableLength > 0);
}
