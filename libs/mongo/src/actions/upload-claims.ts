import { STAGING } from '@bulk/domain';
import type { Document, Filter } from 'mongodb';
import type { Database } from '../database.ts';
import type { ActionDocument, UploadClaim } from '../documents.ts';
import { stored } from '../errors.ts';

/*
 * A claim on an upload excludes its acceptance for good. What the upload has staged is removed after `until`, when a write
 * that had passed the check for claims must have arrived.
 *
 * Rolling upgrade. The version before claims an upload by `dispatch.lease`, and accepts an upload without such a lease.
 * While both versions run, this version respects that lease as a claim (`unclaimedUpload`, `adoptUploadClaims`), and writes
 * it with each claim of its own (`claimingUpload`), so that an instance of the version before does not accept an upload
 * whose batches are being removed. The next version drops `LEASE_OF_CLAIM`, the condition on `dispatch.lease` and
 * `adoptUploadClaims`.
 */

const LEASE_OF_CLAIM = 'dispatch.lease';

/** Returns the filter of unclaimed uploads, which may be written to and accepted. */
export function unclaimedUpload(): Filter<ActionDocument> {
  return { status: STAGING, uploadClaim: { $exists: false }, [LEASE_OF_CLAIM]: null };
}

/** Returns the fields that an update sets to claim an upload. */
export function claimingUpload(claim: UploadClaim): Document {
  return { uploadClaim: claim, [LEASE_OF_CLAIM]: { owner: claim.reason, until: claim.until } };
}

/** Returns the filter of an upload with exactly the claim that was read, or still with none. */
export function uploadClaimedAs({ uploadClaim, dispatch }: ActionDocument): Filter<ActionDocument> {
  return {
    status: STAGING,
    uploadClaim: uploadClaim ?? { $exists: false },
    [LEASE_OF_CLAIM]: dispatch.lease,
  };
}

/** Returns whether an upload is claimed, by an instance of this version or of the version before. */
export function isUploadClaimed({ uploadClaim, dispatch }: ActionDocument): boolean {
  return uploadClaim !== undefined || dispatch.lease !== null;
}

/** Returns the filter of claimed uploads that may be removed and that no janitor is removing. */
export function removableUploads(now: Date): Filter<ActionDocument> {
  return {
    status: STAGING,
    'uploadClaim.until': { $lte: now },
    'dispatch.cleanUp.until': { $not: { $gt: now } },
  };
}

/** Gives a claim to uploads that instances of the version before have claimed by a lease. @throws StoreError. */
export async function adoptUploadClaims({ actions }: Database): Promise<void> {
  await stored(
    actions.updateMany({ status: STAGING, [`${LEASE_OF_CLAIM}.until`]: { $ne: null } }, [
      {
        $set: {
          'uploadClaim.reason': { $ifNull: ['$uploadClaim.reason', 'stalled'] },
          'uploadClaim.until': { $max: ['$uploadClaim.until', `$${LEASE_OF_CLAIM}.until`] },
        },
      },
    ]),
  );
}
