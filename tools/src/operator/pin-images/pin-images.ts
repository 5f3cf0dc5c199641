import { CodedError } from '@bulk/domain';
import { isMap, isSeq, parseDocument, type YAMLMap } from 'yaml';
import { IMAGE_PREFIX, IMAGES, type ImageName } from '../images/images.ts';

/** Thrown when an overlay cannot be pinned. The message says what is missing or invalid. */
export class NotPinnedError extends CodedError {
  constructor(message: string) {
    super('NOT_PINNED', message);
  }
}

/** The published images of a version. */
export interface Release {
  /** Registry and path before the name of each image, such as `ghcr.io/acme/bulk-action-platform`. */
  readonly registry: string;
  /** Version, which is the tag of every image. */
  readonly version: string;
  readonly digests: ReadonlyMap<ImageName, string>;
}

const DIGEST = /^sha256:[0-9a-f]{64}$/;
/** A tag that is also part of the name of a Job. */
const VERSION = /^\d+\.\d+\.\d+(-[0-9a-z.-]*[0-9a-z])?$/;

/**
 * Parses lines `<image>@sha256:<digest>`, one for each image.
 *
 * @throws NotPinnedError if a line is invalid, repeated or missing.
 */
export function parseDigests(text: string): Map<ImageName, string> {
  const digests = new Map<ImageName, string>();
  for (const line of text.split('\n').filter((each) => each.trim() !== '')) {
    const [found, digest = ''] = line.trim().split('@');
    const name = IMAGES.find((each) => each === found);
    if (name === undefined || !DIGEST.test(digest) || digests.has(name))
      throw new NotPinnedError(`expected one <image>@sha256:<digest> for each image, found ${line.trim()}`);
    digests.set(name, digest);
  }
  const missing = IMAGES.filter((name) => !digests.has(name));
  if (missing.length > 0) throw new NotPinnedError(`no digest of ${missing.join(', ')}`);
  return digests;
}

/**
 * Sets the name, the tag and the digest of each image in a kustomization.
 *
 * @param text the kustomization. Its comments stay.
 * @returns the changed text.
 * @throws NotPinnedError if the version is invalid, or the kustomization does not list each image.
 */
export function pinImages(text: string, { registry, version, digests }: Release): string {
  if (!VERSION.test(version)) throw new NotPinnedError(`expected a version such as 1.2.3, found ${version}`);
  const document = parseDocument(text);
  const images = document.get('images');
  const entries = isSeq(images) ? images.items.filter((item): item is YAMLMap => isMap(item)) : [];
  for (const name of IMAGES) {
    const entry = entries.find((each) => each.get('name') === `${IMAGE_PREFIX}/${name}`);
    const digest = digests.get(name);
    if (entry === undefined || digest === undefined)
      throw new NotPinnedError(`the kustomization or the list of digests lacks ${IMAGE_PREFIX}/${name}`);
    entry.set('newName', `${registry}/${name}`);
    entry.set('newTag', version);
    entry.set('digest', digest);
  }
  return document.toString({ lineWidth: 0 });
}
