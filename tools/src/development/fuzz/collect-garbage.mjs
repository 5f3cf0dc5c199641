/** Loaded into a service under test: SIGUSR2 collects its garbage, so that what its heap holds then is kept for good. */
process.on('SIGUSR2', () => globalThis.gc?.());
