import type { ActionDocument, CallbackState, ProgressDocument } from '@bulk/mongo';

/** The fields of an action that its webhook reports. */
export type EndedAction = ProgressDocument & Pick<ActionDocument, 'updatedAt'>;

/** A webhook that this process must deliver now. */
export interface ClaimedWebhook {
  readonly action: EndedAction;
  readonly callback: CallbackState;
  /** The name of this claim. No other claim has ever had it. */
  readonly owner: string;
}

/** The result of a try. */
export type Settlement =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'retry'; readonly at: Date; readonly error: string }
  | { readonly kind: 'given-up'; readonly error: string }
  /** Broken off by a stop of this process. The try does not count. */
  | { readonly kind: 'handed-back' };
