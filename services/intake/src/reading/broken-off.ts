import type { ServerResponse } from 'node:http';
import { delay } from '@bulk/runtime';
import { toErrorResponse } from '../http/error-response.ts';
import type { CutOff } from '../http/stopping.ts';

/** How often a broken-off download checks whether its last row is sent, in ms. */
const LOOK_EVERY_MS = 20;
/** Time after which a client that does not read may miss the last row, in ms. */
const LAST_ROW_MS = 10_000;

export interface BrokenOffOptions {
  /** Returns the row that says that the text is incomplete, and why. */
  readonly lastRow: (error: { readonly code: string; readonly message: string }) => string;
  readonly response: ServerResponse;
  /** Ends the download when the service stops. */
  readonly cutOff: CutOff;
}

/**
 * Ends a text of rows that fails, or that the service cuts off, with a row that says so.
 *
 * Then it throws, so that the connection breaks off. A reader of the text finds the row, and a
 * reader of HTTP finds the missing end.
 *
 * @throws what the text throws; ServiceStoppingError.
 */
export async function* markedIfBrokenOff(
  text: AsyncGenerator<string>,
  { lastRow, response, cutOff }: BrokenOffOptions,
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
    // Before the first piece, a proper error response is still possible.
    if (!begun) throw error;
    const { code, message } = toErrorResponse(error).body.error;
    yield lastRow({ code, message });
    await sent(response);
    throw error;
  } finally {
    // Not awaited: a requested piece may never arrive.
    text.return(undefined).catch(() => undefined);
  }
}

/** Waits until the client has received everything, is gone, or has stopped reading. */
async function sent(response: ServerResponse): Promise<void> {
  const deadline = performance.now() + LAST_ROW_MS;
  do await delay(LOOK_EVERY_MS);
  while (isUnsent(response) && performance.now() < deadline);
}

function isUnsent(response: ServerResponse): boolean {
  return !response.destroyed && (response.writableNeedDrain || response.writableLength > 0);
}
