import type { ActionDocument, CallbackState, ProgressDocument } from '@bulk/mongo';

/** What of an action is needed to tell its end. */
export type EndedAction = ProgressDocument & Pick<ActionDocument, 'updatedAt'>;

/** A webhook that this process is to deliver now. */
export interface ClaimedWebhook {
  readonly action: EndedAction;
  readonly callback: CallbackState;
  /** The name of this claim, which no other has ever had. */
  readonly owner: string;
}

/** What has become of a try. */
export type Settlement =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'retry'; readonly at: Date; readonly error: string }
  | { readonly kind: 'given-up'; readonly error: string }
  /** Broken off by a stop of ours: does not count. */
  | { readonly kind: 'handed-back' };
