export { openBuilder } from './builder.ts';
export { buildImages, buildOfWorkspace, IMAGES, imageReference } from './images.ts';
export { verifyImages } from './verify.ts';
