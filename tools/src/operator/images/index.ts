export { openBuilder } from './builder.ts';
export { buildImages, IMAGES, imageReference } from './images.ts';
export { verifyImages } from './verify.ts';
